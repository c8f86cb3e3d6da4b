//! The program of a job: there while something takes it, decoded where it is passed through, encoded by whom it may
//! concern.

use gstreamer as gst;
use room::event::{Codec, StreamId};

use crate::compose::mix::Mixer;
use crate::compose::picture::PictureLine;
use crate::compose::program::Step;
use crate::job::lanes::start::Camera;
use crate::job::lanes::{AIR, CAMERA_HOLD_NS, Lanes};
use crate::job::outputs::stream;
use crate::output::Raw;
use crate::unit::Unit;

impl Lanes {
    /// Which lanes the program has, or would have.
    pub fn program_lanes(&self) -> stream::Lanes {
        stream::Lanes { video: self.treated.video.is_there(), audio: self.treated.audio.is_there() }
    }

    /// Whether an output takes the program or an encode of it. Beside what is recorded as published there is none until
    /// one does.
    pub fn want_program(&mut self, wanted: bool, now_ns: i64) {
        if std::mem::replace(&mut self.program_wanted, wanted) == wanted {
            return;
        }
        let (pictures, sound) = (self.passes_pictures(), self.passes_sound());
        if !wanted {
            self.program.pictures.take_if(|_| pictures);
            self.program.mixer.take_if(|_| sound);
            if !self.encodes() {
                self.stop_program();
            }
            return;
        }
        if let Some((width, height, _)) = self.treated.picture_size().filter(|_| pictures) {
            self.black = Some(black(width, height));
            self.program.pictures = Some(PictureLine::new(CAMERA_HOLD_NS));
        }
        if sound {
            self.program.mixer = Some(Mixer::new(now_ns));
        }
    }

    /// Whether an output takes the program before any encoder.
    pub fn want_raw(&mut self, wanted: bool) {
        if wanted != self.raw.is_some() {
            self.raw = wanted.then(Vec::new);
        }
    }

    /// What the program gave since this was asked last, before any encoder.
    pub fn take_raw(&mut self) -> Vec<Raw> {
        self.raw.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Whether a picture that is passed through has to be whole for the program to show anything.
    pub fn wants_whole_picture(&self) -> bool {
        let on = matches!(self.camera, Camera::On { .. });
        self.passes_pictures() && self.program_wanted && on && !self.decodes_passed && !self.undecodable
    }

    /// Decodes a picture that is passed through, for the program. Whatever comes of it, the file gets the picture.
    pub(super) fn decode_passed(&mut self, id: StreamId, codec: Codec, unit: &Unit, now_ns: i64) {
        let Some((width, height, _)) = self.treated.picture_size().filter(|_| self.program_wanted) else {
            if std::mem::take(&mut self.decodes_passed) {
                self.decoders.remove(id);
            }
            return;
        };
        if self.decodes_passed && self.decoders.lags(id, now_ns) {
            self.decoders.remove(id);
            self.decodes_passed = false;
        }
        if self.undecodable || !self.decodes_passed && !unit.keyframe {
            return;
        }
        self.decodes_passed = true;
        if let Err(error) = self.decoders.picture(id, codec, unit, (width, height), now_ns) {
            tracing::warn!(%error, "what is recorded as published cannot be decoded for streams");
            (self.undecodable, self.decodes_passed) = (true, false);
        }
    }

    pub(super) fn encode(&mut self, steps: Vec<Step<gst::Buffer>>) {
        for step in steps {
            match step {
                Step::Picture { time_ns, frame } => {
                    let Some(frame) = frame.as_ref().or(self.black.as_ref()) else { continue };
                    if let Some(raw) = &mut self.raw {
                        raw.push(Raw::Picture { time_ns, frame: frame.clone() });
                    }
                    self.encoders.push_picture(AIR, frame, time_ns);
                }
                Step::Sound { time_ns, stereo } => {
                    if let Some(raw) = &mut self.raw {
                        raw.push(Raw::Sound { time_ns, stereo: stereo.as_slice().into() });
                    }
                    self.encoders.push_sound(AIR, &stereo, time_ns);
                }
            }
        }
    }

    /// Ends the program at `end_ns`: everything before it is encoded, and the encoders are let out.
    pub fn end_program(&mut self, end_ns: i64) {
        loop {
            let steps = self.program.poll(end_ns, Some(end_ns));
            if steps.is_empty() {
                break;
            }
            self.encode(steps);
        }
        self.encoders.finish(AIR);
    }

    /// The last output has gone and the job stays armed: the encoders rest.
    pub fn stop_program(&mut self) {
        self.program.stop();
        self.encoders.stop(AIR);
        self.start_requested_ns = None;
    }
}

/// A black picture in I420.
pub(super) fn black(width: u32, height: u32) -> gst::Buffer {
    let pixels = width as usize * height as usize;
    let mut planes = vec![16u8; pixels];
    planes.resize(pixels + pixels / 2, 128);
    gst::Buffer::from_mut_slice(planes)
}
