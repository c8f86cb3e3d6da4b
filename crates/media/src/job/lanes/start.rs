//! When the program begins: with the first picture or sound of the source, and not before there is any.

use crate::compose::picture::PictureLine;
use crate::compose::program::KEPT_NS;
use crate::job::lanes::{AIR, Lanes};

/// How long a first picture is waited for where one may come, ns: a program that begins with it shows no black.
const FIRST_PICTURE_NS: i64 = 1_500_000_000;

/// The camera, as far as the program's beginning depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Camera {
    /// A program of sound alone.
    None,
    /// It may be published yet.
    Unpublished,
    /// It is published, and off.
    Muted,
    /// It is on.
    On {
        /// Since when, unix, ns.
        since_ns: i64,
    },
}

/// What is known when it is judged whether the program begins. Times are unix times, ns.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// When an output asked for it.
    requested_ns: i64,
    camera: Camera,
    newest_picture_ns: Option<i64>,
    first_sound_ns: Option<i64>,
    /// Since when something is published, all of it muted. To LiveKit Egress that is a source like any other.
    muted_since_ns: Option<i64>,
    /// Whether the source is there from the start and may be dark and silent, as a page is.
    starts_empty: bool,
}

impl Seen {
    /// When the program begins, if it does at `now_ns`.
    fn start(&self, now_ns: i64) -> Option<i64> {
        let asked = self.requested_ns;
        let over = |since: i64| now_ns - since > FIRST_PICTURE_NS;
        let on_since = match self.camera {
            Camera::On { since_ns } => Some(since_ns),
            _ => None,
        };
        if let Some(newest) = self.newest_picture_ns.filter(|newest| on_since.is_some() && !over(*newest)) {
            // The newest picture is the first of the file, and the pictures after it fall into the middle of the
            // program's frames.
            return Some(newest.max(asked - FIRST_PICTURE_NS));
        }
        if self.starts_empty {
            let ready = over(asked) || on_since.is_none() && self.first_sound_ns.is_some();
            return ready.then_some(now_ns);
        }
        let awaits_picture = match self.camera {
            Camera::None | Camera::Muted => None,
            Camera::Unpublished => self.first_sound_ns,
            Camera::On { since_ns } => Some(since_ns.max(asked).max(self.first_sound_ns.unwrap_or(i64::MIN))),
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

impl Lanes {
    /// What is published of what is wanted: the camera, whether any sound is, and whether all of it is muted.
    pub fn published(&mut self, camera: Camera, sound: bool, muted: bool, now_ns: i64) {
        self.camera = match (self.camera, camera) {
            (before @ Camera::On { .. }, Camera::On { .. }) => before,
            (_, now) => now,
        };
        if !sound {
            self.first_sound_ns = None;
        }
        self.muted_since_ns = muted.then(|| self.muted_since_ns.unwrap_or(now_ns));
    }

    /// Starts the program if it is time.
    pub(super) fn start_program(&mut self, now_ns: i64) {
        let Some(requested_ns) = self.start_requested_ns.filter(|_| !self.running() && self.encodes()) else {
            return;
        };
        let seen = Seen {
            requested_ns,
            camera: if self.program.pictures.is_some() { self.camera } else { Camera::None },
            newest_picture_ns: self.program.pictures.as_ref().and_then(PictureLine::newest_ns),
            first_sound_ns: self.first_sound_ns,
            muted_since_ns: self.muted_since_ns,
            starts_empty: self.starts_empty,
        };
        if let Some(start_ns) = seen.start(now_ns) {
            self.encoders.start(AIR);
            self.program.start(start_ns);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;
    const S: i64 = 1_000 * MS;
    const ON: Camera = Camera::On { since_ns: 0 };

    /// Asked for at 10 s.
    fn seen(camera: Camera) -> Seen {
        Seen {
            requested_ns: 10 * S,
            camera,
            newest_picture_ns: None,
            first_sound_ns: None,
            muted_since_ns: None,
            starts_empty: false,
        }
    }

    #[test]
    fn nothing_begins_while_nothing_has_come() {
        for camera in [Camera::None, Camera::Unpublished, Camera::Muted, ON] {
            assert_eq!(seen(camera).start(1000 * S), None, "{camera:?}");
        }
    }

    #[test]
    fn what_is_on_already_is_begun_with_at_once() {
        let picture = Seen { newest_picture_ns: Some(10 * S - 20 * MS), first_sound_ns: Some(S), ..seen(ON) };
        assert_eq!(picture.start(10 * S), Some(10 * S - 20 * MS));
        for camera in [Camera::None, Camera::Unpublished, Camera::Muted] {
            let sound = Seen { first_sound_ns: Some(S), ..seen(camera) };
            assert_eq!(sound.start(10 * S + 5), Some(10 * S), "{camera:?}");
        }
    }

    #[test]
    fn a_late_publisher_is_begun_with_and_not_with_black() {
        let on = Camera::On { since_ns: 60 * S };
        let picture = Seen { newest_picture_ns: Some(61 * S), ..seen(on) };
        assert_eq!(picture.start(61 * S), Some(61 * S));
        // Sound is first: the picture of a camera that is on, or comes on right after, is waited for.
        for camera in [Camera::Unpublished, on] {
            let sound = Seen { first_sound_ns: Some(60 * S), ..seen(camera) };
            assert_eq!(sound.start(61 * S), None, "{camera:?}");
            assert_eq!(sound.start(61 * S + 501 * MS), Some(60 * S), "nothing that was heard is lost");
            let both = Seen { newest_picture_ns: Some(61 * S), ..sound };
            assert_eq!(both.start(61 * S), if camera == on { Some(61 * S) } else { None });
        }
        let off = Seen { first_sound_ns: Some(60 * S), ..seen(Camera::Muted) };
        assert_eq!(off.start(60 * S + 5), Some(60 * S), "a camera that is off is not waited for");
    }

    #[test]
    fn what_was_shown_before_the_camera_went_off_is_not_begun_with() {
        let off = Seen { newest_picture_ns: Some(10 * S), first_sound_ns: Some(S), ..seen(Camera::Muted) };
        assert_eq!(off.start(10 * S + MS), Some(10 * S));
        let alone = Seen { newest_picture_ns: Some(10 * S), ..seen(Camera::Muted) };
        assert_eq!(alone.start(10 * S + MS), None);
    }

    #[test]
    fn what_is_published_and_muted_counts_as_it_does_in_livekit() {
        let muted = Seen { muted_since_ns: Some(60 * S), ..seen(Camera::Muted) };
        assert_eq!(muted.start(61 * S), None, "it may come on at once");
        assert_eq!(muted.start(61 * S + 501 * MS), Some(61 * S + 501 * MS));
        let before = Seen { muted_since_ns: Some(0), ..seen(Camera::None) };
        assert_eq!(before.start(10 * S), None);
        assert_eq!(before.start(11 * S + 501 * MS), Some(11 * S + 501 * MS));
    }

    #[test]
    fn a_page_may_be_dark_and_silent() {
        let page = Seen { starts_empty: true, ..seen(ON) };
        assert_eq!(page.start(11 * S), None);
        assert_eq!(page.start(11 * S + 501 * MS), Some(11 * S + 501 * MS));
        let heard = Seen { first_sound_ns: Some(S), camera: Camera::None, ..page };
        assert_eq!(heard.start(10 * S), Some(10 * S));
    }
}
