//! Arming, recording, stopping.

use egress::error::ErrorCode;
use egress::fact::{EgressStatus, EndReason, OutputState};

use crate::bench::{Bench, eventually, lives, pid_of, request, until, until_job};

#[tokio::test]
async fn an_armed_job_records_and_stops_and_is_history() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let id = studio.arm(request("show")).await.unwrap();
    let armed = until_job(&studio, &id, "armed", |job| job.armed).await;
    assert!(armed.preview && armed.outputs.is_empty());
    assert_eq!(armed.title, "ada");
    assert!(studio.running().is_empty());

    studio.record(id.clone()).await.unwrap();
    assert_eq!(studio.running(), std::slice::from_ref(&id));
    let job = until_job(&studio, &id, "recording", |job| job.status == EgressStatus::Active).await;
    assert!(!job.preview && !job.armed);
    assert_eq!(job.outputs.len(), 1);
    assert_eq!(job.outputs[0].state, OutputState::Active);
    let again = studio.record(id.clone()).await.unwrap_err();
    assert_eq!(again.code, ErrorCode::FailedPrecondition);

    until_job(&studio, &id, "figures", |job| {
        job.figures.as_ref().is_some_and(|figures| figures.outputs.first().is_some_and(|o| o.size_bytes > 0))
    })
    .await;
    until(&studio, "time left on the disk", |snapshot| snapshot.machine.disk_left_s).await;

    studio.stop(id.clone()).await.unwrap();
    let job = until_job(&studio, &id, "the end", |job| job.status == EgressStatus::Complete).await;
    assert_eq!(job.end_reason, Some(EndReason::StopRequested));
    assert!(!job.recovered && job.error.is_none() && job.figures.is_none() && job.ended_at_ms.is_some());
    assert_eq!(job.outputs[0].state, OutputState::Done);
    let path = studio.output_path(id.clone(), job.outputs[0].id.clone()).await.unwrap();
    assert!(path.starts_with(bench.recordings()));
    assert!(std::fs::read(&path).unwrap().ends_with(b"whole"));
    let still = studio.history_still(id.clone(), job.outputs[0].id.clone()).await.unwrap().unwrap();
    assert_eq!(std::fs::read(still).unwrap(), b"jpeg");
    assert!(studio.stop(id.clone()).await.is_err());

    studio.shut_down(true).await.unwrap();
    let studio = bench.open().await;
    assert_eq!(studio.snapshot().jobs, [job]);
    studio.forget_job(id.clone()).await.unwrap();
    assert!(studio.snapshot().jobs.is_empty());
    assert!(path.exists() && !bench.data_dir().join("jobs").join(id.as_str()).exists());
}

#[tokio::test]
async fn start_takes_the_armed_job_for_the_same_request_and_a_new_one_for_another() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let armed = studio.arm(request("show")).await.unwrap();
    assert_eq!(studio.arm(request("show")).await.unwrap(), armed);
    assert_eq!(studio.start(request("show")).await.unwrap(), armed);
    let other = studio.start(request("show")).await.unwrap();
    assert_ne!(other, armed);
    for id in [&armed, &other] {
        until_job(&studio, id, "recording", |job| job.status == EgressStatus::Active).await;
    }
    studio.shut_down(true).await.unwrap();
    let jobs = studio.snapshot().jobs;
    assert!(jobs.iter().all(|job| job.status == EgressStatus::Complete), "{jobs:#?}");
}

#[tokio::test]
async fn what_is_being_armed_when_record_is_pressed_does_not_stay_beside_the_recording() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let (armed, started) = tokio::join!(studio.arm(request("show")), studio.start(request("show")));
    assert_eq!(armed.unwrap_err().code, ErrorCode::Aborted);
    let jobs = studio.snapshot().jobs;
    assert_eq!(jobs.iter().map(|job| &job.egress_id).collect::<Vec<_>>(), [&started.unwrap()], "{jobs:#?}");
    studio.shut_down(true).await.unwrap();
}

#[tokio::test]
async fn arming_for_something_else_replaces_the_preview_and_leaves_no_trace() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let first = studio.arm(request("one")).await.unwrap();
    until_job(&studio, &first, "armed", |job| job.armed).await;
    let pid = pid_of(&bench, &first);
    let second = studio.arm(request("two")).await.unwrap();
    assert!(studio.snapshot().jobs.iter().all(|job| job.egress_id == second));
    eventually("the first preview goes", || !lives(pid)).await;
    let folder = bench.data_dir().join("jobs").join(first.as_str());
    eventually("its folder goes", || !folder.exists()).await;

    studio.disarm(second.clone()).await.unwrap();
    assert!(studio.snapshot().jobs.is_empty());
    assert!(studio.record(second).await.is_err());
    studio.shut_down(true).await.unwrap();
    assert!(bench.open().await.snapshot().jobs.is_empty());
}

#[tokio::test]
async fn record_pressed_before_the_job_listens_is_not_lost() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let id = studio.arm(request("listens-late")).await.unwrap();
    studio.record(id.clone()).await.unwrap();
    until_job(&studio, &id, "recording", |job| job.status == EgressStatus::Active).await;
    studio.shut_down(true).await.unwrap();
}

#[tokio::test]
async fn a_job_that_does_not_take_the_file_says_why_and_stays_armed() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let id = studio.arm(request("refuses")).await.unwrap();
    until_job(&studio, &id, "armed", |job| job.armed).await;
    let error = studio.record(id.clone()).await.unwrap_err();
    assert_eq!((error.code, error.remedy.as_str()), (ErrorCode::Storage, "Plug it in."));
    let job = until_job(&studio, &id, "a preview again", |job| job.preview).await;
    assert!(job.outputs.is_empty() && studio.running().is_empty());
    studio.shut_down(true).await.unwrap();
}

#[tokio::test]
async fn a_job_whose_source_ends_is_complete_by_itself() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let id = studio.start(request("ends-soon")).await.unwrap();
    let job = until_job(&studio, &id, "the end", |job| job.status == EgressStatus::Complete).await;
    assert_eq!(job.end_reason, Some(EndReason::SourceClosed));
    eventually("its task ends", || studio.running().is_empty()).await;
    studio.shut_down(true).await.unwrap();
}

#[tokio::test]
async fn figures_come_a_few_times_a_second_and_changes_have_no_gaps() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let mut changes = studio.changes();
    let mut folded = studio.snapshot();
    let id = studio.start(request("show")).await.unwrap();
    let mut at = Vec::new();
    while at.len() < 6 {
        let change = tokio::time::timeout(crate::bench::PATIENCE, changes.recv()).await.unwrap().unwrap();
        if change.seq <= folded.seq {
            continue;
        }
        assert_eq!(change.seq, folded.seq + 1);
        folded.apply(&change);
        if matches!(change.change, studio::surface::Change::JobFigures { .. }) {
            at.push(std::time::Instant::now());
        }
    }
    // The peer sends fifty a second. A slow machine only makes the gaps longer.
    let took = *at.last().unwrap() - at[0];
    assert!(took.as_millis() >= 900, "six figures within {took:?}");
    studio.stop(id.clone()).await.unwrap();
    until_job(&studio, &id, "the end", |job| job.status == EgressStatus::Complete).await;
    studio.shut_down(true).await.unwrap();
    while let Ok(change) = changes.try_recv() {
        assert_eq!(change.seq, folded.seq + 1);
        folded.apply(&change);
    }
    assert_eq!(folded, studio.snapshot());
}

#[tokio::test]
async fn what_cannot_be_started_says_what_to_do() {
    let bench = Bench::new();
    let studio = bench.open_with(bench.dir.path().join("no-such-program")).await;
    let error = studio.arm(request("show")).await.unwrap_err();
    assert!(error.message.contains("tallylight-job"), "{error}");
    assert!(studio.snapshot().jobs.is_empty());
    studio.start(request("show")).await.unwrap_err();
    let jobs = studio.snapshot().jobs;
    assert_eq!((jobs.len(), jobs[0].status), (1, EgressStatus::Failed));
    studio.select_project(None).await.unwrap();
    assert_eq!(studio.start(request("show")).await.unwrap_err().code, ErrorCode::FailedPrecondition);
    let mut relative = request("show");
    relative.folder = "relative".into();
    assert_eq!(studio.start(relative).await.unwrap_err().code, ErrorCode::InvalidArgument);
    studio.shut_down(true).await.unwrap();
    assert!(studio.start(request("show")).await.is_err());
}

/// The path of a Unix socket may have some hundred bytes.
#[tokio::test]
async fn a_data_folder_with_a_long_name_works() {
    let mut bench = Bench::new();
    bench.nested = "a folder with a name that is long, as they are in the homes of great companies".repeat(2);
    std::fs::create_dir_all(bench.data_dir()).unwrap();
    std::fs::copy(bench.dir.path().join("data/projects.json"), bench.data_dir().join("projects.json"))
        .unwrap();
    let studio = bench.open().await;
    let id = studio.start(request("show")).await.unwrap();
    until_job(&studio, &id, "figures", |job| job.figures.is_some()).await;
    studio.shut_down(false).await.unwrap();
    let studio = bench.open().await;
    until_job(&studio, &id, "adoption", |job| job.figures.is_some()).await;
    studio.shut_down(true).await.unwrap();
    assert_eq!(studio.snapshot().jobs[0].status, EgressStatus::Complete);
}

#[tokio::test]
async fn one_studio_at_a_time_has_the_folder() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let mut options = studio::StudioOptions::new(
        bench.data_dir(),
        std::sync::Arc::new(bench.projects()),
        bench.secrets.clone(),
    );
    options.default_folder = Some(bench.recordings());
    let error = studio::Studio::open(options).await.err().unwrap();
    assert!(error.message.contains("running already"), "{error}");
    studio.shut_down(true).await.unwrap();
    bench.open().await.shut_down(true).await.unwrap();
}
