//! Stores and lines that misbehave: every object right in the end, no local file removed early.

use std::sync::atomic::Ordering;
use std::time::Duration;

use egress::error::ErrorCode;
use egress::storage::{LocalFolder, Storage, StorageSecret};
use upload::{Afterwards, LocalFile, NewUpload, Target, UploadState, Verified};

use crate::proxy::{Act, Faults, Wire, is_part};
use crate::servers::{Server, profile, s3_secret};
use crate::tools::{Bench, MIB, PART, quick, until};

/// Adds a file of some parts that is to be removed, and expects it right and removed in the end.
async fn arrives(bench: &Bench, server: &Server, name: &str, parts: usize) {
    let (path, bytes) = bench.file(name, parts * PART + 4321);
    let upload = NewUpload { afterwards: Afterwards::Remove, ..bench.new_upload(&path, name) };
    let id = bench.queue.add(upload).await.unwrap();
    until(&format!("{name} is removed"), || {
        let upload = bench.upload(&id);
        // At no moment may the file be gone before the object was found right.
        let stored = matches!(upload.state, UploadState::Stored { .. });
        assert!(path.exists() || stored, "removed early: {upload:?}");
        if upload.local == LocalFile::Removed { Ok(()) } else { Err(format!("{upload:?}")) }
    })
    .await;
    assert!(server.object(name).await.is_some_and(|object| object == bytes), "{name}");
}

#[tokio::test]
async fn s3_survives_what_goes_wrong_on_the_way() {
    let server = Server::minio().await;
    let faults = Faults::before(&server.url).await;
    let (profile, secret) = server.behind(&faults.url);
    let bench = Bench::new(profile, secret).await;
    let busy = || Act::Answer(503, "<Error><Code>SlowDown</Code></Error>".into());
    let broken = || Act::Answer(500, "<Error><Code>InternalError</Code></Error>".into());

    faults.first(3, is_part, busy);
    arrives(&bench, &server, "slow down.mp4", 2).await;

    faults.first(4, |_| true, broken);
    arrives(&bench, &server, "broken at first.mp4", 1).await;

    // Signed payloads: MinIO sees that a part is not what was sent.
    faults.first(2, is_part, || Act::Flip);
    arrives(&bench, &server, "damaged on the way.mp4", 2).await;

    let completes = |head: &http::request::Parts| {
        head.method == "POST" && head.uri.query().unwrap_or_default().contains("uploadId=")
    };
    // It is complete, and we are told that it failed.
    faults.first(1, completes, || Act::LoseAnswer);
    let before = faults.count("uploads");
    arrives(&bench, &server, "answer lost.mp4", 2).await;
    assert_eq!(faults.count("uploads") - before, 1, "it was found complete, not sent again");

    // S3 may say 200 and mean 500.
    faults.first(1, completes, || Act::Answer(200, "<Error><Code>InternalError</Code></Error>".into()));
    arrives(&bench, &server, "200 with an error.mp4", 1).await;

    faults.first(
        1,
        |head| head.method == "HEAD",
        || Act::Header("etag", "\"0123456789abcdef0123456789abcdef-3\""),
    );
    arrives(&bench, &server, "etag that says nothing.mp4", 2).await;
}

#[tokio::test]
async fn a_store_that_damages_is_found_out() {
    let server = Server::gcs().await;
    let faults = Faults::before(&server.url).await;
    let (profile, secret) = server.behind(&faults.url);
    let bench = Bench::new(profile, secret).await;
    // Nobody on the way checks: the object is complete and wrong.
    faults.first(1, is_part, || Act::Flip);
    arrives(&bench, &server, "damaged part.mp4", 2).await;
    faults.first(1, |head| head.method == "PUT", || Act::Flip);
    let (path, bytes) = bench.file("damaged.jpeg", 5000);
    let id = bench.add(&path, "damaged.jpeg").await;
    bench.stored(&id).await;
    assert_eq!(server.object("damaged.jpeg").await, Some(bytes));
    assert!(faults.count("PUT /shows/damaged%2Ejpeg") >= 2);

    let azure = Server::azure().await;
    let faults = Faults::before(&azure.url).await;
    let (profile, secret) = azure.behind(&faults.url);
    let bench = Bench::new(profile, secret).await;
    faults.first(1, is_part, || Act::Flip);
    arrives(&bench, &azure, "damaged block.mp4", 2).await;
    // Complete, and the answer lost.
    let completes =
        |head: &http::request::Parts| head.method == "PUT" && head.uri.query() == Some("comp=blocklist");
    faults.first(1, completes, || Act::LoseAnswer);
    arrives(&bench, &azure, "answer lost.mp4", 2).await;
    let blocks = faults
        .seen
        .lock()
        .iter()
        .filter(|line| line.contains("answer%20lost") && line.contains("comp=block&"))
        .count();
    assert_eq!(blocks, 3, "nothing was sent twice");
}

#[tokio::test]
async fn a_wrong_key_waits_and_does_not_hammer() {
    let server = Server::minio().await;
    let faults = Faults::before(&server.url).await;
    let (profile, _) = server.behind(&faults.url);
    let mut options = quick();
    options.longest_retry = Duration::from_secs(600);
    let bench = Bench::with(profile, s3_secret("tallylight", "mistyped"), options).await;
    let (path, bytes) = bench.file("a.mp4", 1000);
    let id = bench.add(&path, "a.mp4").await;
    let error = bench.waiting(&id).await;
    assert_eq!(error.code, ErrorCode::WrongSecret);
    let asked = faults.seen.lock().len();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(faults.seen.lock().len(), asked);
    bench.keys.0.lock().insert("main".into(), server.secret.clone());
    bench.queue.retry_now(Some(&id)).await.unwrap();
    bench.stored(&id).await;
    assert_eq!(server.object("a.mp4").await, Some(bytes));
    assert!(path.exists());
}

#[tokio::test]
async fn a_key_that_may_only_write_is_enough() {
    let server = Server::minio().await;
    let faults = Faults::before(&server.url).await;
    let (profile, secret) = server.behind(&faults.url);
    let bench = Bench::new(profile, secret).await;
    faults.rule(|head, _| match head.method.as_str() {
        "HEAD" | "GET" => Act::Answer(403, String::new()),
        _ => Act::Pass,
    });
    arrives(&bench, &server, "write only.mp4", 1).await;
    let (path, _) = bench.file("small.ts", 100);
    let id = bench.add(&path, "small.ts").await;
    let upload = bench.stored(&id).await;
    assert!(matches!(upload.state, UploadState::Stored { verified: Verified::Md5, .. }));
}

#[tokio::test]
async fn lines_that_are_cut_and_lines_that_swallow() {
    let server = Server::minio().await;
    let wire = Wire::before(&server.url).await;
    let (profile, secret) = server.behind(&wire.url);
    let bench = Bench::new(profile, secret).await;
    // In the middle of a part, four times.
    wire.cut_after.store(2 * MIB as u64, Ordering::SeqCst);
    wire.cuts.store(4, Ordering::SeqCst);
    arrives(&bench, &server, "cut.mp4", 3).await;
    assert_eq!(wire.cuts.load(Ordering::SeqCst), 0);

    // Connected, and then nothing is read.
    wire.hole.store(1, Ordering::SeqCst);
    let (path, bytes) = bench.file("swallowed.mp4", PART + 10);
    let id = bench.add(&path, "swallowed.mp4").await;
    let error = bench.waiting(&id).await;
    assert_eq!(error.code, ErrorCode::Unreachable, "{error:?}");
    wire.hole.store(0, Ordering::SeqCst);
    bench.stored(&id).await;
    assert_eq!(server.object("swallowed.mp4").await, Some(bytes));
}

#[tokio::test]
async fn a_slow_line_is_no_dead_line() {
    let server = Server::minio().await;
    let mut options = quick();
    options.stall = Duration::from_secs(1);
    options.parallel_parts = 1;
    // A part takes three seconds.
    options.limit_bps = Some(14_000_000);
    let bench = Bench::with(server.profile.clone(), server.secret.clone(), options).await;
    let (path, bytes) = bench.file("slow.mp4", PART + 100_000);
    let mut events = bench.queue.events();
    let id = bench.add(&path, "slow.mp4").await;
    bench.stored(&id).await;
    while let Ok(event) = events.try_recv() {
        if let upload::What::Upload { upload } = event.what {
            assert!(!matches!(upload.state, UploadState::Waiting { .. }), "{upload:?}");
        }
    }
    assert_eq!(server.object("slow.mp4").await, Some(bytes));
}

#[tokio::test]
async fn the_backup_takes_what_the_main_storage_refuses() {
    let server = Server::minio().await;
    let faults = Faults::before(&server.url).await;
    let (profile_main, secret) = server.behind(&faults.url);
    let bench = Bench::new(profile_main, secret).await;
    let backup_folder = tempfile::TempDir::new().unwrap();
    let backup = Target {
        profile: profile(Storage::Local(LocalFolder { folder: backup_folder.path().into() })),
        secret: String::new(),
    };
    let with_backup = |path: &std::path::Path, name: &str, group: &str| NewUpload {
        backup: Some(backup.clone()),
        order: upload::Order::In(group.into()),
        ..bench.new_upload(path, name)
    };
    // Refused after the first part: it starts over in the other place.
    let mut parts = 0;
    faults.rule(move |head, _| {
        parts += usize::from(is_part(head));
        if parts > 1 {
            Act::Answer(403, "<Error><Code>AccessDenied</Code></Error>".into())
        } else {
            Act::Pass
        }
    });
    let (path, bytes) = bench.file("a.mp4", 2 * PART);
    let id = bench.queue.add(with_backup(&path, "a.mp4", "one")).await.unwrap();
    let upload = bench.stored(&id).await;
    assert!(upload.on_backup);
    assert_eq!(std::fs::read(upload.location.unwrap()).unwrap(), bytes);
    assert_eq!(server.object("a.mp4").await, None);

    // What belongs to it goes there at once; others try the main storage first.
    faults.rule(|_, _| Act::Pass);
    let (path, _) = bench.file("b.mp4", 1000);
    let same = bench.queue.add(with_backup(&path, "b.mp4", "one")).await.unwrap();
    let other = bench.queue.add(with_backup(&path, "c.mp4", "two")).await.unwrap();
    assert!(bench.stored(&same).await.on_backup);
    assert!(!bench.stored(&other).await.on_backup);

    // A fault that does not last takes a few tries before that.
    faults.rule(|_, _| Act::Answer(500, String::new()));
    let id = bench.queue.add(with_backup(&path, "d.mp4", "three")).await.unwrap();
    assert!(bench.stored(&id).await.on_backup);
    assert!(faults.count("PUT /shows/d.mp4") >= 6);

    // Both: it waits, and says both.
    backup_folder.close().unwrap();
    let id = bench.queue.add(with_backup(&path, "e.mp4", "four")).await.unwrap();
    let both = |upload: &upload::Upload| match &upload.state {
        UploadState::Waiting { error, .. } => {
            error.detail.contains("primary: ") && error.detail.contains("\nbackup: ")
        }
        _ => false,
    };
    bench.until(&id, "refused by both", both).await;
    assert!(path.exists());
    faults.rule(|_, _| Act::Pass);
    bench.stored(&id).await;
}

#[tokio::test]
async fn a_file_that_changes_meanwhile_goes_up_as_it_is_in_the_end() {
    let server = Server::minio().await;
    let mut options = quick();
    options.limit_bps = Some(80_000_000);
    let bench = Bench::with(server.profile.clone(), server.secret.clone(), options).await;
    let (path, _) = bench.file("edited.mp4", 3 * PART);
    let id = bench.add(&path, "edited.mp4").await;
    bench.until(&id, "half up", |upload| upload.progress.sent_bytes > PART as u64).await;
    let after = crate::tools::noise("another", 3 * PART - 5);
    std::fs::write(&path, &after).unwrap();
    bench.stored(&id).await;
    assert!(server.object("edited.mp4").await.is_some_and(|object| object == after));
}

/// A disk of its own, which needs root as the disk tests elsewhere do.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Self {
        let dir = tempfile::TempDir::new().unwrap();
        let options = format!("size={size},mode=0777");
        Self::run(&["mount", "-t", "tmpfs", "-o", &options, "tallylight", dir.path().to_str().unwrap()]);
        Self(dir)
    }

    fn run(command: &[&str]) {
        let root = std::process::Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
        let words: Vec<&str> = if root { vec![] } else { vec!["sudo", "-n"] };
        let words: Vec<&str> = words.into_iter().chain(command.iter().copied()).collect();
        assert!(std::process::Command::new(words[0]).args(&words[1..]).status().unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Self::run(&["umount", "--lazy", self.0.path().to_str().unwrap()]);
    }
}

#[tokio::test]
async fn full_disks_are_waited_out() {
    // The store is full.
    let disk = SmallDisk::mount("8m");
    let storage = Storage::Local(LocalFolder { folder: disk.0.path().into() });
    let bench = Bench::new(profile(storage), StorageSecret::default()).await;
    let ballast = disk.0.path().join("ballast");
    std::fs::write(&ballast, vec![1; 4 * MIB]).unwrap();
    let (path, bytes) = bench.file("a.mp4", PART + 1000);
    let upload = NewUpload { afterwards: Afterwards::Remove, ..bench.new_upload(&path, "a.mp4") };
    let id = bench.queue.add(upload).await.unwrap();
    let error = bench.waiting(&id).await;
    assert_eq!(error.code, ErrorCode::DiskFull, "{error:?}");
    assert!(path.exists());
    std::fs::remove_file(&ballast).unwrap();
    bench.until(&id, "removed", |upload| upload.local == LocalFile::Removed).await;
    assert_eq!(std::fs::read(disk.0.path().join("a.mp4")).unwrap(), bytes);

    // The disk with the list is full.
    let (list, root) = (SmallDisk::mount("1m"), tempfile::TempDir::new().unwrap());
    let mut bench = Bench::new(
        profile(Storage::Local(LocalFolder { folder: root.path().into() })),
        StorageSecret::default(),
    )
    .await;
    let keys = std::sync::Arc::new(bench.keys.clone());
    bench.queue = upload::Queue::open(list.0.path(), keys, quick()).await.unwrap();
    let (path, bytes) = bench.file("b.mp4", 2 * PART);
    let upload = NewUpload { afterwards: Afterwards::Remove, ..bench.new_upload(&path, "b.mp4") };
    let paused = bench.queue.add(upload).await.unwrap();
    let ballast = list.0.path().join("ballast");
    // Until nothing more fits.
    let _ = std::fs::write(&ballast, vec![1; 2 * MIB]);
    let refused = loop {
        if let Err(error) = bench.queue.add(bench.new_upload(&path, "c.mp4")).await {
            break error;
        }
    };
    assert_eq!(refused.code, ErrorCode::DiskFull, "{refused:?}");
    let _ = std::fs::remove_file(&ballast);
    bench.until(&paused, "removed", |upload| upload.local == LocalFile::Removed).await;
    assert_eq!(std::fs::read(root.path().join("b.mp4")).unwrap(), bytes);
}
