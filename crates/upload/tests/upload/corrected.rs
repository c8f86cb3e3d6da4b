//! Storages whose settings are corrected while something waits for them.

use upload::{Content, Growth, NewUpload};

use crate::proxy::{Act, Faults};
use crate::servers::{Server, free_port};
use crate::tools::{Bench, PART, noise};

#[tokio::test]
async fn what_waits_for_a_wrong_endpoint_goes_to_the_right_one() {
    let server = Server::minio().await;
    let (wrong, secret) = server.behind(&format!("http://127.0.0.1:{}", free_port()));
    let mut bench = Bench::new(wrong, secret).await;
    let mut added = Vec::new();
    for (name, size) in [("one request.mp4", 1000), ("parts.mp4", PART + 5)] {
        let (path, bytes) = bench.file(name, size);
        added.push((bench.add(&path, name).await, name, bytes));
    }
    for (id, ..) in &added {
        bench.waiting(id).await;
    }
    let mut right = server.profile.clone();
    right.prefix = "shows/2026".into();
    bench.keys.1.lock().insert("main".into(), right);
    // After a restart as well.
    bench.restart().await;
    for (id, name, bytes) in added {
        let stored = bench.stored(&id).await;
        assert_eq!(stored.key, format!("shows/2026/{name}"));
        assert_eq!(server.object(&stored.key).await, Some(bytes));
    }
}

#[tokio::test]
async fn what_is_on_its_way_goes_on_until_it_fails() {
    let server = Server::minio().await;
    let (before, after) = (Faults::before(&server.url).await, Faults::before(&server.url).await);
    let (profile, secret) = server.behind(&before.url);
    let bench = Bench::new(profile, secret).await;
    let (path, media) = (bench.dir.path().join("show.mp4"), noise("media", 3 * PART + 5));
    std::fs::write(&path, &media).unwrap();
    let new = NewUpload { content: Content::Growing, ..bench.new_upload(&path, "show.mp4") };
    let id = bench.queue.add(new).await.unwrap();
    let up = async |parts: usize| {
        let final_bytes = (parts * PART) as u64;
        bench.queue.grow(&id, Growth { final_bytes, rewritten: 0..0 }).unwrap();
        bench.until(&id, "up", |upload| upload.progress.sent_bytes == final_bytes).await;
    };
    up(1).await;
    bench.keys.1.lock().insert("main".into(), server.behind(&after.url).0);
    up(2).await;
    assert_eq!((before.count("partNumber="), after.count("partNumber=")), (2, 0));
    before.rule(|_, _| Act::Answer(503, String::new()));
    up(3).await;
    bench.queue.finish(&id).await.unwrap();
    let stored = bench.stored(&id).await;
    assert!(stored.location.unwrap().starts_with(&after.url));
    assert_eq!(after.count("partNumber="), 4, "all of it anew");
    assert_eq!(server.object("show.mp4").await, Some(media));
}
