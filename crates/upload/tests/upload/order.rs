//! Small files as they close, and a playlist never before what it refers to.

use std::sync::Arc;

use egress::storage::{LocalFolder, Storage, StorageSecret};
use parking_lot::Mutex;
use upload::{Content, NewUpload, Order, Upload, UploadState, What};

use crate::proxy::{Act, Faults};
use crate::servers::{Server, profile};
use crate::tools::Bench;

#[tokio::test]
async fn a_playlist_comes_after_its_segments() {
    let server = Server::minio().await;
    let faults = Faults::before(&server.url).await;
    let (profile, secret) = server.behind(&faults.url);
    let bench = Bench::new(profile, secret).await;
    // What is in the store, in the order in which it came there; some segments fail at first.
    let (arrived, refused) = (Arc::new(Mutex::new(Vec::<String>::new())), Mutex::new(0));
    let seen = arrived.clone();
    faults.rule(move |head, body| {
        if head.method != "PUT" {
            return Act::Pass;
        }
        let path = head.uri.path().to_owned();
        if path.contains("_00002") && *refused.lock() < 3 {
            *refused.lock() += 1;
            return Act::Answer(500, String::new());
        }
        if path.ends_with(".m3u8") {
            let text = String::from_utf8(body.to_vec()).unwrap();
            let there = seen.lock().clone();
            for segment in text.lines().filter(|line| line.ends_with(".ts")) {
                assert!(
                    there.iter().any(|path| path.ends_with(segment)),
                    "{segment} is not there yet: {there:?}"
                );
            }
        }
        seen.lock().push(path);
        Act::Pass
    });
    let mut events = bench.queue.events();
    let playlist = bench.dir.path().join("show.m3u8");
    let mut text = String::from("#EXTM3U\n");
    let mut last = None;
    for n in 0..12 {
        let name = format!("show_{n:05}.ts");
        let (path, _) = bench.file(&name, 20_000);
        let segment = NewUpload { order: Order::In("show".into()), ..bench.new_upload(&path, &name) };
        bench.queue.add(segment).await.unwrap();
        text += &format!("#EXTINF:4.0,\n{name}\n");
        std::fs::write(&playlist, &text).unwrap();
        let list = NewUpload {
            content: Content::Now(text.clone().into_bytes()),
            order: Order::After("show".into()),
            ..bench.new_upload(&playlist, "show.m3u8")
        };
        last = Some(bench.queue.add(list).await.unwrap());
    }
    bench.stored(&last.unwrap()).await;
    assert_eq!(server.object("show.m3u8").await, Some(text.into_bytes()));
    let arrived = arrived.lock().clone();
    assert_eq!(arrived.iter().filter(|path| path.ends_with(".ts")).count(), 12);
    // Versions that a newer one had overtaken were left out, and those that were there are forgotten; that was said.
    let lists = arrived.iter().filter(|path| path.ends_with(".m3u8")).count();
    let mut gone = 0;
    while let Ok(event) = events.try_recv() {
        gone += usize::from(matches!(event.what, What::Gone { .. }));
    }
    assert!(lists + gone >= 12 && gone <= 11, "{lists} went up, {gone} are gone");
    // Others do not wait for a group that is stuck.
    faults.rule(|head, _| match head.uri.path().contains("stuck") {
        true => Act::Answer(500, String::new()),
        false => Act::Pass,
    });
    let (path, _) = bench.file("x", 10);
    let group = || Order::In("stuck".into());
    let stuck = NewUpload { order: group(), ..bench.new_upload(&path, "stuck.ts") };
    let stuck = bench.queue.add(stuck).await.unwrap();
    let behind = NewUpload { order: Order::After("stuck".into()), ..bench.new_upload(&path, "list.m3u8") };
    let behind = bench.queue.add(behind).await.unwrap();
    let image = bench.add(&path, "image.jpeg").await;
    bench.stored(&image).await;
    bench.waiting(&stuck).await;
    assert_eq!(server.object("list.m3u8").await, None);
    bench.queue.cancel(&stuck).await.unwrap();
    bench.stored(&behind).await;
}

/// Whoever pauses a set while files come to it pauses it whole: one that was being written down meanwhile would let all
/// that come after it go.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_joins_a_group_while_it_is_paused_is_paused() {
    let root = tempfile::TempDir::new().unwrap();
    let storage = Storage::Local(LocalFolder { folder: root.path().join("away/not there") });
    let bench = Bench::new(profile(storage), StorageSecret::default()).await;
    let (path, _) = bench.file("segment.ts", 100);
    for round in 0..20 {
        let new = |index: usize| {
            let name = format!("{round}/segment_{index}.ts");
            NewUpload { order: Order::In(format!("set {round}")), ..bench.new_upload(&path, &name) }
        };
        let first = bench.queue.add(new(0)).await.unwrap();
        let adding: Vec<_> = (1..16)
            .map(|index| {
                let (queue, new) = (bench.queue.clone(), new(index));
                tokio::spawn(async move { queue.add(new).await.unwrap() })
            })
            .collect();
        let of_round = |upload: &&Upload| upload.key.starts_with(&format!("{round}/"));
        let paused = |upload: &Upload| upload.state == UploadState::Paused;
        let uploads = || bench.queue.snapshot().uploads;
        loop {
            let all = uploads();
            let going = all.iter().filter(of_round).filter(|upload| !paused(upload));
            let ids: Vec<_> = going.map(|upload| upload.id.clone()).collect();
            if ids.is_empty() {
                break;
            }
            bench.queue.pause_all(&ids, true).await.unwrap();
        }
        for added in adding {
            added.await.unwrap();
        }
        let all = uploads();
        assert!(all.iter().any(|upload| upload.id == first));
        let going: Vec<_> = all.iter().filter(of_round).filter(|upload| !paused(upload)).collect();
        assert!(going.is_empty(), "round {round}: {} of 16 go: {going:?}", going.len());
    }
}
