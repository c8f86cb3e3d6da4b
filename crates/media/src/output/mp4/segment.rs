//! Segments of HLS: the head of a file in a file of its own, and fragments in others, on one line of time.

use super::boxes::{boxed, put};
use super::fragments::{Fragments, entries, movie};
use crate::output::mux::{Lanes, MuxError, caps_name};
use crate::unit::Unit;

/// Writes what segments with the same tracks hold, one after the other.
#[derive(Debug)]
pub struct SegmentMux {
    initialization: Vec<u8>,
    fragments: Fragments,
}

/// What a segment begins with.
pub fn segment_head() -> Vec<u8> {
    boxed(b"styp", &[b"msdh\x00\x00\x00\x00msdhiso6"])
}

impl SegmentMux {
    /// Segments of these lanes.
    ///
    /// # Errors
    /// If one has no place in an MP4.
    pub fn new(lanes: &Lanes) -> Result<Self, MuxError> {
        let entries = entries(lanes, &[])?;
        let mut initialization = Vec::new();
        put(&mut initialization, b"ftyp", b"iso6\x00\x00\x00\x00iso6mp41");
        put(&mut initialization, b"moov", &movie(&entries));
        Ok(Self { initialization, fragments: Fragments::new(&entries) })
    }

    /// What players read first: the tracks.
    pub fn initialization(&self) -> &[u8] {
        &self.initialization
    }

    /// Adds a unit that is to be shown at `pts_ns` of the set.
    ///
    /// # Errors
    /// If it is of no lane of these, or cannot be read.
    pub fn push(&mut self, unit: &Unit, pts_ns: i64) -> Result<(), MuxError> {
        let map = unit.data.map_readable().map_err(|_| MuxError::Unsupported(caps_name(&unit.caps)))?;
        self.fragments.push(unit, &map, pts_ns)
    }

    /// What has come whole since this was asked last, if anything has.
    pub fn fragment(&mut self) -> Option<Vec<u8>> {
        self.fragments.take()
    }

    /// The rest of a segment that ends at `end_ns` of the set.
    pub fn end(&mut self, end_ns: i64) -> Option<Vec<u8>> {
        self.fragments.settle_until(end_ns);
        self.fragments.take()
    }
}
