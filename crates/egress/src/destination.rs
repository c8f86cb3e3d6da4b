//! How a destination comes up, is lost, and comes up again. Pure: what happens, the time and the chance of the jitter
//! are arguments.

use crate::error::ApiError;
use crate::fact::DestinationState;

/// The first wait, ms; each one after it is twice as long.
const FIRST_WAIT_MS: i64 = 500;
/// The longest wait in the first minute of an absence, ms: a server that is started again is found within seconds.
const SHORT_WAIT_MS: i64 = 5_000;
/// The longest wait at all, ms.
const LONG_WAIT_MS: i64 = 30_000;
/// The longest wait is this part of the absence, between the two.
const ABSENCE_PART: i64 = 12;
/// A server that hangs up so soon after it took the stream did not want it, ms.
const SHORT_LIFE_MS: i64 = 3_000;
/// So many of them in a row, and it is taken for a no.
const SHORT_LIVES: u32 = 4;
/// A no to a key that was good before may be a trouble of the server: so often it is tried all the same.
const DENIALS: u32 = 15;
/// How often another try, or another reason, of the same absence is told, ms. LiveKit's service tells of tries as often.
const TELL_EVERY_MS: i64 = 60_000;
/// How long LiveKit's service tries a stream again that was up, ms.
const PATIENCE_MS: i64 = 30_000;

/// What happens to a destination.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// The server takes the media.
    Connected,
    /// It did not come up, or was lost.
    Lost(ApiError),
    /// The server hung up.
    HungUp(ApiError),
    /// The server said no.
    Denied(ApiError),
    /// The server said that somebody streams there already.
    Taken(ApiError),
    /// The operator wants another try.
    Retry,
    /// Time has passed.
    Tick,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Begin a try; whatever connection there was is let go of.
    Connect,
    /// Let go of the connection.
    LetGo,
    /// Say how it is.
    Tell(DestinationState),
}

/// A destination. It begins with a try.
#[derive(Debug, Clone, PartialEq)]
pub struct Destination {
    phase: Phase,
    /// Tries after the first.
    retries: u32,
    /// Tries since it was last live.
    tries: u32,
    /// Whether the server has taken the stream for longer than one needs to look at the key.
    proven: bool,
    short_lives: u32,
    denials: u32,
    away_since_ms: i64,
    /// What was told of this absence last: why, and when.
    told: Option<(ApiError, i64)>,
    /// Whether a try of this absence was told.
    retry_told: bool,
    /// Counts its lives: each ends when it is told as failed.
    life: u32,
    /// Whether it was up in this life.
    came_up: bool,
    /// Whether this life was told as failed.
    failed: bool,
    tried_at_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    Trying,
    Live { since_ms: i64 },
    Waiting { until_ms: i64 },
    Refused,
}

impl Destination {
    /// A destination that is tried for the first time.
    pub fn new(now_ms: i64) -> Self {
        Self {
            phase: Phase::Trying,
            retries: 0,
            tries: 1,
            proven: false,
            short_lives: 0,
            denials: 0,
            away_since_ms: now_ms,
            told: None,
            retry_told: false,
            life: 0,
            came_up: false,
            failed: false,
            tried_at_ms: now_ms,
        }
    }

    /// What becomes of it. `chance` is from 0 to 1.
    pub fn step(mut self, happening: Happening, now_ms: i64, chance: f64) -> (Self, Vec<Effect>) {
        let mut effects = Vec::new();
        if let Phase::Live { since_ms } = self.phase
            && now_ms - since_ms >= SHORT_LIFE_MS
        {
            self.proven = true;
            self.denials = 0;
        }
        match (self.phase, happening) {
            (Phase::Trying, Happening::Connected) => {
                self.phase = Phase::Live { since_ms: now_ms };
                self.tries = 0;
                self.told = None;
                self.retry_told = false;
                if self.failed {
                    self.begin_life();
                }
                self.came_up = true;
                effects.push(Effect::Tell(DestinationState::Live { retries: self.retries }));
            }
            (Phase::Trying | Phase::Live { .. }, Happening::Lost(error)) => {
                self.lost(error, now_ms, chance, &mut effects);
            }
            (Phase::Trying | Phase::Live { .. }, Happening::HungUp(error)) => {
                self.short_lives += 1;
                if self.short_lives >= SHORT_LIVES && !self.proven {
                    self.refused(error, &mut effects);
                } else {
                    self.lost(error, now_ms, chance, &mut effects);
                }
            }
            (Phase::Trying | Phase::Live { .. }, Happening::Denied(error)) => {
                self.denials += 1;
                if self.proven && self.denials < DENIALS {
                    self.lost(error, now_ms, chance, &mut effects);
                } else {
                    self.refused(error, &mut effects);
                }
            }
            // That somebody is ourselves: the server has not missed our lost connection yet.
            (Phase::Trying | Phase::Live { .. }, Happening::Taken(error)) if self.proven => {
                self.lost(error, now_ms, chance, &mut effects);
            }
            (Phase::Trying | Phase::Live { .. }, Happening::Taken(error)) => {
                self.refused(error, &mut effects)
            }
            (Phase::Waiting { until_ms }, Happening::Tick) if now_ms >= until_ms => {
                self.try_again(now_ms, &mut effects)
            }
            (Phase::Waiting { .. }, Happening::Retry) => self.try_again(now_ms, &mut effects),
            (Phase::Refused, Happening::Retry) => {
                self.short_lives = 0;
                self.denials = 0;
                self.told = None;
                self.away_since_ms = now_ms;
                self.tries = 0;
                self.begin_life();
                effects.push(Effect::Tell(DestinationState::Connecting));
                self.try_again(now_ms, &mut effects);
            }
            // What comes late from a connection that was let go of.
            _ => {}
        }
        (self, effects)
    }

    fn lost(&mut self, error: ApiError, now_ms: i64, chance: f64, effects: &mut Vec<Effect>) {
        if matches!(self.phase, Phase::Live { .. }) {
            self.away_since_ms = now_ms;
        }
        let longest = ((now_ms - self.away_since_ms) / ABSENCE_PART).clamp(SHORT_WAIT_MS, LONG_WAIT_MS);
        let doubled = FIRST_WAIT_MS << self.tries.min(8);
        let wait_ms = doubled.min(longest) as f64 * (0.5 + chance.clamp(0.0, 1.0) / 2.0);
        self.phase = Phase::Waiting { until_ms: now_ms + wait_ms as i64 };
        effects.push(Effect::LetGo);
        // As LiveKit tells it: what does not come up has failed. That it is tried on is our own affair.
        self.failed |= !self.came_up;
        let told = self
            .told
            .as_ref()
            .is_some_and(|(told, at_ms)| told.message == error.message || now_ms - at_ms < TELL_EVERY_MS);
        if !told {
            self.told = Some((error.clone(), now_ms));
            effects.push(Effect::Tell(DestinationState::Reconnecting { retries: self.retries, error }));
        }
    }

    fn refused(&mut self, error: ApiError, effects: &mut Vec<Effect>) {
        self.phase = Phase::Refused;
        self.failed = true;
        effects.push(Effect::LetGo);
        effects.push(Effect::Tell(DestinationState::Refused { error }));
    }

    fn try_again(&mut self, now_ms: i64, effects: &mut Vec<Effect>) {
        self.phase = Phase::Trying;
        self.retries += 1;
        self.tries += 1;
        self.tried_at_ms = now_ms;
        if let Some((error, at_ms)) = self.told.as_mut().filter(|_| !self.failed)
            && (!self.retry_told || now_ms - *at_ms >= TELL_EVERY_MS)
        {
            *at_ms = now_ms;
            self.retry_told = true;
            let (retries, error) = (self.retries, error.clone());
            effects.push(Effect::Tell(DestinationState::Reconnecting { retries, error }));
        }
        effects.push(Effect::Connect);
    }

    fn begin_life(&mut self) {
        self.life += 1;
        self.failed = false;
        self.came_up = false;
    }

    /// Which of its lives it is in.
    pub fn life(&self) -> u32 {
        self.life
    }

    /// When its last try began, ms.
    pub fn tried_at_ms(&self) -> i64 {
        self.tried_at_ms
    }

    /// Whether it would be told as failed if it ended now: it was told so, or it was lost and LiveKit's service would
    /// have given it up by now.
    pub fn has_failed(&self, now_ms: i64) -> bool {
        self.failed || self.came_up && !self.is_live() && now_ms - self.away_since_ms >= PATIENCE_MS
    }

    /// Whether the server takes media now.
    pub fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Live { .. })
    }

    /// Whether it waits for the operator.
    pub fn is_refused(&self) -> bool {
        self.phase == Phase::Refused
    }

    /// Whether the operator may have it tried again.
    pub fn can_retry(&self) -> bool {
        matches!(self.phase, Phase::Waiting { .. } | Phase::Refused)
    }

    /// Tries after the first.
    pub fn retries(&self) -> u32 {
        self.retries
    }

    /// Tries since it was last live.
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// How long it has been live, ms.
    pub fn uptime_ms(&self, now_ms: i64) -> Option<i64> {
        match self.phase {
            Phase::Live { since_ms } => Some(now_ms - since_ms),
            _ => None,
        }
    }

    /// Time until the next try, ms.
    pub fn next_try_ms(&self, now_ms: i64) -> Option<i64> {
        match self.phase {
            Phase::Waiting { until_ms } => Some((until_ms - now_ms).max(0)),
            _ => None,
        }
    }
}

/// Notices a connection that is there and takes nothing, by the bytes that went out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    sent_bytes: u64,
    since_ms: i64,
}

/// A connection that takes nothing for so long is as good as gone, ms.
pub const WEDGED_MS: i64 = 10_000;

impl Progress {
    /// A connection that begins.
    pub fn new(now_ms: i64) -> Self {
        Self { sent_bytes: 0, since_ms: now_ms }
    }

    /// Looks at the counter; true: nothing has gone out for too long although something waits.
    pub fn wedged(&mut self, sent_bytes: u64, waits: bool, now_ms: i64) -> bool {
        if sent_bytes != self.sent_bytes || !waits {
            *self = Self { sent_bytes, since_ms: now_ms };
        }
        now_ms - self.since_ms >= WEDGED_MS
    }
}
