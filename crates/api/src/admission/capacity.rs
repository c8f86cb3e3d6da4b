//! Whether this computer can carry another job. Pure: what the computer and its jobs use is told.
//!
//! It begins with what LiveKit Egress takes a job of each kind to cost, and learns from the jobs that run here what
//! they do cost: a composite that takes one core and a half is not four cores for ever.

use std::collections::BTreeMap;

use egress::validate::EgressRequest;
use livekit_protocol::EncodingOptionsPreset;
use livekit_protocol::start_egress_request::{Encoding, Source};
use serde::{Deserialize, Serialize};

/// What jobs of one kind have in common: what they use of a computer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A room in a layout.
    RoomComposite,
    /// A room's sound alone, by a page.
    AudioRoomComposite,
    /// A room's sound alone, mixed without a page.
    SdkAudioRoomComposite,
    /// A web page.
    Web,
    /// A web page's sound alone.
    AudioWeb,
    /// A person, or what else is decoded and encoded without a page.
    Participant,
    /// A picture and a sound.
    TrackComposite,
    /// One track as published.
    Track,
}

impl Kind {
    /// What a request is.
    pub fn of(request: &EgressRequest) -> Self {
        let composite = |audio_only: bool, video_only: bool, base_url: &str| match audio_only {
            true if base_url.is_empty() && !video_only => Self::SdkAudioRoomComposite,
            true => Self::AudioRoomComposite,
            false => Self::RoomComposite,
        };
        let web = |audio_only: bool| if audio_only { Self::AudioWeb } else { Self::Web };
        match request {
            EgressRequest::RoomComposite(asked) => {
                composite(asked.audio_only, asked.video_only, &asked.custom_base_url)
            }
            EgressRequest::Web(asked) => web(asked.audio_only),
            EgressRequest::Participant(_) => Self::Participant,
            EgressRequest::TrackComposite(_) => Self::TrackComposite,
            EgressRequest::Track(_) | EgressRequest::Replay(_) => Self::Track,
            EgressRequest::Egress(asked) => match (&asked.source, &asked.encoding) {
                (Some(Source::Template(asked)), _) => {
                    composite(asked.audio_only, asked.video_only, &asked.custom_base_url)
                }
                (Some(Source::Web(asked)), _) => web(asked.audio_only),
                (_, Some(Encoding::Preset(preset)))
                    if *preset == EncodingOptionsPreset::Passthrough as i32 =>
                {
                    Self::Track
                }
                _ => Self::Participant,
            },
        }
    }
}

/// `cpu_cost` of LiveKit Egress' configuration, in cores; 0 for its default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct CpuCost {
    /// Share of all cores that may be in use; 0 for 0.8, above 1 to take more than the computer carries well.
    pub max_cpu_utilization: f64,
    /// Memory that may be in use, GB; 0 for all.
    pub max_memory: f64,
    /// What of the memory that counts against this.
    pub memory_source: MemorySource,
    /// Memory that a job takes, GB; 0 for 0.3, or 1 with a page.
    pub memory_cost: f64,
    /// A room composite; 0 for 4.
    pub room_composite_cpu_cost: f64,
    /// A room composite without picture, by a page; 0 for 1.
    pub audio_room_composite_cpu_cost: f64,
    /// A room composite without picture and page; 0 for the same.
    pub sdk_audio_room_composite_cpu_cost: f64,
    /// Memory of that, GB; 0 for `memory_cost`.
    pub sdk_audio_room_composite_memory_cost: f64,
    /// A web page; 0 for 4.
    pub web_cpu_cost: f64,
    /// A web page without picture; 0 for 1.
    pub audio_web_cpu_cost: f64,
    /// A person; 0 for 2.
    pub participant_cpu_cost: f64,
    /// Tracks together; 0 for 1.
    pub track_composite_cpu_cost: f64,
    /// A track; 0 for 0.5.
    pub track_cpu_cost: f64,
}

/// What of the memory in use counts against a limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemorySource {
    /// That of the jobs.
    #[default]
    ProcRss,
    /// That of the container which the service runs in; of the jobs where it runs in none.
    Cgroup,
    /// A word that nobody knows. LiveKit takes it for the first.
    #[serde(other)]
    Unknown,
}

impl CpuCost {
    /// Share of all cores that may be in use.
    pub(crate) fn most_cores(&self) -> f64 {
        positive(self.max_cpu_utilization).unwrap_or(0.8)
    }

    /// Memory that may be in use, bytes; none: all.
    pub(crate) fn most_memory(&self) -> Option<f64> {
        positive(self.max_memory).map(|gb| gb * GB)
    }

    fn of(&self, kind: Kind) -> f64 {
        let (set, default) = match kind {
            Kind::RoomComposite => (self.room_composite_cpu_cost, 4.0),
            Kind::AudioRoomComposite => (self.audio_room_composite_cpu_cost, 1.0),
            Kind::SdkAudioRoomComposite => {
                let own = positive(self.sdk_audio_room_composite_cpu_cost);
                (own.unwrap_or(self.audio_room_composite_cpu_cost), 1.0)
            }
            Kind::Web => (self.web_cpu_cost, 4.0),
            Kind::AudioWeb => (self.audio_web_cpu_cost, 1.0),
            Kind::Participant => (self.participant_cpu_cost, 2.0),
            Kind::TrackComposite => (self.track_composite_cpu_cost, 1.0),
            Kind::Track => (self.track_cpu_cost, 0.5),
        };
        positive(set).unwrap_or(default)
    }
}

fn positive(number: f64) -> Option<f64> {
    (number.is_finite() && number > 0.0).then_some(number)
}

/// The computer at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Machine {
    /// Its cores.
    pub cores: f64,
    /// Cores in use, by whatever.
    pub used_cores: f64,
    /// Memory that programs can still have, bytes.
    pub memory_free_bytes: u64,
    /// Memory that the jobs use, bytes.
    pub jobs_bytes: u64,
    /// Memory that the container uses which this runs in, bytes; none where it runs in none.
    pub cgroup_bytes: Option<u64>,
    /// Room where recordings go, bytes; none while it is not known.
    pub disk_free_bytes: Option<u64>,
}

/// A job that runs, whoever asked for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Running {
    /// What it is.
    pub kind: Kind,
    /// How long it has been running, s.
    pub age_s: f64,
    /// Cores that it uses at the moment; none while it is not known.
    pub cores: Option<f64>,
}

/// Why no other job is taken. The words are LiveKit Egress'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// Its cores are.
    #[error("not enough CPU")]
    Cpu,
    /// Its memory is.
    #[error("not enough memory")]
    Memory,
    /// Its disk is, and a recording that has to end soon is worse than one that another worker makes.
    #[error("not enough disk space")]
    Disk,
}

/// A job counts as what its kind costs, and not as what it uses, until it is this old, s.
const YOUNG_S: f64 = 15.0;
/// A job is learned from when it is this old, s: a page that loads, or a decoder that starts, says little.
const SETTLED_S: f64 = 20.0;
/// Observed seconds after which what was seen counts as much as what was assumed.
const TRUST_S: f64 = 60.0;
/// A job may become more than it was: its kind costs this much more than it was seen to use.
const MARGIN: f64 = 1.2;
/// Least that a job costs, cores.
const LEAST: f64 = 0.1;

/// Most that is believed, cores.
const MOST: f64 = 1024.0;

/// Least room on the disk that a job begins with, bytes.
const DISK_BYTES: u64 = 512 << 20;

const GB: f64 = 1024.0 * 1024.0 * 1024.0;

/// What was seen of a kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Cores that such a job uses: a rise is believed soon, a fall slowly.
    pub cores: f64,
    /// For how long such jobs were looked at, s.
    pub seconds: f64,
}

/// What jobs cost, as far as it is known.
#[derive(Debug, Clone, Default)]
pub struct Capacity {
    config: CpuCost,
    seen: BTreeMap<Kind, Seen>,
}

impl Machine {
    /// The memory in use that counts against a limit, bytes.
    pub fn counted_bytes(&self, source: MemorySource) -> u64 {
        match source {
            MemorySource::Cgroup => self.cgroup_bytes.unwrap_or(self.jobs_bytes),
            MemorySource::ProcRss | MemorySource::Unknown => self.jobs_bytes,
        }
    }
}

impl Capacity {
    /// Knows what is configured, and what was seen before.
    pub fn new(config: CpuCost, seen: BTreeMap<Kind, Seen>) -> Self {
        let sound = |seen: &Seen| seen.cores.is_finite() && seen.cores >= 0.0 && seen.seconds.is_finite();
        Self { config, seen: seen.into_iter().filter(|(_, seen)| sound(seen)).collect() }
    }

    /// What is configured.
    pub fn config(&self) -> &CpuCost {
        &self.config
    }

    /// What was seen, to be kept.
    pub fn seen(&self) -> &BTreeMap<Kind, Seen> {
        &self.seen
    }

    /// What a job of a kind is taken to cost, cores.
    pub fn cost(&self, kind: Kind) -> f64 {
        let assumed = self.config.of(kind);
        let seen = self.seen.get(&kind).copied().unwrap_or_default();
        let trust = seen.seconds / (seen.seconds + TRUST_S);
        (assumed * (1.0 - trust) + seen.cores * MARGIN * trust).max(LEAST)
    }

    /// Looks at a job that runs, for as long as `seconds`.
    pub fn learn(&mut self, job: &Running, seconds: f64) {
        let (Some(cores), true) = (job.cores.and_then(positive), job.age_s >= SETTLED_S) else { return };
        let cores = cores.min(MOST);
        let seen = self.seen.entry(job.kind).or_insert(Seen { cores, seconds: 0.0 });
        let pace = if cores > seen.cores { 10.0 } else { 300.0 };
        seen.cores += (cores - seen.cores) * (1.0 - (-seconds / pace).exp());
        seen.seconds = (seen.seconds + seconds).min(3600.0);
    }

    /// Whether another job fits beside those that run and those that were only just taken. Where nothing runs, one is
    /// always taken: a worker that takes none is of no use, and the first one shows what it costs.
    ///
    /// # Errors
    /// It does not fit.
    pub fn fits(
        &self,
        kind: Kind,
        machine: &Machine,
        running: &[Running],
        pending: &[Kind],
    ) -> Result<(), Full> {
        self.memory(kind, machine, pending)?;
        if machine.disk_free_bytes.is_some_and(|free| free < DISK_BYTES) {
            return Err(Full::Disk);
        }
        if running.is_empty() && pending.is_empty() {
            return Ok(());
        }
        let available = self.available(machine, running, pending);
        if self.cost(kind) <= available + 1e-9 { Ok(()) } else { Err(Full::Cpu) }
    }

    /// Cores that jobs can still have; below 0 when there are too many already. Where nothing runs, all.
    pub fn available(&self, machine: &Machine, running: &[Running], pending: &[Kind]) -> f64 {
        if running.is_empty() && pending.is_empty() {
            return machine.cores;
        }
        let own: f64 = running.iter().filter_map(|job| job.cores).sum();
        let others = (machine.used_cores - own).max(0.0);
        let held: f64 = running.iter().map(|job| self.held(job)).sum();
        let pending: f64 = pending.iter().map(|kind| self.cost(*kind)).sum();
        self.config.most_cores() * machine.cores - others - held - pending
    }

    /// What a job that runs takes of the computer, cores.
    fn held(&self, job: &Running) -> f64 {
        let cost = self.cost(job.kind);
        match job.cores {
            Some(cores) if job.age_s >= YOUNG_S => cores,
            Some(cores) => cores.max(cost),
            None => cost,
        }
    }

    fn memory(&self, kind: Kind, machine: &Machine, pending: &[Kind]) -> Result<(), Full> {
        let wanted = self.memory_cost(&kind) + pending.iter().map(|kind| self.memory_cost(kind)).sum::<f64>();
        let mut free = machine.memory_free_bytes as f64;
        if let Some(most) = self.config.most_memory() {
            free = free.min(most - machine.counted_bytes(self.config.memory_source) as f64);
        }
        if wanted <= free { Ok(()) } else { Err(Full::Memory) }
    }

    /// What a job of a kind is taken to use of the memory, bytes.
    fn memory_cost(&self, kind: &Kind) -> f64 {
        use Kind::{Participant, SdkAudioRoomComposite, Track, TrackComposite};
        let page = !matches!(kind, Participant | SdkAudioRoomComposite | TrackComposite | Track);
        let own = match kind {
            SdkAudioRoomComposite => positive(self.config.sdk_audio_room_composite_memory_cost),
            _ => None,
        };
        let set = own.or_else(|| positive(self.config.memory_cost));
        set.unwrap_or(if page { 1.0 } else { 0.3 }) * GB
    }
}

#[cfg(test)]
mod tests;
