//! The open room, watched by a process of its own.

use std::time::Duration;

use egress::fact::ConnectionState;
use egress::id::TrackId;

use crate::bench::{Bench, PATIENCE, eventually, kill, lives, until};

/// The process that watches the open room: the peer tells it in the room's id.
fn monitor_pid(room: &studio::surface::OpenRoom) -> Option<u32> {
    room.roster.room_sid.strip_prefix("RM_")?.parse().ok()
}

#[tokio::test]
async fn an_open_room_has_people_figures_and_pictures_and_closes() {
    let bench = Bench::new();
    let studio = bench.open().await;
    assert!(studio.watch(vec!["TR_a".into()]).await.is_err());
    studio.open_room("show".into()).await.unwrap();
    let pid = until(&studio, "the roster", |s| {
        let room = s.room.as_ref().filter(|room| room.connection == ConnectionState::Connected)?;
        monitor_pid(room)
    })
    .await;
    until(&studio, "figures", |s| s.room.as_ref().filter(|room| room.figures.cpu_percent > 0.0).map(drop))
        .await;

    let track = TrackId::from("TR_a");
    studio.watch(vec![track.clone()]).await.unwrap();
    let first = studio.frame(track.clone(), 0, PATIENCE).await.unwrap().unwrap();
    assert!(first.jpeg.starts_with(b"TR_a "));
    let second = studio.frame(track.clone(), first.seq, PATIENCE).await.unwrap().unwrap();
    assert!(second.seq > first.seq && second.jpeg != first.jpeg);

    studio.close_room().await.unwrap();
    assert!(studio.snapshot().room.is_none());
    eventually("the monitor goes", || !lives(pid)).await;
    assert!(studio.frame(track, 0, Duration::from_millis(50)).await.unwrap().is_none());
    studio.shut_down(true).await.unwrap();
}

#[tokio::test]
async fn a_room_in_trouble_is_tried_anew_at_once_when_it_is_opened_again() {
    let bench = Bench::new();
    let studio = bench.open().await;
    studio.open_room("dies-at-once".into()).await.unwrap();
    until(&studio, "the trouble", |s| s.room.as_ref()?.error.clone()).await;
    studio.open_room("dies-at-once".into()).await.unwrap();
    let room = studio.snapshot().room.unwrap();
    assert_eq!((room.connection, room.error), (ConnectionState::Connecting, None));
    studio.shut_down(true).await.unwrap();
}

#[tokio::test]
async fn another_room_takes_the_place_of_the_first() {
    let bench = Bench::new();
    let studio = bench.open().await;
    studio.open_room("one".into()).await.unwrap();
    let first = until(&studio, "the roster", |s| monitor_pid(s.room.as_ref()?)).await;
    studio.open_room("two".into()).await.unwrap();
    let second = until(&studio, "the other roster", |s| {
        let room = s.room.as_ref().filter(|room| room.roster.room_name == "two")?;
        monitor_pid(room)
    })
    .await;
    eventually("the first monitor goes", || !lives(first)).await;
    studio.shut_down(true).await.unwrap();
    eventually("the second monitor goes", || !lives(second)).await;
}

#[tokio::test]
async fn a_monitor_that_dies_is_started_again_and_still_knows_what_is_watched() {
    let bench = Bench::new();
    let studio = bench.open().await;
    studio.open_room("show".into()).await.unwrap();
    let track = TrackId::from("TR_a");
    studio.watch(vec![track.clone()]).await.unwrap();
    let first = until(&studio, "the roster", |s| monitor_pid(s.room.as_ref()?)).await;
    kill(first);
    until(&studio, "the trouble is told", |s| s.room.as_ref()?.error.clone()).await;
    until(&studio, "another monitor", |s| {
        let room = s.room.as_ref().filter(|room| room.error.is_none())?;
        monitor_pid(room).filter(|pid| *pid != first)
    })
    .await;
    let before = studio.frame(track.clone(), 0, PATIENCE).await.unwrap().unwrap();
    assert!(studio.frame(track, before.seq, PATIENCE).await.unwrap().is_some());
    studio.shut_down(true).await.unwrap();
}
