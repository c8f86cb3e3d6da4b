//! What connections go through.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use egress::error::ErrorCode;
use egress::fact::ConnectionState;
use egress::roster::LayerQuality;
use livekit_protocol as proto;
use room::event::RoomEnd;
use room::session::{Impairment, RoomOptions, Scenario, join};
use room::token::{RECORDER_TTL, monitor_token, recorder_token};
use serde_json::json;

use crate::harness::{KEY, Person, Proxy, SECRET, Server, Witness, secret};

#[tokio::test(flavor = "multi_thread")]
async fn media_goes_over_tcp_where_udp_is_blocked() {
    let server = Server::start().await;
    let mut ada = Person::join(&server, "show", 1).await;
    let (video, audio) = (ada.video("vp8").await, ada.audio().await);
    for tcp_only in [true, false] {
        let mut options = server.options("show");
        options.tcp_only = tcp_only;
        if !tcp_only {
            // A firewall.
            options.impairment = Some(Impairment::new(|datagram| !datagram.tcp));
        }
        let mut witness = Witness::join(options).await;
        witness.subscribe(&video).await;
        witness.subscribe(&audio).await;
        witness.more(&audio, 100).await;
        witness.until_seen("media goes over TCP", |it| it.room.stats().tcp).await;
        witness.leave().await;
        for track in [&video, &audio] {
            assert_eq!(witness.all(track)[0].lost, 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_signalling_connection_is_resumed_and_no_stream_ends() {
    let server = Server::start().await;
    let mut ada = Person::join(&server, "show", 1).await;
    let (video, audio) = (ada.video("vp8").await, ada.audio().await);
    let proxy = Proxy::to(server.port).await;
    let mut witness = Witness::join(RoomOptions { url: proxy.url(), ..server.options("show") }).await;
    witness.subscribe(&video).await;
    witness.subscribe(&audio).await;
    for round in 1..=2 {
        witness.more(&audio, 100).await;
        proxy.cut();
        witness.until("the session is resumed", |it| it.connected(1 + round)).await;
        witness.more(&audio, 100).await;
        witness.more(&video, 20).await;
    }
    assert_eq!(witness.room.stats().resumes, 2);
    assert_eq!(witness.room.stats().reconnects, 0);
    assert!(!witness.states().contains(&ConnectionState::Reconnecting));
    // What concerns subscriptions works afterwards.
    witness.room.unsubscribe(video.clone());
    let late =
        ada.video_with(json!({ "source": "screen", "codec": "vp8", "width": 320, "height": 180 })).await;
    witness.subscribe(&late).await;
    witness.leave().await;
    assert_eq!(witness.all(&audio).len(), 1, "the same stream throughout");
    assert_eq!(witness.all(&video).len(), 1);
    assert!(proxy.accepted.load(Ordering::SeqCst) >= 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn udp_that_dies_on_the_way_is_replaced_by_tcp() {
    let server = Server::start().await;
    let mut ada = Person::join(&server, "show", 1).await;
    let (video, audio) = (ada.video("vp8").await, ada.audio().await);
    let blocked = Arc::new(AtomicBool::new(false));
    let mut options = server.options("show");
    options.impairment = Some(Impairment::new({
        let blocked = blocked.clone();
        move |datagram| !datagram.tcp && blocked.load(Ordering::Relaxed)
    }));
    let mut witness = Witness::join(options).await;
    witness.subscribe(&video).await;
    witness.subscribe(&audio).await;
    witness.more(&audio, 50).await;
    blocked.store(true, Ordering::Relaxed);
    witness.until_seen("media goes over TCP", |it| it.room.stats().tcp).await;
    witness.more(&audio, 50).await;
    witness.more(&video, 20).await;
    assert_eq!(witness.all(&audio).len(), 1, "the same stream: {:?}", witness.states());
    witness.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarts_is_joined_again() {
    let mut server = Server::start().await;
    let mut ada = Person::join(&server, "show", 1).await;
    let audio = ada.audio().await;
    let mut witness = Witness::join(server.options("show")).await;
    witness.subscribe(&audio).await;
    let before = witness.current(&audio).unwrap().last.clone().unwrap();
    server.restart(Duration::from_secs(1)).await;
    witness.until("joined anew", |it| it.connected(2)).await;
    assert!(witness.states().contains(&ConnectionState::Reconnecting));
    assert_eq!(witness.current(&audio).map(|it| it.stream.id), None, "the old stream has ended");
    // The publisher comes back by itself, or another one comes; either is a new track.
    let mut ben = Person::join(&server, "show", 2).await;
    let again = ben.audio().await;
    witness.subscribe(&again).await;
    witness.more(&again, 20).await;
    let after = witness.current(&again).unwrap().last.clone().unwrap();
    assert!(after.time_ns > before.time_ns, "the time axis goes on");
    assert_eq!(witness.room.stats().reconnects, 1);
    witness.leave().await;
    assert_eq!(witness.end, Some(RoomEnd::Left));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_the_server_has_forgotten_is_joined_anew_with_its_subscriptions() {
    let server = Server::start().await;
    let mut ada = Person::join(&server, "show", 1).await;
    let (video, audio) = (ada.video("vp8").await, ada.audio().await);
    let dead = Arc::new(AtomicBool::new(false));
    let proxy = Proxy::to(server.port).await;
    let mut options = RoomOptions { url: proxy.url(), ..server.options("show") };
    options.impairment = Some(Impairment::new({
        let dead = dead.clone();
        move |_| dead.load(Ordering::Relaxed)
    }));
    let mut witness = Witness::join(options).await;
    witness.subscribe(&video).await;
    witness.subscribe(&audio).await;
    witness.more(&audio, 150).await;
    let before = witness.current(&audio).unwrap().last.clone().unwrap();

    // Both ways dead, longer than the server remembers us.
    dead.store(true, Ordering::Relaxed);
    proxy.set_dead(true);
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(25) {
        witness.run(Duration::from_millis(500)).await;
    }
    dead.store(false, Ordering::Relaxed);
    proxy.set_dead(false);
    witness.until("connected again", |it| it.connected(2)).await;
    witness
        .until("sound again", |it| it.current(&audio).is_some_and(|now| now.stream.id != before.stream))
        .await;
    witness.more(&audio, 50).await;
    witness.more(&video, 20).await;
    let first = witness.current(&audio).unwrap().first.clone().unwrap();
    let gap = Duration::from_nanos((first.time_ns - before.time_ns) as u64);
    assert!(gap > Duration::from_secs(24) && gap < since.elapsed(), "the gap has its true length: {gap:?}");
    assert_eq!(witness.all(&audio).len(), 2);
    assert_eq!(witness.room.stats().reconnects, 1);
    witness.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_is_dead_for_three_seconds_ends_no_stream() {
    let server = Server::start().await;
    let mut ada = Person::join(&server, "show", 1).await;
    let (video, audio) = (ada.video("vp8").await, ada.audio().await);
    let dead = Arc::new(AtomicBool::new(false));
    let proxy = Proxy::to(server.port).await;
    let mut options = RoomOptions { url: proxy.url(), ..server.options("show") };
    options.impairment = Some(Impairment::new({
        let dead = dead.clone();
        move |_| dead.load(Ordering::Relaxed)
    }));
    let mut witness = Witness::join(options).await;
    witness.subscribe(&video).await;
    witness.subscribe(&audio).await;
    // The first times are those of arrival, late on a busy machine, until a report of the sender's puts them right.
    witness.more(&audio, 400).await;
    let before = witness.current(&audio).unwrap().last.clone().unwrap();
    dead.store(true, Ordering::Relaxed);
    proxy.set_dead(true);
    witness.run(Duration::from_secs(3)).await;
    dead.store(false, Ordering::Relaxed);
    proxy.set_dead(false);
    let heard = witness.media(&audio);
    witness.until("sound again", |it| it.media(&audio) > heard + 20).await;
    witness.more(&video, 20).await;
    witness.leave().await;
    assert_eq!((witness.all(&audio).len(), witness.all(&video).len()), (1, 1), "{:?}", witness.states());
    let received = witness.all(&audio)[0];
    assert!(received.lost > 100, "what was cut is counted: {}", received.lost);
    let after = received.last.as_ref().unwrap();
    // By the publisher's clock: the gap has its true length.
    let expected = (after.rtp_time - before.rtp_time) as i64 * 1_000_000_000 / 48_000;
    let passed = after.time_ns - before.time_ns;
    assert!((passed - expected).abs() < 50_000_000, "{passed} and not {expected} ns, {before:?} {after:?}");
    assert_eq!(witness.room.stats().reconnects, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stays_away_ends_the_session() {
    let server = Server::start().await;
    let _ada = Person::join(&server, "show", 1).await;
    let mut options = server.options("show");
    options.resume_for = Duration::from_secs(3);
    let mut witness = Witness::join(options).await;
    witness.until("connected", |it| it.connected(1)).await;
    drop(server);
    witness.until("the end", |it| it.end.is_some()).await;
    let Some(RoomEnd::Lost(error)) = &witness.end else { panic!("{:?}", witness.end) };
    assert_eq!(error.code, ErrorCode::RoomLost);
    assert_eq!(witness.states().last(), Some(&ConnectionState::Disconnected));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_a_session_can_be_ended_is_told() {
    let server = Server::start().await;
    let _ada = Person::join(&server, "show", 1).await;
    let service = server.service();
    let options = |identity: &str| {
        let token = recorder_token(KEY, &secret(SECRET), "show", identity, RECORDER_TTL).unwrap();
        RoomOptions::new(server.url(), token)
    };
    let mut removed = Witness::join(options("EG_removed")).await;
    let mut twice = Witness::join(options("EG_twice")).await;
    let mut deleted = Witness::join(options("EG_deleted")).await;
    for witness in [&mut removed, &mut twice, &mut deleted] {
        witness.until("connected", |it| it.connected(1)).await;
    }
    room::service::remove_participant(&service, "show", "EG_removed").await.unwrap();
    removed.until("the end", |it| it.end.is_some()).await;
    assert_eq!(removed.end, Some(RoomEnd::Removed));

    let second = Witness::join(options("EG_twice")).await;
    twice.until("the end", |it| it.end.is_some()).await;
    assert_eq!(twice.end, Some(RoomEnd::DuplicateIdentity));

    room::service::delete_room(&service, "show").await.unwrap();
    for mut witness in [deleted, second] {
        witness.until("the end", |it| it.end.is_some()).await;
        assert_eq!(witness.end, Some(RoomEnd::RoomClosed));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_monitor_is_seen_by_nobody_and_holds_no_room_open() {
    let server = Server::start_with(json!({ "departure_timeout": 1 })).await;
    let mut ada = Person::join(&server, "show", 1).await;
    let video = ada.video("vp8").await;
    let token = monitor_token(KEY, &secret(SECRET), "show", "watch", RECORDER_TTL).unwrap();
    let mut monitor = Witness::join(RoomOptions::new(server.url(), token)).await;
    monitor.subscribe_layer(&video, LayerQuality::Low).await;
    assert!(!monitor.roster.active_recording);
    // Another subscriber of the room sees Ada and not the monitor.
    let mut other = Witness::join(server.options("show")).await;
    other.until("the roster", |it| !it.roster.participants.is_empty()).await;
    let ben = Person::join(&server, "show", 2).await;
    other.until("Ben", |it| it.roster.participants.len() > 1).await;
    let names: Vec<_> = other.roster.participants.iter().map(|person| person.identity.as_str()).collect();
    assert_eq!(names, ["person-1", "person-2"]);
    let listed = room::service::list_participants(&server.service(), "show").await.unwrap();
    let names: Vec<_> = listed.iter().map(|person| person.identity.as_str()).collect();
    assert_eq!(names, ["person-1", "person-2"]);
    other.leave().await;
    drop((ben, ada));
    monitor.until("the room closes", |it| it.end.is_some()).await;
    assert_eq!(monitor.end, Some(RoomEnd::RoomClosed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_that_cannot_be_says_why() {
    let server = Server::start().await;
    let token = |key: &str, secret_text: &str| {
        recorder_token(key, &secret(secret_text), "show", "EG_x", RECORDER_TTL).unwrap()
    };
    let code = async |url: String, token| join(RoomOptions::new(url, token)).await.unwrap_err().code;
    assert_eq!(code(server.url(), token("nobody", SECRET)).await, ErrorCode::UnknownKey);
    assert_eq!(code(server.url(), token(KEY, "another")).await, ErrorCode::WrongSecret);
    assert_eq!(code("example".into(), token(KEY, SECRET)).await, ErrorCode::InvalidArgument);
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(code(format!("ws://{free}"), token(KEY, SECRET)).await, ErrorCode::Unreachable);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_has_trouble_of_its_own_is_asked_again() {
    let server = Server::start().await;
    let proxy = Proxy::to(server.port).await;
    let options = || RoomOptions { url: proxy.url(), ..server.options("show") };
    // The library asks twice each time.
    proxy.failing.store(5, Ordering::SeqCst);
    let mut witness = Witness::join(options()).await;
    assert!(proxy.accepted.load(Ordering::SeqCst) > 5);
    witness.leave().await;

    proxy.failing.store(u64::MAX, Ordering::SeqCst);
    let hurried = RoomOptions { join_timeout: Duration::from_secs(3), ..options() };
    let error = join(hurried).await.unwrap_err();
    assert_eq!((error.code, error.retryable), (ErrorCode::Unreachable, true), "{error:?}");
    assert!(error.message.contains("cannot let anybody in"), "{error:?}");
}

/// What a server can do to its clients, played by the server itself.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_orders_is_followed() {
    let server = Server::start().await;
    let mut ada = Person::join(&server, "show", 1).await;
    let (video, audio) = (ada.video("vp8").await, ada.audio().await);
    let mut witness = Witness::join(server.options("show")).await;
    witness.subscribe(&video).await;
    witness.subscribe(&audio).await;

    // To another transport.
    let tcp = proto::CandidateProtocol::Tcp as i32;
    witness.room.simulate(Scenario::SwitchCandidateProtocol(tcp));
    witness.until_seen("media goes over TCP", |it| it.room.stats().tcp).await;
    witness.more(&audio, 50).await;
    witness.more(&video, 20).await;

    assert_eq!((witness.all(&audio).len(), witness.all(&video).len()), (1, 1), "no stream has ended");

    // Away to another server, which a single one plays by forgetting us; a node that fails; out, as when it
    // shuts down. We come back each time, with our subscriptions.
    for (round, scenario) in
        [Scenario::Migration(true), Scenario::NodeFailure(true), Scenario::ServerLeave(true)]
            .into_iter()
            .enumerate()
    {
        let connected = witness.times_connected();
        witness.room.simulate(scenario);
        witness.until("joined anew", |it| it.connected(connected + 1)).await;
        let streams = round + 2;
        witness
            .until("new streams", |it| it.all(&audio).len() == streams && it.all(&video).len() == streams)
            .await;
        witness.more(&audio, 30).await;
        witness.more(&video, 10).await;
    }
    assert_eq!(witness.room.stats().reconnects, 3);
    witness.leave().await;
}

/// The connection by which a session is to be resumed can be lost as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_resumption_that_is_cut_is_tried_again() {
    let server = Server::start().await;
    let mut ada = Person::join(&server, "show", 1).await;
    let (video, audio) = (ada.video("vp8").await, ada.audio().await);
    let proxy = Proxy::to(server.port).await;
    let mut witness = Witness::join(RoomOptions { url: proxy.url(), ..server.options("show") }).await;
    witness.subscribe(&video).await;
    witness.subscribe(&audio).await;
    for (scenario, noted) in [
        (Scenario::DisconnectSignalOnResume(true), "simulating disconnect signal on resume\""),
        (
            Scenario::DisconnectSignalOnResumeNoMessages(true),
            "on resume before sending any response messages\"",
        ),
    ] {
        witness.more(&audio, 50).await;
        witness.room.simulate(scenario);
        witness.until_seen("the server noted the order", |_| server.log().contains(noted)).await;
        let (connected, accepted) = (witness.times_connected(), proxy.accepted.load(Ordering::SeqCst));
        proxy.cut();
        witness.until("back", |it| it.connected(connected + 1)).await;
        assert!(proxy.accepted.load(Ordering::SeqCst) >= accepted + 2, "the first attempt is cut");
        witness.more(&audio, 50).await;
        witness.more(&video, 20).await;
    }
    // Orders given meanwhile and after reach the server.
    witness.room.unsubscribe(video.clone());
    witness.subscribe(&video).await;
    witness.leave().await;
}
