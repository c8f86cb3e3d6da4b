//! The secret of a project is in the secret store and nowhere else.

use egress::fact::EgressStatus;
use egress::id::ProjectId;
use studio::secrets::SecretStore;
use studio::surface::SecretPlace;

use crate::bench::{Bench, SECRET, all_files, kill, pid_of, request, until, until_job};

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
    bench.secrets.remove(&id).unwrap();
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
