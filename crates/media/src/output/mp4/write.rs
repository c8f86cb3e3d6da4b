//! The writer.

use std::fs::{File, OpenOptions};
use std::path::Path;

use super::boxes::{Mp4Error, put};
use super::complete::complete_file;
use super::fragments::{Fragments, entries, movie};
use crate::output::mux::{Lanes, Mux, MuxError, append_whole, caps_name};
use crate::unit::{Lane, Unit};

/// Length of a fragment, ns. A process that is killed loses at most the open one. A fragment's head takes
/// some 100 bytes and 8 for each sample.
const FRAGMENT_NS: i64 = 300_000_000;

/// An MP4 being written.
#[derive(Debug)]
pub struct Mp4Mux {
    file: File,
    length: u64,
    fragments: Fragments,
    fragment_start_ns: Option<i64>,
    /// The head is written with the first picture, which has what it needs.
    lanes: Option<Lanes>,
}

impl Mp4Mux {
    /// Opens `path` for writing.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn open(path: &Path, lanes: &Lanes) -> Result<Self, MuxError> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Self {
            file,
            length: 0,
            fragments: Fragments::default(),
            fragment_start_ns: None,
            lanes: Some(lanes.clone()),
        })
    }

    fn write_heads(&mut self, first: &Unit, data: &[u8]) -> Result<(), MuxError> {
        let Some(lanes) = self.lanes.take() else { return Ok(()) };
        let entries = entries(&lanes, if first.lane == Lane::Video { data } else { &[] })?;
        let mut out = Vec::new();
        put(&mut out, b"ftyp", b"isom\x00\x00\x02\x00isomiso6iso2mp41");
        put(&mut out, b"free", &[0; 8]);
        put(&mut out, b"moov", &movie(&entries));
        append_whole(&mut self.file, &mut self.length, &out)?;
        self.fragments = Fragments::new(&entries);
        Ok(())
    }

    /// Writes the open fragment in one piece.
    fn flush(&mut self) -> Result<(), MuxError> {
        self.fragment_start_ns = None;
        let Some(fragment) = self.fragments.take() else { return Ok(()) };
        if let Err(error) = append_whole(&mut self.file, &mut self.length, &fragment) {
            // The space that was given back may be enough for the index.
            let _ = complete_file(&mut self.file);
            return Err(error.into());
        }
        Ok(())
    }
}

impl Mux for Mp4Mux {
    fn write(&mut self, unit: &Unit, pts_ns: i64) -> Result<(), MuxError> {
        let map = unit.data.map_readable().map_err(|_| MuxError::Unsupported(caps_name(&unit.caps)))?;
        self.write_heads(unit, &map)?;
        let start = *self.fragment_start_ns.get_or_insert(pts_ns);
        if pts_ns - start >= FRAGMENT_NS {
            self.flush()?;
            self.fragment_start_ns = Some(pts_ns);
        }
        self.fragments.push(unit, &map, pts_ns)
    }

    fn finish(mut self: Box<Self>, _end_ns: i64) -> Result<(), MuxError> {
        self.fragments.settle();
        self.flush()?;
        complete_file(&mut self.file).map_err(|error| match error {
            Mp4Error::Io(error) => MuxError::Io(error),
            malformed @ Mp4Error::Malformed(_) => MuxError::Unsupported(malformed.to_string()),
        })?;
        Ok(())
    }
}
