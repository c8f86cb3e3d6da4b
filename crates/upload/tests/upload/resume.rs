//! Uploads go on where they stopped, and notice where they cannot.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use egress::storage::{LocalFolder, Storage, StorageSecret};
use object_store::aws::AmazonS3Builder;
use object_store::multipart::MultipartStore;
use upload::{Queue, UploadState, What, Yield};

use crate::proxy::{Act, Faults, Wire, is_part};
use crate::servers::{Server, profile};
use crate::tools::{Bench, PART, quick};

/// Stops a queue when two of five parts are up and counts what is sent after it is opened again.
async fn goes_on(server: &Server) {
    let faults = Faults::before(&server.url).await;
    let (profile, secret) = server.behind(&faults.url);
    let mut options = quick();
    options.parallel_parts = 1;
    let mut bench = Bench::with(profile, secret, options).await;
    let (path, bytes) = bench.file("long.mp4", 4 * PART + 99);
    let mut parts = 0;
    faults.rule(move |head, _| {
        parts += usize::from(is_part(head));
        if parts > 2 { Act::Answer(503, String::new()) } else { Act::Pass }
    });
    let id = bench.add(&path, "long.mp4").await;
    let two = 2 * PART as u64;
    bench.until(&id, "two parts up", |upload| upload.attempts > 0 && upload.progress.sent_bytes == two).await;
    bench.restart().await;
    faults.seen.lock().clear();
    faults.rule(|_, _| Act::Pass);
    bench.stored(&id).await;
    let sent = faults
        .seen
        .lock()
        .iter()
        .filter(|line| line.contains("partNumber=") || line.contains("comp=block&"))
        .count();
    // One may have been under way when the rule was lifted.
    assert!(sent <= 4, "{sent} parts were sent: {:?}", faults.seen.lock());
    assert_eq!(server.object("long.mp4").await.map(|object| object == bytes), Some(true));
}

#[tokio::test]
async fn s3_goes_on_after_a_restart() {
    goes_on(&Server::minio().await).await;
}

#[tokio::test]
async fn google_goes_on_after_a_restart() {
    goes_on(&Server::gcs().await).await;
}

#[tokio::test]
async fn azure_goes_on_after_a_restart() {
    goes_on(&Server::azure().await).await;
}

#[tokio::test]
async fn an_upload_that_the_store_threw_away_begins_anew() {
    let server = Server::minio().await;
    let wire = Wire::before(&server.url).await;
    let (profile, secret) = server.behind(&wire.url);
    let mut options = quick();
    options.parallel_parts = 1;
    let mut bench = Bench::with(profile, secret, options).await;
    let (path, bytes) = bench.file("long.mp4", 3 * PART);
    wire.cut_after.store(PART as u64 + (PART / 2) as u64, Ordering::SeqCst);
    wire.cuts.store(1000, Ordering::SeqCst);
    let id = bench.add(&path, "long.mp4").await;
    bench.until(&id, "a part up", |upload| upload.attempts > 0 && upload.progress.sent_bytes > 0).await;
    let queue = bench.queue.clone();
    queue.shutdown().await;
    // As a lifecycle rule does that clears away what was never completed.
    let journal = rusqlite::Connection::open(bench.dir.path().join("queue/uploads.db")).unwrap();
    let row: String = journal.query_row("SELECT row FROM uploads", [], |row| row.get(0)).unwrap();
    let row: serde_json::Value = serde_json::from_str(&row).unwrap();
    let multipart = row["multipart"].as_str().unwrap().to_owned();
    drop(journal);
    let store = AmazonS3Builder::new()
        .with_bucket_name("shows")
        .with_endpoint(&server.url)
        .with_allow_http(true)
        .with_access_key_id("tallylight")
        .with_secret_access_key("no-secret-at-all")
        .build()
        .unwrap();
    store.abort_multipart(&"long.mp4".into(), &multipart).await.unwrap();
    wire.cuts.store(0, Ordering::SeqCst);
    bench.restart().await;
    bench.stored(&id).await;
    assert_eq!(server.object("long.mp4").await.map(|object| object == bytes), Some(true));
}

#[tokio::test]
async fn secrets_are_nowhere_on_the_disk() {
    let server = Server::minio().await;
    let bench = Bench::new(server.profile.clone(), server.secret.clone()).await;
    let (path, _) = bench.file("a.mp4", 2 * PART);
    let id = bench.add(&path, "a.mp4").await;
    bench.stored(&id).await;
    bench.queue.shutdown().await;
    let mut read = 0;
    for entry in std::fs::read_dir(bench.dir.path().join("queue")).unwrap().flatten() {
        let bytes = std::fs::read(entry.path()).unwrap();
        read += bytes.len();
        let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!holds("no-secret-at-all"), "{entry:?}");
    }
    assert!(read > 4096);
}

#[tokio::test]
async fn pause_cancel_and_yield() {
    let server = Server::minio().await;
    let mut options = quick();
    options.limit_bps = Some(40_000_000);
    let mut bench = Bench::with(server.profile.clone(), server.secret.clone(), options).await;
    let mut events = bench.queue.events();
    let (path, bytes) = bench.file("a.mp4", 4 * PART);
    let id = bench.add(&path, "a.mp4").await;
    let moving = |upload: &upload::Upload| {
        upload.state == UploadState::Uploading
            && upload.progress.rate_bps > 0
            && upload.progress.remaining_ms.is_some()
    };
    bench.until(&id, "moving", moving).await;
    bench.queue.pause(&id, true).await.unwrap();
    let paused = bench.upload(&id);
    assert_eq!(paused.state, UploadState::Paused);
    // It stays so across a restart.
    bench.restart().await;
    assert_eq!(bench.upload(&id).state, UploadState::Paused);
    bench.queue.yield_to_live(Yield::Pause);
    bench.queue.pause(&id, false).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    assert_eq!(bench.upload(&id).state, UploadState::Queued);
    bench.queue.yield_to_live(Yield::No);
    bench.queue.set_limit(None);
    bench.stored(&id).await;
    assert_eq!(server.object("a.mp4").await.map(|object| object == bytes), Some(true));

    // Events are numbered without a gap, and end where the queue was closed.
    let (mut seqs, mut progress) = (Vec::new(), 0);
    while let Ok(event) = events.try_recv() {
        seqs.push(event.seq);
        progress += u32::from(matches!(event.what, What::Progress { .. }));
    }
    assert!(progress > 0 && seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "{seqs:?}");

    bench.queue.set_limit(Some(8_000_000));
    let (path, _) = bench.file("b.mp4", 4 * PART);
    let id = bench.add(&path, "b.mp4").await;
    bench.until(&id, "moving", |upload| upload.progress.sent_bytes > 0).await;
    bench.queue.cancel(&id).await.unwrap();
    assert!(!bench.queue.snapshot().uploads.iter().any(|upload| upload.id == id));
    assert!(path.exists());
    assert!(bench.queue.cancel(&id).await.is_err());
    assert_eq!(server.object("b.mp4").await, None);
}

#[tokio::test]
async fn one_queue_one_process() {
    let root = tempfile::TempDir::new().unwrap();
    let storage = Storage::Local(LocalFolder { folder: root.path().into() });
    let bench = Bench::new(profile(storage), StorageSecret::default()).await;
    let again = Queue::open(&bench.dir.path().join("queue"), Arc::new(bench.keys.clone()), quick()).await;
    assert!(again.err().unwrap().message.contains("Another Tallylight"));
}

#[tokio::test]
async fn a_damaged_list_is_moved_aside() {
    let root = tempfile::TempDir::new().unwrap();
    let storage = Storage::Local(LocalFolder { folder: root.path().into() });
    let mut bench = Bench::new(profile(storage), StorageSecret::default()).await;
    let folder = bench.dir.path().join("damaged");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("uploads.db"), vec![7; 10_000]).unwrap();
    bench.queue = Queue::open(&folder, Arc::new(bench.keys.clone()), quick()).await.unwrap();
    let (path, bytes) = bench.file("a.mp4", 10);
    let id = bench.add(&path, "a.mp4").await;
    bench.stored(&id).await;
    assert_eq!(std::fs::read(root.path().join("a.mp4")).unwrap(), bytes);
    let kept = std::fs::read_dir(&folder).unwrap().flatten();
    assert_eq!(kept.filter(|entry| entry.file_name().to_string_lossy().contains("damaged")).count(), 1);
}
