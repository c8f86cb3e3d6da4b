//! What a track's samples are: the heads of its codec.

use std::io::Cursor;

use bytes::Bytes;
use gstreamer as gst;
use scuffle_av1::seq::SequenceHeaderObu;
use scuffle_av1::{AV1CodecConfigurationRecord, ObuHeader, ObuType};

use super::boxes::{boxed, numbers};
use super::sets::{self, Described, Units};
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
    /// The parameter sets in it, where samples may hold others.
    pub described: Option<Described>,
}

/// The track of pictures with these caps.
pub(super) fn video(caps: &gst::Caps, first: &[u8]) -> Result<Entry, MuxError> {
    let codec_data = bytes(caps, "codec_data");
    let format = field(caps, "stream-format");
    let unsupported = || MuxError::Unsupported(caps_name(caps));
    let mut described = None;
    let (kind, config): (&[u8; 4], Vec<u8>) = match (caps_name(caps).as_str(), format.as_str()) {
        ("video/x-h264", "avc") => (b"avc1", boxed(b"avcC", &[&codec_data.ok_or_else(unsupported)?])),
        ("video/x-h264", _) => {
            // GStreamer's description has no parameter sets for these.
            let own = avc_config(first, caps);
            described = own.as_ref().map(|(_, sets)| Described { units: Units::H264, sets: sets.clone() });
            let config = own.map(|(config, _)| config).or(codec_data).ok_or_else(unsupported)?;
            (b"avc3", boxed(b"avcC", &[&config]))
        }
        ("video/x-h265", "hvc1") => (b"hvc1", boxed(b"hvcC", &[&codec_data.ok_or_else(unsupported)?])),
        ("video/x-h265", _) => {
            let config = codec_data.ok_or_else(unsupported)?;
            described = Some(Described { units: Units::H265, sets: sets::of_hvcc(&config) });
            (b"hev1", boxed(b"hvcC", &[&config]))
        }
        ("video/x-av1", _) => {
            let config = codec_data.or_else(|| av1_config(first)).ok_or_else(unsupported)?;
            (b"av01", boxed(b"av1C", &[&config]))
        }
        // Where a file had begun before it was known what its pictures would be.
        ("video/x-vp8", _) => (b"vp08", vp_config(0)),
        ("video/x-vp9", _) => (b"vp09", vp_config(field(caps, "profile").parse().unwrap_or(0))),
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
    let described = described.filter(|described| !described.sets.is_empty());
    Ok(Entry {
        timescale: 90_000,
        size: (width, height),
        media_time: 0,
        entry: boxed(kind, &[&body]),
        described,
    })
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
    Ok(Entry { timescale, size: (0, 0), media_time, entry: boxed(kind, &[&body]), described: None })
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

/// The decoder configuration of H.264 from the parameter sets in a picture (ISO/IEC 14496-15 §5.3.3), and those sets.
fn avc_config(picture: &[u8], caps: &gst::Caps) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    let mut sets: Vec<&[u8]> = Vec::new();
    for set in Units::H264.sets(picture) {
        // Each once; no encoder has as many as the description takes.
        if sets.len() < 31 && !sets.contains(&set) {
            sets.push(set);
        }
    }
    let of = |kind| sets.iter().copied().filter(move |set| set[0] & 0x1f == kind);
    let [profile, compatible, level] = *of(7).next()?.get(1..)?.first_chunk::<3>()?;
    let mut out = vec![1, profile, compatible, level, 0xff];
    let extensions = matches!(profile, 100 | 110 | 122 | 144);
    for (kind, mark) in [(7, 0xe0), (8, 0)] {
        out.push(mark | of(kind).count() as u8);
        for set in of(kind) {
            out.extend_from_slice(&(set.len() as u16).to_be_bytes());
            out.extend_from_slice(set);
        }
    }
    of(8).next()?;
    if extensions {
        let chroma = match field(caps, "chroma-format").as_str() {
            "4:0:0" => 0,
            "4:2:2" => 2,
            "4:4:4" => 3,
            _ => 1,
        };
        let depth = |name| {
            caps.structure(0).and_then(|s| s.get::<u32>(name).ok()).map_or(0, |d| d.saturating_sub(8)) as u8
        };
        out.extend([0xfc | chroma, 0xf8 | depth("bit-depth-luma"), 0xf8 | depth("bit-depth-chroma")]);
        out.push(of(13).count() as u8);
        for set in of(13) {
            out.extend_from_slice(&(set.len() as u16).to_be_bytes());
            out.extend_from_slice(set);
        }
    }
    // One of another kind has no place in it.
    let known = sets.iter().filter(|set| matches!(set[0] & 0x1f, 7 | 8) || extensions && set[0] & 0x1f == 13);
    Some((out, known.map(|set| set.to_vec()).collect()))
}

/// The decoder configuration of AV1 from the sequence header in a picture (AV1-ISOBMFF §2.3), which
/// `av1parse` of GStreamer 1.22 does not give.
fn av1_config(picture: &[u8]) -> Option<Vec<u8>> {
    let mut rest = picture;
    while !rest.is_empty() {
        let mut cursor = Cursor::new(rest);
        let header = ObuHeader::parse(&mut cursor).ok()?;
        let end = usize::try_from(cursor.position().checked_add(header.size?)?).ok()?;
        let (unit, tail) = rest.split_at_checked(end)?;
        if header.obu_type == ObuType::SequenceHeader {
            let sequence = SequenceHeaderObu::parse(header, &mut cursor).ok()?;
            let point = sequence.operating_points.first()?;
            let colour = sequence.color_config;
            let record = AV1CodecConfigurationRecord {
                seq_profile: sequence.seq_profile,
                seq_level_idx_0: point.seq_level_idx,
                seq_tier_0: point.seq_tier,
                high_bitdepth: colour.bit_depth > 8,
                twelve_bit: colour.bit_depth > 10,
                monochrome: colour.mono_chrome,
                chroma_subsampling_x: colour.subsampling_x,
                chroma_subsampling_y: colour.subsampling_y,
                chroma_sample_position: colour.chroma_sample_position,
                hdr_wcg_idc: 0,
                initial_presentation_delay_minus_one: None,
                config_obu: Bytes::copy_from_slice(unit),
            };
            let mut out = Vec::new();
            record.mux(&mut out).ok()?;
            return Some(out);
        }
        rest = tail;
    }
    None
}

/// The configuration of VP8 and VP9 (VP Codec ISO Media File Format Binding §3): nothing is said of level and colours.
fn vp_config(profile: u8) -> Vec<u8> {
    let (depth, chroma) = (if profile < 2 { 8 } else { 10 }, if profile.is_multiple_of(2) { 1 } else { 3 });
    boxed(b"vpcC", &[&[1, 0, 0, 0, profile, 0, depth << 4 | chroma << 1, 2, 2, 2, 0, 0]])
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

#[cfg(test)]
mod tests {
    use gstreamer::prelude::*;

    use super::*;

    /// The first temporal unit of a stream made here.
    fn av1_picture(format: &str) -> Vec<u8> {
        gst::init().unwrap();
        let text = format!(
            "videotestsrc num-buffers=2 ! video/x-raw,format={format},width=320,height=240,framerate=30/1
             ! av1enc cpu-used=8 ! av1parse
             ! video/x-av1,stream-format=obu-stream,alignment=tu ! appsink name=sink sync=false"
        );
        let pipeline = gst::parse::launch(&text).unwrap().downcast::<gst::Pipeline>().unwrap();
        let sink = pipeline.by_name("sink").unwrap().downcast::<gstreamer_app::AppSink>().unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        let sample = sink.pull_sample().unwrap();
        let data = sample.buffer().unwrap().map_readable().unwrap().to_vec();
        pipeline.set_state(gst::State::Null).unwrap();
        data
    }

    #[test]
    fn av1_is_described_as_its_sequence_header_says() {
        // 4:2:0 is profile 0, 4:4:4 profile 1, 4:2:2 profile 2.
        for (format, profile, colour) in [("I420", 0, 0x0c), ("Y444", 1, 0x00), ("Y42B", 2, 0x08)] {
            let picture = av1_picture(format);
            let config = av1_config(&picture).unwrap();
            assert_eq!((config[0], config[1] >> 5, config[3]), (0x81, profile, 0), "{format}");
            assert_eq!(config[2] & 0xfc, colour, "{format}: {config:02x?}");
            assert!(!config[4..].is_empty() && picture.windows(config.len() - 4).any(|w| w == &config[4..]));
            assert_eq!(config[4] >> 3 & 0xf, 1, "the sequence header is in it");
            assert_eq!(config[1] & 0x1f, 0, "{format}: level 2.0 is enough for 240 lines");
        }
    }

    #[test]
    fn a_picture_without_a_sequence_header_describes_nothing() {
        assert_eq!(av1_config(&[0x12, 0x00]), None);
        assert_eq!(av1_config(&[0x0a, 0x7f, 0x00]), None, "cut short");
        assert_eq!(av1_config(&[]), None);
    }

    #[test]
    fn h264_is_described_by_all_its_parameter_sets() {
        gst::init().unwrap();
        let sample = |units: &[&[u8]]| -> Vec<u8> {
            units.iter().flat_map(|unit| [&(unit.len() as u32).to_be_bytes()[..], unit].concat()).collect()
        };
        let caps = gst::Caps::builder("video/x-h264")
            .field("chroma-format", "4:2:2")
            .field("bit-depth-luma", 10u32)
            .field("bit-depth-chroma", 8u32)
            .build();
        let (sps, high): (&[u8], &[u8]) = (&[0x67, 66, 0xc0, 31, 5], &[0x67, 122, 0, 40, 6]);
        let (one, two, idr): (&[u8], &[u8], &[u8]) = (&[0x68, 1], &[0x68, 2, 2], &[0x65, 9, 9]);
        let (config, sets) = avc_config(&sample(&[&[0x09, 0x10], sps, one, two, one, idr]), &caps).unwrap();
        assert_eq!(
            config,
            [&[1, 66, 0xc0, 31, 0xff, 0xe1, 0, 5], sps, &[2, 0, 2], one, &[0, 3], two].concat()
        );
        assert_eq!(sets, [sps, one, two]);
        let (config, _) = avc_config(&sample(&[high, one, idr]), &caps).unwrap();
        assert_eq!(config[config.len() - 4..], [0xfc | 2, 0xf8 | 2, 0xf8, 0], "High says more");
        assert_eq!(avc_config(&sample(&[sps, idr]), &caps), None, "half of it describes nothing");
        assert_eq!(avc_config(&sample(&[&[0x67, 66], one]), &caps), None);
        assert_eq!(avc_config(&[], &caps), None);
    }
}
