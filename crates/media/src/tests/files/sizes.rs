//! Pictures of every size that can be published go into files and through decoders.

use std::sync::mpsc;
use std::time::Duration;

use crate::chain::{Chain, ChainEvent};
use crate::compose::decode::{Decoded, Decoder};
use crate::source::depayload::{Depayloader, Picture};
use crate::unit::Unit;
use bytes::Bytes;
use egress::roster::TrackKind;
use egress::spec::Container;
use room::event::{Codec, Packet, Stream, StreamId};

use super::harness::*;

const START: u64 = START_NS as u64;

/// Packets of `count` pictures of this size, as a publisher's.
fn packets(codec: &str, size: (i32, i32), count: i64) -> Vec<Packet> {
    crate::init().unwrap();
    let payloader = match codec {
        "h264" => "rtph264pay config-interval=-1",
        "av1" => "rtpav1pay",
        "vp9" => "rtpvp9pay",
        _ => "rtpvp8pay picture-id-mode=15-bit",
    };
    // One slice for a picture, as libwebrtc's encoders make it.
    let encoder = encoder(codec)
        .replace("stream-format=avc3", "stream-format=byte-stream")
        .replace("tune=zerolatency", "tune=zerolatency sliced-threads=false threads=1");
    let description = format!("{encoder} ! {payloader} mtu=1200 pt=96 seqnum-offset=1 timestamp-offset=0");
    let (sender, receiver) = mpsc::channel();
    let chain = Chain::start("publisher", &picture_caps(size), &description, move |event| {
        let _ = sender.send(event);
    })
    .unwrap();
    for (time_ns, planes) in frames(size, count) {
        let mut buffer = gstreamer::Buffer::from_mut_slice(planes);
        let time = gstreamer::ClockTime::from_nseconds(time_ns as u64 - START);
        buffer.get_mut().unwrap().set_pts(time);
        chain.push(buffer);
    }
    chain.finish();
    let mut packets = Vec::new();
    loop {
        match receiver.recv_timeout(Duration::from_secs(60)).unwrap() {
            ChainEvent::Sample(sample) => {
                let map = sample.buffer().unwrap().map_readable().unwrap();
                let rtp_time = u64::from(u32::from_be_bytes(map[4..8].try_into().unwrap()));
                packets.push(Packet {
                    stream: StreamId(1),
                    seq: u64::from(u16::from_be_bytes([map[2], map[3]])),
                    rtp_time,
                    time_ns: START_NS + rtp_time as i64 * 100_000 / 9,
                    marker: map[1] & 0x80 != 0,
                    lost_before: 0,
                    audio_level_dbov: None,
                    payload: Bytes::copy_from_slice(&map[12..]),
                });
            }
            ChainEvent::Finished => return packets,
            ChainEvent::Failed(error) => panic!("{codec} {size:?}: {error}"),
        }
    }
}

fn units(codec: Codec, packets: &[Packet]) -> Vec<Unit> {
    let stream = Stream {
        id: StreamId(1),
        track_id: "TR_1".into(),
        kind: TrackKind::Video,
        codec,
        clock_rate_hz: 90_000,
        channels: 0,
        fmtp: String::new(),
    };
    let (sender, receiver) = mpsc::channel();
    let depayloader = Depayloader::start(&stream, move |picture| {
        let _ = sender.send(picture);
    })
    .unwrap();
    packets.iter().for_each(|packet| depayloader.push(packet));
    depayloader.finish();
    let mut units = Vec::new();
    loop {
        match receiver.recv_timeout(Duration::from_secs(30)).unwrap() {
            Picture::Unit { unit, .. } => units.push(unit),
            Picture::Finished => return units,
            Picture::Failed(error) => panic!("{codec:?}: {error}"),
            Picture::TooLarge { width, height } => panic!("{codec:?}: {width}x{height}"),
        }
    }
}

/// How many pictures a decoder makes of them, in the size of a program.
fn decoded(codec: Codec, units: &[Unit]) -> usize {
    let (sender, receiver) = mpsc::channel();
    let decoder = Decoder::video(codec, &units[0].caps, (320, 180), move |decoded| {
        let _ = sender.send(decoded);
    })
    .unwrap();
    units.iter().for_each(|unit| decoder.push_unit(unit));
    decoder.finish();
    let mut pictures = 0;
    loop {
        match receiver.recv_timeout(Duration::from_secs(60)).unwrap() {
            Decoded::Picture { frame, .. } => {
                assert_eq!(frame.size(), 320 * 180 * 3 / 2);
                pictures += 1;
            }
            Decoded::Sound { .. } => {}
            Decoded::Finished => return pictures,
            Decoded::Failed(error) => panic!("{codec:?}: {error}"),
        }
    }
}

#[test]
fn pictures_of_any_size_are_recorded() {
    let odd = [(2, 2), (3, 5), (7, 1080), (8, 8), (16, 16), (17, 9), (4096, 3), (2, 4096), (1279, 721)];
    // Pictures with half the colours have an even number of lines in H.264.
    let even = [(2, 2), (8, 8), (16, 16), (18, 10), (4096, 4), (2, 4096), (1278, 722)];
    // GStreamer's AV1 encoder here gives nothing for a side below 8.
    let least8 = [(8, 8), (16, 16), (17, 9), (4096, 16), (16, 4096), (1279, 721)];
    for (name, codec, container, sizes) in [
        ("vp8", Codec::Vp8, Container::Webm, &odd[..]),
        ("vp9", Codec::Vp9, Container::Webm, &odd[..]),
        ("h264", Codec::H264, Container::Mp4, &even[..]),
        ("av1", Codec::Av1, Container::Mp4, &least8[..]),
    ] {
        for (size, count) in sizes.iter().map(|size| (*size, 5)).chain([((4096, 4096), 2)]) {
            let case = format!("{name} {size:?}");
            let units = units(codec, &packets(name, size, count));
            assert_eq!(units.len() as i64, count, "{case}");
            assert_eq!(decoded(codec, &units), units.len(), "{case}");
            let folder = tempfile::tempdir().unwrap();
            let result = write(folder.path(), "a", container, &units).finish();
            assert_eq!(result.error, None, "{case}");
            let path = result.path.unwrap();
            let found = (stream_field(&path, "v:0", "width"), stream_field(&path, "v:0", "height"));
            assert_eq!(found, (size.0.to_string(), size.1.to_string()), "{case}");
            assert_eq!(decode(&path), (units.len(), String::new()), "{case}");
        }
    }
}
