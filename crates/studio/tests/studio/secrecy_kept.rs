//! The secret of a project is in the secret store and nowhere else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use egress::error::ErrorCode;
use egress::fact::EgressStatus;
use egress::id::ProjectId;
use secrecy::SecretString;
use studio::secrets::{SecretError, SecretStore};
use studio::surface::SecretPlace;
use studio::{Studio, StudioOptions};

use crate::bench::{Bench, SECRET, all_files, example, kill, pid_of, request, until, until_job};

#[tokio::test]
async fn a_planted_secret_is_in_no_file_no_event_and_no_debug_output() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let mut changes = studio.changes();
    let mut told = String::new();
    studio.open_room("show".into()).await.unwrap();
    until(&studio, "the roster", |s| s.room.as_ref().filter(|r| !r.roster.room_sid.is_empty()).map(drop))
        .await;
    let armed = studio.arm(request("show")).await.unwrap();
    studio.record(armed.clone()).await.unwrap();
    let killed = studio.start(request("other")).await.unwrap();
    for id in [&armed, &killed] {
        until_job(&studio, id, "recording", |job| job.status == EgressStatus::Active).await;
    }
    kill(pid_of(&bench, &killed));
    let failed = until_job(&studio, &killed, "the end", |job| job.status == EgressStatus::Failed).await;
    told += &format!("{failed:?}");
    // An error on the way to the server must not carry it either.
    let input = studio::surface::ProjectInput {
        name: "Copy".into(),
        url: "ws://127.0.0.1:9".into(),
        api_key: "key".into(),
        api_secret: Some(SECRET.into()),
        this_run_only: true,
    };
    told += &format!("{input:?}");
    told += &format!("{:?}", studio.add_project(input).await.unwrap_err());
    // While everything runs, and once more when it is over.
    for _ in 0..2 {
        let snapshot = studio.snapshot();
        told += &format!("{snapshot:?}{}", serde_json::to_string(&snapshot).unwrap());
        while let Ok(change) = changes.try_recv() {
            told += &format!("{change:?}{}", serde_json::to_string(&*change).unwrap());
        }
        let files = all_files(bench.dir.path());
        assert!(files.iter().any(|(path, _)| path.ends_with("journal.db")));
        assert!(files.iter().any(|(path, _)| path.ends_with("events.jsonl")));
        for (path, data) in files {
            let found = data.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
            assert!(!found, "the secret is in {}", path.display());
        }
        studio.shut_down(true).await.unwrap();
    }
    assert!(told.len() > 1000 && !told.contains(SECRET));
}

#[tokio::test]
async fn a_secret_that_the_keyring_has_lost_is_asked_for() {
    let bench = Bench::new();
    let id = ProjectId::from("PJ_test");
    bench.secrets.remove(id.as_str()).unwrap();
    let studio = bench.open().await;
    let error = studio.start(request("show")).await.unwrap_err();
    assert!(error.remedy.contains("give its secret again"), "{error:?}");
    let projects = studio.snapshot().projects;
    assert_eq!(projects.list[0].secret, SecretPlace::Missing);
    studio.forget_project(id).await.unwrap();
    let projects = studio.snapshot().projects;
    assert!(projects.list.is_empty() && projects.current.is_none());
    studio.shut_down(true).await.unwrap();
}

/// A keyring whose question the operator sends away each time.
#[derive(Default)]
struct SentAway(AtomicU32);

impl SecretStore for SentAway {
    fn check(&self) -> Result<(), SecretError> {
        Ok(())
    }
    fn get(&self, _: &str) -> Result<Option<SecretString>, SecretError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Err(SecretError::Dismissed("Prompt".into()))
    }
    fn set(&self, _: &str, _: &SecretString) -> Result<(), SecretError> {
        Ok(())
    }
    fn remove(&self, _: &str) -> Result<(), SecretError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_keyring_that_was_sent_away_does_not_come_back_by_itself() {
    let bench = Bench::new();
    let secrets = Arc::new(SentAway::default());
    let mut options = StudioOptions::new(bench.data_dir(), Arc::new(bench.projects()), secrets.clone());
    options.job_program = Some(example("peer_job"));
    let studio = Studio::open(options).await.unwrap();
    let error = until(&studio, "rooms that cannot be listed", |s| s.rooms.error.clone()).await;
    assert_eq!(error.code, ErrorCode::Keyring);
    for _ in 0..3 {
        assert_eq!(studio.arm(request("show")).await.unwrap_err(), error);
    }
    assert_eq!(secrets.0.load(Ordering::SeqCst), 1);
    // Who chooses the project again wants it.
    studio.select_project(Some(ProjectId::from("PJ_test"))).await.unwrap_err();
    assert_eq!(secrets.0.load(Ordering::SeqCst), 2);
    studio.shut_down(true).await.unwrap();
}
