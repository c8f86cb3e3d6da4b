//! Recordings go up: while they grow, after deaths, and not at all where nobody wants it any more.

use std::path::{Path, PathBuf};

use egress::error::{ErrorCode, Fault};
use egress::fact::EgressStatus;
use egress::id::StorageId;
use egress::request::{RecordRequest, UploadRequest};
use egress::storage::{LocalFolder, S3, Storage, StorageKeys, StorageProfile, StorageSecret};
use studio::Studio;
use studio::surface::{Job, SecretPlace, StorageInput, Stored};
use upload::{LocalFile, UploadState};

use crate::bench::{Bench, all_files, eventually, kill, lives, pid_of, request, until, until_job};

/// No other text may contain it.
const KEY: &str = "planted-storage-key";

fn store(bench: &Bench) -> PathBuf {
    let folder = bench.dir.path().join("store");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn folder(bench: &Bench) -> StorageInput {
    let storage = Storage::Local(LocalFolder { folder: store(bench) });
    let profile = StorageProfile { storage, prefix: "/shows/2026/ ".into() };
    StorageInput { name: String::new(), profile, secret: None, this_run_only: false }
}

/// A bucket at an address where nobody listens.
fn nowhere(secret: Option<&str>) -> StorageInput {
    let storage =
        Storage::S3(S3 { bucket: "shows".into(), endpoint: "http://127.0.0.1:9".into(), ..S3::default() });
    let keys = |secret: &str| StorageKeys::S3 {
        access_key: "tallylight".into(),
        secret: secret.into(),
        session_token: None,
        assume_role_external_id: None,
    };
    StorageInput {
        name: " The bucket ".into(),
        profile: StorageProfile { storage, prefix: String::new() },
        secret: secret.map(|secret| StorageSecret { keys: keys(secret), proxy: None }),
        this_run_only: false,
    }
}

fn to(storage: &StorageId) -> Option<UploadRequest> {
    Some(UploadRequest { storage: storage.clone(), backup: None, remove_local: false })
}

async fn recorded(studio: &Studio, asked: RecordRequest) -> Job {
    let id = studio.start(asked).await.unwrap();
    let size = |job: &Job| job.figures.as_ref().and_then(|figures| Some(figures.outputs.first()?.size_bytes));
    until_job(studio, &id, "material", |job| size(job).is_some_and(|size| size > 600)).await
}

async fn until_stored(studio: &Studio, job: &Job) -> (Job, Stored) {
    let job = until_job(studio, &job.egress_id, "the object", |job| job.outputs[0].stored.is_some()).await;
    let stored = job.outputs[0].stored.clone().unwrap();
    (job, stored)
}

/// The object that a recording became.
fn object(bench: &Bench, job: &Job) -> PathBuf {
    let path = Path::new(job.outputs[0].path.as_deref().unwrap());
    store(bench).join("shows/2026").join(path.file_name().unwrap())
}

#[tokio::test]
async fn a_recording_goes_up_and_its_job_says_where_it_is() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let storage = studio.save_storage(folder(&bench)).await.unwrap();
    let saved = studio.snapshot().storages;
    assert_eq!(
        (saved[0].name.as_str(), saved[0].profile.prefix.as_str()),
        (store(&bench).to_str().unwrap(), "shows/2026")
    );
    let job = recorded(&studio, RecordRequest { upload: to(&storage), ..request("show") }).await;
    // On the list while it grows.
    until(&studio, "the upload", |snapshot| snapshot.uploads.iter().find(|upload| upload.growing).cloned())
        .await;
    studio.stop(job.egress_id.clone()).await.unwrap();
    let (job, stored) = until_stored(&studio, &job).await;
    assert_eq!(job.status, EgressStatus::Complete);
    let (file, copy) = (std::fs::read(job.outputs[0].path.as_ref().unwrap()).unwrap(), object(&bench, &job));
    assert_eq!(std::fs::read(&copy).unwrap(), file);
    assert!(file.ends_with(b"whole"));
    assert_eq!(
        (stored.location.as_str(), stored.local, stored.on_backup),
        (copy.to_str().unwrap(), LocalFile::Kept, false)
    );
    studio.shut_down(true).await.unwrap();
    // The history of the next run has it as it was.
    let studio = bench.open().await;
    assert_eq!(until_stored(&studio, &job).await.0, job);
    let stored = |upload: &upload::Upload| matches!(upload.state, UploadState::Stored { .. });
    until(&studio, "the list", |snapshot| snapshot.uploads.first().is_some_and(stored).then_some(())).await;
}

#[tokio::test]
async fn a_file_is_removed_when_its_object_is_there_if_that_is_wanted() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let storage = studio.save_storage(folder(&bench)).await.unwrap();
    let upload = Some(UploadRequest { storage, backup: None, remove_local: true });
    let job = recorded(&studio, RecordRequest { upload, ..request("show") }).await;
    studio.stop(job.egress_id.clone()).await.unwrap();
    let removed =
        |job: &Job| job.outputs[0].stored.as_ref().is_some_and(|stored| stored.local == LocalFile::Removed);
    let job = until_job(&studio, &job.egress_id, "the file to go", removed).await;
    assert!(!Path::new(job.outputs[0].path.as_ref().unwrap()).exists());
    assert!(std::fs::read(object(&bench, &job)).unwrap().ends_with(b"whole"));
}

#[tokio::test]
async fn the_file_of_a_job_that_died_goes_up_as_it_was_saved() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let storage = studio.save_storage(folder(&bench)).await.unwrap();
    let asked = RecordRequest { upload: to(&storage), manifest: true, ..request("show") };
    let job = recorded(&studio, asked).await;
    kill(pid_of(&bench, &job.egress_id));
    let (job, _) = until_stored(&studio, &job).await;
    assert!(job.recovered);
    let file = std::fs::read(job.outputs[0].path.as_ref().unwrap()).unwrap();
    assert!(file.ends_with(b"media\nwhole"));
    assert_eq!(std::fs::read(object(&bench, &job)).unwrap(), file);
    let manifest = object(&bench, &job).with_file_name(format!("{}.json", job.egress_id));
    eventually("the manifest goes up", || manifest.exists()).await;
}

#[tokio::test]
async fn what_ended_while_no_studio_ran_goes_up_at_the_next_start() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let storage = studio.save_storage(folder(&bench)).await.unwrap();
    let job = recorded(&studio, RecordRequest { upload: to(&storage), ..request("show") }).await;
    let pid = pid_of(&bench, &job.egress_id);
    studio.shut_down(false).await.unwrap();
    drop(studio);
    kill(pid);
    eventually("the job goes", || !lives(pid)).await;
    let studio = bench.open().await;
    let (job, _) = until_stored(&studio, &job).await;
    assert!(std::fs::read(object(&bench, &job)).unwrap().ends_with(b"whole"));
}

#[tokio::test]
async fn a_storage_that_cannot_be_reached_harms_no_recording() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let bucket = studio.save_storage(nowhere(Some(KEY))).await.unwrap();
    let job = recorded(&studio, RecordRequest { upload: to(&bucket), ..request("show") }).await;
    let id = job.egress_id.clone();
    let refused = studio.forget_storage(bucket.clone()).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::FailedPrecondition);
    studio.stop(id.clone()).await.unwrap();
    let job = until_job(&studio, &id, "the end", |job| job.status == EgressStatus::Complete).await;
    assert!(job.error.is_none() && job.outputs[0].stored.is_none());
    let waiting = until(&studio, "the reason", |snapshot| {
        let [upload] = &snapshot.uploads[..] else { return None };
        matches!(upload.state, UploadState::Waiting { .. }).then(|| upload.clone())
    })
    .await;
    let UploadState::Waiting { error, next_try_ms } = waiting.state else { unreachable!() };
    assert_eq!(error.code, ErrorCode::Unreachable);
    assert!(next_try_ms > 0);
    studio.retry_upload(Some(waiting.id.clone())).await.unwrap();

    // Who takes it off the list does not find it there again.
    studio.cancel_upload(waiting.id).await.unwrap();
    until(&studio, "an empty list", |snapshot| snapshot.uploads.is_empty().then_some(())).await;
    studio.shut_down(true).await.unwrap();
    drop(studio);
    let studio = bench.open().await;
    let elsewhere = studio.save_storage(folder(&bench)).await.unwrap();
    assert!(studio.snapshot().uploads.is_empty());

    // It can be sent elsewhere, also long afterwards.
    studio.upload_recording(id.clone(), to(&elsewhere).unwrap()).await.unwrap();
    let (job, _) = until_stored(&studio, &job).await;
    assert!(object(&bench, &job).exists());
    studio.forget_storage(bucket).await.unwrap();
    studio.shut_down(true).await.unwrap();
}

#[tokio::test]
async fn the_keys_of_a_storage_are_in_the_keyring_and_nowhere_else() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let id = studio.save_storage(nowhere(Some(KEY))).await.unwrap();
    let [saved] = &studio.snapshot().storages[..] else { panic!("one storage") };
    assert_eq!((saved.name.as_str(), saved.keys), ("The bucket", SecretPlace::Keyring));
    // Without keys, those that are kept are meant.
    let error = studio.check_storage(nowhere(None), Some(id.clone())).await.unwrap_err();
    assert_eq!((error.code, error.retryable), (ErrorCode::Unreachable, true));
    let error = studio.check_storage(nowhere(None), None).await.unwrap_err();
    assert_eq!((error.code, error.fault), (ErrorCode::InvalidArgument, Fault::Input));
    let found = studio.check_storage(folder(&bench), None).await.unwrap();
    assert!(found.remarks.is_empty() && !Path::new(&found.location).exists(), "{found:?}");

    studio.edit_storage(id.clone(), StorageInput { name: "B".into(), ..nowhere(None) }).await.unwrap();
    assert!(!format!("{:?}", studio.snapshot()).contains(KEY));
    studio.shut_down(true).await.unwrap();
    drop(studio);
    for (path, bytes) in all_files(bench.dir.path()) {
        assert!(!String::from_utf8_lossy(&bytes).contains(KEY), "the key is in {}", path.display());
    }
    let studio = bench.open().await;
    assert_eq!(studio.snapshot().storages[0].keys, SecretPlace::Keyring);
    let error = studio.check_storage(nowhere(None), Some(id.clone())).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Unreachable);
    studio.forget_storage(id.clone()).await.unwrap();
    assert!(studio.snapshot().storages.is_empty());
    let gone = studio.start(RecordRequest { upload: to(&id), ..request("show") }).await.unwrap_err();
    assert_eq!(gone.code, ErrorCode::NotFound);
}

#[tokio::test]
async fn where_it_goes_can_be_chosen_while_it_is_armed() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let storage = studio.save_storage(folder(&bench)).await.unwrap();
    let armed = studio.arm(request("show")).await.unwrap();
    until_job(&studio, &armed, "armed", |job| job.armed).await;
    let asked = RecordRequest { upload: to(&storage), ..request("show") };
    assert_eq!(studio.arm(asked.clone()).await.unwrap(), armed);
    assert_eq!(studio.start(asked).await.unwrap(), armed);
    let job = until_job(&studio, &armed, "recording", |job| job.status == EgressStatus::Active).await;
    studio.stop(armed).await.unwrap();
    let (job, _) = until_stored(&studio, &job).await;
    assert!(object(&bench, &job).exists());
}

#[tokio::test]
async fn what_is_stored_can_be_sent_elsewhere_too_and_stays_in_the_history() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let storage = studio.save_storage(folder(&bench)).await.unwrap();
    let job = recorded(&studio, RecordRequest { upload: to(&storage), ..request("show") }).await;
    studio.stop(job.egress_id.clone()).await.unwrap();
    let (job, first) = until_stored(&studio, &job).await;
    let second = bench.dir.path().join("second");
    std::fs::create_dir_all(&second).unwrap();
    let storage = Storage::Local(LocalFolder { folder: second.clone() });
    let profile = StorageProfile { storage, prefix: String::new() };
    let input = StorageInput { name: "Second".into(), profile, secret: None, this_run_only: false };
    let elsewhere = studio.save_storage(input).await.unwrap();
    studio.upload_recording(job.egress_id.clone(), to(&elsewhere).unwrap()).await.unwrap();
    let moved =
        |job: &Job| job.outputs[0].stored.as_ref().is_some_and(|stored| stored.location != first.location);
    let job = until_job(&studio, &job.egress_id, "the second object", moved).await;
    let name = object(&bench, &job).file_name().unwrap().to_owned();
    assert!(second.join(name).exists() && object(&bench, &job).exists());

    // What still waits keeps its recording in the history.
    let bucket = studio.save_storage(nowhere(Some(KEY))).await.unwrap();
    studio.upload_recording(job.egress_id.clone(), to(&bucket).unwrap()).await.unwrap();
    until(&studio, "the upload", |snapshot| (snapshot.uploads.len() == 1).then_some(())).await;
    let refused = studio.forget_job(job.egress_id.clone()).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::FailedPrecondition);
    let [waiting] = &studio.snapshot().uploads[..] else { panic!("one upload") };
    studio.cancel_upload(waiting.id.clone()).await.unwrap();
    until(&studio, "an empty list", |snapshot| snapshot.uploads.is_empty().then_some(())).await;
    studio.forget_job(job.egress_id).await.unwrap();
}

#[tokio::test]
async fn a_name_that_comes_again_takes_no_objects_place() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let storage = studio.save_storage(folder(&bench)).await.unwrap();
    let upload = Some(UploadRequest { storage, backup: None, remove_local: true });
    let mut places = Vec::new();
    for _ in 0..2 {
        let asked = RecordRequest { name: "show.mp4".into(), upload: upload.clone(), ..request("show") };
        let job = recorded(&studio, asked).await;
        studio.stop(job.egress_id.clone()).await.unwrap();
        let place = until_stored(&studio, &job).await.1.location;
        // The next one gets this name again, as soon as this file is gone from here.
        assert!(place.contains(&format!("/shows/2026/{}/", job.egress_id)), "{place}");
        places.push(place);
    }
    assert!(places.iter().all(|place| Path::new(place).exists()), "{places:?}");
}

/// The folder that the peer of the room `sets` writes one of its sets to.
fn folder_of(bench: &Bench, job: &Job, of: &str) -> PathBuf {
    bench.recordings().join(format!("{}-{of}", job.egress_id))
}

#[tokio::test]
async fn an_image_that_is_written_over_goes_up_again_and_the_last_one_certainly() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let storage = studio.save_storage(folder(&bench)).await.unwrap();
    let job = recorded(&studio, RecordRequest { upload: to(&storage), ..request("sets") }).await;
    let image = folder_of(&bench, &job, "images").join("image.jpeg");
    let copy = store(&bench).join("shows/2026").join(image.strip_prefix(bench.recordings()).unwrap());
    let mut before = Vec::new();
    for version in 0..3 {
        let newer = || std::fs::read(&copy).is_ok_and(|now| now != before);
        eventually(&format!("version {version}"), newer).await;
        before = std::fs::read(&copy).unwrap();
    }
    studio.stop(job.egress_id.clone()).await.unwrap();
    let stored = |job: &Job| job.outputs.iter().any(|o| o.id.as_str() == "images" && o.stored.is_some());
    until_job(&studio, &job.egress_id, "the images", stored).await;
    assert_eq!(std::fs::read(&copy).unwrap(), std::fs::read(&image).unwrap());
    assert_ne!(std::fs::read(&copy).unwrap(), before);
    // The versions before it are not kept on the list.
    let of_it = |upload: &&upload::Upload| upload.path == image;
    assert!(studio.snapshot().uploads.iter().filter(of_it).count() <= 1);
}

#[tokio::test]
async fn a_set_is_paused_goes_on_and_is_taken_off_as_one_with_what_is_still_to_come() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let bucket = studio.save_storage(nowhere(Some(KEY))).await.unwrap();
    let job = recorded(&studio, RecordRequest { upload: to(&bucket), ..request("sets") }).await;
    let (id, hls) = (job.egress_id.clone(), folder_of(&bench, &job, "hls"));
    let states = |snapshot: &studio::surface::Snapshot| -> Vec<UploadState> {
        let of_it = snapshot.uploads.iter().filter(|upload| upload.path.starts_with(&hls));
        of_it.map(|upload| upload.state.clone()).collect()
    };
    let all = |snapshot: &studio::surface::Snapshot, more: usize, paused: bool| {
        let states = states(snapshot);
        let fits = states.len() > more && states.iter().all(|s| (*s == UploadState::Paused) == paused);
        fits.then_some(states.len())
    };
    let output = || "segments".into();
    until(&studio, "some of it", |snapshot| all(snapshot, 10, false)).await;
    studio.pause_set(id.clone(), output(), true).await.unwrap();
    let paused = until(&studio, "the pause", |snapshot| all(snapshot, 10, true)).await;
    // What comes meanwhile waits with it.
    until(&studio, "more of it", |snapshot| all(snapshot, paused + 30, true)).await;
    studio.pause_set(id.clone(), output(), false).await.unwrap();
    until(&studio, "it to go on", |snapshot| all(snapshot, paused, false)).await;
    studio.retry_set(id.clone(), output()).await.unwrap();

    studio.cancel_set(id.clone(), output()).await.unwrap();
    until(&studio, "it to go", |snapshot| states(snapshot).is_empty().then_some(())).await;
    // The other set and the file are still there.
    assert!(studio.snapshot().uploads.iter().any(|upload| upload.path.ends_with("image.jpeg")));
    let written = || std::fs::read_dir(&hls).unwrap().count();
    let then = written();
    eventually("segments to come", || written() > then + 100).await;
    assert!(states(&studio.snapshot()).is_empty(), "they are put on the list again");
    studio.stop(id.clone()).await.unwrap();
    let job = until_job(&studio, &id, "the end", |job| job.ended_at_ms.is_some()).await;
    assert!(job.outputs.iter().all(|output| output.stored.is_none()));
    assert!(states(&studio.snapshot()).is_empty());
}
