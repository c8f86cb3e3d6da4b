//! Files that go up while they are written.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use upload::{Afterwards, Content, Growth, LocalFile, NewUpload, UploadState};

use crate::proxy::Faults;
use crate::servers::Server;
use crate::tools::{Bench, MIB, PART, noise, quick};

/// What the MP4 of a recording rewrites at the end: its `free`.
const REWRITTEN: std::ops::Range<u64> = 32..48;

/// What completing an MP4 does to a file: the head changes, an index is appended.
fn complete(path: &Path, index: usize) {
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&noise("head", 16), REWRITTEN.start).unwrap();
    use std::io::Seek;
    file.seek(std::io::SeekFrom::End(0)).unwrap();
    file.write_all(&noise("index", index)).unwrap();
    file.sync_all().unwrap();
}

fn growing(bench: &Bench, path: &Path, name: &str, afterwards: Afterwards) -> NewUpload {
    NewUpload { content: Content::Growing, afterwards, ..bench.new_upload(path, name) }
}

async fn grows(server: &Server) {
    let faults = Faults::before(&server.url).await;
    let (profile, secret) = server.behind(&faults.url);
    let mut bench = Bench::new(profile, secret).await;
    let path = bench.dir.path().join("show.mp4");
    let mut file = File::create(&path).unwrap();
    let id = bench.queue.add(growing(&bench, &path, "show.mp4", Afterwards::Remove)).await.unwrap();
    let (mut written, media) = (0, noise("media", 6 * PART + 1000));
    while written < media.len() {
        let piece = &media[written..(written + MIB).min(media.len())];
        file.write_all(piece).unwrap();
        // The last piece is not final: a fragment that is open.
        let growth = Growth { final_bytes: written as u64, rewritten: REWRITTEN };
        written += piece.len();
        bench.queue.grow(&id, growth).unwrap();
        if written == 12 * MIB {
            // The studio restarts in the middle; the recorder goes on.
            bench.restart().await;
        }
    }
    // All but the first part, which is rewritten, and the last, which is not whole.
    let expected = 5 * PART as u64;
    let up = bench.until(&id, "following", |upload| upload.progress.sent_bytes == expected).await;
    assert_eq!(up.location, None);
    bench.until(&id, "idle", |upload| upload.state == UploadState::Following).await;
    assert!(server.object("show.mp4").await.is_none());
    faults.seen.lock().clear();
    drop(file);
    complete(&path, 300_000);
    let whole = std::fs::read(&path).unwrap();
    bench.queue.finish(&id).await.unwrap();
    bench.until(&id, "removed", |upload| upload.local == LocalFile::Removed).await;
    let parts = |line: &&String| line.contains("partNumber=") || line.contains("comp=block&");
    assert_eq!(faults.seen.lock().iter().filter(parts).count(), 2, "{:?}", faults.seen.lock());
    assert!(server.object("show.mp4").await.is_some_and(|object| object == whole));
    assert!(bench.queue.grow(&id, Growth::default()).is_err());
    bench.queue.finish(&id).await.unwrap();
}

#[tokio::test]
async fn a_growing_file_to_s3() {
    grows(&Server::minio().await).await;
}

#[tokio::test]
async fn a_growing_file_to_google() {
    grows(&Server::gcs().await).await;
}

#[tokio::test]
async fn a_growing_file_to_azure() {
    grows(&Server::azure().await).await;
}

#[tokio::test]
async fn a_recording_that_changed_what_it_called_final_goes_up_again() {
    let server = Server::minio().await;
    let bench = Bench::new(server.profile.clone(), server.secret.clone()).await;
    let path = bench.dir.path().join("lie.mp4");
    std::fs::write(&path, noise("lie", 3 * PART)).unwrap();
    let id = bench.queue.add(growing(&bench, &path, "lie.mp4", Afterwards::Remove)).await.unwrap();
    bench.queue.grow(&id, Growth { final_bytes: 3 * PART as u64, rewritten: REWRITTEN }).unwrap();
    bench.until(&id, "two parts up", |upload| upload.progress.sent_bytes == 2 * PART as u64).await;
    OpenOptions::new().write(true).open(&path).unwrap().write_all_at(b"changed", 2 * PART as u64).unwrap();
    let whole = std::fs::read(&path).unwrap();
    bench.queue.finish(&id).await.unwrap();
    bench.until(&id, "removed", |upload| upload.local == LocalFile::Removed).await;
    assert!(server.object("lie.mp4").await.is_some_and(|object| object == whole));
}

#[tokio::test]
async fn a_recording_that_ends_at_once() {
    let server = Server::minio().await;
    let bench = Bench::new(server.profile.clone(), server.secret.clone()).await;
    let (path, bytes) = bench.file("short.mp4", 1000);
    let id = bench.queue.add(growing(&bench, &path, "short.mp4", Afterwards::Keep)).await.unwrap();
    bench.queue.grow(&id, Growth { final_bytes: 900, rewritten: REWRITTEN }).unwrap();
    bench.queue.finish(&id).await.unwrap();
    bench.stored(&id).await;
    assert_eq!(server.object("short.mp4").await, Some(bytes));
    // Never to be finished: its file was never made.
    let id = bench
        .queue
        .add(growing(&bench, &bench.dir.path().join("none"), "none", Afterwards::Keep))
        .await
        .unwrap();
    assert!(bench.queue.finish(&id).await.is_err());
    bench.queue.cancel(&id).await.unwrap();
}

/// The length of one hour of 1080p, 4.5 Mbit/s and sound, written faster than it would be recorded. By hand:
/// `cargo test -p upload --test upload -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "writes 4 GB; a measurement, not a test"]
async fn an_hour_is_in_s3_within_five_seconds_of_stop() {
    let server = Server::minio().await;
    let mut options = quick();
    options.part_bytes = upload::Options::default().part_bytes;
    let bench = Bench::with(server.profile.clone(), server.secret.clone(), options).await;
    let path = bench.dir.path().join("hour.mp4");
    let mut file = File::create(&path).unwrap();
    let id = bench.queue.add(growing(&bench, &path, "hour.mp4", Afterwards::Keep)).await.unwrap();
    let (piece, total) = (noise("media", MIB), 2_084_000_000u64);
    let mut written = 0;
    while written < total {
        file.write_all(&piece).unwrap();
        written += piece.len() as u64;
        bench.queue.grow(&id, Growth { final_bytes: written, rewritten: REWRITTEN }).unwrap();
        // As fast as it goes up, as a recording is slower than the line.
        while bench.upload(&id).progress.sent_bytes + (64 << 20) < written {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let followed = written / (8 << 20) * (8 << 20) - (8 << 20);
    bench.until(&id, "up to now", |upload| upload.progress.sent_bytes >= followed).await;
    drop(file);
    complete(&path, 4 << 20);
    let stop = Instant::now();
    bench.queue.finish(&id).await.unwrap();
    bench.stored(&id).await;
    let took = stop.elapsed();
    println!("{written} bytes: object complete and verified {took:?} after Stop");
    assert!(took < Duration::from_secs(5), "{took:?}");
}
