//! The encode for servers, where that for files will not do: H.264 and AAC beside whatever the job was asked for.

use std::collections::HashSet;

use egress::error::ApiError;
use egress::id::OutputId;
use egress::spec::{AudioCodec, AudioEncoding, VideoCodec, VideoEncoding};
use gstreamer as gst;
use room::event::{Codec, StreamId};
use tokio::sync::mpsc::UnboundedSender;

use crate::chain::ChainError;
use crate::compose::mix::Mixer;
use crate::compose::picture::PictureLine;
use crate::encode::encoder::{Encoded, Encoder};
use crate::encode::probe::VideoEncoder;
use crate::job::ingest::FromMedia;
use crate::job::lanes::errors::encoder_failed;
use crate::job::lanes::keyframes::{Given, Keyframes};
use crate::job::lanes::start::Camera;
use crate::job::lanes::{CAMERA_HOLD_NS, Lanes, black};
use crate::job::outputs::stream;
use crate::output::{Raw, Renditions};
use crate::unit::{Lane, Unit};

/// Seconds between keyframes: LiveKit's for streams.
pub const KEY_FRAME_INTERVAL_S: f64 = 4.0;

/// The encoders for servers. There are none while nobody streams, and none for a lane whose encode for files serves
/// as well.
#[derive(Debug, Default)]
pub struct Broadcast {
    /// How pictures are encoded; none where the other encode serves, or there are none.
    pub video: Option<VideoEncoding>,
    /// The same for sound.
    pub audio: Option<AudioEncoding>,
    wanted: bool,
    /// Whether somebody takes what is encoded, and not only the program.
    taken: bool,
    video_encoder: Option<Encoder>,
    given: Given,
    audio_encoder: Option<Encoder>,
    finished: HashSet<Lane>,
    /// Pictures that its encoder was not given because it was behind.
    pub overload_pictures: u64,
}

/// Whether servers take a codec.
pub fn takes_video(codec: VideoCodec) -> bool {
    matches!(codec, VideoCodec::H264Baseline | VideoCodec::H264Main | VideoCodec::H264High)
}

/// How pictures are encoded that the job encodes otherwise, or not at all.
pub fn video_like(other: Option<&VideoEncoding>) -> VideoEncoding {
    let (width, height, framerate, bitrate_bps) =
        other.map_or((1280, 720, 30, 3_000_000), |o| (o.width, o.height, o.framerate, o.bitrate_bps));
    VideoEncoding {
        codec: VideoCodec::H264Main,
        width,
        height,
        framerate,
        bitrate_bps,
        key_frame_interval_s: Some(KEY_FRAME_INTERVAL_S),
    }
}

/// The same for sound.
pub fn audio_like(other: Option<&AudioEncoding>) -> AudioEncoding {
    let bitrate_bps = other.map_or(128_000, |o| o.bitrate_bps);
    AudioEncoding { codec: AudioCodec::Aac, bitrate_bps, sample_rate_hz: 44_100 }
}

impl Broadcast {
    /// Somebody streams, or nobody does any more.
    pub fn want(&mut self, wanted: bool) {
        self.wanted = wanted;
        if !wanted {
            self.rest();
        }
    }

    /// Whether somebody streams.
    pub fn wanted(&self) -> bool {
        self.wanted
    }

    /// Whether it encodes something of its own, or is to.
    pub fn encodes(&self) -> bool {
        self.wanted && (self.video.is_some() || self.audio.is_some())
    }

    /// Starts the encoders that are wanted and do not run.
    ///
    /// # Errors
    /// If one cannot be had.
    pub fn start(
        &mut self,
        with: &VideoEncoder,
        media: &UnboundedSender<FromMedia>,
    ) -> Result<(), (Lane, ChainError)> {
        if !self.wanted || !self.taken {
            return Ok(());
        }
        let deliver = || {
            let media = media.clone();
            move |encoded| {
                let _ = media.send(FromMedia::Broadcast(encoded));
            }
        };
        if let (Some(encoding), None) = (&self.video, &self.video_encoder) {
            let encoder = Encoder::video(encoding, with, deliver()).map_err(|e| (Lane::Video, e))?;
            self.video_encoder = Some(encoder);
        }
        if let (Some(encoding), None) = (&self.audio, &self.audio_encoder) {
            let encoder = Encoder::audio(encoding, deliver()).map_err(|e| (Lane::Audio, e))?;
            self.audio_encoder = Some(encoder);
        }
        Ok(())
    }

    /// Encodes a picture.
    pub fn push_picture(&mut self, frame: &gst::BufferRef, time_ns: i64, keyframes: &mut Keyframes) {
        let Some(encoder) = &self.video_encoder else { return };
        if self.given.takes(time_ns, encoder.backlog_frames()) {
            if keyframes.picture(time_ns) {
                encoder.force_keyframe_at(time_ns);
            }
            encoder.push_picture(frame, time_ns);
        } else {
            self.overload_pictures += 1;
        }
    }

    /// Encodes sound.
    pub fn push_sound(&self, stereo: &[f32], time_ns: i64) {
        if let Some(encoder) = &self.audio_encoder {
            encoder.push_sound(stereo, time_ns);
        }
    }

    /// Makes the next picture a keyframe.
    pub fn force_keyframe(&self) {
        if let Some(encoder) = &self.video_encoder {
            encoder.force_keyframe();
        }
    }

    /// Lets out what is inside.
    pub fn finish(&self) {
        for encoder in [&self.video_encoder, &self.audio_encoder].into_iter().flatten() {
            encoder.finish();
        }
    }

    /// A lane has come out whole, or broke.
    pub fn came_out(&mut self, lane: Lane) {
        self.finished.insert(lane);
    }

    /// Whether everything has come out.
    pub fn finished(&self) -> bool {
        (self.video_encoder.is_none() || self.finished.contains(&Lane::Video))
            && (self.audio_encoder.is_none() || self.finished.contains(&Lane::Audio))
    }

    /// Lets go of the encoders.
    pub fn rest(&mut self) {
        self.video_encoder = None;
        self.audio_encoder = None;
        self.finished.clear();
    }

    /// Lets go of one encoder, which broke.
    pub fn broke(&mut self, lane: Lane) {
        match lane {
            Lane::Video => self.video_encoder = None,
            Lane::Audio => self.audio_encoder = None,
        }
    }
}

impl Lanes {
    /// What an encoder for servers gives. Some: a unit for the outputs.
    ///
    /// # Errors
    /// If it has given up; the job goes on without it.
    pub fn broadcast(&mut self, encoded: Encoded) -> Result<Option<(Unit, Renditions)>, ApiError> {
        match encoded {
            Encoded::Unit(unit) => Ok(Some((unit, Renditions::BROADCAST))),
            Encoded::Finished(lane) => {
                self.broadcast.came_out(lane);
                Ok(None)
            }
            Encoded::Failed(lane, error) => {
                self.broadcast.broke(lane);
                Err(encoder_failed(&error))
            }
        }
    }

    /// Whether the encode of a lane that files get serves for servers as well.
    pub(super) fn serves_broadcast(&self, lane: Lane) -> bool {
        match lane {
            Lane::Video => self.video_encoding.as_ref().is_some_and(|v| takes_video(v.codec)),
            Lane::Audio => self.audio_encoding.as_ref().is_some_and(|a| a.codec == AudioCodec::Aac),
        }
    }

    /// Which lanes the rendition for servers has.
    pub fn broadcast_lanes(&self) -> stream::Lanes {
        stream::Lanes {
            video: self.video_encoding.is_some() || self.passes_pictures,
            audio: self.audio_encoding.is_some() || self.passes_sound,
        }
    }

    /// Somebody streams, or nobody does any more. What the encode for files does not serve for is encoded a second
    /// time, and what goes into files as published is decoded for it. `taken`: it is not the program alone that is
    /// wanted beside what is published.
    pub fn want_broadcast(&mut self, wanted: bool, taken: bool, now_ns: i64) {
        let begins = taken && !std::mem::replace(&mut self.broadcast.taken, taken);
        if wanted == self.broadcast.wanted() {
            if begins && self.running() {
                self.start_broadcast();
            }
            return;
        }
        self.broadcast.want(wanted);
        if !wanted {
            self.program.pictures.take_if(|_| self.passes_pictures);
            self.program.mixer.take_if(|_| self.passes_sound);
            if !self.encodes() {
                self.program.stop();
                self.start_requested_ns = None;
            }
            return;
        }
        let lanes = self.broadcast_lanes();
        let own = |lane, there: bool| there && !self.serves_broadcast(lane);
        let (own_video, own_audio) = (own(Lane::Video, lanes.video), own(Lane::Audio, lanes.audio));
        self.broadcast.video = own_video.then(|| video_like(self.video_encoding.as_ref()));
        self.broadcast.audio = own_audio.then(|| audio_like(self.audio_encoding.as_ref()));
        if let Some(video) = self.broadcast.video.as_ref().filter(|_| self.passes_pictures) {
            self.black = Some(black(video.width, video.height));
            self.program.pictures = Some(PictureLine::new(CAMERA_HOLD_NS));
        }
        if self.passes_sound {
            self.program.mixer = Some(Mixer::new(now_ns));
        }
        if self.running() {
            self.start_broadcast();
        }
    }

    pub(super) fn start_broadcast(&mut self) {
        if let Err((lane, error)) = self.broadcast.start(&self.encoder, &self.media) {
            let _ = self.media.send(FromMedia::Broadcast(Encoded::Failed(lane, error)));
        }
    }

    /// Whether a picture that is passed through has to be whole for servers to see anything.
    pub fn wants_whole_picture(&self) -> bool {
        let on = matches!(self.camera, Camera::On { .. });
        self.passes_pictures && self.broadcast.encodes() && on && !self.decodes_passed
    }

    /// Decodes a picture that is passed through, for servers. Whatever comes of it, the file gets the picture.
    pub(super) fn decode_passed(&mut self, id: StreamId, codec: Codec, unit: &Unit, now_ns: i64) {
        let Some(video) = self.broadcast.video.as_ref().filter(|_| self.broadcast.wanted()) else {
            if std::mem::take(&mut self.decodes_passed) {
                self.decoders.remove(id);
            }
            return;
        };
        if self.decodes_passed && self.decoders.lags(id, now_ns) {
            self.decoders.remove(id);
            self.decodes_passed = false;
        }
        if !self.decodes_passed && !unit.keyframe {
            return;
        }
        self.decodes_passed = true;
        if let Err(error) = self.decoders.picture(id, codec, unit, (video.width, video.height), now_ns) {
            tracing::warn!(%error, "what is recorded as published cannot be decoded for streams");
            self.broadcast.video = None;
        }
    }

    /// The same for an output that goes to a server.
    pub fn force_broadcast_keyframe(&self) {
        if self.broadcast.video.is_some() {
            self.broadcast.force_keyframe();
        } else {
            self.force_keyframe();
        }
    }

    /// A segment of a set begins at `from_ns`, and is to end `every_ns` behind, unix, ns: with a keyframe, as all of that
    /// set from now on.
    pub fn segment_begins(&mut self, set: OutputId, from_ns: i64, every_ns: i64) {
        let encoder = self.broadcast.video_encoder.as_ref().or(self.video_encoder.as_ref());
        for time_ns in self.keyframes.begins(set, from_ns, every_ns) {
            if let Some(encoder) = encoder {
                encoder.force_keyframe_at(time_ns);
            }
        }
    }

    /// An output is over.
    pub fn output_over(&mut self, output: &OutputId) {
        self.keyframes.over(output);
    }

    /// Which outputs there are: some that take what an encoder gives, some that take the program as it is.
    pub fn want(&mut self, encoded: bool, raw: bool) {
        let begins = encoded && !std::mem::replace(&mut self.encoded_wanted, encoded);
        if raw != self.raw.is_some() {
            self.raw = raw.then(Vec::new);
        }
        if begins && self.running() {
            self.start_encoders();
        }
    }

    /// What the program gave since this was asked last, before any encoder.
    pub fn take_raw(&mut self) -> Vec<Raw> {
        self.raw.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Width and height of the program, pixels, and pictures a second.
    pub fn picture_size(&self) -> Option<(u32, u32, u32)> {
        let video = self.video_encoding.as_ref().or(self.broadcast.video.as_ref())?;
        Some((video.width, video.height, video.framerate))
    }

    /// Whether all sound is muted.
    pub fn is_muted(&self) -> bool {
        self.sound_muted
    }
}
