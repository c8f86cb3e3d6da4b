//! LiveKit's Egress API as calls of the studio.

use std::path::Path;
use std::sync::Arc;

use egress::error::ErrorCode;
use egress::id::EgressId;
use egress::storage::{LocalFolder, Storage, StorageProfile, StorageSecret};
use egress::validate::EgressRequest;
use livekit_protocol::{EgressInfo, EgressStatus};
use serde_json::{Value, json};
use studio::surface::Origin;
use studio::{ConfiguredStorage, EgressDefaults, EgressFilter, StartEgress, Studio, StudioOptions};

use crate::bench::{Bench, PATIENCE, all_files, example, request, until_job};

/// No other text may contain it.
const KEY: &str = "planted-key-of-a-request";

pub fn participant(extra: Value) -> EgressRequest {
    let mut body = json!({"roomName": "show", "identity": "ada", "fileOutputs": [{"filepath": "shows/{room_name}.mp4"}]});
    for (key, value) in extra.as_object().unwrap() {
        body[key] = value.clone();
    }
    EgressRequest::Participant(serde_json::from_value(body).unwrap())
}

pub fn start(request: EgressRequest) -> StartEgress {
    StartEgress { egress_id: None, room_id: "RM_1".into(), request, retry: 0, origin: Origin::Api }
}

pub async fn open_with(bench: &Bench, egress: EgressDefaults) -> Studio {
    let mut options = StudioOptions::new(bench.data_dir(), Arc::new(bench.projects()), bench.secrets.clone());
    options.job_program = Some(example("peer_job"));
    options.default_folder = Some(bench.recordings());
    options.egress = egress;
    Studio::open(options).await.unwrap()
}

/// The first telling of a job that fits.
pub async fn told(studio: &Studio, id: &str, what: &str, fits: impl Fn(&EgressInfo) -> bool) -> EgressInfo {
    let mut changes = studio.egress_changes();
    let looked = async {
        loop {
            let info = studio.egress(&id.into()).unwrap();
            if fits(&info) {
                return info;
            }
            let _ = changes.recv().await;
        }
    };
    tokio::time::timeout(PATIENCE, looked).await.unwrap_or_else(|_| panic!("{what} does not come"))
}

pub fn folder(bench: &Bench) -> ConfiguredStorage {
    let folder = bench.dir.path().join("store");
    std::fs::create_dir_all(&folder).unwrap();
    let profile = StorageProfile { storage: Storage::Local(LocalFolder { folder }), prefix: "kept".into() };
    ConfiguredStorage { profile, secret: StorageSecret::default() }
}

#[tokio::test]
async fn a_job_is_started_listed_stopped_and_told_in_livekits_words() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let mut changes = studio.egress_changes();
    let info = studio.start_egress(start(participant(json!({})))).await.unwrap();
    assert_eq!((info.status(), info.room_name.as_str()), (EgressStatus::EgressStarting, "show"));
    assert!(info.error.is_empty() && info.started_at > 0 && info.request.is_some());
    let id = info.egress_id.clone();
    told(&studio, &id, "active", |info| info.status() == EgressStatus::EgressActive).await;
    let listed = |room: &str, active| {
        let filter = EgressFilter { room_name: room.into(), active, ..EgressFilter::default() };
        studio.list_egress(&filter).into_iter().map(|info| info.egress_id).collect::<Vec<_>>()
    };
    assert_eq!((listed("show", true), listed("other", true)), (vec![id.clone()], vec![]));
    let again = StartEgress { egress_id: Some(id.as_str().into()), ..start(participant(json!({}))) };
    assert_eq!(studio.start_egress(again).await.unwrap_err().code, ErrorCode::AlreadyExists);
    let stopped = studio.stop_egress(id.as_str().into()).await.unwrap();
    assert_eq!(stopped.status(), EgressStatus::EgressEnding);
    let over = told(&studio, &id, "the end", |info| info.status() == EgressStatus::EgressComplete).await;
    assert_eq!(over.details, "End reason: StopEgress API");
    let file = &over.file_results[0];
    assert_eq!(file.filename, format!("{id}.mp4"));
    assert!(Path::new(&file.location).starts_with(bench.recordings()) && file.size > 0);
    let refused = studio.stop_egress(id.as_str().into()).await.unwrap_err();
    assert_eq!(refused.detail, "egress with status EGRESS_COMPLETE cannot be stopped");
    assert!(listed("", true).is_empty() && listed("", false) == [id.clone()]);
    // Each state was told once, in order.
    let mut states = Vec::new();
    while let Ok(info) = changes.try_recv() {
        states.push(info.status());
    }
    states.dedup();
    use EgressStatus::{EgressActive, EgressComplete, EgressEnding, EgressStarting};
    assert_eq!(states, [EgressStarting, EgressActive, EgressEnding, EgressComplete]);
    // The next run knows it all.
    studio.shut_down(true).await.unwrap();
    let studio = bench.open().await;
    assert_eq!(studio.egress(&id.as_str().into()).unwrap(), over);
    let nobody = studio.egress(&EgressId::from("EG_nobody")).unwrap_err();
    assert_eq!(nobody.code, ErrorCode::NotFound);
}

#[tokio::test]
async fn another_try_is_told_as_one_and_needs_names_of_its_own() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let again = |filepath: &str| {
        let mut asked = participant(json!({"fileOutputs": [{"filepath": filepath}]}));
        if let EgressRequest::Participant(asked) = &mut asked {
            asked.room_name = "named".into();
        }
        StartEgress { retry: 2, ..start(asked) }
    };
    let refused = studio.start_egress(again("show.mp4")).await.unwrap_err();
    assert_eq!(refused.detail, "output configuration does not support retry");
    let info = studio.start_egress(again("show_{retry}.mp4")).await.unwrap();
    assert_eq!(info.retry_count, 2);
    let id = info.egress_id.clone();
    let active = told(&studio, &id, "active", |info| info.status() == EgressStatus::EgressActive).await;
    assert_eq!(active.retry_count, 2);
    assert_eq!(active.file_results[0].filename, "show_2.mp4");
}

#[tokio::test]
async fn of_an_evicted_job_nothing_is_uploaded_and_its_keys_are_forgotten() {
    let bench = Bench::new();
    let defaults = EgressDefaults { storage: Some(folder(&bench)), ..EgressDefaults::default() };
    let studio = open_with(&bench, defaults).await;
    let mut asked = participant(json!({}));
    if let EgressRequest::Participant(asked) = &mut asked {
        asked.room_name = "evicts".into();
    }
    let info = studio.start_egress(start(asked)).await.unwrap();
    let id = EgressId::from(info.egress_id.as_str());
    let over =
        told(&studio, id.as_str(), "the end", |info| info.status() == EgressStatus::EgressFailed).await;
    assert_eq!((over.error_code, over.details.as_str()), (409, "End reason: Duplicate identity"));
    assert!(studio.was_evicted(&id));
    // It is here, where it was written.
    let here = over.file_results[0].location.clone();
    assert!(Path::new(&here).starts_with(bench.recordings()) && Path::new(&here).exists());
    until_job(&studio, &id, "nothing to upload", |job| job.stores.is_empty()).await;
    assert!(studio.snapshot().uploads.is_empty());
    studio.shut_down(true).await.unwrap();
    let studio = bench.open().await;
    assert!(studio.was_evicted(&id) && studio.egress(&id).unwrap() == over);
    crate::bench::eventually("nothing is in the store", || {
        all_files(&bench.dir.path().join("store")).into_iter().next().is_none()
    })
    .await;
}

#[tokio::test]
async fn what_the_window_records_is_listed_too_and_what_it_holds_ready_is_not() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let id = studio.arm(request("show")).await.unwrap();
    until_job(&studio, &id, "armed", |job| job.armed).await;
    assert!(studio.list_egress(&EgressFilter::default()).is_empty());
    studio.record(id.clone()).await.unwrap();
    let info = {
        until_job(&studio, &id, "active", |job| job.status == egress::fact::EgressStatus::Active).await;
        told(&studio, id.as_str(), "active", |info| info.status() == EgressStatus::EgressActive).await
    };
    assert!(matches!(info.request, Some(EgressRequest::Participant(_))));
}

#[tokio::test]
async fn a_file_is_complete_when_it_is_where_the_configuration_wants_it() {
    let bench = Bench::new();
    let defaults = EgressDefaults { storage: Some(folder(&bench)), ..EgressDefaults::default() };
    let studio = open_with(&bench, defaults).await;
    let info = studio.start_egress(start(participant(json!({})))).await.unwrap();
    let id = info.egress_id.clone();
    told(&studio, &id, "active", |info| info.status() == EgressStatus::EgressActive).await;
    studio.stop_egress(id.as_str().into()).await.unwrap();
    let over = told(&studio, &id, "the end", |info| info.status() == EgressStatus::EgressComplete).await;
    let object = bench.dir.path().join(format!("store/kept/{id}.mp4"));
    assert_eq!(over.file_results[0].location, object.display().to_string());
    assert!(std::fs::read(&object).unwrap().ends_with(b"whole") && over.ended_at > 0);
    // The local one goes, with the folder that it had for itself.
    crate::bench::eventually("nothing is left", || !bench.recordings().join(&id).exists()).await;
}

#[tokio::test]
async fn keys_of_a_request_are_kept_where_keys_are_kept_and_an_upload_that_fails_fails_no_job() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let s3 = json!({"bucket": "b", "accessKey": "a", "secret": KEY, "endpoint": "http://127.0.0.1:9"});
    let asked = participant(json!({"fileOutputs": [{"filepath": "show.mp4", "s3": s3}]}));
    let info = studio.start_egress(start(asked)).await.unwrap();
    assert!(!format!("{info:?}").contains(KEY));
    let id = info.egress_id.clone();
    told(&studio, &id, "active", |info| info.status() == EgressStatus::EgressActive).await;
    studio.stop_egress(id.as_str().into()).await.unwrap();
    let waiting = crate::bench::until(&studio, "an upload that waits", |snapshot| {
        let waits = |upload: &&upload::Upload| matches!(upload.state, upload::UploadState::Waiting { .. });
        snapshot.uploads.iter().find(waits).cloned()
    })
    .await;
    assert_eq!(waiting.key, format!("{id}.mp4"));
    told(&studio, &id, "ending", |info| info.status() == EgressStatus::EgressEnding && info.ended_at == 0)
        .await;
    for (path, text) in all_files(bench.dir.path()) {
        assert!(!String::from_utf8_lossy(&text).contains(KEY), "{}", path.display());
    }
    // It goes up with its own keys after a restart, too.
    studio.shut_down(true).await.unwrap();
    let studio = bench.open().await;
    let job = studio.snapshot().jobs.into_iter().find(|job| job.egress_id.as_str() == id).unwrap();
    let name = &job.stores[0].target.secret;
    assert!(studio::secrets::SecretStore::get(&*bench.secrets, name).unwrap().is_some());
    let listed =
        |snapshot: &studio::surface::Snapshot| snapshot.uploads.first().map(|upload| upload.id.clone());
    let upload = crate::bench::until(&studio, "the list", listed).await;
    studio.cancel_upload(upload).await.unwrap();
    let over = told(&studio, &id, "the end", |info| info.status() == EgressStatus::EgressComplete).await;
    assert!(Path::new(&over.file_results[0].location).exists());
    crate::bench::eventually("the keys are gone", || {
        studio::secrets::SecretStore::get(&*bench.secrets, name).unwrap().is_none()
    })
    .await;
}
