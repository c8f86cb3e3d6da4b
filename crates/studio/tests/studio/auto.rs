//! Rules of auto egress, with the real `tallylight-job`, a LiveKit server and people. And what runs elsewhere, on a
//! server that has no egress service.

use std::time::Duration;

use egress::error::ErrorCode;
use egress::fact::EgressStatus;
use egress::request::{Preset, RecordSource};
use studio::Studio;
use studio::surface::{AutoEgress, AutoParts, EgressService, Job, Origin, RoomEgress, RoomInput, Snapshot};

use crate::bench::{Bench, kill, pid_of, request, until, until_job};
use crate::live::{Person, Server, job_program};

/// Longer than a rule takes to be looked at a few times.
const SOME_LOOKS: Duration = Duration::from_secs(4);

fn rule(rooms: &str, parts: AutoParts) -> AutoEgress {
    AutoEgress { rooms: rooms.into(), parts, preset: Preset::H264720p30, upload: None, on: true }
}

/// The sources of the jobs that rules have started, newest first.
fn started(snapshot: &Snapshot) -> Vec<RecordSource> {
    let of_rules = snapshot.jobs.iter().filter(|job| job.origin == Origin::Auto);
    of_rules.map(|job| job.request.source.clone()).collect()
}

async fn until_started(studio: &Studio, count: usize) -> Vec<Job> {
    until(studio, "the jobs of the rules", |snapshot| {
        let jobs: Vec<Job> = snapshot.jobs.iter().filter(|job| job.origin == Origin::Auto).cloned().collect();
        (jobs.len() >= count && jobs.iter().all(|job| job.status == EgressStatus::Active)).then_some(jobs)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_record_what_appears_once() {
    let server = Server::start().await;
    let bench = server.bench();
    let studio = bench.open_with(job_program()).await;
    let people = studio.save_rule(rule("auto-*", AutoParts::Participants)).await.unwrap();
    studio.save_rule(rule("auto-?", AutoParts::Tracks)).await.unwrap();
    studio.save_rule(AutoEgress { on: false, ..rule("*", AutoParts::Tracks) }).await.unwrap();

    let _elsewhere = Person::ada(&server, "show").await;
    let ada = Person::ada(&server, "auto-1").await;
    let jobs = until_started(&studio, 3).await;
    assert!(jobs.iter().all(|job| job.request.room_name == "auto-1"), "{jobs:#?}");
    let tracks = jobs.iter().filter(|job| matches!(job.request.source, RecordSource::Track { .. }));
    assert_eq!(tracks.clone().count(), 2);
    // Of a room that is not open the person's name is known all the same.
    let mut titles: Vec<&str> = jobs.iter().map(|job| job.title.as_str()).collect();
    titles.sort_unstable();
    assert_eq!(titles, ["Ada", "Ada, camera", "Ada, microphone"]);
    assert!(studio.snapshot().rules.iter().all(|rule| rule.trouble.is_none()));

    // What the operator stops stays stopped, and what runs is not begun again: not by this studio, nor by the next.
    let stopped = tracks.map(|job| job.egress_id.clone()).next().unwrap();
    studio.stop(stopped.clone()).await.unwrap();
    until_job(&studio, &stopped, "its end", |job| job.status == EgressStatus::Complete).await;
    studio.shut_down(false).await.unwrap();
    drop(studio);
    let studio = bench.open_with(job_program()).await;
    assert_eq!(studio.snapshot().rules.len(), 3);
    until(&studio, "the rooms", |s| (s.rooms.list.len() == 2).then_some(())).await;
    tokio::time::sleep(SOME_LOOKS).await;
    assert_eq!(started(&studio.snapshot()).len(), 3);

    // A rule that is gone begins nothing more. The others do, for whoever comes.
    studio.forget_rule(people).await.unwrap();
    drop(ada);
    until(&studio, "their ends", |s| {
        s.jobs.iter().all(|job| job.status == EgressStatus::Complete).then_some(())
    })
    .await;
    let _again = Person::ada(&server, "auto-2").await;
    until(&studio, "the new tracks", |s| (started(s).len() == 5).then_some(())).await;
    tokio::time::sleep(SOME_LOOKS).await;
    let sources = started(&studio.snapshot());
    assert_eq!(sources.len(), 5, "{sources:#?}");
    studio.shut_down(true).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_failed_is_begun_anew() {
    let server = Server::start().await;
    let bench = server.bench();
    let studio = bench.open_with(job_program()).await;
    studio.save_rule(rule("auto", AutoParts::Participants)).await.unwrap();
    let _ada = Person::ada(&server, "auto").await;
    let first = until_started(&studio, 1).await.remove(0);
    kill(pid_of(&bench, &first.egress_id));
    until_job(&studio, &first.egress_id, "its failure", |job| job.status == EgressStatus::Failed).await;
    let second = until(&studio, "another", |s| {
        s.jobs.iter().find(|job| job.auto == first.auto && job.egress_id != first.egress_id).cloned()
    })
    .await;
    until_job(&studio, &second.egress_id, "its media", |job| job.status == EgressStatus::Active).await;
    studio.shut_down(true).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_that_cannot_start_says_why_and_does_once_it_can() {
    let server = Server::start().await;
    let bench = server.bench();
    let studio = bench.open_with(job_program()).await;
    let in_the_way = bench.recordings();
    let _ = std::fs::remove_dir_all(&in_the_way);
    std::fs::write(&in_the_way, "no folder").unwrap();
    let id = studio.save_rule(rule("auto", AutoParts::Participants)).await.unwrap();
    let _ada = Person::ada(&server, "auto").await;
    let trouble = until(&studio, "the trouble", |s| s.rules[0].trouble.clone()).await;
    assert_eq!(trouble.code, ErrorCode::Storage);
    std::fs::remove_file(&in_the_way).unwrap();
    // Looked at again by itself after some seconds; at once where the rule is touched.
    studio.edit_rule(id, rule("auto", AutoParts::Participants)).await.unwrap();
    until_started(&studio, 1).await;
    assert_eq!(studio.snapshot().rules[0].trouble, None);
    studio.shut_down(true).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_that_make_no_sense_are_refused() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let layout = |name: &str| AutoParts::RoomComposite { layout: name.into() };
    for input in [
        rule("  ", AutoParts::Tracks),
        rule("a\u{7}", AutoParts::Tracks),
        rule(&"a".repeat(300), AutoParts::Tracks),
        rule("a", layout("no such layout")),
    ] {
        let error = studio.save_rule(input).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidArgument, "{error:?}");
        assert!(!error.remedy.is_empty());
    }
    let id = studio.save_rule(rule(" a ", layout("grid"))).await.unwrap();
    assert_eq!(studio.snapshot().rules[0].what.rooms, "a");
    studio.forget_rule(id.clone()).await.unwrap();
    assert_eq!(studio.forget_rule(id.clone()).await.unwrap_err().code, ErrorCode::NotFound);
    assert_eq!(
        studio.edit_rule(id, rule("a", AutoParts::Tracks)).await.unwrap_err().code,
        ErrorCode::NotFound
    );
    studio.save_rule(rule("b", AutoParts::Tracks)).await.unwrap();
    studio.forget_project("PJ_test".into()).await.unwrap();
    assert_eq!(studio.snapshot().rules, []);
    assert!(studio.save_rule(rule("a", AutoParts::Tracks)).await.is_err(), "no project is open");
    studio.shut_down(true).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_an_egress_service_is_told_as_one() {
    let server = Server::start().await;
    let bench = server.bench();
    let studio = bench.open_with(job_program()).await;
    until(&studio, "the answer", |s| (s.elsewhere.service == EgressService::Absent).then_some(())).await;
    assert_eq!(studio.snapshot().elsewhere.error, None);
    studio
        .create_room(RoomInput { name: " new ".into(), empty_timeout_s: Some(30), egress: None })
        .await
        .unwrap();
    until(&studio, "the room", |s| s.rooms.list.iter().find(|room| room.name == "new").cloned()).await;
    let refused = studio.start_elsewhere(request("new")).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::FailedPrecondition, "{refused:?}");
    assert!(refused.message.contains("no egress service"), "{}", refused.message);
    let egress = RoomEgress {
        parts: AutoParts::RoomComposite { layout: "grid".into() },
        name: String::new(),
        preset: Preset::H264720p30,
        storage: None,
    };
    let input = RoomInput { name: "recorded".into(), empty_timeout_s: None, egress: Some(egress) };
    let refused = studio.create_room(input).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::FailedPrecondition, "{refused:?}");
    let nameless = RoomInput { name: " ".into(), empty_timeout_s: None, egress: None };
    assert_eq!(studio.create_room(nameless).await.unwrap_err().code, ErrorCode::InvalidArgument);
    studio.shut_down(true).await.unwrap();
}
