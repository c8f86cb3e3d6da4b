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

/// Whether the packet is one of the blank key frames, at most 16x16 pixels, that the server sends for a
/// moment when a track ends or is unsubscribed, so that decoders show black. Each is one whole packet.
/// In a recording they would be a change of size that nobody made.
pub(crate) fn is_blank_frame(codec: Codec, payload: &[u8]) -> bool {
    match codec {
        Codec::H264 => h264_units(payload)
            .find(|(kind, _)| *kind == 7)
            .and_then(|(_, sps)| h264_size_in_macroblocks(sps))
            .is_some_and(|(width, height)| width <= 1 && height <= 1),
        Codec::Vp8 => {
            vp8_frame(payload).and_then(vp8_size).is_some_and(|(width, height)| width <= 16 && height <= 16)
        }
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

/// Width and height of an SPS in macroblocks; none for the profiles with more fields, which the server's
/// blank frames do not have.
fn h264_size_in_macroblocks(sps: &[u8]) -> Option<(u32, u32)> {
    if !matches!(sps.first()?, 66 | 77 | 88) {
        return None;
    }
    let mut bits = Bits { data: sps.get(3..)?, at: 0 };
    bits.exp_golomb()?; // seq_parameter_set_id
    bits.exp_golomb()?; // log2_max_frame_num_minus4
    match bits.exp_golomb()? {
        0 => {
            bits.exp_golomb()?; // log2_max_pic_order_cnt_lsb_minus4
        }
        1 => {
            bits.take(1)?; // delta_pic_order_always_zero_flag
            bits.exp_golomb()?; // offset_for_non_ref_pic
            bits.exp_golomb()?; // offset_for_top_to_bottom_field
            for _ in 0..bits.exp_golomb()?.min(255) {
                bits.exp_golomb()?; // offset_for_ref_frame
            }
        }
        _ => {}
    }
    bits.exp_golomb()?; // max_num_ref_frames
    bits.take(1)?; // gaps_in_frame_num_value_allowed_flag
    let width = bits.exp_golomb()?.checked_add(1)?;
    let height = bits.exp_golomb()?.checked_add(1)?;
    Some((width, height))
}

struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let byte = self.data.get(self.at / 8)?;
            value = (value << 1) | u32::from((byte >> (7 - self.at % 8)) & 1);
            self.at += 1;
        }
        Some(value)
    }

    fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.take(1)? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.take(zeros)?)
    }
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

/// Width and height of a VP8 key frame.
fn vp8_size(frame: &[u8]) -> Option<(u16, u16)> {
    let header = frame.get(..10)?;
    if header[0] & 1 != 0 || header[3..6] != [0x9d, 0x01, 0x2a] {
        return None;
    }
    let size = |low: u8, high: u8| u16::from_le_bytes([low, high]) & 0x3fff;
    Some((size(header[6], header[7]), size(header[8], header[9])))
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

    /// A baseline SPS of so many macroblocks.
    fn sps(width: u32, height: u32) -> Vec<u8> {
        let mut bits = String::new();
        let mut exp_golomb = |value: u32| {
            let binary = format!("{:b}", value + 1);
            bits += &"0".repeat(binary.len() - 1);
            bits += &binary;
        };
        exp_golomb(0);
        exp_golomb(0);
        exp_golomb(2);
        exp_golomb(1);
        // The flag for gaps in frame numbers is one bit, as is the code for 0: inverted.
        exp_golomb(0);
        exp_golomb(width - 1);
        exp_golomb(height - 1);
        bits += "1";
        let mut out = vec![0x67, 66, 0xc0, 31];
        for byte in bits.as_bytes().chunks(8) {
            let text = std::str::from_utf8(byte).unwrap();
            out.push(u8::from_str_radix(&format!("{text:0<8}"), 2).unwrap());
        }
        out
    }

    #[test]
    fn h264_key_frames() {
        assert!(begins_keyframe(Codec::H264, &[0x65, 1, 2]));
        assert!(!begins_keyframe(Codec::H264, &[0x41, 1, 2]));
        assert!(begins_keyframe(Codec::H264, &stap_a(&[&sps(80, 45), &[0x68, 1]])));
        assert!(begins_keyframe(Codec::H264, &[0x7c, 0x85, 1]));
        assert!(!begins_keyframe(Codec::H264, &[0x7c, 0x05, 1]), "a later fragment begins nothing");
        assert!(!begins_keyframe(Codec::H264, &[0x7c, 0x81, 1]));
    }

    #[test]
    fn h264_blank_frames() {
        assert_eq!(h264_size_in_macroblocks(&sps(80, 45)[1..]), Some((80, 45)));
        assert_eq!(h264_size_in_macroblocks(&sps(1, 1)[1..]), Some((1, 1)));
        assert!(is_blank_frame(Codec::H264, &stap_a(&[&sps(1, 1), &[0x68, 1], &[0x65, 1]])));
        assert!(!is_blank_frame(Codec::H264, &stap_a(&[&sps(80, 45), &[0x68, 1], &[0x65, 1]])));
    }

    #[test]
    fn vp8_key_and_blank_frames() {
        let frame = |width: u16, height: u16| {
            let mut out = vec![0x90, 0x80, 0x81, 0x23, 0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a];
            out.extend_from_slice(&width.to_le_bytes());
            out.extend_from_slice(&height.to_le_bytes());
            out.push(0);
            out
        };
        assert!(begins_keyframe(Codec::Vp8, &frame(640, 360)));
        assert!(!is_blank_frame(Codec::Vp8, &frame(640, 360)));
        assert!(is_blank_frame(Codec::Vp8, &frame(8, 8)));
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
