//! A job's state out of its facts, in order and out of order.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{
    ConnectionState, EgressStatus, EndReason, Event, Fact, FileResult, OutputState, TrackFacts,
};
use egress::roster::{TrackKind, TrackSource};
use egress::state::JobState;
use proptest::prelude::*;

fn log(facts: impl IntoIterator<Item = Fact>) -> Vec<Event> {
    let facts = facts.into_iter().enumerate();
    facts.map(|(n, fact)| Event { seq: n as u64 + 1, at_ns: 1_000 * (n as i64 + 1), fact }).collect()
}

fn result(path: &str, error: Option<ApiError>) -> FileResult {
    FileResult {
        path: Some(path.into()),
        size_bytes: 10,
        started_at_ns: 4_000,
        ended_at_ns: 9_000,
        duration_ns: 5_000,
        error,
    }
}

fn trouble(message: &str) -> ApiError {
    ApiError::new(ErrorCode::DiskFull, Fault::Destination, message, "Free some space.")
}

fn track(id: &str, codec: &str) -> TrackFacts {
    TrackFacts {
        track_id: id.into(),
        kind: TrackKind::Video,
        source: TrackSource::Camera,
        codec: codec.into(),
        publisher_identity: "ada".into(),
    }
}

#[test]
fn a_recording_from_start_to_end() {
    let mut state = JobState::default();
    assert_eq!(state.status(), EgressStatus::Starting);
    let facts = [
        (Fact::Started { pid: 7 }, None),
        (Fact::Connection { state: ConnectionState::Connected }, None),
        (Fact::RoomJoined { room_sid: "RM_1".into() }, None),
        (Fact::TrackAdded { track: track("TR_1", "vp8") }, None),
        (Fact::Armed, None),
        (Fact::OutputOpening { output: "file".into(), path: "/r/a.mp4".into() }, None),
        (Fact::OutputActive { output: "file".into(), started_at_ns: 4_000 }, Some(EgressStatus::Active)),
        (Fact::TrackRemoved { track_id: "TR_1".into() }, None),
        (Fact::TrackAdded { track: track("TR_2", "h264") }, None),
        (Fact::Ending { reason: EndReason::StopRequested }, Some(EgressStatus::Ending)),
        (Fact::OutputEnded { output: "file".into(), result: result("/r/a.mp4", None) }, None),
        (Fact::Ended { status: EgressStatus::Complete, error: None }, Some(EgressStatus::Complete)),
    ];
    let events = log(facts.iter().map(|(fact, _)| fact.clone()));
    let mut outputs = Vec::new();
    for (event, (fact, expected)) in events.iter().zip(&facts) {
        assert_eq!(state.apply(event), *expected, "{fact:?}");
        assert_eq!(state.is_armed(), *fact == Fact::Armed);
        outputs.extend(state.outputs().first().map(|output| output.state));
    }
    outputs.dedup();
    assert_eq!(
        outputs,
        [OutputState::Starting, OutputState::Active, OutputState::Finishing, OutputState::Done]
    );
    assert_eq!((state.pid(), state.room_sid(), state.last_seq()), (Some(7), Some("RM_1"), 12));
    assert_eq!((state.started_at_ns(), state.ended_at_ns()), (Some(4_000), Some(12_000)));
    assert_eq!(state.end_reason(), Some(EndReason::StopRequested));
    assert_eq!(state.connection(), ConnectionState::Disconnected);
    assert_eq!(state.tracks(), [&track("TR_1", "vp8"), &track("TR_2", "h264")]);
    assert_eq!(state.present_tracks(), [&track("TR_2", "h264")]);
    assert_eq!(state, JobState::of(&events));
}

#[test]
fn a_file_saved_after_its_job_died() {
    let events = log([
        Fact::OutputOpening { output: "file".into(), path: "/r/a.mp4".into() },
        Fact::OutputActive { output: "file".into(), started_at_ns: 4_000 },
        Fact::Warning { warning: trouble("Nearly full.") },
        Fact::Warning { warning: trouble("Nearly full.") },
        Fact::OutputEnded { output: "file".into(), result: result("/r/a.mp4", Some(trouble("Full."))) },
        Fact::OutputEnded { output: "file".into(), result: result("/r/a-repaired.mp4", None) },
        Fact::Ending { reason: EndReason::Failure },
        Fact::Ending { reason: EndReason::ProcessKilled },
        Fact::Ended { status: EgressStatus::Failed, error: Some(trouble("Died.")) },
    ]);
    let state = JobState::of(&events);
    let output = state.outputs()[0];
    assert_eq!(output.state, OutputState::Done);
    assert_eq!(output.path.unwrap().to_str(), Some("/r/a-repaired.mp4"));
    assert_eq!(state.warnings(), [&trouble("Nearly full.")]);
    assert_eq!((state.end_reason(), state.error()), (Some(EndReason::Failure), Some(&trouble("Died."))));
}

#[test]
fn an_end_is_not_taken_back() {
    let mut state = JobState::of(&log([
        Fact::Ended { status: EgressStatus::Failed, error: Some(trouble("Died.")) },
        Fact::Ended { status: EgressStatus::Complete, error: None },
        Fact::OutputActive { output: "file".into(), started_at_ns: 1 },
        Fact::Connection { state: ConnectionState::Connected },
    ]));
    assert_eq!(state.status(), EgressStatus::Failed);
    assert_eq!(state.connection(), ConnectionState::Disconnected);
    let late = Event { seq: 1, at_ns: 0, fact: Fact::Ending { reason: EndReason::StopRequested } };
    assert_eq!(state.apply(&late), None);
}

fn any_fact() -> impl Strategy<Value = Fact> {
    let output = || prop_oneof![Just("file".into()), Just("second".into())];
    let id = || prop_oneof![Just("TR_1"), Just("TR_2"), Just("TR_3")];
    let codec = prop_oneof![Just("vp8"), Just("h264")];
    let connection = prop_oneof![
        Just(ConnectionState::Connecting),
        Just(ConnectionState::Connected),
        Just(ConnectionState::Resuming),
        Just(ConnectionState::Reconnecting),
    ];
    let reason = prop_oneof![
        Just(EndReason::StopRequested),
        Just(EndReason::SourceClosed),
        Just(EndReason::DiskFull),
        Just(EndReason::Failure),
    ];
    let error = || prop_oneof![Just(trouble("One.")), Just(trouble("Two."))];
    prop_oneof![
        connection.prop_map(|state| Fact::Connection { state }),
        (id(), codec).prop_map(|(id, codec)| Fact::TrackAdded { track: track(id, codec) }),
        id().prop_map(|id| Fact::TrackRemoved { track_id: id.into() }),
        (id(), error()).prop_map(|(id, error)| Fact::TrackRefused { track_id: id.into(), error }),
        Just(Fact::Armed),
        (output(), "[a-c]")
            .prop_map(|(output, name)| Fact::OutputOpening { output, path: format!("/r/{name}.mp4").into() }),
        (output(), 1..9_000i64)
            .prop_map(|(output, started_at_ns)| Fact::OutputActive { output, started_at_ns }),
        (output(), proptest::option::of(error()))
            .prop_map(|(output, error)| Fact::OutputEnded { output, result: result("/r/a.mp4", error) }),
        error().prop_map(|warning| Fact::Warning { warning }),
        reason.prop_map(|reason| Fact::Ending { reason }),
    ]
}

fn any_end() -> impl Strategy<Value = Fact> {
    prop_oneof![
        Just(Fact::Ended { status: EgressStatus::Complete, error: None }),
        Just(Fact::Ended { status: EgressStatus::Failed, error: Some(trouble("Died.")) }),
        Just(Fact::Ended { status: EgressStatus::Aborted, error: None }),
        Just(Fact::Ended { status: EgressStatus::LimitReached, error: None }),
    ]
}

/// A job's log: said once are the start, the room and the end.
fn any_log() -> impl Strategy<Value = Vec<Event>> {
    (prop::collection::vec(any_fact(), 0..25), proptest::option::of(any_end())).prop_map(|(facts, end)| {
        let head = [Fact::Started { pid: 7 }, Fact::RoomJoined { room_sid: "RM_1".into() }];
        log(head.into_iter().chain(facts).chain(end))
    })
}

/// How far a status is. Ends are all equally far.
fn rank(status: EgressStatus) -> u8 {
    match status {
        EgressStatus::Starting => 0,
        EgressStatus::Active => 1,
        EgressStatus::Ending => 2,
        EgressStatus::Complete
        | EgressStatus::Failed
        | EgressStatus::Aborted
        | EgressStatus::LimitReached => 3,
    }
}

proptest! {
    /// Any order, some of it twice: the status only moves forward, an end stays what it was, and at last
    /// the state is the one that the facts in order give.
    #[test]
    fn order_does_not_matter(
        (in_order, mixed) in any_log().prop_flat_map(|events| {
            let twice: Vec<Event> = events.iter().chain(events.iter().step_by(3)).cloned().collect();
            (Just(events), Just(twice).prop_shuffle())
        })
    ) {
        let mut state = JobState::default();
        let mut before = state.status();
        for event in &mixed {
            let told = state.apply(event);
            let now = state.status();
            prop_assert_eq!(told, Some(now).filter(|now| *now != before));
            prop_assert!(rank(now) > rank(before) || now == before, "{:?} after {:?}", now, before);
            before = now;
        }
        prop_assert_eq!(&state, &JobState::of(&in_order));
        if let Some(Fact::Ended { status, .. }) = in_order.last().map(|event| &event.fact) {
            prop_assert_eq!(state.status(), *status);
        } else {
            prop_assert!(!state.is_over());
        }
    }

    /// In order, each output only moves forward too.
    #[test]
    fn outputs_move_forward(events in any_log()) {
        let far = |state| match state {
            OutputState::Starting => 0,
            OutputState::Active => 1,
            OutputState::Finishing => 2,
            OutputState::Done | OutputState::Failed => 3,
        };
        let mut state = JobState::default();
        let mut known = std::collections::BTreeMap::new();
        for event in &events {
            state.apply(event);
            for output in state.outputs() {
                let before = known.insert(output.id.clone(), far(output.state));
                prop_assert!(before.is_none_or(|before| before <= far(output.state)));
            }
        }
    }
}
