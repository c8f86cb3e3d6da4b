//! EBML elements, and what a file begins with.

use crate::output::mux::{Lanes, MuxError, caps_name};
use crate::output::ogg::{PRE_SKIP_SAMPLES, opus_head};
use crate::source::opus::ns_of;

/// Blocks count in ms.
pub(super) const TICK_NS: i64 = 1_000_000;
/// Room kept for the SeekHead.
pub(super) const SEEK_HEAD_BYTES: usize = 96;
/// "Size unknown" in eight bytes.
pub(super) const UNKNOWN: [u8; 8] = [0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

pub(super) const VIDEO_TRACK: u8 = 1;
pub(super) const AUDIO_TRACK: u8 = 2;

pub(super) mod id {
    pub const EBML: u32 = 0x1A45_DFA3;
    pub const SEGMENT: u32 = 0x1853_8067;
    pub const SEEK_HEAD: u32 = 0x114D_9B74;
    pub const SEEK: u32 = 0x4DBB;
    pub const SEEK_ID: u32 = 0x53AB;
    pub const SEEK_POSITION: u32 = 0x53AC;
    pub const VOID: u32 = 0xEC;
    pub const INFO: u32 = 0x1549_A966;
    pub const TIMESTAMP_SCALE: u32 = 0x002A_D7B1;
    pub const MUXING_APP: u32 = 0x4D80;
    pub const WRITING_APP: u32 = 0x5741;
    pub const DURATION: u32 = 0x4489;
    pub const TRACKS: u32 = 0x1654_AE6B;
    pub const TRACK_ENTRY: u32 = 0xAE;
    pub const TRACK_NUMBER: u32 = 0xD7;
    pub const TRACK_UID: u32 = 0x73C5;
    pub const TRACK_TYPE: u32 = 0x83;
    pub const FLAG_LACING: u32 = 0x9C;
    pub const CODEC_ID: u32 = 0x86;
    pub const CODEC_PRIVATE: u32 = 0x63A2;
    pub const CODEC_DELAY: u32 = 0x56AA;
    pub const SEEK_PRE_ROLL: u32 = 0x56BB;
    pub const VIDEO: u32 = 0xE0;
    pub const PIXEL_WIDTH: u32 = 0xB0;
    pub const PIXEL_HEIGHT: u32 = 0xBA;
    pub const AUDIO: u32 = 0xE1;
    pub const SAMPLING_FREQUENCY: u32 = 0xB5;
    pub const CHANNELS: u32 = 0x9F;
    pub const CLUSTER: u32 = 0x1F43_B675;
    pub const TIMESTAMP: u32 = 0xE7;
    pub const SIMPLE_BLOCK: u32 = 0xA3;
    pub const CUES: u32 = 0x1C53_BB6B;
    pub const CUE_POINT: u32 = 0xBB;
    pub const CUE_TIME: u32 = 0xB3;
    pub const CUE_TRACK_POSITIONS: u32 = 0xB7;
    pub const CUE_TRACK: u32 = 0xF7;
    pub const CUE_CLUSTER_POSITION: u32 = 0xF1;
}

/// An element of known size.
pub(super) fn element(id: u32, body: &[u8]) -> Vec<u8> {
    let mut out = id_bytes(id);
    out.push(0x01);
    out.extend_from_slice(&(body.len() as u64).to_be_bytes()[1..]);
    out.extend_from_slice(body);
    out
}

pub(super) fn id_bytes(id: u32) -> Vec<u8> {
    id.to_be_bytes().into_iter().skip_while(|b| *b == 0).collect()
}

pub(super) fn uint(id: u32, value: u64) -> Vec<u8> {
    element(id, &value.to_be_bytes())
}

pub(super) fn text(id: u32, value: &str) -> Vec<u8> {
    element(id, value.as_bytes())
}

pub(super) fn float(id: u32, value: f64) -> Vec<u8> {
    element(id, &value.to_be_bytes())
}

/// Fills `bytes` (at least 9) with nothing.
pub(super) fn void(bytes: usize) -> Vec<u8> {
    element(id::VOID, &vec![0; bytes.saturating_sub(9)])
}

/// What a file begins with, up to its tracks.
pub(super) fn before_tracks() -> Vec<u8> {
    let ebml = [
        uint(0x4286, 1),
        uint(0x42F7, 1),
        uint(0x42F2, 4),
        uint(0x42F3, 8),
        text(0x4282, "webm"),
        uint(0x4287, 4),
        uint(0x4285, 2),
    ]
    .concat();
    let app = concat!("Tallylight ", env!("CARGO_PKG_VERSION"));
    let info = [
        uint(id::TIMESTAMP_SCALE, TICK_NS as u64),
        text(id::MUXING_APP, app),
        text(id::WRITING_APP, app),
        // The duration's place; its element is as long as this.
        void(float(id::DURATION, 0.0).len()),
    ]
    .concat();
    let mut out = element(id::EBML, &ebml);
    out.extend(id_bytes(id::SEGMENT));
    out.extend_from_slice(&UNKNOWN);
    out.extend(void(SEEK_HEAD_BYTES));
    out.extend(element(id::INFO, &info));
    out
}

pub(super) fn tracks(lanes: &Lanes) -> Result<Vec<u8>, MuxError> {
    let mut tracks = lanes.video.as_ref().map(video_track).transpose()?.unwrap_or_default();
    if let Some(caps) = &lanes.audio {
        if caps_name(caps) != "audio/x-opus" {
            return Err(MuxError::Unsupported(caps_name(caps)));
        }
        tracks.extend(element(
            id::TRACK_ENTRY,
            &[
                uint(id::TRACK_NUMBER, u64::from(AUDIO_TRACK)),
                uint(id::TRACK_UID, u64::from(AUDIO_TRACK)),
                uint(id::TRACK_TYPE, 2),
                uint(id::FLAG_LACING, 0),
                text(id::CODEC_ID, "A_OPUS"),
                element(id::CODEC_PRIVATE, &opus_head()),
                uint(id::CODEC_DELAY, ns_of(i64::from(PRE_SKIP_SAMPLES)) as u64),
                uint(id::SEEK_PRE_ROLL, 80_000_000),
                element(
                    id::AUDIO,
                    &[float(id::SAMPLING_FREQUENCY, 48_000.0), uint(id::CHANNELS, 2)].concat(),
                ),
            ]
            .concat(),
        ));
    }
    Ok(tracks)
}

pub(super) fn video_track(caps: &gstreamer::Caps) -> Result<Vec<u8>, MuxError> {
    let codec = match caps_name(caps).as_str() {
        "video/x-vp8" => "V_VP8",
        "video/x-vp9" => "V_VP9",
        other => return Err(MuxError::Unsupported(other.to_owned())),
    };
    let size = |name| caps.structure(0).and_then(|s| s.get::<i32>(name).ok()).unwrap_or(0).max(1) as u64;
    Ok(element(
        id::TRACK_ENTRY,
        &[
            uint(id::TRACK_NUMBER, u64::from(VIDEO_TRACK)),
            uint(id::TRACK_UID, u64::from(VIDEO_TRACK)),
            uint(id::TRACK_TYPE, 1),
            uint(id::FLAG_LACING, 0),
            text(id::CODEC_ID, codec),
            element(
                id::VIDEO,
                &[uint(id::PIXEL_WIDTH, size("width")), uint(id::PIXEL_HEIGHT, size("height"))].concat(),
            ),
        ]
        .concat(),
    ))
}
