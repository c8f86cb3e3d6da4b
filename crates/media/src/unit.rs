//! The encoded unit that travels between the stages.

use gstreamer as gst;

/// Which of a program's two lanes something belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Picture.
    Video,
    /// Sound.
    Audio,
}

/// One encoded picture, or one packet of encoded sound.
#[derive(Debug, Clone)]
pub struct Unit {
    /// Its lane.
    pub lane: Lane,
    /// Presentation time on the room's clock: unix time, ns.
    pub time_ns: i64,
    /// Length, ns; 0 while unknown (a picture lasts until the next).
    pub duration_ns: i64,
    /// Whether decoding can start here. Always true for sound.
    pub keyframe: bool,
    /// The coded bytes.
    pub data: gst::Buffer,
    /// What the bytes are.
    pub caps: gst::Caps,
}

impl Unit {
    /// End of presentation, unix time, ns.
    pub fn end_ns(&self) -> i64 {
        self.time_ns + self.duration_ns
    }
}
