//! Tracks of every kind.

use egress::roster::{LayerQuality, TrackKind};
use room::event::{Codec, RoomEnd};
use serde_json::json;

use crate::harness::{Person, Server, Witness};

#[tokio::test(flavor = "multi_thread")]
async fn h264_vp8_and_opus_arrive_whole_and_together() {
    let server = Server::start().await;
    let mut ada = Person::join(&server, "show", 1).await;
    let mut ben = Person::join(&server, "show", 2).await;
    let h264 = ada.video("h264").await;
    let opus = ada.audio().await;
    let vp8 = ben.video("vp8").await;

    let mut witness = Witness::join(server.options("show")).await;
    for track in [&h264, &opus, &vp8] {
        witness.subscribe(track).await;
    }
    witness.more(&opus, 500).await;
    witness.leave().await;

    assert_eq!(witness.end, Some(RoomEnd::Left));
    for (track, codec, kind, channels) in [
        (&h264, Codec::H264, TrackKind::Video, 0),
        (&vp8, Codec::Vp8, TrackKind::Video, 0),
        (&opus, Codec::Opus, TrackKind::Audio, 2),
    ] {
        let streams = witness.all(track);
        assert_eq!(streams.len(), 1);
        let received = streams[0];
        assert_eq!((received.stream.codec, received.stream.kind), (codec, kind));
        assert_eq!(received.stream.channels, channels);
        assert_eq!(received.lost, 0, "{received:?}");
        assert!(received.ended);
        // At worst time is held back to half its speed, and a frame takes 67 ms.
        assert!(received.largest_step_ns < 34_000_000, "{} ns", received.largest_step_ns);
        let seconds = received.span().as_secs_f64();
        if kind == TrackKind::Video {
            let rate = (received.frames - 1) as f64 / seconds;
            assert!((14.0..16.0).contains(&rate), "{rate} frames a second");
        }
    }
    let h264 = witness.all(&h264)[0];
    assert!(h264.stream.fmtp.contains("packetization-mode=1"), "{}", h264.stream.fmtp);
    // One clock: what was sent at the same time arrives with the same time.
    let last = |it: &crate::harness::Received| it.last.as_ref().unwrap().time_ns;
    assert!((last(h264) - last(witness.all(&opus)[0])).abs() < 400_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn vp9_and_av1_arrive_whole() {
    let server = Server::start().await;
    let mut ada = Person::join(&server, "show", 1).await;
    let vp9 = ada.video("vp9").await;
    let screen = ada
        .video_with(json!({ "source": "screen", "codec": "av1", "width": 320, "height": 180, "fps": 10 }))
        .await;
    let mut witness = Witness::join(server.options("show")).await;
    for track in [&vp9, &screen] {
        witness.subscribe(track).await;
    }
    witness.more(&vp9, 60).await;
    witness.more(&screen, 40).await;
    witness.leave().await;
    for (track, codec) in [(&vp9, Codec::Vp9), (&screen, Codec::Av1)] {
        let received = witness.all(track)[0];
        assert_eq!(received.stream.codec, codec);
        assert_eq!(received.lost, 0);
        assert!(received.frames > 20);
    }
    assert_eq!(witness.track(&screen).unwrap().source, egress::roster::TrackSource::ScreenShare);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_layer_of_a_simulcast_track_can_be_chosen() {
    let server = Server::start().await;
    let mut ada = Person::join(&server, "show", 1).await;
    let track = ada
        .video_with(json!({
            "codec": "vp8", "width": 1280, "height": 720, "fps": 15, "simulcast": true, "bitrateBps": 2_000_000,
        }))
        .await;
    let mut witness = Witness::join(server.options("show")).await;
    witness.subscribe_layer(&track, LayerQuality::Low).await;
    let size = |it: &Witness| it.current(&track).and_then(|now| now.sizes.last().copied());
    witness.until("the small layer", |it| size(it).is_some_and(|(width, _)| width <= 320)).await;
    let layers = &witness.track(&track).unwrap().layers;
    assert_eq!(layers.len(), 3, "{layers:?}");
    assert!(layers.is_sorted_by_key(|layer| layer.width));

    witness.room.set_layer(track.clone(), LayerQuality::High);
    witness.until("the large layer", |it| size(it) == Some((1280, 720))).await;
    witness.room.set_layer(track.clone(), LayerQuality::Medium);
    witness
        .until("the middle layer", |it| size(it).is_some_and(|(width, _)| width > 320 && width < 1280))
        .await;
    witness.leave().await;
    assert_eq!(witness.all(&track).len(), 1, "a layer switch is no new stream");
    assert_eq!(witness.all(&track)[0].lost, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mute_is_a_gap_in_time_and_nothing_else() {
    let server = Server::start().await;
    let mut ada = Person::join(&server, "show", 1).await;
    let audio = ada.audio().await;
    let mut witness = Witness::join(server.options("show")).await;
    witness.subscribe(&audio).await;
    witness.more(&audio, 50).await;

    ada.command("mute", json!({ "source": "microphone" })).await;
    witness.until("the roster says muted", |it| it.track(&audio).unwrap().muted).await;
    // The server sends silence for about a second, then nothing.
    let mut before = 0;
    loop {
        witness.run(std::time::Duration::from_millis(700)).await;
        let now = witness.media(&audio);
        if now == before {
            break;
        }
        before = now;
    }
    let silent_since = witness.current(&audio).unwrap().last.clone().unwrap();
    let muted_for = std::time::Instant::now();
    witness.run(std::time::Duration::from_secs(2)).await;
    ada.command("unmute", json!({ "source": "microphone" })).await;
    witness.until("sound again", |it| it.media(&audio) > before).await;
    let muted_for = muted_for.elapsed();
    let again = witness.current(&audio).unwrap().last.clone().unwrap();
    assert_eq!(again.seq, silent_since.seq + 1, "nothing was lost");
    let gap_ns = again.time_ns - silent_since.time_ns;
    assert!(gap_ns > muted_for.as_nanos() as i64, "the gap has its true length: {gap_ns} ns, {muted_for:?}");
    assert!(gap_ns < muted_for.as_nanos() as i64 + 1_500_000_000, "{gap_ns} ns, {muted_for:?}");
    witness.until("the roster says unmuted", |it| !it.track(&audio).unwrap().muted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_track_that_is_published_again_takes_the_place_of_the_old_one() {
    let server = Server::start().await;
    let mut ada = Person::join(&server, "show", 1).await;
    let mut witness = Witness::join(server.options("show")).await;
    let mut tracks = Vec::new();
    for (round, codec) in ["vp8", "h264", "vp8"].into_iter().enumerate() {
        let track = ada.video(codec).await;
        witness.subscribe(&track).await;
        witness.more(&track, 20).await;
        assert_eq!(witness.current(&track).unwrap().stream.codec.name(), codec, "round {round}");
        ada.command("unpublish", json!({ "source": "camera" })).await;
        witness.until("its stream ends", |it| it.current(&track).is_none()).await;
        witness.until("it leaves the roster", |it| it.track(&track).is_none()).await;
        tracks.push(track);
    }
    for track in &tracks {
        let streams = witness.all(track);
        assert_eq!(streams.len(), 1);
        assert!(
            streams[0].sizes.iter().all(|size| *size != (8, 8)),
            "the server's blank frames are not handed on: {:?}",
            streams[0].sizes
        );
    }
    // Subscribing to what is gone is refused at once.
    witness.room.subscribe(tracks[0].clone(), LayerQuality::High);
    witness.until("a refusal", |it| it.failed.contains_key(&tracks[0])).await;
    assert_eq!(witness.failed[&tracks[0]].code, egress::error::ErrorCode::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn small_pictures_arrive_and_the_servers_blank_ones_do_not() {
    let server = Server::start().await;
    let mut ada = Person::join(&server, "show", 1).await;
    let mut witness = Witness::join(server.options("show")).await;
    // The SDK ends with pictures of 2x2; those are in the test of what goes into files.
    for (codec, width, height) in [("vp8", 16, 16), ("h264", 16, 16), ("vp8", 17, 9)] {
        let video = json!({ "codec": codec, "width": width, "height": height, "fps": 15 });
        let track = ada.video_with(video).await;
        witness.subscribe(&track).await;
        witness.more(&track, 20).await;
        ada.command("unpublish", json!({ "source": "camera" })).await;
        witness.until("its stream ends", |it| it.current(&track).is_none()).await;
        let received = witness.all(&track)[0];
        if codec == "vp8" {
            // Whatever the publisher's encoder makes of so small a size, it stays.
            let size = *received.sizes.first().expect("a key frame");
            assert!(
                size != (8, 8) && received.sizes.iter().all(|it| *it == size),
                "{width}x{height}: {received:?}"
            );
        }
        // The blank ones came, as numbers without content.
        assert!(received.packets > received.media, "{codec} {width}x{height}: {received:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsubscribed_track_falls_silent_and_can_be_had_again() {
    let server = Server::start().await;
    let mut ada = Person::join(&server, "show", 1).await;
    let (video, audio) = (ada.video("vp8").await, ada.audio().await);
    let mut witness = Witness::join(server.options("show")).await;
    witness.subscribe(&video).await;
    witness.subscribe(&audio).await;
    witness.room.unsubscribe(video.clone());
    witness.until("the stream ends", |it| it.current(&video).is_none()).await;
    // The other track goes on; nothing of this one comes, or the witness would object.
    witness.more(&audio, 100).await;
    assert_eq!(witness.all(&video).len(), 1);
    witness.subscribe(&video).await;
    witness.more(&video, 20).await;
    assert_eq!(witness.all(&video).len(), 2);
    assert_eq!(witness.all(&audio).len(), 1);
    witness.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_come_speak_and_go_unaware_of_us() {
    let server = Server::start_with(json!({ "departure_timeout": 1 })).await;
    let mut ada = Person::join(&server, "show", 1).await;
    let voice = ada.audio_with(json!({ "voice": "tune" })).await;
    let mut witness = Witness::join(server.options("show")).await;
    // The server listens to what somebody receives.
    witness.subscribe(&voice).await;
    witness.until("Ada speaks", |it| it.roster.participants.iter().any(|person| person.speaking)).await;
    let roster = witness.roster.clone();
    assert_eq!(roster.room_name, "show");
    assert!(roster.room_sid.starts_with("RM_"));
    assert!(roster.active_recording, "the room is told of its recorder");
    assert_eq!(roster.participants.len(), 1);
    let person = &roster.participants[0];
    assert_eq!((person.identity.as_str(), person.name.as_str()), ("person-1", "Person 1"));
    assert!(person.joined_at_ms > 1_700_000_000_000);
    assert_eq!(person.tracks[0].codec, "opus");

    let ben = Person::join(&server, "show", 2).await;
    witness.until("Ben comes", |it| it.roster.participants.len() == 2).await;
    ben.kill().await;
    ada.command("quit", json!({})).await;
    witness.until("the room closes when everybody has left", |it| it.end.is_some()).await;
    assert_eq!(witness.end, Some(RoomEnd::RoomClosed));
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_sound_is_repaired_from_redundancy() {
    lost_sound_is_repaired(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_sound_without_redundancy_is_sent_again() {
    lost_sound_is_repaired(false).await;
}

async fn lost_sound_is_repaired(red: bool) {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use room::session::Impairment;

    let server = Server::start().await;
    let mut ada = Person::join(&server, "show", 1).await;
    let audio = ada.audio_with(json!({ "red": red })).await;
    let dropped = Arc::new(AtomicU64::new(0));
    let last = AtomicU64::new(0);
    let mut options = server.options("show");
    options.impairment = Some(Impairment::new({
        let dropped = dropped.clone();
        move |datagram| {
            if !datagram.is_incoming_rtp() {
                return false;
            }
            // Every seventh packet, the first time it comes, once the stream runs.
            let seq = u64::from(u16::from_be_bytes([datagram.bytes[2], datagram.bytes[3]]));
            let follows = last.swap(seq, Ordering::Relaxed) + 1 == seq;
            let drop = follows && seq.is_multiple_of(7);
            dropped.fetch_add(u64::from(drop), Ordering::Relaxed);
            drop
        }
    }));
    let mut witness = Witness::join(options).await;
    witness.subscribe(&audio).await;
    witness.more(&audio, 400).await;
    let stats = witness.room.stats();
    witness.leave().await;
    let received = witness.all(&audio)[0];
    assert_eq!(received.stream.codec, Codec::Opus);
    let dropped = dropped.load(Ordering::Relaxed);
    assert!(dropped >= 50, "{dropped}");
    // Packets sent again have their time to come in; where the machine is too busy for that, few may miss it.
    let missed = if red { 0 } else { dropped / 10 };
    assert!(received.lost <= missed, "{} of {dropped} dropped", received.lost);
    assert!(stats.tracks[0].repaired >= 40, "{stats:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_video_is_sent_again_or_a_key_frame_is_asked_for() {
    use std::sync::atomic::{AtomicU64, Ordering};

    use room::session::Impairment;

    let server = Server::start().await;
    let mut ada = Person::join(&server, "show", 1).await;
    let video = ada.video_with(json!({ "codec": "vp8", "bitrateBps": 1_500_000, "noise": 0.3 })).await;
    let random = AtomicU64::new(0x2545_f491_4f6c_dd1d);
    let mut options = server.options("show");
    options.impairment = Some(Impairment::new(move |datagram| {
        if !datagram.is_incoming_rtp() {
            return false;
        }
        let mut x = random.load(Ordering::Relaxed);
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        random.store(x, Ordering::Relaxed);
        x % 100 < 5
    }));
    let mut witness = Witness::join(options).await;
    witness.subscribe(&video).await;
    witness.more(&video, 600).await;
    let stats = witness.room.stats();
    witness.leave().await;
    let received = witness.all(&video)[0];
    assert!(stats.tracks[0].repaired >= 20, "{stats:?}");
    assert!(received.lost <= 2, "5 % lost on the way, {} for good of {}", received.lost, received.packets);
}
