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
    /// A room's sound alone.
    AudioRoomComposite,
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
        let composite =
            |audio_only: bool| if audio_only { Self::AudioRoomComposite } else { Self::RoomComposite };
        let web = |audio_only: bool| if audio_only { Self::AudioWeb } else { Self::Web };
        match request {
            EgressRequest::RoomComposite(asked) => composite(asked.audio_only),
            EgressRequest::Web(asked) => web(asked.audio_only),
            EgressRequest::Participant(_) => Self::Participant,
            EgressRequest::TrackComposite(_) => Self::TrackComposite,
            EgressRequest::Track(_) | EgressRequest::Replay(_) => Self::Track,
            EgressRequest::Egress(asked) => match (&asked.source, &asked.encoding) {
                (Some(Source::Template(asked)), _) => composite(asked.audio_only),
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
    /// Memory that a job takes, GB; 0 for 0.3, or 1 with a page.
    pub memory_cost: f64,
    /// A room composite; 0 for 4.
    pub room_composite_cpu_cost: f64,
    /// A room composite without picture; 0 for 1.
    pub audio_room_composite_cpu_cost: f64,
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

impl CpuCost {
    fn of(&self, kind: Kind) -> f64 {
        let (set, default) = match kind {
            Kind::RoomComposite => (self.room_composite_cpu_cost, 4.0),
            Kind::AudioRoomComposite => (self.audio_room_composite_cpu_cost, 1.0),
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
    /// All memory, bytes.
    pub memory_bytes: u64,
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

impl Capacity {
    /// Knows what is configured, and what was seen before.
    pub fn new(config: CpuCost, seen: BTreeMap<Kind, Seen>) -> Self {
        let sound = |seen: &Seen| seen.cores.is_finite() && seen.cores >= 0.0 && seen.seconds.is_finite();
        Self { config, seen: seen.into_iter().filter(|(_, seen)| sound(seen)).collect() }
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
        let limit = positive(self.config.max_cpu_utilization).unwrap_or(0.8) * machine.cores;
        let own: f64 = running.iter().filter_map(|job| job.cores).sum();
        let others = (machine.used_cores - own).max(0.0);
        let held: f64 = running.iter().map(|job| self.held(job)).sum();
        let pending: f64 = pending.iter().map(|kind| self.cost(*kind)).sum();
        if others + held + pending + self.cost(kind) <= limit + 1e-9 { Ok(()) } else { Err(Full::Cpu) }
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
        let page = |kind: &Kind| !matches!(kind, Kind::Participant | Kind::TrackComposite | Kind::Track);
        let cost = |kind: &Kind| {
            positive(self.config.memory_cost).unwrap_or(if page(kind) { 1.0 } else { 0.3 }) * GB
        };
        let wanted = cost(&kind) + pending.iter().map(cost).sum::<f64>();
        let mut free = machine.memory_free_bytes as f64;
        if let Some(most) = positive(self.config.max_memory) {
            let used = machine.memory_bytes.saturating_sub(machine.memory_free_bytes) as f64;
            free = free.min(most * GB - used);
        }
        if wanted <= free { Ok(()) } else { Err(Full::Memory) }
    }
}

#[cfg(test)]
mod tests {
    use livekit_protocol as proto;
    use proptest::prelude::*;

    use super::*;

    const EIGHT: Machine = Machine {
        cores: 8.0,
        used_cores: 0.0,
        memory_free_bytes: 16 << 30,
        memory_bytes: 32 << 30,
        disk_free_bytes: None,
    };

    fn running(kind: Kind, age_s: f64, cores: f64) -> Running {
        Running { kind, age_s, cores: Some(cores) }
    }

    #[test]
    fn it_begins_with_livekits_costs_and_the_configured_ones() {
        let capacity = Capacity::default();
        assert_eq!(capacity.cost(Kind::RoomComposite), 4.0);
        assert_eq!(capacity.cost(Kind::Track), 0.5);
        let config = CpuCost { web_cpu_cost: 2.5, track_cpu_cost: f64::NAN, ..CpuCost::default() };
        let capacity = Capacity::new(config, BTreeMap::new());
        assert_eq!(capacity.cost(Kind::Web), 2.5);
        assert_eq!(capacity.cost(Kind::Track), 0.5);
    }

    #[test]
    fn a_kind_costs_what_it_was_seen_to_use() {
        let mut capacity = Capacity::default();
        capacity.learn(&running(Kind::RoomComposite, 5.0, 3.9), 5.0);
        assert_eq!(capacity.cost(Kind::RoomComposite), 4.0, "a page that loads says nothing");
        for _ in 0..1000 {
            capacity.learn(&running(Kind::RoomComposite, 60.0, 1.5), 1.0);
        }
        let cost = capacity.cost(Kind::RoomComposite);
        assert!((1.8..2.0).contains(&cost), "{cost}");
        for _ in 0..60 {
            capacity.learn(&running(Kind::RoomComposite, 60.0, 3.0), 1.0);
        }
        assert!(capacity.cost(Kind::RoomComposite) > 3.4, "a rise is believed soon");
        let kept = capacity.seen().clone();
        let again = Capacity::new(CpuCost::default(), kept);
        assert_eq!(again.cost(Kind::RoomComposite), capacity.cost(Kind::RoomComposite));
    }

    #[test]
    fn an_idle_computer_takes_one_job_whatever_it_costs() {
        let two = Machine { cores: 2.0, used_cores: 1.9, ..EIGHT };
        let capacity = Capacity::default();
        assert_eq!(capacity.fits(Kind::RoomComposite, &two, &[], &[]), Ok(()));
        assert_eq!(capacity.fits(Kind::Track, &two, &[], &[Kind::RoomComposite]), Err(Full::Cpu));
        let full = Machine { memory_free_bytes: 100 << 20, ..two };
        assert_eq!(capacity.fits(Kind::Track, &full, &[], &[]), Err(Full::Memory));
        let full = Machine { disk_free_bytes: Some(100 << 20), ..two };
        assert_eq!(capacity.fits(Kind::Track, &full, &[], &[]), Err(Full::Disk));
    }

    #[test]
    fn young_jobs_count_as_what_they_will_cost_and_old_ones_as_what_they_use() {
        let capacity = Capacity::default();
        let used = Machine { used_cores: 0.5, ..EIGHT };
        let young = [running(Kind::RoomComposite, 3.0, 0.5)];
        assert_eq!(capacity.fits(Kind::RoomComposite, &used, &young, &[]), Err(Full::Cpu));
        assert_eq!(capacity.fits(Kind::Participant, &used, &young, &[]), Ok(()));
        let old = [running(Kind::RoomComposite, 30.0, 0.5)];
        assert_eq!(capacity.fits(Kind::RoomComposite, &used, &old, &[]), Ok(()));
        let others = Machine { used_cores: 4.0, ..EIGHT };
        assert_eq!(capacity.fits(Kind::RoomComposite, &others, &old, &[]), Err(Full::Cpu));
    }

    #[test]
    fn a_limit_of_memory_counts_what_is_used() {
        let config = CpuCost { max_memory: 16.5, ..CpuCost::default() };
        let capacity = Capacity::new(config, BTreeMap::new());
        assert_eq!(capacity.fits(Kind::Track, &EIGHT, &[], &[]), Ok(()));
        assert_eq!(capacity.fits(Kind::Web, &EIGHT, &[], &[]), Err(Full::Memory));
    }

    #[test]
    fn requests_are_of_the_kind_that_livekit_takes_them_for() {
        let composite = |audio_only| {
            Kind::of(&EgressRequest::RoomComposite(proto::RoomCompositeEgressRequest {
                audio_only,
                ..Default::default()
            }))
        };
        assert_eq!((composite(false), composite(true)), (Kind::RoomComposite, Kind::AudioRoomComposite));
        let unified = |source, encoding| {
            Kind::of(&EgressRequest::Egress(proto::StartEgressRequest {
                source: Some(source),
                encoding,
                ..Default::default()
            }))
        };
        let media = || Source::Media(proto::MediaSource::default());
        assert_eq!(unified(media(), None), Kind::Participant);
        let passthrough = Encoding::Preset(EncodingOptionsPreset::Passthrough as i32);
        assert_eq!(unified(media(), Some(passthrough)), Kind::Track);
        assert_eq!(unified(Source::Web(proto::WebSource::default()), None), Kind::Web);
    }

    proptest! {
        /// Whatever was measured, also nonsense: costs stay sane, and more load never makes room.
        #[test]
        fn more_load_never_makes_room(
            measured in prop::collection::vec((any::<f64>(), 0.0..1e4_f64), 0..50),
            used in 0.0..64.0_f64,
            more in 0.0..64.0_f64,
            jobs in 0_usize..5,
        ) {
            let mut capacity = Capacity::default();
            for (cores, age) in measured {
                capacity.learn(&Running { kind: Kind::Participant, age_s: age, cores: Some(cores) }, 1.0);
            }
            let cost = capacity.cost(Kind::Participant);
            prop_assert!(cost >= LEAST && !cost.is_nan());
            let jobs = vec![running(Kind::Participant, 60.0, 0.5); jobs];
            let little = Machine { used_cores: used, ..EIGHT };
            let much = Machine { used_cores: used + more, ..EIGHT };
            if capacity.fits(Kind::Participant, &much, &jobs, &[]).is_ok() {
                prop_assert!(capacity.fits(Kind::Participant, &little, &jobs, &[]).is_ok());
            }
        }
    }
}
