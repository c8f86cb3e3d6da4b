//! Storages that are corrected while something waits for them, and what requests may do without keys.

use egress::error::ErrorCode;
use egress::storage::{LocalFolder, S3, Storage, StorageKeys, StorageProfile, StorageSecret};
use livekit_protocol::EgressStatus;
use serde_json::json;
use studio::surface::{SecretPlace, StorageInput};
use studio::{ConfiguredStorage, EgressDefaults};
use upload::{Upload, UploadState};

use crate::api::{folder, open_with, participant, start, told};
use crate::bench::{Bench, eventually, request, until, until_job};

fn nowhere() -> (Storage, StorageSecret) {
    let storage =
        Storage::S3(S3 { bucket: "shows".into(), endpoint: "http://127.0.0.1:9".into(), ..S3::default() });
    let keys = StorageKeys::S3 {
        access_key: "a".into(),
        secret: "b".into(),
        session_token: None,
        assume_role_external_id: None,
    };
    (storage, StorageSecret { keys, proxy: None })
}

fn waits(upload: &&Upload) -> bool {
    matches!(upload.state, UploadState::Waiting { .. })
}

#[tokio::test]
async fn what_waits_goes_to_a_storage_as_it_was_corrected() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let (storage, secret) = nowhere();
    let profile = StorageProfile { storage, prefix: String::new() };
    let input = StorageInput { name: "Shows".into(), profile, secret: Some(secret), this_run_only: false };
    let id = studio.save_storage(input.clone()).await.unwrap();
    let upload =
        Some(egress::request::UploadRequest { storage: id.clone(), backup: None, remove_local: false });
    let job = studio.start(egress::request::RecordRequest { upload, ..request("show") }).await.unwrap();
    until_job(&studio, &job, "it runs", |job| job.status == egress::fact::EgressStatus::Active).await;
    studio.stop(job.clone()).await.unwrap();
    let waiting = until(&studio, "it waits", |snapshot| snapshot.uploads.iter().find(waits).cloned()).await;
    let right = bench.dir.path().join("right");
    std::fs::create_dir_all(&right).unwrap();
    let storage = Storage::Local(LocalFolder { folder: right.clone() });
    let profile = StorageProfile { storage, prefix: "2026".into() };
    studio.edit_storage(id, StorageInput { profile, secret: None, ..input }).await.unwrap();
    let stored = until_job(&studio, &job, "it is there", |job| job.outputs[0].stored.is_some()).await;
    let object = right.join("2026").join(&waiting.key);
    assert_eq!(stored.outputs[0].stored.as_ref().unwrap().location, object.display().to_string());
    assert!(object.exists());
}

#[tokio::test]
async fn a_configuration_that_was_corrected_is_used_after_the_next_start() {
    let bench = Bench::new();
    let (storage, secret) = nowhere();
    let profile = StorageProfile { storage, prefix: String::new() };
    let wrong = EgressDefaults { storage: Some(ConfiguredStorage { profile, secret }), ..Default::default() };
    let studio = open_with(&bench, wrong).await;
    let info = studio.start_egress(start(participant(json!({})))).await.unwrap();
    let id = info.egress_id.clone();
    told(&studio, &id, "active", |info| info.status() == EgressStatus::EgressActive).await;
    studio.stop_egress(id.as_str().into()).await.unwrap();
    until(&studio, "it waits", |snapshot| snapshot.uploads.iter().find(waits).cloned()).await;
    studio.shut_down(true).await.unwrap();
    let right = EgressDefaults { storage: Some(folder(&bench)), ..EgressDefaults::default() };
    let studio = open_with(&bench, right).await;
    let over = told(&studio, &id, "the end", |info| info.status() == EgressStatus::EgressComplete).await;
    let store = bench.dir.path().join("store/kept");
    assert!(over.file_results[0].location.starts_with(&store.display().to_string()), "{over:?}");
    // The folder that it had for itself goes with its file.
    eventually("nothing is left", || !bench.recordings().join(&id).exists()).await;
}

#[tokio::test]
async fn the_configured_prefix_begins_names_in_a_storage_of_the_requests_own() {
    let bench = Bench::new();
    let defaults = EgressDefaults { prefix: "/all/".into(), ..EgressDefaults::default() };
    let studio = open_with(&bench, defaults).await;
    let s3 = json!({"bucket": "b", "accessKey": "a", "secret": "b", "endpoint": "http://127.0.0.1:9"});
    let asked = participant(json!({"fileOutputs": [{"filepath": "show.mp4", "s3": s3}]}));
    let info = studio.start_egress(start(asked)).await.unwrap();
    told(&studio, &info.egress_id, "active", |info| info.status() == EgressStatus::EgressActive).await;
    let going = until(&studio, "it is on the list", |snapshot| snapshot.uploads.first().cloned()).await;
    assert!(going.key.starts_with("all/"), "{going:?}");
}

#[tokio::test]
async fn a_request_without_keys_is_no_way_to_this_computers_own() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let asked = participant(json!({"fileOutputs": [{"filepath": "show.mp4", "s3": {"bucket": "b"}}]}));
    let error = studio.start_egress(start(asked)).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::PermissionDenied, "{error:?}");
    assert!(studio.snapshot().jobs.is_empty());
    // A storage that is saved may use it: the operator has chosen so. It has nothing to keep.
    let storage = Storage::S3(S3 { bucket: "b".into(), machine_identity: true, ..S3::default() });
    let profile = StorageProfile { storage, prefix: String::new() };
    let input = StorageInput { name: String::new(), profile, secret: None, this_run_only: false };
    let id = studio.save_storage(input.clone()).await.unwrap();
    let (storage, secret) = nowhere();
    let profile = StorageProfile { storage, prefix: String::new() };
    let with_keys = StorageInput { profile, secret: Some(secret), ..input.clone() };
    for (input, kept) in [(with_keys, true), (input, false)] {
        studio.edit_storage(id.clone(), input).await.unwrap();
        let in_keyring = studio::secrets::SecretStore::get(&*bench.secrets, id.as_str()).unwrap().is_some();
        assert_eq!((in_keyring, studio.snapshot().storages[0].keys), (kept, SecretPlace::Keyring));
    }
}
