//! What a track's samples are: the heads of its codec.

use gstreamer as gst;

use super::boxes::{boxed, numbers};
use crate::output::mux::{MuxError, caps_name};
use crate::output::ogg::PRE_SKIP_SAMPLES;
use crate::source::opus::RATE_HZ;

/// A lane's track.
#[derive(Debug)]
pub(super) struct Entry {
    /// Ticks a second.
    pub timescale: u32,
    /// Pixels; 0 for sound.
    pub size: (u32, u32),
    /// Where in the media the presentation begins, ticks.
    pub media_time: u32,
    /// The sample entry.
    pub entry: Vec<u8>,
}

/// The track of pictures with these caps.
pub(super) fn video(caps: &gst::Caps, first: &[u8]) -> Result<Entry, MuxError> {
    let codec_data = bytes(caps, "codec_data");
    let format = field(caps, "stream-format");
    let unsupported = || MuxError::Unsupported(caps_name(caps));
    let (kind, config): (&[u8; 4], Vec<u8>) = match (caps_name(caps).as_str(), format.as_str()) {
        ("video/x-h264", "avc") => (b"avc1", boxed(b"avcC", &[&codec_data.ok_or_else(unsupported)?])),
        ("video/x-h264", _) => {
            let config = codec_data.or_else(|| avc_config(first)).ok_or_else(unsupported)?;
            (b"avc3", boxed(b"avcC", &[&config]))
        }
        ("video/x-h265", "hvc1") => (b"hvc1", boxed(b"hvcC", &[&codec_data.ok_or_else(unsupported)?])),
        ("video/x-h265", _) => (b"hev1", boxed(b"hvcC", &[&codec_data.ok_or_else(unsupported)?])),
        ("video/x-av1", _) => {
            let config = codec_data.unwrap_or_else(|| vec![0x81, 0x08, 0x0c, 0x00]);
            (b"av01", boxed(b"av1C", &[&config]))
        }
        _ => return Err(unsupported()),
    };
    let (width, height) = (number(caps, "width"), number(caps, "height"));
    let mut body = vec![0; 6];
    body.extend_from_slice(&[0, 1]);
    body.extend_from_slice(&[0; 16]);
    body.extend_from_slice(&(width as u16).to_be_bytes());
    body.extend_from_slice(&(height as u16).to_be_bytes());
    // 72 dots an inch, one frame a sample, no name, 24 bits deep.
    body.extend(numbers(&[0x0048_0000, 0x0048_0000, 0]));
    body.extend_from_slice(&[0, 1]);
    body.extend_from_slice(&[0; 32]);
    body.extend_from_slice(&[0, 0x18, 0xff, 0xff]);
    body.extend(config);
    Ok(Entry { timescale: 90_000, size: (width, height), media_time: 0, entry: boxed(kind, &[&body]) })
}

/// The track of sound with these caps.
pub(super) fn audio(caps: &gst::Caps) -> Result<Entry, MuxError> {
    let rate = number(caps, "rate").max(1);
    let (kind, timescale, media_time, config): (&[u8; 4], _, _, _) = match caps_name(caps).as_str() {
        "audio/mpeg" => {
            let config = bytes(caps, "codec_data").ok_or_else(|| MuxError::Unsupported(caps_name(caps)))?;
            (b"mp4a", rate, 0, esds(&config))
        }
        "audio/x-opus" => {
            // Opus in ISOBMFF §4.3.2; numbers are big-endian here, unlike in Ogg.
            let mut dops = vec![0, 2];
            dops.extend_from_slice(&PRE_SKIP_SAMPLES.to_be_bytes());
            dops.extend_from_slice(&(RATE_HZ as u32).to_be_bytes());
            dops.extend_from_slice(&[0, 0, 0]);
            (b"Opus", RATE_HZ as u32, u32::from(PRE_SKIP_SAMPLES), boxed(b"dOps", &[&dops]))
        }
        other => return Err(MuxError::Unsupported(other.to_owned())),
    };
    let mut body = vec![0; 6];
    body.extend_from_slice(&[0, 1]);
    body.extend_from_slice(&[0; 8]);
    body.extend_from_slice(&[0, 2, 0, 16, 0, 0, 0, 0]);
    body.extend_from_slice(&(timescale << 16).to_be_bytes());
    body.extend(config);
    Ok(Entry { timescale, size: (0, 0), media_time, entry: boxed(kind, &[&body]) })
}

/// The elementary stream descriptor of AAC (ISO/IEC 14496-1 §7.2.6.5).
fn esds(config: &[u8]) -> Vec<u8> {
    let descriptor = |tag: u8, body: &[u8]| -> Vec<u8> { [&[tag, body.len() as u8], body].concat() };
    // Object type 0x40 (AAC), stream type 5 (audio); buffer size and rates unknown.
    let mut decoder = vec![0x40, 0x15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    decoder.extend(descriptor(5, config));
    let stream = [&[0, 1, 0][..], &descriptor(4, &decoder), &descriptor(6, &[2])].concat();
    boxed(b"esds", &[&[0; 4], &descriptor(3, &stream)])
}

/// The decoder configuration of H.264 from the parameter sets in a picture (ISO/IEC 14496-15 §5.3.3).
fn avc_config(picture: &[u8]) -> Option<Vec<u8>> {
    let (mut sps, mut pps) = (None, None);
    let mut rest = picture;
    while let Some((length, tail)) = rest.split_first_chunk::<4>() {
        let (unit, tail) = tail.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        match unit.first()? & 0x1f {
            7 => sps = Some(unit),
            8 => pps = Some(unit),
            _ => {}
        }
        rest = tail;
    }
    let (sps, pps) = sps.filter(|s| s.len() >= 4).zip(pps)?;
    let mut out = vec![1, sps[1], sps[2], sps[3], 0xff, 0xe1];
    out.extend_from_slice(&(sps.len() as u16).to_be_bytes());
    out.extend_from_slice(sps);
    out.push(1);
    out.extend_from_slice(&(pps.len() as u16).to_be_bytes());
    out.extend_from_slice(pps);
    Some(out)
}

fn bytes(caps: &gst::Caps, name: &str) -> Option<Vec<u8>> {
    let buffer = caps.structure(0)?.get::<gst::Buffer>(name).ok()?;
    let map = buffer.map_readable().ok()?;
    Some(map.to_vec())
}

fn field(caps: &gst::Caps, name: &str) -> String {
    caps.structure(0).and_then(|s| s.get::<String>(name).ok()).unwrap_or_default()
}

fn number(caps: &gst::Caps, name: &str) -> u32 {
    caps.structure(0).and_then(|s| s.get::<i32>(name).ok()).unwrap_or(0).max(0) as u32
}
