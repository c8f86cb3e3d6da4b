//! What a recorder has to know of payloads: which packets begin a key frame, and which are the blank
//! frames that the server makes up when a track closes.

use crate::event::Codec;

/// Whether the packet begins a key frame.
pub(crate) fn begins_keyframe(codec: Codec, payload: &[u8]) -> bool {
    match codec {
        Codec::H264 => h264_units(payload).any(|(kind, _)| matches!(kind, 5 | 7)),
        Codec::H265 => h265_keyframe(payload),
        Codec::Vp8 => vp8_frame(payload).is_some_and(|frame| frame.first().is_some_and(|byte| byte & 1 == 0)),
        Codec::Vp9 => vp9_keyframe(payload),
        // Aggregation header: N begins a coded video sequence.
        Codec::Av1 => payload.first().is_some_and(|byte| byte & 0x08 != 0),
        Codec::Opus | Codec::Pcmu | Codec::Pcma => true,
    }
}

/// The blank pictures of LiveKit's server (`pkg/sfu/downtrack.go`, `VP8KeyFrame8x8` and `H264KeyFrame2x2`): VP8 of
/// 8x8 pixels behind its payload descriptor, and an H.264 aggregation packet of 2x2 pixels. They are told by their
/// bytes and not by their size: people may publish pictures as small.
const BLANK_VP8: [u8; 31] = [
    0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x08, 0x00, 0x08, 0x00, 0x00, 0x47, 0x08, 0x85, 0x85, 0x88, 0x85,
    0x84, 0x88, 0x02, 0x02, 0x00, 0x0c, 0x0d, 0x60, 0x00, 0xfe, 0xff, 0xab, 0x50, 0x80,
];
const BLANK_H264: [u8; 47] = [
    0x18, // STAP-A
    0x00, 0x18, 0x67, 0x42, 0xc0, 0x1f, 0x0f, 0xd9, 0x1f, 0x88, 0x88, 0x84, 0x00, 0x00, 0x03, 0x00, 0x04,
    0x00, 0x00, 0x03, 0x00, 0xc8, 0x3c, 0x60, 0xc9, 0x20, // SPS
    0x00, 0x06, 0x68, 0x87, 0xcb, 0x83, 0xcb, 0x20, // PPS
    0x00, 0x0a, 0x65, 0x88, 0x84, 0x0a, 0xf2, 0x62, 0x80, 0x00, 0xa7, 0xbe, // IDR
];

/// Whether the packet is one of the blank key frames that the server sends for a moment when a track ends or is
/// unsubscribed, so that decoders show black. In a recording they would be a change of size that nobody made. Each is
/// one whole packet; on encrypted tracks the server's trailer follows.
pub(crate) fn is_blank_frame(codec: Codec, payload: &[u8]) -> bool {
    match codec {
        Codec::H264 => payload.starts_with(&BLANK_H264),
        Codec::Vp8 => vp8_frame(payload).is_some_and(|frame| frame.starts_with(&BLANK_VP8)),
        _ => false,
    }
}

/// The NAL units that begin in a packet, as type and content behind the header byte.
fn h264_units(payload: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let kind = payload.first().map_or(0, |byte| byte & 0x1f);
    let (mut aggregate, single) = match kind {
        // STAP-A: 16-bit lengths.
        24 => (&payload[1..], None),
        // FU-A: only its first fragment begins a unit.
        28 => {
            let begins = payload.get(1).filter(|byte| *byte & 0x80 != 0);
            (&[][..], begins.map(|byte| (byte & 0x1f, &payload[2..])))
        }
        0 => (&[][..], None),
        _ => (&[][..], Some((kind, &payload[1..]))),
    };
    let units = std::iter::from_fn(move || {
        let length = usize::from(u16::from_be_bytes([*aggregate.first()?, *aggregate.get(1)?]));
        let unit = aggregate.get(2..2 + length)?;
        aggregate = &aggregate[2 + length..];
        Some((unit.first()? & 0x1f, &unit[1..]))
    });
    single.into_iter().chain(units)
}

fn h265_keyframe(payload: &[u8]) -> bool {
    let random_access = |kind: u8| (16..=21).contains(&kind) || (32..=34).contains(&kind);
    let kind = |byte: &u8| (byte >> 1) & 0x3f;
    match payload.first().map(kind) {
        // Aggregation packet: two bytes of header, then units behind 16-bit lengths; the first tells.
        Some(48) => payload.get(4).is_some_and(|byte| random_access(kind(byte))),
        // Fragment: only the first begins a unit.
        Some(49) => payload.get(2).is_some_and(|byte| byte & 0x80 != 0 && random_access(byte & 0x3f)),
        Some(other) => random_access(other),
        None => false,
    }
}

/// The beginning of a VP8 frame behind its payload descriptor; none in the middle of one.
fn vp8_frame(payload: &[u8]) -> Option<&[u8]> {
    let &first = payload.first()?;
    // Begin of the first partition.
    if first & 0x10 == 0 || first & 0x07 != 0 {
        return None;
    }
    let mut at = 1;
    if first & 0x80 != 0 {
        let &extension = payload.get(at)?;
        at += 1;
        if extension & 0x80 != 0 {
            at += if payload.get(at)? & 0x80 != 0 { 2 } else { 1 };
        }
        at += usize::from(extension & 0x40 != 0) + usize::from(extension & 0x30 != 0);
    }
    payload.get(at..)
}

fn vp9_keyframe(payload: &[u8]) -> bool {
    let Some(&first) = payload.first() else { return false };
    let (has_id, inter, layered, begins) =
        (first & 0x80 != 0, first & 0x40 != 0, first & 0x20 != 0, first & 0x08 != 0);
    if inter || !begins {
        return false;
    }
    let mut at = 1;
    if has_id {
        at += if payload.get(at).is_some_and(|byte| byte & 0x80 != 0) { 2 } else { 1 };
    }
    // Upper spatial layers of a key picture are not inter-predicted in time; only the lowest begins it.
    !layered || payload.get(at).is_some_and(|byte| (byte >> 1) & 7 == 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stap_a(units: &[&[u8]]) -> Vec<u8> {
        let mut out = vec![24];
        for unit in units {
            out.extend_from_slice(&(unit.len() as u16).to_be_bytes());
            out.extend_from_slice(unit);
        }
        out
    }

    /// Parameter sets of pictures of 16x16 pixels, as openh264 writes them.
    const SMALL_SPS: [u8; 9] = [0x67, 0x42, 0xc0, 0x0a, 0x8c, 0x8d, 0x4e, 0x40, 0x3c];
    const SMALL_PPS: [u8; 4] = [0x68, 0xce, 0x3c, 0x80];

    /// A VP8 packet behind the descriptor that LiveKit's server writes.
    fn vp8(frame: &[u8]) -> Vec<u8> {
        [&[0x90, 0x80, 0x81, 0x23][..], frame].concat()
    }

    #[test]
    fn h264_key_frames() {
        assert!(begins_keyframe(Codec::H264, &[0x65, 1, 2]));
        assert!(!begins_keyframe(Codec::H264, &[0x41, 1, 2]));
        assert!(begins_keyframe(Codec::H264, &stap_a(&[&SMALL_SPS, &SMALL_PPS])));
        assert!(begins_keyframe(Codec::H264, &[0x7c, 0x85, 1]));
        assert!(!begins_keyframe(Codec::H264, &[0x7c, 0x05, 1]), "a later fragment begins nothing");
        assert!(!begins_keyframe(Codec::H264, &[0x7c, 0x81, 1]));
    }

    #[test]
    fn the_servers_blank_frames_are_told_by_their_bytes() {
        let [sps, pps, idr] = [&BLANK_H264[3..27], &BLANK_H264[29..35], &BLANK_H264[37..]];
        assert_eq!(stap_a(&[sps, pps, idr]), BLANK_H264);
        assert!(is_blank_frame(Codec::H264, &BLANK_H264));
        assert!(is_blank_frame(Codec::Vp8, &vp8(&BLANK_VP8)));
        for (codec, blank) in [(Codec::H264, BLANK_H264.to_vec()), (Codec::Vp8, vp8(&BLANK_VP8))] {
            assert!(begins_keyframe(codec, &blank));
            assert!(
                is_blank_frame(codec, &[&blank[..], b"trailer"].concat()),
                "with the trailer of an encrypted track"
            );
            assert!(!is_blank_frame(codec, &blank[..blank.len() - 1]));
        }
        assert!(!is_blank_frame(Codec::Vp9, &vp8(&BLANK_VP8)) && !is_blank_frame(Codec::Av1, &BLANK_H264));
    }

    #[test]
    fn small_pictures_of_people_are_no_blank_frames() {
        for size in [2u16, 7, 8, 15, 16, 17, 640] {
            let mut frame = vec![0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a];
            frame.extend_from_slice(&size.to_le_bytes());
            frame.extend_from_slice(&size.to_le_bytes());
            frame
                .extend_from_slice(&[0x00, 0x07, 0x08, 0x85, 0x85, 0x88, 0x99, 0x84, 0x88, 0xfc, 0x02, 0x2c]);
            frame.resize(40, 0x55);
            assert!(!is_blank_frame(Codec::Vp8, &vp8(&frame)), "{size}x{size}");
        }
        let picture = stap_a(&[&SMALL_SPS, &SMALL_PPS, &[0x65, 0x88, 0x84, 0x0a, 0xf2, 0x62]]);
        assert!(!is_blank_frame(Codec::H264, &picture), "16x16, which 2x2 is coded as too");
    }

    #[test]
    fn vp8_key_frames() {
        assert!(begins_keyframe(Codec::Vp8, &vp8(&BLANK_VP8)));
        assert!(!begins_keyframe(Codec::Vp8, &[0x10, 0x01, 0, 0]), "an inter frame");
        assert!(!begins_keyframe(Codec::Vp8, &[0x00, 0x00, 0, 0]), "the middle of a frame");
    }

    #[test]
    fn vp9_av1_and_h265_key_frames() {
        assert!(begins_keyframe(Codec::Vp9, &[0x8a, 0x81, 0x23, 0]));
        assert!(!begins_keyframe(Codec::Vp9, &[0xca, 0x81, 0x23, 0]), "predicted from an earlier picture");
        assert!(!begins_keyframe(Codec::Vp9, &[0x82, 0x81, 0x23, 0]), "the middle of a frame");
        assert!(begins_keyframe(Codec::Vp9, &[0xa8, 0x81, 0x23, 0x00]));
        assert!(!begins_keyframe(Codec::Vp9, &[0xa8, 0x81, 0x23, 0x02]), "an upper layer");
        assert!(begins_keyframe(Codec::Av1, &[0x18]));
        assert!(!begins_keyframe(Codec::Av1, &[0x10]));
        assert!(begins_keyframe(Codec::H265, &[0x40, 0x01, 0]), "a parameter set");
        assert!(begins_keyframe(Codec::H265, &[0x62, 0x01, 0x93]), "the first fragment of an IDR");
        assert!(!begins_keyframe(Codec::H265, &[0x62, 0x01, 0x13]));
        assert!(!begins_keyframe(Codec::H265, &[0x02, 0x01, 0]));
    }

    proptest! {
        #[test]
        fn garbage_does_no_harm(payload in prop::collection::vec(any::<u8>(), 0..64)) {
            for codec in [Codec::H264, Codec::H265, Codec::Vp8, Codec::Vp9, Codec::Av1] {
                let _ = (begins_keyframe(codec, &payload), is_blank_frame(codec, &payload));
            }
        }
    }
}
