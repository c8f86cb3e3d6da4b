//! The writer.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use super::boxes::{Mp4Error, boxed, numbers, put};
use super::complete::complete_file;
use super::entry::Entry;
use super::fragments::{Fragments, entries, movie};
use crate::output::mux::{Lanes, Mux, MuxError, append_whole, caps_name};
use crate::unit::{Lane, Unit};

/// Length of a fragment, ns. A process that is killed loses at most the open one. A fragment's head takes
/// some 100 bytes and 8 for each sample.
const FRAGMENT_NS: i64 = 300_000_000;
/// Room behind the head of a file whose pictures may come later, for a head that has them: some 1,200 bytes and the
/// parameter sets.
const ROOM_BYTES: usize = 4096;
/// What a head is put out of sight with is as long as this.
const BOX_HEAD: usize = 8;

/// An MP4 being written.
#[derive(Debug)]
pub struct Mp4Mux {
    file: File,
    length: u64,
    fragments: Fragments,
    fragment_start_ns: Option<i64>,
    /// The head is written with the first picture, which has what it needs.
    lanes: Option<Lanes>,
    entries: Vec<(Lane, Entry)>,
    later: Option<Later>,
}

/// How a file that began with sound alone gets pictures: it has a `free` of some length behind its head, into which
/// the new head is written; then the `free` in front of the old one is made so long that it covers that one and leads to
/// the new one. The last is a change of four bytes, so that the file plays before and after, whatever becomes of the
/// process.
#[derive(Debug)]
struct Later {
    /// Where the `free` in front of the head is.
    cover_at: u64,
    /// Where the `free` behind the head is.
    room_at: u64,
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
            entries: Vec::new(),
            later: None,
        })
    }

    fn write_heads(&mut self, first: &Unit, data: &[u8]) -> Result<(), MuxError> {
        let Some(lanes) = self.lanes.take() else { return Ok(()) };
        self.entries = entries(&lanes, if first.lane == Lane::Video { data } else { &[] })?;
        let mut out = Vec::new();
        put(&mut out, b"ftyp", b"isom\x00\x00\x02\x00isomiso6iso2mp41");
        let cover_at = out.len() as u64;
        put(&mut out, b"free", &[0; 8]);
        put(&mut out, b"moov", &movie(&self.entries));
        if lanes.video_later {
            self.later = Some(Later { cover_at, room_at: out.len() as u64 });
            put(&mut out, b"free", &[0; ROOM_BYTES - BOX_HEAD]);
        }
        append_whole(&mut self.file, &mut self.length, &out)?;
        self.fragments = Fragments::new(&self.entries);
        Ok(())
    }

    /// The first picture of a file that began without.
    fn add_pictures(&mut self, first: &Unit, data: &[u8]) -> Result<(), MuxError> {
        let unsupported = || MuxError::Unsupported(caps_name(&first.caps));
        let Later { cover_at, room_at } = self.later.as_ref().ok_or_else(unsupported)?;
        let mut with = entries(&Lanes::video(&first.caps), data)?;
        let at = room_at + BOX_HEAD as u64;
        let added = with.len();
        self.entries.append(&mut with);
        let mut head = boxed(b"moov", &[&movie(&self.entries)]);
        let left = (ROOM_BYTES - BOX_HEAD).checked_sub(head.len()).filter(|left| *left >= BOX_HEAD);
        let Some(left) = left else {
            self.entries.truncate(self.entries.len() - added);
            return Err(unsupported());
        };
        head.extend(numbers(&[left as u32]));
        head.extend(b"free");
        let cover = (at - cover_at) as u32;
        let cover_at = *cover_at;
        self.flush()?;
        self.overwrite(at, &head)?;
        // What the new head is on the disk before anything leads to it.
        self.file.sync_data()?;
        self.overwrite(cover_at, &cover.to_be_bytes())?;
        self.later = None;
        for (lane, entry) in self.entries.iter().rev().take(added) {
            self.fragments.add(*lane, entry);
        }
        Ok(())
    }

    fn overwrite(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(at))?;
        self.file.write_all(bytes)
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
        if unit.lane == Lane::Video && !self.fragments.has(Lane::Video) {
            self.add_pictures(unit, &map)?;
        }
        let start = *self.fragment_start_ns.get_or_insert(pts_ns);
        if self.fragments.leaps(unit.lane, pts_ns) || pts_ns - start >= FRAGMENT_NS {
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
