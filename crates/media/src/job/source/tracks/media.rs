//! What comes of the streams that are taken: coded pictures and packets as published, and what decoders make of them.

use egress::error::{ApiError, ErrorCode, Fault};
use gstreamer as gst;
use room::event::{Codec, Packet, Stream, StreamId};

use super::Tracks;
use crate::chain::ChainError;
use crate::compose::decode::{Decoded, audio_caps};
use crate::job::source::full_size::FullSize;
use crate::job::source::{SourceEvent, Wants};
use crate::source::depayload::{Passage, Picture};
use crate::source::opus::{OpusPacket, OpusRun, ns_of};
use crate::source::select::WantedTrack;
use crate::unit::{Lane, Unit};

/// Silence is given this far behind time: what is on its way must not come too late, ns.
const MUTED_BEHIND_NS: i64 = 500_000_000;
/// The same for sound that has stopped without being muted, where a burst may still come, ns.
const STALLED_BEHIND_NS: i64 = 5_000_000_000;

impl Tracks {
    /// A sound stream begins.
    pub(super) fn sound_stream(&mut self, stream: &Stream, emit: &mut Vec<SourceEvent>) {
        self.fits(stream.codec, emit);
        // What only goes into files as published is decoded all the same, for its meter.
        if !self.wants.sound && !self.as_published {
            return;
        }
        if let Err(error) = self.decoders.sound_stream(stream.id, stream.codec) {
            self.refuse(&stream.track_id, no_decoder(stream.codec, &error), emit);
        }
    }

    /// What is published is wanted as it is from now on, or not any more. What comes then does not go on from what came
    /// before.
    pub(super) fn published_anew(&mut self, before: Wants) {
        if before.coded_sound != self.wants.coded_sound {
            (self.run, self.heard) = (OpusRun::gapless(), false);
        }
        if before.coded_pictures != self.wants.coded_pictures {
            (self.coded_in, self.full_size) = (None, FullSize::default());
            // What is decoded already goes on being so.
            let decodes = self.video_stream.is_some_and(|id| self.decoders.has(id));
            self.decodes_coded = self.wants.coded_pictures && decodes;
        }
    }

    /// Sound that no file carries is not given as published.
    fn fits(&mut self, codec: Codec, emit: &mut Vec<SourceEvent>) {
        if self.wants.coded_sound && codec != Codec::Opus {
            self.wants.coded_sound = false;
            emit.push(SourceEvent::SoundUnfit);
        }
    }

    pub(super) fn on_packet(&mut self, packet: &Packet, emit: &mut Vec<SourceEvent>) {
        let Some(ingest) = self.streams.get_mut(&packet.stream) else { return };
        self.quiet.heard();
        if ingest.is_video() {
            ingest.push_video(packet);
            return;
        }
        if packet.payload.is_empty() {
            return;
        }
        self.heard_since_ns.get_or_insert(packet.time_ns);
        // Packets cannot be mixed: of several sounds one is given as published.
        let first =
            self.wanted.audio.first().is_none_or(|(track, _)| track.track_id == ingest.stream.track_id);
        let codec = ingest.stream.codec;
        if first {
            self.fits(codec, emit);
        }
        let Some(ingest) = self.streams.get_mut(&packet.stream) else { return };
        if self.wants.sound || !self.wants.coded_sound {
            self.decoders.sound(&ingest.stream, packet);
        } else {
            self.decoders.meter(packet);
        }
        if first && self.wants.coded_sound {
            self.heard = true;
            let (stream, time_ns) = (packet.stream.0, packet.time_ns);
            let packets =
                self.run.push(stream, packet.rtp_time, time_ns, packet.lost_before, &packet.payload);
            emit.extend(packets.into_iter().map(coded));
        }
    }

    /// Silence as published, where sound is muted or has stopped.
    pub(super) fn silence(&mut self, now_ns: i64, emit: &mut Vec<SourceEvent>) {
        if self.wants.coded_sound && self.heard {
            let muted = self.wanted.audio.iter().all(|(track, _)| track.muted);
            let behind = if muted { MUTED_BEHIND_NS } else { STALLED_BEHIND_NS };
            emit.extend(self.run.silence_until(now_ns - behind).into_iter().map(coded));
        }
    }

    pub(super) fn on_decoded(
        &mut self,
        id: StreamId,
        decoded: Decoded,
        now_ns: i64,
        emit: &mut Vec<SourceEvent>,
    ) {
        match decoded {
            Decoded::Picture { time_ns, frame } => {
                self.decoders.came_out(id, time_ns);
                if self.video_stream == Some(id) {
                    emit.push(SourceEvent::Picture { time_ns, frame, on: true });
                }
            }
            Decoded::Sound { time_ns, stereo } => {
                let Some(track) = self.streams.get(&id).map(|ingest| ingest.stream.track_id.clone()) else {
                    return;
                };
                let wanted = self.wanted.audio.iter().find(|(t, _)| t.track_id == track);
                let sides = self.turns.sides(&track, wanted.map(|(_, channel)| *channel));
                emit.push(SourceEvent::Sound { stream: id, track, sides, time_ns, stereo, on: true });
            }
            Decoded::Finished => self.on_stream_out(id, emit),
            Decoded::Failed(cause) => {
                self.decoders.remove(id);
                let error = ApiError::new(
                    ErrorCode::Unsupported,
                    Fault::Input,
                    "A track could not be decoded any further.",
                    "Ask its publisher to publish it again.",
                );
                self.drop_stream(id, error.with_detail(cause), now_ns, emit);
            }
        }
    }

    pub(super) fn on_picture(
        &mut self,
        id: StreamId,
        picture: Picture,
        now_ns: i64,
        emit: &mut Vec<SourceEvent>,
    ) {
        let Some(ingest) = self.streams.get(&id) else { return };
        let (track, codec) = (ingest.stream.track_id.clone(), ingest.stream.codec);
        match picture {
            Picture::Unit { unit, damaged } => {
                if self.video_stream == Some(id) {
                    self.on_unit(id, codec, unit, damaged, now_ns, emit);
                }
            }
            Picture::Finished => {
                if self.decoders.has(id) {
                    self.decoders.finish(id);
                } else {
                    self.on_stream_out(id, emit);
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
                self.forget(id, emit);
                self.refuse(&track, error, emit);
            }
            Picture::Failed(error) => {
                let error = ApiError::new(
                    ErrorCode::Unsupported,
                    Fault::Input,
                    format!("This track's {} stream is broken.", codec.name()),
                    "Ask its publisher to publish it again.",
                )
                .with_detail(error);
                self.drop_stream(id, error, now_ns, emit);
            }
        }
    }

    /// A coded picture of the track that is shown.
    fn on_unit(
        &mut self,
        id: StreamId,
        codec: Codec,
        unit: Unit,
        damaged: bool,
        now_ns: i64,
        emit: &mut Vec<SourceEvent>,
    ) {
        let Some(ingest) = self.streams.get_mut(&id) else { return };
        let track = ingest.stream.track_id.clone();
        // A decoder that cannot keep up is given keyframes alone: late pictures would all be late.
        // Where files get it as published, that is the affair of what is decoded beside.
        let lags = !self.wants.coded_pictures && self.decoders.lags(id, now_ns);
        if ingest.gate.judge(unit.keyframe, damaged || lags) == Passage::Hold {
            emit.push(SourceEvent::Held(1));
            self.room.request_keyframe(track);
            return;
        }
        if !self.wants.coded_pictures {
            self.first_picture.came(now_ns);
            let Some(size) = self.wants.pictures else { return };
            if let Err(error) = self.decoders.picture(id, codec, &unit, size, now_ns) {
                self.refuse(&track, no_decoder(codec, &error), emit);
            }
            return;
        }
        self.decode_beside(id, codec, &unit, now_ns);
        if !self.full_size.reached(&unit, self.wanted.video.as_ref(), now_ns) {
            if self.full_size.overdue(now_ns) {
                self.room.request_keyframe(track);
            }
            return;
        }
        self.first_picture.came(now_ns);
        if *self.coded_in.get_or_insert(codec) != codec {
            let error = ApiError::new(
                ErrorCode::Unsupported,
                Fault::Input,
                format!(
                    "The picture changed to {}, which a recording as published cannot follow.",
                    codec.name()
                ),
                "Record with a preset: it re-encodes and follows every change.",
            );
            if self.as_published {
                self.refuse(&track, error, emit);
            } else {
                emit.push(SourceEvent::Unlike(error));
            }
            return;
        }
        emit.push(SourceEvent::Coded(unit));
    }

    /// Whether a picture that goes into files as it is has to be whole for a program to show anything.
    pub(super) fn wants_whole_picture(&self, video: &WantedTrack) -> bool {
        let Self { wants, decodes_coded, undecodable, .. } = self;
        wants.coded_pictures && wants.pictures.is_some() && !video.muted && !decodes_coded && !undecodable
    }

    /// Decodes what goes into files as published. Whatever comes of it, they get the picture.
    fn decode_beside(&mut self, id: StreamId, codec: Codec, unit: &Unit, now_ns: i64) {
        let Some(size) = self.wants.pictures else {
            if std::mem::take(&mut self.decodes_coded) {
                self.decoders.remove(id);
            }
            return;
        };
        if self.decodes_coded && self.decoders.lags(id, now_ns) {
            self.decoders.remove(id);
            self.decodes_coded = false;
        }
        if self.undecodable || !self.decodes_coded && !unit.keyframe {
            return;
        }
        self.decodes_coded = true;
        if let Err(error) = self.decoders.picture(id, codec, unit, size, now_ns) {
            tracing::warn!(%error, "what is recorded as published cannot be decoded for streams");
            (self.undecodable, self.decodes_coded) = (true, false);
        }
    }
}

fn coded(packet: OpusPacket) -> SourceEvent {
    SourceEvent::Coded(Unit {
        lane: Lane::Audio,
        time_ns: packet.time_ns,
        duration_ns: ns_of(packet.samples),
        keyframe: true,
        data: gst::Buffer::from_slice(packet.payload),
        caps: audio_caps(Codec::Opus),
    })
}

fn no_decoder(codec: Codec, error: &ChainError) -> ApiError {
    ApiError::new(
        ErrorCode::Unsupported,
        Fault::Environment,
        format!("{} cannot be decoded on this computer.", codec.name()),
        "Install the missing GStreamer plugins, or record as published.",
    )
    .with_detail(error)
}
