//! The size that a file of packets as published begins with.

use crate::source::select::WantedTrack;
use crate::unit::Unit;

/// How long the largest layer is waited for, ns. Its publisher may not be able to send it.
const LAYER_PATIENCE_NS: i64 = 2_500_000_000;

/// Whether the largest simulcast layer has come. A server may begin with a smaller one, and a file of
/// packets as published keeps the size it begins with.
#[derive(Debug, Default)]
pub struct FullSize {
    since_ns: Option<i64>,
    reached: bool,
}

impl FullSize {
    /// Whether a file may begin with this picture, or has.
    pub fn reached(&mut self, unit: &Unit, track: Option<&WantedTrack>, now_ns: i64) -> bool {
        if !self.reached && unit.keyframe {
            let since = *self.since_ns.get_or_insert(now_ns);
            let width = unit.caps.structure(0).and_then(|s| s.get::<i32>("width").ok()).unwrap_or(0);
            // Publishers scale to sizes that their encoders like; a layer is half or twice as large.
            let enough = track.map_or(0, |t| t.width) as i32 * 3 / 4;
            self.reached = width >= enough || now_ns - since > LAYER_PATIENCE_NS;
        }
        self.reached
    }

    /// Whether the largest layer has been waited for long enough: the next keyframe, of whatever size, will
    /// do, and has to be asked for.
    pub fn overdue(&self, now_ns: i64) -> bool {
        !self.reached && self.since_ns.is_some_and(|since| now_ns - since > LAYER_PATIENCE_NS)
    }
}

#[cfg(test)]
mod tests {
    use egress::roster::TrackSource;
    use gstreamer as gst;

    use super::*;
    use crate::unit::Lane;

    const MS: i64 = 1_000_000;

    fn picture(width: i32, keyframe: bool) -> Unit {
        gst::init().unwrap();
        let caps = gst::Caps::builder("video/x-vp8").field("width", width).build();
        Unit { lane: Lane::Video, time_ns: 0, duration_ns: 0, keyframe, data: gst::Buffer::new(), caps }
    }

    #[test]
    fn a_layer_that_does_not_come_is_given_up_and_a_keyframe_asked_for() {
        let track = WantedTrack {
            track_id: "TR_1".into(),
            identity: "ada".to_owned(),
            source: TrackSource::Camera,
            codec: "vp8".to_owned(),
            muted: false,
            width: 1280,
            layers: Vec::new(),
        };
        let mut size = FullSize::default();
        assert!(!size.overdue(0), "nothing has come at all");
        assert!(!size.reached(&picture(640, true), Some(&track), 0));
        assert!(!size.overdue(2500 * MS));
        assert!(size.overdue(2501 * MS));
        assert!(
            !size.reached(&picture(640, false), Some(&track), 2600 * MS),
            "only a keyframe begins a file"
        );
        assert!(size.reached(&picture(640, true), Some(&track), 2700 * MS));
        assert!(!size.overdue(2800 * MS));
        let mut size = FullSize::default();
        assert!(size.reached(&picture(1280, true), Some(&track), 0));
    }
}
