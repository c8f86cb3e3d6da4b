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
        assert!(received.largest_step_ns < 5_000_000, "{} ns", received.largest_step_ns);
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
