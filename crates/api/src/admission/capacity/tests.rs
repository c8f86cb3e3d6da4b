use livekit_protocol as proto;
use proptest::prelude::*;

use super::*;

const EIGHT: Machine = Machine {
    cores: 8.0,
    used_cores: 0.0,
    memory_free_bytes: 16 << 30,
    jobs_bytes: 1 << 30,
    cgroup_bytes: None,
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
    let with = |memory_source| {
        let config = CpuCost { max_memory: 1.5, memory_source, ..CpuCost::default() };
        Capacity::new(config, BTreeMap::new())
    };
    let capacity = with(MemorySource::ProcRss);
    assert_eq!(capacity.fits(Kind::Track, &EIGHT, &[], &[]), Ok(()));
    assert_eq!(capacity.fits(Kind::Web, &EIGHT, &[], &[]), Err(Full::Memory));
    // What others use beside the jobs counts where the container does, and where there is one.
    let full = Machine { cgroup_bytes: Some(14 << 27), ..EIGHT };
    assert_eq!(capacity.fits(Kind::Track, &full, &[], &[]), Ok(()));
    let capacity = with(MemorySource::Cgroup);
    assert_eq!(capacity.fits(Kind::Track, &full, &[], &[]), Err(Full::Memory));
    assert_eq!(capacity.fits(Kind::Track, &EIGHT, &[], &[]), Ok(()));
}

#[test]
fn sound_without_a_page_has_costs_of_its_own() {
    let of = |own, audio, memory| CpuCost {
        sdk_audio_room_composite_cpu_cost: own,
        audio_room_composite_cpu_cost: audio,
        sdk_audio_room_composite_memory_cost: memory,
        max_memory: 2.0,
        ..CpuCost::default()
    };
    let cost =
        |own, audio| Capacity::new(of(own, audio, 0.0), BTreeMap::new()).cost(Kind::SdkAudioRoomComposite);
    assert_eq!([cost(0.0, 0.0), cost(0.0, 2.0), cost(0.5, 2.0)], [1.0, 2.0, 0.5]);
    let fits =
        |kind, memory| Capacity::new(of(0.0, 0.0, memory), BTreeMap::new()).fits(kind, &EIGHT, &[], &[]);
    assert_eq!(fits(Kind::SdkAudioRoomComposite, 0.0), Ok(()));
    assert_eq!(fits(Kind::SdkAudioRoomComposite, 1.5), Err(Full::Memory));
    assert_eq!(fits(Kind::Participant, 1.5), Ok(()));
}

#[test]
fn requests_are_of_the_kind_that_livekit_takes_them_for() {
    let composite = |audio_only| {
        Kind::of(&EgressRequest::RoomComposite(proto::RoomCompositeEgressRequest {
            audio_only,
            ..Default::default()
        }))
    };
    assert_eq!((composite(false), composite(true)), (Kind::RoomComposite, Kind::SdkAudioRoomComposite));
    let page = proto::RoomCompositeEgressRequest {
        audio_only: true,
        custom_base_url: "https://example.com".into(),
        ..Default::default()
    };
    assert_eq!(Kind::of(&EgressRequest::RoomComposite(page)), Kind::AudioRoomComposite);
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
