//! Whether the source of a job is there, away for a moment, or gone, and what is worth a word meanwhile.

use egress::error::{ApiError, ErrorCode, Fault};

/// How long a source may take to appear before the job fails, as in LiveKit Egress, ns.
const APPEARS_NS: i64 = 30_000_000_000;
/// How long a person who publishes nothing, or a file that nothing comes for, goes without remark, ns.
const SILENT_NS: i64 = 5_000_000_000;

/// What a job sees of its source.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sight {
    /// The person or the tracks have left.
    pub gone: bool,
    /// None of what is wanted is published.
    pub silent: bool,
    /// All of it is muted, and there is a file that nothing has come for.
    pub muted: bool,
}

/// What a look at the source comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Nothing new.
    AsBefore,
    /// It is there, and the operator should know this.
    Remark(ApiError),
    /// It has just gone away, perhaps for a moment.
    Left,
    /// It is there again.
    Back,
    /// It never came.
    NeverCame,
    /// It has been away for too long.
    Gone,
}

/// Watches the source of one job.
#[derive(Debug)]
pub struct SourceWatch {
    began_ns: i64,
    patience_ns: i64,
    seen: bool,
    away_since_ns: Option<i64>,
    muted_since_ns: Option<i64>,
    remarked: bool,
}

impl SourceWatch {
    /// `patience_ns`: how long the source may be away before it counts as gone.
    pub fn new(began_ns: i64, patience_ns: i64) -> Self {
        Self {
            began_ns,
            patience_ns,
            seen: false,
            away_since_ns: None,
            muted_since_ns: None,
            remarked: false,
        }
    }

    /// The source is in the room's list.
    pub fn saw(&mut self) {
        self.seen = true;
    }

    /// Whether the source was ever there.
    pub fn seen(&self) -> bool {
        self.seen
    }

    /// When the source went away; none while it is there.
    pub fn away_since_ns(&self) -> Option<i64> {
        self.away_since_ns
    }

    /// Judges what is seen now.
    pub fn look(&mut self, sight: Sight, now_ns: i64) -> Verdict {
        let waited_ns = now_ns - self.began_ns;
        if !self.seen {
            return if waited_ns > APPEARS_NS { Verdict::NeverCame } else { Verdict::AsBefore };
        }
        if sight.gone {
            return match self.away_since_ns {
                None => {
                    self.away_since_ns = Some(now_ns);
                    Verdict::Left
                }
                Some(since) if now_ns - since > self.patience_ns => Verdict::Gone,
                Some(_) => Verdict::AsBefore,
            };
        }
        if self.away_since_ns.take().is_some() {
            return Verdict::Back;
        }
        let muted_ns = match sight.muted {
            true => now_ns - *self.muted_since_ns.get_or_insert(now_ns),
            false => {
                self.muted_since_ns = None;
                0
            }
        };
        if self.remarked || waited_ns <= SILENT_NS {
            return Verdict::AsBefore;
        }
        let (message, remedy) = if sight.silent {
            (
                "Nothing is being published yet: no camera and no microphone is on.",
                "Recording begins by itself when a camera or microphone comes on.",
            )
        } else if muted_ns > SILENT_NS {
            (
                "Everything that is published is muted.",
                "Recording begins by itself when a camera or microphone comes on.",
            )
        } else {
            return Verdict::AsBefore;
        };
        self.remarked = true;
        Verdict::Remark(ApiError::new(ErrorCode::FailedPrecondition, Fault::Input, message, remedy))
    }
}

/// So long without a packet is no pause in speech: a microphone that is on sends some while it is silent, ns.
const QUIET_NS: i64 = 10_000_000_000;

/// Notices that nothing comes of tracks that are there and on: something between them and here is broken, whatever the
/// room's list says.
#[derive(Debug, Default)]
pub struct Quiet {
    since_ns: Option<i64>,
    remarked: bool,
}

impl Quiet {
    /// A packet has come.
    pub fn heard(&mut self) {
        self.since_ns = None;
    }

    /// Lets time pass. `expected`: the room is connected, and a track that is wanted is on. Some: the operator should
    /// know, once.
    pub fn look(&mut self, expected: bool, now_ns: i64) -> Option<ApiError> {
        if !expected {
            self.since_ns = None;
            return None;
        }
        let since_ns = *self.since_ns.get_or_insert(now_ns);
        if now_ns - since_ns < QUIET_NS || std::mem::replace(&mut self.remarked, true) {
            return None;
        }
        Some(ApiError::new(
            ErrorCode::Unreachable,
            Fault::Server,
            "The room is connected, and for 10 s nothing has come of what is to be recorded, although it is on.",
            "Look whether others in the room see and hear it. If they do, check the server's media ports (UDP, or TCP 7881).",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;
    const THERE: Sight = Sight { gone: false, silent: false, muted: false };
    const GONE: Sight = Sight { gone: true, ..THERE };

    fn watch() -> SourceWatch {
        let mut watch = SourceWatch::new(0, 4 * SECOND);
        watch.saw();
        watch
    }

    #[test]
    fn a_source_that_never_comes_is_given_up_after_half_a_minute() {
        let mut watch = SourceWatch::new(0, SECOND);
        assert_eq!(watch.look(GONE, 30 * SECOND), Verdict::AsBefore);
        assert_eq!(watch.look(GONE, 30 * SECOND + 1), Verdict::NeverCame);
    }

    #[test]
    fn tracks_that_are_on_and_give_nothing_are_remarked_on_once() {
        let mut quiet = Quiet::default();
        assert_eq!(quiet.look(true, SECOND), None);
        quiet.heard();
        assert_eq!(quiet.look(true, 10 * SECOND), None);
        assert_eq!(quiet.look(false, 15 * SECOND), None, "muted meanwhile");
        assert_eq!(quiet.look(true, 21 * SECOND), None);
        assert!(quiet.look(true, 31 * SECOND).is_some());
        assert_eq!(quiet.look(true, 60 * SECOND), None);
    }

    #[test]
    fn a_person_may_be_away_for_a_moment() {
        let mut watch = watch();
        assert_eq!(watch.look(GONE, SECOND), Verdict::Left);
        assert_eq!(watch.look(GONE, 5 * SECOND), Verdict::AsBefore);
        assert_eq!(watch.look(THERE, 5 * SECOND), Verdict::Back);
        assert_eq!(watch.away_since_ns(), None);
        assert_eq!(watch.look(GONE, 6 * SECOND), Verdict::Left);
        assert_eq!(watch.look(GONE, 10 * SECOND + 1), Verdict::Gone);
        assert_eq!(watch.away_since_ns(), Some(6 * SECOND));
    }

    #[test]
    fn silence_is_remarked_on_once() {
        let mut watch = watch();
        let silent = Sight { silent: true, ..THERE };
        assert_eq!(watch.look(silent, 5 * SECOND), Verdict::AsBefore);
        assert!(matches!(watch.look(silent, 6 * SECOND), Verdict::Remark(_)));
        assert_eq!(watch.look(silent, 7 * SECOND), Verdict::AsBefore);
    }

    #[test]
    fn a_file_that_waits_for_an_end_of_mutes_is_remarked_on_after_it_has_waited() {
        let mut watch = watch();
        let muted = Sight { muted: true, ..THERE };
        // Armed for long: what counts is the wait of the file.
        assert_eq!(watch.look(THERE, 60 * SECOND), Verdict::AsBefore);
        assert_eq!(watch.look(muted, 61 * SECOND), Verdict::AsBefore);
        assert_eq!(watch.look(THERE, 64 * SECOND), Verdict::AsBefore);
        assert_eq!(watch.look(muted, 65 * SECOND), Verdict::AsBefore);
        assert_eq!(watch.look(muted, 70 * SECOND), Verdict::AsBefore);
        assert!(matches!(watch.look(muted, 71 * SECOND), Verdict::Remark(_)));
    }
}
