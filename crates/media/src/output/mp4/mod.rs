//! MP4, written fragment by fragment and completed in place; and the same fragments as segments of HLS ([`SegmentMux`]).
//!
//! While it is recorded a file is `ftyp free moov` and then, for each fragment, `moof mdat`: playable up to
//! its last whole fragment, whatever becomes of the process. Completing it ([`complete`]) gathers the
//! samples of all fragments into one index, appends that, and turns the `free` into an `mdat` that spans
//! everything between: an ordinary MP4. No media is moved, so a file of any size takes a moment; nothing
//! is kept in memory for it; and a file that broke off is completed by the same code.
//!
//! A file that begins with sound, and whose pictures may come later, has room behind its `moov` for another one.
//!
//! GStreamer's `mp4mux` has the same idea (`first-moov-then-finalise`) and was tried first. In 1.22 its
//! fragments are unreadable when the last packets of sound are of one size (their size is left out of both
//! places it could be told in), and sound waits in memory while a camera is off.

mod boxes;
mod complete;
mod entry;
mod fragments;
mod segment;
mod sets;
mod write;

pub use complete::complete;
pub use segment::{SegmentMux, segment_head};
pub use write::Mp4Mux;
