//! How much of the line uploads leave to live streams. Nobody knows how wide a line is before it is full; a stream that
//! falls behind says that it is.

use std::time::Duration;

use egress::fact::Figures;
use tokio::time::Instant;
use upload::Yield;

/// So much media waits to be sent when a stream is behind, ms. A stream loses pictures only when 3 s wait.
const BEHIND_MS: i64 = 700;
/// How long uploads stand still once a stream was behind.
const STILL: Duration = Duration::from_secs(10);
/// How long all must be well before uploads may take more.
const WELL: Duration = Duration::from_secs(30);
/// The least that uploads begin with again, bits a second.
const LEAST_BPS: u64 = 500_000;

/// What uploads are held to, by what streams say. Pure.
#[derive(Debug, Default)]
pub(crate) struct Courtesy {
    /// Since when uploads stand still, or go within `limit_bps`.
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    since: Instant,
    still: bool,
    limit_bps: u64,
}

impl Courtesy {
    /// The media that waits to be sent to any live destination, ms; none where nothing is live.
    pub(crate) fn waiting_ms(figures: &Figures) -> Option<i64> {
        let live = figures.outputs.iter().filter_map(|output| output.destination.as_ref());
        live.filter(|destination| destination.uptime_ms.is_some()).map(|to| to.waiting_ms).max()
    }

    /// Takes in how far the slowest stream is behind and at which rate uploads go; says what they are held to now.
    pub(crate) fn step(&mut self, now: Instant, waiting_ms: Option<i64>, upload_bps: u64) -> Yield {
        let Some(waiting_ms) = waiting_ms else {
            self.held = None;
            return Yield::No;
        };
        let behind = waiting_ms > BEHIND_MS;
        match &mut self.held {
            None if behind && upload_bps > 0 => {
                self.held =
                    Some(Held { since: now, still: true, limit_bps: (upload_bps / 2).max(LEAST_BPS) });
            }
            None => {}
            Some(held) if held.still => {
                if behind {
                    held.since = now;
                } else if now - held.since >= STILL {
                    (held.still, held.since) = (false, now);
                }
            }
            Some(held) if behind => {
                let limit_bps = (held.limit_bps / 2).max(LEAST_BPS);
                *held = Held { since: now, still: true, limit_bps };
            }
            Some(held) if now - held.since >= WELL => {
                held.since = now;
                held.limit_bps += held.limit_bps / 2;
            }
            Some(_) => {}
        }
        match &self.held {
            None => Yield::No,
            Some(Held { still: true, .. }) => Yield::Pause,
            Some(held) => Yield::Throttle { bps: held.limit_bps },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_stand_aside_for_a_stream_that_is_behind_and_take_their_share_back() {
        let (start, mut courtesy) = (Instant::now(), Courtesy::default());
        let mut at = |s: u64, waiting, bps| courtesy.step(start + Duration::from_secs(s), waiting, bps);
        assert_eq!(at(0, Some(100), 8_000_000), Yield::No);
        assert_eq!(at(1, Some(900), 8_000_000), Yield::Pause);
        assert_eq!(at(5, Some(900), 0), Yield::Pause);
        assert_eq!(at(14, Some(0), 0), Yield::Pause, "counted from when it was last behind");
        assert_eq!(at(15, Some(0), 0), Yield::Throttle { bps: 4_000_000 });
        assert_eq!(at(44, Some(0), 4_000_000), Yield::Throttle { bps: 4_000_000 });
        assert_eq!(at(45, Some(0), 4_000_000), Yield::Throttle { bps: 6_000_000 });
        assert_eq!(at(46, Some(800), 6_000_000), Yield::Pause);
        assert_eq!(at(57, Some(0), 0), Yield::Throttle { bps: 3_000_000 });
        assert_eq!(at(58, None, 3_000_000), Yield::No, "nothing is live any more");
    }

    #[test]
    fn a_stream_that_is_behind_by_itself_is_no_matter_of_uploads() {
        let mut courtesy = Courtesy::default();
        assert_eq!(courtesy.step(Instant::now(), Some(2_000), 0), Yield::No);
    }
}
