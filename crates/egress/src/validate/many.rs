//! Outputs of a request that are many files: segments and images.

use std::path::Path;

use livekit_protocol as proto;
use proto::{ImageCodec, ImageFileSuffix, SegmentedFileProtocol, SegmentedFileSuffix};

use super::RequestError;
use crate::filename::{BEHIND_BYTES, check, in_one_folder, without_extension};
use crate::id::OutputId;
use crate::spec::{
    ImageSuffix, ImagesOutput, OutputKind, OutputSpec, SegmentKind, SegmentSuffix, SegmentsOutput,
};
use crate::storage::Asked;

/// LiveKit's defaults, seconds.
const SEGMENT_S: u32 = 4;
const IMAGE_INTERVAL_S: u32 = 10;
/// Longer than any player waits for.
const MAX_SEGMENT_S: u32 = 600;
const MAX_IMAGE_INTERVAL_S: u32 = 7 * 24 * 3600;
/// As far as JPEG and what scales for it go, pixels.
const SIDES: std::ops::RangeInclusive<i32> = 16..=8192;

/// Segments of HLS.
pub(super) struct SegmentsTarget<'a> {
    asked: &'a proto::SegmentedFileOutput,
    suffix: SegmentSuffix,
    /// Where they go besides, if the request says so.
    pub storage: Option<Asked>,
}

/// Images.
pub(super) struct ImagesTarget<'a> {
    asked: &'a proto::ImageOutput,
    suffix: ImageSuffix,
    /// Where they go besides, if the request says so.
    pub storage: Option<Asked>,
}

pub(super) fn segments(
    asked: &proto::SegmentedFileOutput,
    storage: Option<Asked>,
) -> Result<SegmentsTarget<'_>, RequestError> {
    if SegmentedFileProtocol::try_from(asked.protocol).is_err() {
        return Err(RequestError::field(
            "protocol",
            format!("There is no protocol of segments {}.", asked.protocol),
            "Choose HLS_PROTOCOL, or leave it out.",
        ));
    }
    let suffix = match SegmentedFileSuffix::try_from(asked.filename_suffix) {
        Ok(SegmentedFileSuffix::Index) => SegmentSuffix::Index,
        Ok(SegmentedFileSuffix::Timestamp) => SegmentSuffix::Timestamp,
        Err(_) => return Err(no_suffix(asked.filename_suffix)),
    };
    if asked.segment_duration > MAX_SEGMENT_S {
        return Err(RequestError::field(
            "segment_duration",
            format!("A segment of {} s is longer than players take.", asked.segment_duration),
            format!("Choose from 1 to {MAX_SEGMENT_S} s, or leave it out for {SEGMENT_S}."),
        ));
    }
    let (playlist, live) = (asked.playlist_name.as_str(), asked.live_playlist_name.as_str());
    check("filename_prefix", &asked.filename_prefix, BEHIND_BYTES)?;
    check("playlist_name", without_extension(playlist), BEHIND_BYTES)?;
    check("live_playlist_name", without_extension(live), BEHIND_BYTES)?;
    if !live.is_empty() {
        if live == playlist {
            return Err(RequestError::field(
                "live_playlist_name",
                "The live playlist has the name of the playlist.",
                "Give it a name of its own, or leave it out.",
            ));
        }
        if !in_one_folder(playlist, live) {
            return Err(RequestError::field(
                "live_playlist_name",
                "The live playlist is in another folder than the playlist.",
                "Give its name without a folder.",
            ));
        }
    }
    Ok(SegmentsTarget { asked, suffix, storage })
}

pub(super) fn images(
    asked: &proto::ImageOutput,
    storage: Option<Asked>,
) -> Result<ImagesTarget<'_>, RequestError> {
    let suffix = match ImageFileSuffix::try_from(asked.filename_suffix) {
        Ok(ImageFileSuffix::ImageSuffixIndex) => ImageSuffix::Index,
        Ok(ImageFileSuffix::ImageSuffixTimestamp) => ImageSuffix::Timestamp,
        Ok(ImageFileSuffix::ImageSuffixNoneOverwrite) => ImageSuffix::Overwrite,
        Err(_) => return Err(no_suffix(asked.filename_suffix)),
    };
    if ImageCodec::try_from(asked.image_codec).is_err() {
        return Err(RequestError::field(
            "image_codec",
            format!("There is no image codec {}.", asked.image_codec),
            "Choose IC_JPEG, or leave it out.",
        ));
    }
    for (field, side) in [("width", asked.width), ("height", asked.height)] {
        if side != 0 && !SIDES.contains(&side) {
            return Err(RequestError::field(
                field,
                format!("The {field} of an image must be from 16 to 8192, and it is {side}."),
                "Choose another size, or leave it out for the program's.",
            ));
        }
    }
    if asked.capture_interval > MAX_IMAGE_INTERVAL_S {
        return Err(RequestError::field(
            "capture_interval",
            "There is more than a week from one image to the next.",
            "Choose a shorter interval, in seconds.",
        ));
    }
    check("filename_prefix", &asked.filename_prefix, BEHIND_BYTES)?;
    Ok(ImagesTarget { asked, suffix, storage })
}

impl SegmentsTarget<'_> {
    /// As an output of a job.
    pub fn output(&self, folder: &Path, kind: SegmentKind) -> OutputSpec {
        let asked = self.asked;
        let duration_s = if asked.segment_duration == 0 { SEGMENT_S } else { asked.segment_duration };
        let segments = SegmentsOutput {
            folder: folder.to_owned(),
            prefix: asked.filename_prefix.clone(),
            playlist: asked.playlist_name.clone(),
            live_playlist: asked.live_playlist_name.clone(),
            suffix: self.suffix,
            kind,
            duration_ms: duration_s * 1000,
            manifest: !asked.disable_manifest,
        };
        OutputSpec { id: "segments".into(), kind: OutputKind::Segments(segments) }
    }
}

impl ImagesTarget<'_> {
    /// As an output of a job; `number` counts from 1.
    pub fn output(&self, folder: &Path, number: usize) -> OutputSpec {
        let asked = self.asked;
        let interval_s = if asked.capture_interval == 0 { IMAGE_INTERVAL_S } else { asked.capture_interval };
        let side = |asked: i32| u32::try_from(asked).ok().filter(|side| *side > 0);
        let images = ImagesOutput {
            folder: folder.to_owned(),
            prefix: asked.filename_prefix.clone(),
            suffix: self.suffix,
            interval_ms: interval_s * 1000,
            width: side(asked.width),
            height: side(asked.height),
            manifest: !asked.disable_manifest,
        };
        OutputSpec { id: OutputId(format!("images-{number}")), kind: OutputKind::Images(images) }
    }
}

fn no_suffix(suffix: i32) -> RequestError {
    RequestError::field(
        "filename_suffix",
        format!("There is no suffix of names {suffix}."),
        "Choose INDEX or TIMESTAMP, or leave it out.",
    )
}
