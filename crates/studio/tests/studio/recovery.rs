//! Deaths: of the job, of the studio, of both; and a damaged journal.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use egress::error::{ErrorCode, Fault};
use egress::fact::{EgressStatus, EndReason, OutputState};
use egress::id::EgressId;
use egress::manifest::Manifest;
use egress::request::RecordRequest;
use studio::surface::Job;

use crate::bench::{Bench, eventually, example, kill, lives, pid_of, request, until_job};

fn other_studio(bench: &Bench, room: &str, armed: bool) -> (std::process::Child, EgressId) {
    studio_with(bench, example("peer_job"), room, armed)
}

/// A studio in a process of its own that records (or is armed) in a room.
pub fn studio_with(bench: &Bench, job: PathBuf, room: &str, armed: bool) -> (std::process::Child, EgressId) {
    let mut child = Command::new(example("peer_studio"))
        .arg(bench.data_dir())
        .arg(bench.recordings())
        .arg(job)
        .arg(room)
        .arg(if armed { "arm" } else { "start" })
        .env("PEER_SECRET", &bench.secret)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let id = line.trim();
    assert!(id.starts_with("EG_"), "the other studio said {line:?}");
    (child, id.into())
}

fn assert_saved(job: &Job) {
    assert_eq!(job.status, EgressStatus::Failed);
    assert!(job.recovered);
    let error = job.error.as_ref().unwrap();
    assert_eq!(error.code, ErrorCode::JobDied);
    assert!(error.message.contains("; the file up to 0:00:0"), "{error}");
    let output = &job.outputs[0];
    assert_eq!(output.state, OutputState::Done);
    let result = output.result.as_ref().unwrap();
    assert!(result.error.is_none() && result.duration_ns > 0 && result.started_at_ns > 0);
    assert_eq!(result.ended_at_ns, result.started_at_ns + result.duration_ns);
    let text = std::fs::read(result.path.as_ref().unwrap()).unwrap();
    assert!(text.ends_with(b"media\nwhole"));
}

#[tokio::test]
async fn a_killed_job_is_failed_and_its_file_saved() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let asked = RecordRequest { manifest: true, ..request("show") };
    let id = studio.start(asked).await.unwrap();
    until_job(&studio, &id, "recording", |job| job.status == EgressStatus::Active).await;
    kill(pid_of(&bench, &id));
    let job = until_job(&studio, &id, "the end", |job| job.status == EgressStatus::Failed).await;
    assert_saved(&job);
    let file = job.outputs[0].result.as_ref().unwrap().path.as_ref().unwrap();
    let manifest = std::fs::read(file.with_file_name(format!("{id}.json"))).unwrap();
    let manifest: Manifest = serde_json::from_slice(&manifest).unwrap();
    assert_eq!((manifest.egress_id.as_str(), manifest.room_name.as_str()), (id.as_str(), "show"));
    assert_eq!(Path::new(&manifest.files[0].location), file);
    let error = job.error.clone().unwrap();
    assert!(error.message.starts_with("The recording process was killed"), "{error}");
    assert_eq!(error.fault, Fault::Environment);
    studio.shut_down(true).await.unwrap();
    assert_eq!(bench.open().await.snapshot().jobs, [job]);
}

#[tokio::test]
async fn a_job_that_dies_at_once_says_its_last_words() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let id = studio.start(request("dies-at-once")).await.unwrap();
    let job = until_job(&studio, &id, "the end", |job| job.status == EgressStatus::Failed).await;
    let error = job.error.unwrap();
    assert_eq!((error.code, error.fault), (ErrorCode::JobDied, Fault::Ours));
    assert!(error.detail.contains("as it was told to"), "{}", error.detail);
    assert_eq!(job.outputs[0].state, OutputState::Failed);
    studio.shut_down(true).await.unwrap();
}

#[tokio::test]
async fn a_job_outlives_its_studio_and_the_next_one_takes_it_over() {
    let bench = Bench::new();
    let (mut other, id) = other_studio(&bench, "show", false);
    kill(other.id());
    other.wait().unwrap();
    let pid = pid_of(&bench, &id);
    assert!(lives(pid));

    let studio = bench.open().await;
    let job = until_job(&studio, &id, "adoption", |job| job.figures.is_some()).await;
    assert_eq!((job.status, job.recovered), (EgressStatus::Active, false));
    assert_eq!(studio.running(), std::slice::from_ref(&id));

    // Left alone a second time, on purpose.
    studio.shut_down(false).await.unwrap();
    drop(studio);
    assert!(lives(pid));
    let studio = bench.open().await;
    until_job(&studio, &id, "adoption", |job| job.figures.is_some()).await;
    studio.stop(id.clone()).await.unwrap();
    let job = until_job(&studio, &id, "the end", |job| job.status == EgressStatus::Complete).await;
    assert_eq!(job.end_reason, Some(EndReason::StopRequested));
    assert!(!job.recovered);
    studio.shut_down(true).await.unwrap();
    eventually("the job goes", || !lives(pid)).await;
}

/// Changes the journal while no studio runs.
fn edit_journal(bench: &Bench, sql: &str) {
    let journal = rusqlite::Connection::open(bench.data_dir().join("journal.db")).unwrap();
    journal.execute_batch(sql).unwrap();
}

#[tokio::test]
async fn a_step_of_the_clock_kills_no_job() {
    // A start time of before the clock was corrected: in a row of now, where nobody looks at it, and in the
    // journal of an earlier version.
    for journal in [
        "UPDATE jobs SET process_started_s = 1000",
        "UPDATE jobs SET process_started_s = 1000;
         ALTER TABLE jobs DROP COLUMN process_birth;
         ALTER TABLE jobs DROP COLUMN asked;
         PRAGMA user_version = 1;",
    ] {
        let bench = Bench::new();
        let (mut other, id) = other_studio(&bench, "show", false);
        kill(other.id());
        other.wait().unwrap();
        edit_journal(&bench, journal);
        let studio = bench.open().await;
        let job = until_job(&studio, &id, "adoption", |job| job.figures.is_some()).await;
        assert_eq!((job.status, job.recovered), (EgressStatus::Active, false), "{journal}");
        studio.stop(id.clone()).await.unwrap();
        let job = until_job(&studio, &id, "the end", |job| job.ended_at_ms.is_some()).await;
        assert_eq!((job.status, job.recovered), (EgressStatus::Complete, false), "{journal}");
        studio.shut_down(true).await.unwrap();
    }
}

#[tokio::test]
async fn a_job_that_holds_its_lock_is_not_repaired() {
    // The journal has the number of another process; then none, as of a studio that died too early.
    for journal in
        ["UPDATE jobs SET process_birth = 'another'", "UPDATE jobs SET pid = NULL, process_birth = NULL"]
    {
        let bench = Bench::new();
        let (mut other, id) = other_studio(&bench, "show", false);
        kill(other.id());
        other.wait().unwrap();
        edit_journal(&bench, journal);
        // Nothing but the lock tells that it lives.
        std::fs::remove_file(bench.data_dir().join("jobs").join(id.as_str()).join("socket")).unwrap();
        let studio = bench.open().await;
        tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        let job = until_job(&studio, &id, "the job", |_| true).await;
        assert_eq!((job.status, job.recovered), (EgressStatus::Active, false), "{journal}");
        let file = std::fs::read(job.outputs[0].path.as_ref().unwrap()).unwrap();
        assert!(!file.windows(5).any(|word| word == b"whole"), "nobody wrote into its file: {journal}");
        // The lock is gone with its process.
        kill(pid_of(&bench, &id));
        assert_saved(&until_job(&studio, &id, "the end", |job| job.status == EgressStatus::Failed).await);
        studio.shut_down(true).await.unwrap();
    }
}

#[tokio::test]
async fn an_adopted_job_that_is_killed_is_saved_too() {
    let bench = Bench::new();
    let (mut other, id) = other_studio(&bench, "show", false);
    kill(other.id());
    other.wait().unwrap();
    let studio = bench.open().await;
    until_job(&studio, &id, "adoption", |job| job.figures.is_some()).await;
    kill(pid_of(&bench, &id));
    assert_saved(&until_job(&studio, &id, "the end", |job| job.status == EgressStatus::Failed).await);
    studio.shut_down(true).await.unwrap();
}

#[tokio::test]
async fn after_the_death_of_both_the_next_start_saves_the_file() {
    let bench = Bench::new();
    let (mut other, id) = other_studio(&bench, "show", false);
    let pid = pid_of(&bench, &id);
    kill(other.id());
    kill(pid);
    other.wait().unwrap();
    eventually("the job is dead", || !lives(pid)).await;
    let studio = bench.open().await;
    let job = until_job(&studio, &id, "the end", |job| job.status == EgressStatus::Failed).await;
    assert_saved(&job);
    studio.shut_down(true).await.unwrap();
    // Once is enough.
    assert_eq!(bench.open().await.snapshot().jobs, [job]);
}

#[tokio::test]
async fn a_job_that_ended_while_no_studio_ran_ended_well() {
    let bench = Bench::new();
    let (mut other, id) = other_studio(&bench, "ends-soon", false);
    let pid = pid_of(&bench, &id);
    kill(other.id());
    other.wait().unwrap();
    eventually("the job ends by itself", || !lives(pid)).await;
    let studio = bench.open().await;
    let job = until_job(&studio, &id, "the end", |job| job.status == EgressStatus::Complete).await;
    assert!(!job.recovered && job.error.is_none());
    studio.shut_down(true).await.unwrap();
}

#[tokio::test]
async fn a_preview_of_a_dead_studio_is_let_go() {
    let bench = Bench::new();
    let (mut other, id) = other_studio(&bench, "show", true);
    let pid = pid_of(&bench, &id);
    kill(other.id());
    other.wait().unwrap();
    let studio = bench.open().await;
    eventually("the preview goes", || !lives(pid)).await;
    eventually("it leaves the list", || studio.snapshot().jobs.is_empty()).await;
    studio.shut_down(true).await.unwrap();
    assert!(bench.open().await.snapshot().jobs.is_empty());
}

#[tokio::test]
async fn a_damaged_journal_is_set_aside_and_told() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let id = studio.start(request("ends-soon")).await.unwrap();
    let before = until_job(&studio, &id, "the end", |job| job.status == EgressStatus::Complete).await;
    studio.shut_down(true).await.unwrap();
    drop(studio);
    let journal = bench.data_dir().join("journal.db");
    for tail in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(bench.data_dir().join(format!("journal.db{tail}")));
    }
    std::fs::write(&journal, b"this is no database".repeat(500)).unwrap();

    let studio = bench.open().await;
    // What the folders of the jobs tell is enough to write it anew.
    let rebuilt =
        until_job(&studio, &id, "the job of before", |job| job.status == EgressStatus::Complete).await;
    assert_eq!(rebuilt, before);
    let snapshot = studio.snapshot();
    let problem = snapshot.machine.problems.iter().find(|p| p.code == ErrorCode::Storage).unwrap();
    assert!(problem.message.contains("journal-damaged-"), "{problem}");
    let aside = std::fs::read_dir(bench.data_dir())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("journal-damaged-"))
        .count();
    assert_eq!(aside, 1);
    // And the new one works.
    let id = studio.start(request("ends-soon")).await.unwrap();
    until_job(&studio, &id, "the end", |job| job.status == EgressStatus::Complete).await;
    studio.shut_down(true).await.unwrap();
}
