//! When the program begins: with the first picture or sound of the source, and not before there is any.

use crate::compose::program::KEPT_NS;
use crate::job::source::{Camera, Published};

/// How long a first picture is waited for where one may come, ns: a program that begins with it shows no black.
const FIRST_PICTURE_NS: i64 = 1_500_000_000;

/// What is known of the source when it is judged whether a program begins. Times are unix times, ns.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    pub published: Published,
    /// Since when the camera is on.
    pub on_since_ns: i64,
    /// Whether anything was ever heard.
    pub heard: bool,
    /// Time of the first sound of what is published now.
    pub first_sound_ns: Option<i64>,
    /// Since when something is published, all of it muted. To LiveKit Egress that is a source like any other.
    pub muted_since_ns: Option<i64>,
}

impl Seen {
    /// What is published is another.
    pub fn note(&mut self, published: Published, now_ns: i64) {
        let before = std::mem::replace(&mut self.published, published);
        if before.camera != Camera::On {
            self.on_since_ns = now_ns;
        }
        if !published.sound {
            self.first_sound_ns = None;
        }
        self.muted_since_ns = published.all_muted.then(|| self.muted_since_ns.unwrap_or(now_ns));
    }

    /// Sound came that was captured at this time.
    pub fn heard(&mut self, time_ns: i64) {
        self.heard = true;
        self.first_sound_ns.get_or_insert(time_ns);
    }

    /// When a program begins that an output asked for at `asked`, if it does at `now_ns`. `pictures`: whether it has any;
    /// `newest_ns`: time of the newest that has come.
    pub fn start(&self, asked: i64, pictures: bool, newest_ns: Option<i64>, now_ns: i64) -> Option<i64> {
        let over = |since: i64| now_ns - since > FIRST_PICTURE_NS;
        let camera = if pictures { self.published.camera } else { Camera::None };
        let on = camera == Camera::On;
        if let Some(newest) = newest_ns.filter(|newest| on && !over(*newest)) {
            // The newest picture is the first of the file, and the pictures after it fall into the middle of the
            // program's frames.
            return Some(newest.max(asked - FIRST_PICTURE_NS));
        }
        if self.published.starts_empty {
            let ready = over(asked) || !on && self.first_sound_ns.is_some();
            return ready.then_some(now_ns);
        }
        let awaits_picture = match camera {
            Camera::None | Camera::Muted => None,
            Camera::Unpublished => self.first_sound_ns,
            Camera::On => Some(self.on_since_ns.max(asked).max(self.first_sound_ns.unwrap_or(i64::MIN))),
        };
        if awaits_picture.is_some_and(|since| !over(since)) {
            return None;
        }
        match (self.first_sound_ns, self.muted_since_ns) {
            // What was heard while the picture was awaited is in it.
            (Some(heard), _) => Some(heard.max(asked).max(now_ns - KEPT_NS)),
            (None, Some(since)) => over(since.max(asked)).then_some(now_ns),
            (None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;
    const S: i64 = 1_000 * MS;
    const CAMERAS: [Camera; 4] = [Camera::None, Camera::Unpublished, Camera::Muted, Camera::On];

    fn seen(camera: Camera) -> Seen {
        Seen { published: Published { camera, ..Published::default() }, ..Seen::default() }
    }

    /// Of a program that is asked for at 10 s.
    fn start(seen: Seen, newest_ns: Option<i64>, now_ns: i64) -> Option<i64> {
        seen.start(10 * S, true, newest_ns, now_ns)
    }

    #[test]
    fn nothing_begins_while_nothing_has_come() {
        for camera in CAMERAS {
            assert_eq!(start(seen(camera), None, 1000 * S), None, "{camera:?}");
        }
    }

    #[test]
    fn what_is_on_already_is_begun_with_at_once() {
        let heard = |camera| Seen { first_sound_ns: Some(S), ..seen(camera) };
        let newest = 10 * S - 20 * MS;
        assert_eq!(start(heard(Camera::On), Some(newest), 10 * S), Some(newest));
        for camera in [Camera::None, Camera::Unpublished, Camera::Muted] {
            assert_eq!(start(heard(camera), None, 10 * S + 5), Some(10 * S), "{camera:?}");
        }
        let sound_alone = heard(Camera::On).start(10 * S, false, None, 10 * S + 5);
        assert_eq!(sound_alone, Some(10 * S), "of a program that has no picture");
    }

    #[test]
    fn a_late_publisher_is_begun_with_and_not_with_black() {
        let late = |camera| Seen { on_since_ns: 60 * S, ..seen(camera) };
        assert_eq!(start(late(Camera::On), Some(61 * S), 61 * S), Some(61 * S));
        // Sound is first: the picture of a camera that is on, or comes on right after, is waited for.
        for camera in [Camera::Unpublished, Camera::On] {
            let sound = Seen { first_sound_ns: Some(60 * S), ..late(camera) };
            assert_eq!(start(sound, None, 61 * S), None, "{camera:?}");
            assert_eq!(start(sound, None, 61 * S + 501 * MS), Some(60 * S), "nothing that was heard is lost");
            let both = start(sound, Some(61 * S), 61 * S);
            assert_eq!(both, if camera == Camera::On { Some(61 * S) } else { None });
        }
        let off = Seen { first_sound_ns: Some(60 * S), ..seen(Camera::Muted) };
        assert_eq!(start(off, None, 60 * S + 5), Some(60 * S), "a camera that is off is not waited for");
    }

    #[test]
    fn what_was_shown_before_the_camera_went_off_is_not_begun_with() {
        let off = Seen { first_sound_ns: Some(S), ..seen(Camera::Muted) };
        assert_eq!(start(off, Some(10 * S), 10 * S + MS), Some(10 * S));
        assert_eq!(start(seen(Camera::Muted), Some(10 * S), 10 * S + MS), None);
    }

    #[test]
    fn what_is_published_and_muted_counts_as_it_does_in_livekit() {
        let muted = |camera, since| Seen { muted_since_ns: Some(since), ..seen(camera) };
        assert_eq!(start(muted(Camera::Muted, 60 * S), None, 61 * S), None, "it may come on at once");
        assert_eq!(start(muted(Camera::Muted, 60 * S), None, 61 * S + 501 * MS), Some(61 * S + 501 * MS));
        assert_eq!(start(muted(Camera::None, 0), None, 10 * S), None);
        assert_eq!(start(muted(Camera::None, 0), None, 11 * S + 501 * MS), Some(11 * S + 501 * MS));
    }

    #[test]
    fn a_page_may_be_dark_and_silent() {
        let mut page = seen(Camera::On);
        page.published.starts_empty = true;
        assert_eq!(start(page, None, 11 * S), None);
        assert_eq!(start(page, None, 11 * S + 501 * MS), Some(11 * S + 501 * MS));
        let heard = Seen { first_sound_ns: Some(S), ..page };
        assert_eq!(heard.start(10 * S, false, None, 10 * S), Some(10 * S));
    }

    #[test]
    fn a_camera_is_on_since_it_came_on_and_sound_is_heard_since_it_was_published() {
        let published =
            |camera, sound, all_muted| Published { camera, sound, all_muted, ..Published::default() };
        let mut seen = Seen::default();
        seen.note(published(Camera::On, true, false), S);
        seen.note(published(Camera::On, true, true), 2 * S);
        seen.heard(3 * S);
        seen.heard(4 * S);
        assert_eq!(
            (seen.on_since_ns, seen.first_sound_ns, seen.muted_since_ns),
            (S, Some(3 * S), Some(2 * S))
        );
        seen.note(published(Camera::Muted, false, true), 5 * S);
        seen.note(published(Camera::On, false, false), 6 * S);
        assert_eq!((seen.on_since_ns, seen.first_sound_ns, seen.muted_since_ns), (6 * S, None, None));
        assert!(seen.heard);
    }
}
