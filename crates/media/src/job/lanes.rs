//! What a job makes of its source: what goes on as it is published, and the program, which is decoded, composed and
//! encoded.

mod errors;
mod program;
pub mod start;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::roster::{TrackKind, TrackSource};
use egress::spec::{AudioCodec, AudioEncoding, EgressSpec, Source, Treatment, VideoCodec};
use gstreamer as gst;
use room::event::{Codec, Packet, Stream, StreamId};

use crate::compose::decode::{Decoded, audio_caps};
use crate::compose::mix::{Mixer, Sides};
use crate::compose::picture::PictureLine;
use crate::compose::program::Program;
use crate::encode::h264::VideoEncoder;
use crate::encode::set::{EncoderSet, ProgramId};
use crate::job::cache::Cache;
use crate::job::decoders::Decoders;
use crate::job::lanes::errors::no_decoder;
use crate::job::lanes::program::black;
use crate::job::lanes::start::Camera;
use crate::job::media::{FromMedia, MediaSender};
use crate::job::takes::{Recorded, Treated};
use crate::output::Raw;
use crate::source::opus::{OpusRun, ns_of};
use crate::unit::{Lane, Unit};

pub(super) use errors::encoder_failed;

/// The program of a job.
pub const AIR: ProgramId = ProgramId(0);

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
    /// How picture and sound are recorded.
    pub treated: Treated,
    /// The encoders of the program.
    pub encoders: EncoderSet,
    /// The decoders of its streams.
    pub decoders: Decoders,
    has_video: bool,
    program: Program<gst::Buffer>,
    black: Option<gst::Buffer>,
    passed_run: OpusRun,
    passed_codec: Option<Codec>,
    /// Whether an output takes the program or an encode of it, and not only what is recorded.
    program_wanted: bool,
    /// Whether what is passed through is decoded beside, for the program.
    decodes_passed: bool,
    /// Whether it turned out that it cannot be.
    undecodable: bool,
    sound_seen: bool,
    /// Time of the first sound of what is published now.
    first_sound_ns: Option<i64>,
    camera: Camera,
    muted_since_ns: Option<i64>,
    starts_empty: bool,
    sound_muted: bool,
    start_requested_ns: Option<i64>,
    opening_since_ns: Option<i64>,
    raw: Option<Vec<Raw>>,
}

impl Lanes {
    /// Lanes for a job; `now_ns` is the origin of its sound's time line.
    pub fn new(spec: &EgressSpec, encoder: VideoEncoder, media: MediaSender, now_ns: i64) -> Self {
        let asked = match &spec.source {
            Source::Tracks(selection) => (selection.video.is_some(), !selection.audio.is_empty()),
            Source::Page(_) => (true, true),
        };
        let treated = match &spec.treatment {
            Treatment::Passthrough => Treated {
                video: if asked.0 { Recorded::Published } else { Recorded::Not },
                audio: if asked.1 { Recorded::Published } else { Recorded::Not },
            },
            Treatment::Encode { video, audio } => Treated {
                video: video.clone().map_or(Recorded::Not, Recorded::Encoded),
                audio: audio.clone().map_or(Recorded::Not, Recorded::Encoded),
            },
        };
        let video = treated.video.encoding();
        let has_video = match &spec.source {
            Source::Tracks(_) => asked.0,
            Source::Page(_) => video.is_some(),
        };
        let program = Program::new(
            video.map(|_| PictureLine::new(CAMERA_HOLD_NS)),
            treated.audio.encoding().map(|_| Mixer::new(now_ns)),
            video.map_or(30, |video| video.framerate),
        );
        let encoded = media.clone();
        let encoders = EncoderSet::new(encoder, move |run, what| {
            // A closed queue: the job is over.
            encoded.send(FromMedia::Encoded(run, what));
        });
        Self {
            cache: Cache::default(),
            held_pictures: 0,
            black: video.map(|video| black(video.width, video.height)),
            treated,
            encoders,
            decoders: Decoders::new(media),
            has_video,
            program,
            passed_run: OpusRun::gapless(),
            passed_codec: None,
            program_wanted: false,
            decodes_passed: false,
            undecodable: false,
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
            raw: None,
        }
    }

    /// The job has this kind of media and no other.
    pub fn restrict(&mut self, kind: TrackKind) {
        self.has_video = kind == TrackKind::Video;
        if self.has_video && self.treated.audio.is_published() {
            self.treated.audio = Recorded::Not;
        }
        if !self.has_video && self.treated.video.is_published() {
            self.treated.video = Recorded::Not;
        }
    }

    /// Whether pictures go into the file as published.
    pub fn passes_pictures(&self) -> bool {
        self.treated.video.is_published()
    }

    fn passes_sound(&self) -> bool {
        self.treated.audio.is_published()
    }

    /// Whether sound is mixed.
    pub fn has_sound(&self) -> bool {
        self.program.mixer.is_some()
    }

    /// Whether the encoded program runs.
    pub fn running(&self) -> bool {
        self.program.started_ns().is_some()
    }

    /// Whether there is a program, so that time must be looked at often.
    pub fn encodes(&self) -> bool {
        let Treated { video, audio } = &self.treated;
        let asked = video.encoding().is_some() || audio.encoding().is_some();
        asked || self.program_wanted && (video.is_there() || audio.is_there())
    }

    /// The encoder in use; none in passthrough.
    pub fn encoder_name(&self) -> Option<String> {
        let codec = self.treated.video.encoding()?.codec;
        let software = matches!(codec, VideoCodec::Vp8 | VideoCodec::Vp9);
        Some(if software { "libvpx".to_owned() } else { self.encoders.h264_name() })
    }

    /// Pictures that should be in the outputs and are not.
    pub fn dropped_pictures(&self) -> u64 {
        self.held_pictures + self.encoders.overload_pictures()
    }

    /// Whether all sound is muted.
    pub fn is_muted(&self) -> bool {
        self.sound_muted
    }

    /// Whether an output attached now would begin at once.
    pub fn ready(&self, picture_on: bool) -> bool {
        let picture = if self.passes_pictures() {
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
        if self.passes_pictures() {
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
        let Some(encoding) = self.treated.video.encoding() else { return Ok(None) };
        let size = (encoding.width, encoding.height);
        self.decoders.picture(id, codec, &unit, size, now_ns).map_err(|e| no_decoder(codec, &e))?;
        Ok(None)
    }

    /// A sound stream begins.
    ///
    /// # Errors
    /// If it cannot be decoded here.
    pub fn sound_stream(&mut self, stream: &Stream, now_ns: i64) -> Result<(), ApiError> {
        if self.passes_sound() && stream.codec != Codec::Opus {
            self.treated.audio = Recorded::Encoded(G711_ENCODING);
            self.program.mixer = Some(Mixer::new(now_ns));
        }
        // Sound that is passed through is decoded all the same, for its meter.
        if self.program.mixer.is_some() || self.passes_sound() {
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
        if self.passes_sound() {
            self.heard(packet.time_ns);
            if self.program_wanted {
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
        now_ns: i64,
    ) -> Option<ApiError> {
        match decoded {
            Decoded::Picture { time_ns, frame } => {
                self.decoders.came_out(id, time_ns);
                if current {
                    self.program.push_picture(time_ns, now_ns, frame);
                }
            }
            Decoded::Sound { time_ns, stereo } => {
                self.heard(time_ns);
                self.program.push_sound(id.0, sides, time_ns, now_ns, &stereo);
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

    /// Lets time pass. What comes back goes into the file as it is.
    pub fn tick(&mut self, now_ns: i64, muted: bool) -> Vec<Unit> {
        self.start_program(now_ns);
        self.program.trim(now_ns);
        let steps = self.program.poll(now_ns, None);
        self.encode(steps);
        if !self.passes_sound() || !self.sound_seen {
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

    /// Forgets a stream that has ended and come out whole.
    pub fn forget(&mut self, id: StreamId) {
        self.decoders.remove(id);
        if let Some(mixer) = self.program.mixer.as_mut() {
            mixer.leave(id.0);
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
