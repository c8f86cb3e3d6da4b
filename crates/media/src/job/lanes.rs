//! The two lanes of a job, each either passed through as published or decoded, composed and encoded.

pub mod broadcast;
mod errors;
mod keyframes;
pub mod start;

use std::collections::HashSet;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::roster::{TrackKind, TrackSource};
use egress::spec::{AudioCodec, AudioEncoding, EgressSpec, Source, Treatment, VideoEncoding};
use gstreamer as gst;
use room::event::{Codec, Packet, Stream, StreamId};
use tokio::sync::mpsc::UnboundedSender;

use crate::chain::ChainError;
use crate::compose::decode::{Decoded, audio_caps};
use crate::compose::mix::{Mixer, Sides};
use crate::compose::picture::PictureLine;
use crate::compose::program::{Program, Step};
use crate::encode::encoder::{Encoded, Encoder};
use crate::encode::probe::VideoEncoder;
use crate::job::cache::Cache;
use crate::job::decoders::Decoders;
use crate::job::ingest::FromMedia;
use crate::job::lanes::broadcast::Broadcast;
use crate::job::lanes::errors::{encoder_failed, no_decoder};
use crate::job::lanes::keyframes::{Given, Keyframes};
use crate::job::lanes::start::Camera;
use crate::output::{Raw, Renditions};
use crate::source::opus::{OpusRun, ns_of};
use crate::unit::{Lane, Unit};

/// How long a camera's last picture stands when nothing comes, ns.
const CAMERA_HOLD_NS: i64 = 5_000_000_000;
/// How long an armed job waits for the keyframe it asked for before it begins from the last one, ns.
const KEYFRAME_PATIENCE_NS: i64 = 800_000_000;
/// Silence is written this far behind time: what is on its way must not come too late, ns.
const MUTED_BEHIND_NS: i64 = 500_000_000;
/// The same for sound that has stopped without being muted, where a burst may still come, ns.
const STALLED_BEHIND_NS: i64 = 5_000_000_000;
/// What published G.711, which no file format here carries, is encoded with.
const G711_ENCODING: AudioEncoding =
    AudioEncoding { codec: AudioCodec::Opus, bitrate_bps: 64_000, sample_rate_hz: 48_000 };

/// The lanes of a job.
pub struct Lanes {
    /// What an armed passthrough job begins from.
    pub cache: Cache,
    /// Pictures held back after a loss.
    pub held_pictures: u64,
    has_video: bool,
    passes_pictures: bool,
    passes_sound: bool,
    video_encoding: Option<VideoEncoding>,
    audio_encoding: Option<AudioEncoding>,
    encoder: VideoEncoder,
    program: Program<gst::Buffer>,
    black: Option<gst::Buffer>,
    video_encoder: Option<Encoder>,
    given: Given,
    /// Where segments end, of whichever encoder of pictures makes them.
    keyframes: Keyframes,
    audio_encoder: Option<Encoder>,
    finished: HashSet<Lane>,
    /// The decoders of its streams.
    pub decoders: Decoders,
    passed_run: OpusRun,
    passed_codec: Option<Codec>,
    /// Whether what is passed through is decoded beside, for servers.
    decodes_passed: bool,
    sound_seen: bool,
    /// Time of the first sound of what is published now.
    first_sound_ns: Option<i64>,
    camera: Camera,
    muted_since_ns: Option<i64>,
    starts_empty: bool,
    sound_muted: bool,
    start_requested_ns: Option<i64>,
    opening_since_ns: Option<i64>,
    overload_pictures: u64,
    broadcast: Broadcast,
    /// Whether an output takes what an encoder gives.
    encoded_wanted: bool,
    raw: Option<Vec<Raw>>,
    media: UnboundedSender<FromMedia>,
}

impl Lanes {
    /// Lanes for a job; `now_ns` is the origin of its sound's time line.
    pub fn new(
        spec: &EgressSpec,
        encoder: VideoEncoder,
        media: UnboundedSender<FromMedia>,
        now_ns: i64,
    ) -> Self {
        let (video_encoding, audio_encoding, passes) = match &spec.treatment {
            Treatment::Passthrough => (None, None, true),
            Treatment::Encode { video, audio } => (video.clone(), audio.clone(), false),
        };
        let (has_video, has_sound) = match &spec.source {
            Source::Tracks(selection) => (selection.video.is_some(), !selection.audio.is_empty()),
            Source::Page(_) => (video_encoding.is_some(), audio_encoding.is_some()),
        };
        let framerate = video_encoding.as_ref().map_or(30, |v| v.framerate);
        let pictures = video_encoding.as_ref().map(|_| PictureLine::new(CAMERA_HOLD_NS));
        let mixer = audio_encoding.as_ref().map(|_| Mixer::new(now_ns));
        Self {
            cache: Cache::default(),
            held_pictures: 0,
            has_video,
            passes_pictures: passes && has_video,
            passes_sound: passes && has_sound,
            black: video_encoding.as_ref().map(|v| black(v.width, v.height)),
            video_encoding,
            audio_encoding,
            encoder,
            program: Program::new(pictures, mixer, framerate),
            video_encoder: None,
            given: Given::default(),
            keyframes: Keyframes::default(),
            audio_encoder: None,
            finished: HashSet::new(),
            decoders: Decoders::new(media.clone()),
            passed_run: OpusRun::gapless(),
            passed_codec: None,
            decodes_passed: false,
            sound_seen: false,
            first_sound_ns: None,
            camera: match spec.source {
                _ if !has_video => Camera::None,
                Source::Tracks(_) => Camera::Unpublished,
                Source::Page(_) => Camera::On { since_ns: now_ns },
            },
            muted_since_ns: None,
            starts_empty: matches!(spec.source, Source::Page(_)),
            sound_muted: false,
            start_requested_ns: None,
            opening_since_ns: None,
            overload_pictures: 0,
            broadcast: Broadcast::default(),
            encoded_wanted: true,
            raw: None,
            media,
        }
    }

    /// The job has this kind of media and no other.
    pub fn restrict(&mut self, kind: TrackKind) {
        self.has_video = kind == TrackKind::Video;
        self.passes_pictures &= self.has_video;
        self.passes_sound &= !self.has_video;
    }

    /// Whether pictures go into the file as published.
    pub fn passes_pictures(&self) -> bool {
        self.passes_pictures
    }

    /// Whether sound is mixed.
    pub fn has_sound(&self) -> bool {
        self.program.mixer.is_some()
    }

    /// Whether pictures are decoded.
    pub fn decodes_pictures(&self) -> bool {
        self.video_encoding.is_some()
    }

    /// Whether the encoded program runs.
    pub fn running(&self) -> bool {
        self.program.started_ns().is_some()
    }

    /// Whether something is encoded, so that time must be looked at often.
    pub fn encodes(&self) -> bool {
        self.video_encoding.is_some() || self.audio_encoding.is_some() || self.broadcast.encodes()
    }

    /// The encoder in use; none in passthrough.
    pub fn encoder_name(&self) -> Option<String> {
        let h264 = self.video_encoding.as_ref().is_some_and(|v| broadcast::takes_video(v.codec));
        match (&self.video_encoding, h264) {
            (None, _) => None,
            (_, true) => Some(self.encoder.name().to_owned()),
            (_, false) => Some("libvpx".to_owned()),
        }
    }

    /// Pictures that should be in the outputs and are not.
    pub fn dropped_pictures(&self) -> u64 {
        self.held_pictures + self.overload_pictures + self.broadcast.overload_pictures
    }

    /// Whether an output attached now would begin at once.
    pub fn ready(&self, picture_on: bool) -> bool {
        let picture = if self.passes_pictures {
            self.cache.run(0, true).is_some()
        } else {
            self.program.pictures.as_ref().is_some_and(|line| !line.is_empty())
        };
        if self.has_video && picture_on { picture } else { picture || self.sound_seen }
    }

    /// An output wants the program to run.
    pub fn request_start(&mut self, now_ns: i64) {
        self.start_requested_ns.get_or_insert(now_ns);
    }

    /// What an armed passthrough output begins with: everything since a keyframe that is fresh, or, when
    /// the one asked for does not come, since the last one.
    pub fn opening(&mut self, now_ns: i64) -> Option<Vec<Unit>> {
        let since = *self.opening_since_ns.get_or_insert(now_ns);
        let units = self.cache.run(now_ns, now_ns - since > KEYFRAME_PATIENCE_NS)?;
        self.opening_since_ns = None;
        Some(units)
    }

    /// Gives nothing out after `time_ns`, or lifts that.
    pub fn hold(&mut self, time_ns: Option<i64>) {
        self.program.hold(time_ns);
    }

    /// The chosen picture is on or off, from `now_ns`.
    pub fn picture_on(&mut self, on: bool, source: Option<TrackSource>, now_ns: i64) {
        if !on {
            self.cache.forget_pictures();
        }
        let Some(line) = self.program.pictures.as_mut() else { return };
        if on {
            line.on();
            // A shared screen may stand still for as long as it likes.
            line.set_hold(if source == Some(TrackSource::ScreenShare) { i64::MAX } else { CAMERA_HOLD_NS });
        } else {
            line.off(now_ns);
        }
    }

    /// Since when something is heard of what is published now, unix, ns.
    pub fn heard_since_ns(&self) -> Option<i64> {
        self.first_sound_ns
    }

    /// All chosen sound is muted, or not.
    pub fn sound_muted(&mut self, muted: bool) {
        self.sound_muted = muted;
    }

    /// A sound stream has ended or is muted.
    pub fn sound_off(&mut self, stream: u64) {
        if let Some(mixer) = self.program.mixer.as_mut() {
            mixer.quiet(stream);
        }
    }

    /// A coded picture of the chosen stream. Some: it goes into the file as it is.
    ///
    /// # Errors
    /// If it cannot be decoded here, or does not fit what the file has begun with.
    pub fn picture(
        &mut self,
        id: StreamId,
        codec: Codec,
        unit: Unit,
        now_ns: i64,
    ) -> Result<Option<Unit>, ApiError> {
        if self.passes_pictures {
            if *self.passed_codec.get_or_insert(codec) != codec {
                return Err(ApiError::new(
                    ErrorCode::Unsupported,
                    Fault::Input,
                    format!(
                        "The picture changed to {}, which a recording as published cannot follow.",
                        codec.name()
                    ),
                    "Record with a preset: it re-encodes and follows every change.",
                ));
            }
            self.decode_passed(id, codec, &unit, now_ns);
            return Ok(Some(unit));
        }
        let Some(encoding) = &self.video_encoding else { return Ok(None) };
        let size = (encoding.width, encoding.height);
        self.decoders.picture(id, codec, &unit, size, now_ns).map_err(|e| no_decoder(codec, &e))?;
        Ok(None)
    }

    /// A sound stream begins.
    ///
    /// # Errors
    /// If it cannot be decoded here.
    pub fn sound_stream(&mut self, stream: &Stream) -> Result<(), ApiError> {
        if self.passes_sound && stream.codec != Codec::Opus {
            self.passes_sound = false;
            self.audio_encoding = Some(G711_ENCODING);
            let now = crate::job::log::unix_now_ns();
            self.program.mixer = Some(Mixer::new(now));
        }
        // Sound that is passed through is decoded all the same, for its meter.
        if self.program.mixer.is_some() || self.passes_sound {
            let started = self.decoders.sound_stream(stream.id, stream.codec);
            started.map_err(|e| no_decoder(stream.codec, &e))?;
        }
        Ok(())
    }

    /// A packet of sound. What comes back goes into the file as it is.
    pub fn sound_packet(&mut self, stream: &Stream, packet: &Packet) -> Vec<Unit> {
        if packet.payload.is_empty() {
            return Vec::new();
        }
        if self.passes_sound {
            self.heard(packet.time_ns);
            if self.broadcast.wanted() {
                self.decoders.sound(stream, packet);
            } else {
                self.decoders.meter(packet);
            }
            let run = &mut self.passed_run;
            let packets = run.push(
                packet.stream.0,
                packet.rtp_time,
                packet.time_ns,
                packet.lost_before,
                &packet.payload,
            );
            let units: Vec<Unit> = packets.into_iter().map(sound_unit).collect();
            if self.has_video {
                units.iter().for_each(|unit| self.cache.push(unit));
            }
            return units;
        }
        self.decoders.sound(stream, packet);
        Vec::new()
    }

    fn heard(&mut self, time_ns: i64) {
        self.sound_seen = true;
        self.first_sound_ns.get_or_insert(time_ns);
    }

    /// What a decoder gives. Some: it has given up.
    pub fn decoded(
        &mut self,
        id: StreamId,
        decoded: Decoded,
        current: bool,
        sides: Sides,
    ) -> Option<ApiError> {
        match decoded {
            Decoded::Picture { time_ns, frame } => {
                self.decoders.came_out(id, time_ns);
                if current && let Some(line) = self.program.pictures.as_mut() {
                    line.push(time_ns, frame);
                }
            }
            Decoded::Sound { time_ns, stereo } => {
                self.heard(time_ns);
                if let Some(mixer) = self.program.mixer.as_mut() {
                    mixer.push(id.0, sides, time_ns, &stereo);
                }
            }
            Decoded::Failed(error) => {
                self.decoders.remove(id);
                return Some(
                    ApiError::new(
                        ErrorCode::Unsupported,
                        Fault::Input,
                        "A track could not be decoded any further.",
                        "Ask its publisher to publish it again.",
                    )
                    .with_detail(error),
                );
            }
            Decoded::Finished => {}
        }
        None
    }

    /// What an encoder gives. Some: a unit for the outputs.
    ///
    /// # Errors
    /// If it has given up.
    pub fn encoded(&mut self, encoded: Encoded) -> Result<Option<(Unit, Renditions)>, ApiError> {
        match encoded {
            Encoded::Unit(unit) => {
                let of = if self.serves_broadcast(unit.lane) { Renditions::BOTH } else { Renditions::ASKED };
                Ok(Some((unit, of)))
            }
            Encoded::Finished(lane) => {
                self.finished.insert(lane);
                Ok(None)
            }
            Encoded::Failed(_, error) => Err(encoder_failed(&error)),
        }
    }

    /// Lets time pass. What comes back goes into the file as it is.
    pub fn tick(&mut self, now_ns: i64, muted: bool) -> Vec<Unit> {
        self.start_program(now_ns);
        self.program.trim(now_ns);
        let steps = self.program.poll(now_ns, None);
        self.encode(steps);
        if !self.passes_sound || !self.sound_seen {
            return Vec::new();
        }
        let behind = if muted || self.sound_muted { MUTED_BEHIND_NS } else { STALLED_BEHIND_NS };
        let units: Vec<Unit> =
            self.passed_run.silence_until(now_ns - behind).into_iter().map(sound_unit).collect();
        if self.has_video {
            units.iter().for_each(|unit| self.cache.push(unit));
        }
        units
    }

    fn start_encoders(&mut self) -> bool {
        self.finished.clear();
        if !self.encoded_wanted {
            return true;
        }
        let deliver = |media: &UnboundedSender<FromMedia>| {
            let media = media.clone();
            move |encoded| {
                let _ = media.send(FromMedia::Encoded(encoded));
            }
        };
        let started = (|| -> Result<(), (Lane, ChainError)> {
            if let (Some(encoding), None) = (&self.video_encoding, &self.video_encoder) {
                let encoder = Encoder::video(encoding, &self.encoder, deliver(&self.media));
                self.video_encoder = Some(encoder.map_err(|e| (Lane::Video, e))?);
            }
            if let (Some(encoding), None) = (&self.audio_encoding, &self.audio_encoder) {
                let encoder = Encoder::audio(encoding, deliver(&self.media));
                self.audio_encoder = Some(encoder.map_err(|e| (Lane::Audio, e))?);
            }
            Ok(())
        })();
        if let Err((lane, error)) = started {
            let _ = self.media.send(FromMedia::Encoded(Encoded::Failed(lane, error)));
            self.start_requested_ns = None;
            return false;
        }
        self.start_broadcast();
        true
    }

    fn encode(&mut self, steps: Vec<Step<gst::Buffer>>) {
        for step in steps {
            match step {
                Step::Picture { time_ns, frame } => {
                    let Some(frame) = frame.as_ref().or(self.black.as_ref()) else { continue };
                    if let Some(raw) = &mut self.raw {
                        raw.push(Raw::Picture { time_ns, frame: frame.clone() });
                    }
                    self.broadcast.push_picture(frame, time_ns, &mut self.keyframes);
                    let Some(encoder) = &self.video_encoder else { continue };
                    if self.given.takes(time_ns, encoder.backlog_frames()) {
                        if self.broadcast.video.is_none() && self.keyframes.picture(time_ns) {
                            encoder.force_keyframe_at(time_ns);
                        }
                        encoder.push_picture(frame, time_ns);
                    } else {
                        self.overload_pictures += 1;
                    }
                }
                Step::Sound { time_ns, stereo } => {
                    if let Some(raw) = &mut self.raw {
                        raw.push(Raw::Sound { time_ns, stereo: stereo.as_slice().into() });
                    }
                    self.broadcast.push_sound(&stereo, time_ns);
                    if let Some(encoder) = &self.audio_encoder {
                        encoder.push_sound(&stereo, time_ns);
                    }
                }
            }
        }
    }

    /// Forgets a stream that has ended and come out whole.
    pub fn forget(&mut self, id: StreamId) {
        self.decoders.remove(id);
        if let Some(mixer) = self.program.mixer.as_mut() {
            mixer.quiet(id.0);
        }
    }

    /// Ends the program at `end_ns`: everything before it is encoded, and the encoders are let out.
    pub fn end_program(&mut self, end_ns: i64) {
        let steps = self.program.poll(end_ns, Some(end_ns));
        self.encode(steps);
        for encoder in [&self.video_encoder, &self.audio_encoder].into_iter().flatten() {
            encoder.finish();
        }
        self.broadcast.finish();
    }

    /// Whether everything that was encoded has come out.
    pub fn encoders_finished(&self) -> bool {
        (self.video_encoder.is_none() || self.finished.contains(&Lane::Video))
            && (self.audio_encoder.is_none() || self.finished.contains(&Lane::Audio))
            && self.broadcast.finished()
    }

    /// The last output has gone and the job stays armed: the encoders rest.
    pub fn stop_program(&mut self) {
        self.program.stop();
        self.video_encoder = None;
        self.audio_encoder = None;
        self.broadcast.rest();
        self.raw = None;
        self.start_requested_ns = None;
    }

    /// Makes the encoder's next picture a keyframe, for an output that joins.
    pub fn force_keyframe(&self) {
        if let Some(encoder) = &self.video_encoder {
            encoder.force_keyframe();
        }
    }
}

fn sound_unit(packet: crate::source::opus::OpusPacket) -> Unit {
    Unit {
        lane: Lane::Audio,
        time_ns: packet.time_ns,
        duration_ns: ns_of(packet.samples),
        keyframe: true,
        data: gst::Buffer::from_slice(packet.payload),
        caps: audio_caps(Codec::Opus),
    }
}

/// A black picture in I420.
fn black(width: u32, height: u32) -> gst::Buffer {
    let pixels = width as usize * height as usize;
    let mut planes = vec![16u8; pixels];
    planes.resize(pixels + pixels / 2, 128);
    gst::Buffer::from_mut_slice(planes)
}
