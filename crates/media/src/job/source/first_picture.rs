//! Whether files as published wait for a picture.

/// How long a camera that is on may take to give a first picture before files begin without, ns: longer than its largest
/// layer is waited for.
const PATIENCE_NS: i64 = 4_000_000_000;

/// The camera, as files as published see it.
#[derive(Debug, Default)]
pub struct FirstPicture {
    on_since_ns: Option<i64>,
    newest_ns: Option<i64>,
}

impl FirstPicture {
    /// The camera is on or off. True: it has just come on.
    pub fn camera(&mut self, on: bool, now_ns: i64) -> bool {
        let before = self.on_since_ns;
        self.on_since_ns = on.then(|| before.unwrap_or(now_ns));
        on && before.is_none()
    }

    /// A picture came.
    pub fn came(&mut self, now_ns: i64) {
        self.newest_ns = Some(now_ns);
    }

    /// Whether an output that was attached at `attached_ns` begins with a picture: the camera is on, and gives
    /// pictures or may still.
    pub fn awaited(&self, attached_ns: i64, now_ns: i64) -> bool {
        let since = |on: i64| on.max(attached_ns).max(self.newest_ns.unwrap_or(i64::MIN));
        self.on_since_ns.is_some_and(|on| now_ns - since(on) <= PATIENCE_NS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    #[test]
    fn a_camera_is_waited_for_while_it_is_on_and_may_give_a_picture() {
        let mut first = FirstPicture::default();
        assert!(!first.awaited(0, S), "none is published, or it is off");
        assert!(first.camera(true, 10 * S));
        assert!(!first.camera(true, 11 * S), "it is on already");
        assert!(first.awaited(0, 14 * S));
        assert!(!first.awaited(0, 14 * S + 1), "it gives nothing");
        assert!(first.awaited(12 * S, 16 * S), "an output has its own time");
        first.came(15 * S);
        assert!(first.awaited(0, 19 * S) && !first.awaited(0, 19 * S + 1));
        first.camera(false, 16 * S);
        assert!(!first.awaited(16 * S, 16 * S));
        assert!(first.camera(true, 17 * S));
    }
}
