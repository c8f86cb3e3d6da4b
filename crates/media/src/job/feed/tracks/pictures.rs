//! What comes of the streams that are taken: coded pictures, and what decoders make of them and of sound.

use egress::error::{ApiError, ErrorCode, Fault};
use room::event::StreamId;

use super::TracksFeed;
use crate::compose::decode::Decoded;
use crate::compose::mix::Sides;
use crate::job::Facts;
use crate::job::core::Core;
use crate::job::outputs::Route;
use crate::source::depayload::{Passage, Picture};

impl TracksFeed {
    pub(super) fn on_decoded(
        &mut self,
        id: StreamId,
        decoded: Decoded,
        core: &mut Core,
        now_ns: i64,
        facts: &mut Facts,
    ) {
        let track = self.streams.get(&id).map(|i| i.stream.track_id.clone());
        let sides = track.as_ref().map(|track| self.sides_of(track));
        if let Some(track) = &track {
            core.levels.decoded(track, &decoded);
        }
        if matches!(decoded, Decoded::Finished) {
            self.on_stream_out(id, core);
        }
        let current = self.video_stream == Some(id);
        if let (true, Decoded::Picture { time_ns, frame }) = (current, &decoded) {
            core.preview.push(*time_ns, frame);
        }
        if let Some(error) = core.lanes.decoded(id, decoded, current, sides.unwrap_or(Sides::BOTH), now_ns) {
            self.drop_stream(id, error, core, now_ns, facts);
        }
    }

    pub(super) fn on_picture(
        &mut self,
        id: StreamId,
        picture: Picture,
        core: &mut Core,
        now_ns: i64,
        facts: &mut Facts,
    ) {
        let Some(ingest) = self.streams.get_mut(&id) else { return };
        match picture {
            Picture::Unit { unit, damaged } => {
                if self.video_stream != Some(id) {
                    return;
                }
                // A decoder that cannot keep up is given keyframes alone: late pictures would all be late.
                // Where files get it as published, that is the affair of streams alone.
                let lags = !core.lanes.passes_pictures() && core.lanes.decoders.lags(id, now_ns);
                let unfit = damaged || lags;
                if ingest.gate.judge(unit.keyframe, unfit) == Passage::Hold {
                    core.lanes.held_pictures += 1;
                    self.room.request_keyframe(ingest.stream.track_id.clone());
                    return;
                }
                if core.lanes.passes_pictures()
                    && !self.full_size.reached(&unit, self.wanted.video.as_ref(), now_ns)
                {
                    if self.full_size.overdue(now_ns) {
                        self.room.request_keyframe(ingest.stream.track_id.clone());
                    }
                    return;
                }
                self.first_picture.came(now_ns);
                match core.lanes.picture(id, ingest.stream.codec, unit, now_ns) {
                    Ok(Some(unit)) => {
                        core.lanes.cache.push(&unit);
                        core.outputs.push(&unit, Route::Published);
                    }
                    Ok(None) => {}
                    Err(error) => {
                        let track = ingest.stream.track_id.clone();
                        self.refuse(&track, error, facts);
                    }
                }
            }
            Picture::Finished => {
                if core.lanes.decoders.has(id) {
                    core.lanes.decoders.finish(id);
                } else {
                    self.on_stream_out(id, core);
                }
            }
            Picture::TooLarge { width, height } => {
                let error = ApiError::new(
                    ErrorCode::Unsupported,
                    Fault::Input,
                    format!(
                        "This track's picture claims to be {width}x{height}, which is more than is taken here."
                    ),
                    "Ask its publisher to send a picture of at most 4096x4096.",
                );
                let track = ingest.stream.track_id.clone();
                self.streams.remove(&id);
                core.lanes.forget(id);
                self.refuse(&track, error, facts);
            }
            Picture::Failed(error) => {
                let codec = ingest.stream.codec.name();
                let error = ApiError::new(
                    ErrorCode::Unsupported,
                    Fault::Input,
                    format!("This track's {codec} stream is broken."),
                    "Ask its publisher to publish it again.",
                )
                .with_detail(error);
                self.drop_stream(id, error, core, now_ns, facts);
            }
        }
    }
}
