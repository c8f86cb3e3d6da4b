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
}
