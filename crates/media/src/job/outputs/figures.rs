//! Figures of outputs, and what limits and disks make of them.

use std::time::Instant;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{Fact, OutputFigures};
use egress::id::OutputId;
use egress::spec::OutputKind;

use super::{Open, Outputs};
use crate::job::Facts;
use crate::output::disk::{DiskVerdict, judge};

/// Bytes written over the last seconds.
#[derive(Debug)]
pub(super) struct Rate {
    since: Instant,
    size: u64,
    bytes_s: u64,
}

impl Default for Rate {
    fn default() -> Self {
        Self { since: Instant::now(), size: 0, bytes_s: 0 }
    }
}

impl Rate {
    fn update(&mut self, size: u64) -> u64 {
        let passed = self.since.elapsed().as_secs_f64();
        if passed >= 1.0 {
            let now = (size.saturating_sub(self.size) as f64 / passed) as u64;
            self.bytes_s = if self.bytes_s == 0 { now } else { (self.bytes_s * 2 + now) / 3 };
            self.since = Instant::now();
            self.size = size;
        }
        self.bytes_s
    }
}

impl Outputs {
    /// Figures of the open outputs. `dropped`: pictures that should be in one and never came to it.
    pub fn figures(&mut self, dropped: impl Fn(&OutputId) -> u64) -> Vec<OutputFigures> {
        self.open
            .iter_mut()
            .map(|(id, open)| {
                let counts = open.output.counts();
                let bytes_s = open.rate.update(counts.size_bytes);
                OutputFigures {
                    output: id.clone(),
                    elapsed_ms: (counts.ended_ns - counts.started_ns).max(0) / 1_000_000,
                    size_bytes: counts.size_bytes,
                    bitrate_bps: bytes_s * 8,
                    frames: counts.pictures,
                    dropped_frames: dropped(id) + counts.dropped,
                    disk_left_s: open.output.room_bytes().and_then(|room| room.checked_div(bytes_s)),
                    behind_ms: counts.behind_ns / 1_000_000,
                    destination: open.output.destination(),
                }
            })
            .collect()
    }

    /// Largest file and longest run so far, for limits: bytes and ns.
    pub fn largest(&self) -> (u64, i64) {
        self.open.values().fold((0, 0), |(size, length), open| {
            let counts = open.output.counts();
            let file = on_disk(&open.kind);
            (
                size.max(if file { counts.size_bytes } else { 0 }),
                length.max(counts.ended_ns - counts.started_ns),
            )
        })
    }

    /// Looks at the disks. Records a warning when one runs low. What is on a disk that is full is finished while there
    /// is room for it; the others go on. True: there are no others.
    pub fn disk_full(&mut self, now_ns: i64, facts: &mut Facts) -> bool {
        let rate: u64 = self.open.values().filter(|o| on_disk(&o.kind)).map(|o| o.rate.bytes_s).sum();
        let goes_on = |open: &Open| !open.finishing && !open.timeline.ends();
        let mut full = Vec::new();
        for (id, open) in self.open.iter().filter(|(_, open)| goes_on(open)) {
            let Some(room) = open.output.room_bytes() else { continue };
            match judge(room, rate, open.output.counts().units) {
                DiskVerdict::Fine => {}
                DiskVerdict::Full => full.push(id.clone()),
                DiskVerdict::Low { left_s } if !self.low_disk_told => {
                    self.low_disk_told = true;
                    let warning = ApiError::new(
                        ErrorCode::DiskFull,
                        Fault::Destination,
                        format!("There is room for {} more minutes of this recording.", left_s.div_ceil(60)),
                        "Free some space. The recording ends by itself, whole, before there is none left.",
                    );
                    facts.record(Fact::Warning { warning });
                }
                DiskVerdict::Low { .. } => {}
            }
        }
        if full.is_empty() {
            return false;
        }
        let others =
            |(id, open): (&OutputId, &Open)| goes_on(open) && self.counts(open) && !full.contains(id);
        let others = self.open.iter().any(others);
        if !others {
            return true;
        }
        for (_, open) in self.open.iter_mut().filter(|(id, _)| full.contains(id)) {
            open.timeline.end(now_ns);
        }
        let warning = ApiError::new(
            ErrorCode::DiskFull,
            Fault::Destination,
            "A disk is full: the recording on it has ended, whole. Everything else goes on.",
            "Free some space, or choose a folder on another disk for the next recording.",
        );
        facts.record(Fact::Warning { warning });
        false
    }
}

/// Whether an output is written to a disk.
fn on_disk(kind: &OutputKind) -> bool {
    matches!(kind, OutputKind::File(_) | OutputKind::Segments(_) | OutputKind::Images(_))
}
