//! Sound levels of received tracks, for the meters.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use egress::fact::Level;
use egress::id::TrackId;

/// A track that has sent nothing for this long is silent: muted, or discontinuous transmission.
const FRESH: Duration = Duration::from_millis(300);
/// Silence, dBFS.
const SILENCE: f32 = -127.0;

/// The loudest of each track since it was last asked. Measured on decoded sound: LiveKit's server does not
/// forward the level that publishers put into their packets.
#[derive(Debug, Default)]
pub struct Levels {
    tracks: HashMap<TrackId, Heard>,
}

#[derive(Debug)]
struct Heard {
    peak: f32,
    at: Instant,
}

impl Levels {
    /// Samples were decoded: interleaved stereo.
    pub fn heard(&mut self, track: &TrackId, stereo: &[f32]) {
        if stereo.is_empty() {
            return;
        }
        let power = stereo.iter().map(|s| s * s).sum::<f32>() / stereo.len() as f32;
        let dbfs = (10.0 * power.max(1e-13).log10()).clamp(SILENCE, 0.0);
        let heard = self.tracks.entry(track.clone()).or_insert(Heard { peak: SILENCE, at: Instant::now() });
        heard.peak = heard.peak.max(dbfs);
        heard.at = Instant::now();
    }

    /// Forgets a track.
    pub fn remove(&mut self, track: &TrackId) {
        self.tracks.remove(track);
    }

    /// The levels, and begins anew.
    pub fn take(&mut self) -> Vec<Level> {
        let mut levels: Vec<Level> = self
            .tracks
            .iter_mut()
            .map(|(track, heard)| {
                let dbfs = if heard.at.elapsed() < FRESH { heard.peak } else { SILENCE };
                heard.peak = SILENCE;
                Level { track_id: track.clone(), dbfs }
            })
            .collect();
        levels.sort_by(|a, b| a.track_id.cmp(&b.track_id));
        levels
    }
}
