//! Opus in Ogg, RFC 7845. A page is written whole, five times a second, so that a file that breaks off
//! is an ordinary file that ends there.

use std::fs::{File, OpenOptions};
use std::path::Path;

use ogg::writing::{PacketWriteEndInfo, PacketWriter};

use crate::output::mux::{Mux, MuxError, append_whole, caps_name};
use crate::source::opus::{RATE_HZ, packet_samples};
use crate::unit::{Lane, Unit};

/// Samples that a decoder needs before its output is right, and that libopus, which nearly every
/// publisher uses, puts in front.
pub const PRE_SKIP_SAMPLES: u16 = 312;
/// Samples in a page: 200 ms.
const PAGE_SAMPLES: u64 = RATE_HZ as u64 / 5;

/// An Ogg file being written.
pub struct OggMux {
    file: File,
    length: u64,
    pages: PacketWriter<'static, Vec<u8>>,
    serial: u32,
    granule: u64,
    page_start: u64,
    /// The last packet waits here: whether it ends the stream is known only when the next one comes.
    waiting: Option<(Vec<u8>, u64)>,
}

impl OggMux {
    /// Opens `path` and writes the heads.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn open(path: &Path) -> Result<Self, MuxError> {
        let file = OpenOptions::new().write(true).open(path)?;
        let mut mux = Self {
            file,
            length: 0,
            pages: PacketWriter::new(Vec::new()),
            serial: rand_serial(path),
            granule: u64::from(PRE_SKIP_SAMPLES),
            page_start: 0,
            waiting: None,
        };
        mux.pages.write_packet(opus_head(), mux.serial, PacketWriteEndInfo::EndPage, 0)?;
        mux.pages.write_packet(opus_tags(), mux.serial, PacketWriteEndInfo::EndPage, 0)?;
        mux.flush()?;
        Ok(mux)
    }

    fn flush(&mut self) -> Result<(), MuxError> {
        let bytes = std::mem::take(self.pages.inner_mut());
        if !bytes.is_empty() {
            append_whole(&mut self.file, &mut self.length, &bytes)?;
        }
        Ok(())
    }

    fn write_waiting(&mut self, end: bool) -> Result<(), MuxError> {
        let Some((packet, samples)) = self.waiting.take() else { return Ok(()) };
        self.granule += samples;
        let info = if end {
            PacketWriteEndInfo::EndStream
        } else if self.granule - self.page_start >= PAGE_SAMPLES {
            PacketWriteEndInfo::EndPage
        } else {
            PacketWriteEndInfo::NormalPacket
        };
        if !matches!(info, PacketWriteEndInfo::NormalPacket) {
            self.page_start = self.granule;
        }
        self.pages.write_packet(packet, self.serial, info, self.granule)?;
        self.flush()
    }
}

impl Mux for OggMux {
    fn write(&mut self, unit: &Unit, _pts_ns: i64) -> Result<(), MuxError> {
        let map = unit.data.map_readable().map_err(|_| MuxError::Unsupported(caps_name(&unit.caps)))?;
        let samples = packet_samples(&map).filter(|_| unit.lane == Lane::Audio);
        let samples = samples.ok_or_else(|| MuxError::Unsupported(caps_name(&unit.caps)))?;
        self.write_waiting(false)?;
        self.waiting = Some((map.to_vec(), samples as u64));
        Ok(())
    }

    fn finish(mut self: Box<Self>, _end_ns: i64) -> Result<(), MuxError> {
        self.write_waiting(true)?;
        self.file.sync_data()?;
        Ok(())
    }
}

/// The identification head, RFC 7845 §5.1.
pub fn opus_head() -> Vec<u8> {
    let mut head = b"OpusHead".to_vec();
    head.push(1);
    head.push(2);
    head.extend_from_slice(&PRE_SKIP_SAMPLES.to_le_bytes());
    head.extend_from_slice(&(RATE_HZ as u32).to_le_bytes());
    head.extend_from_slice(&[0, 0, 0]);
    head
}

/// The comment head, RFC 7845 §5.2.
fn opus_tags() -> Vec<u8> {
    let vendor = concat!("Tallylight ", env!("CARGO_PKG_VERSION"));
    let mut tags = b"OpusTags".to_vec();
    tags.extend_from_slice(&(vendor.len() as u32).to_le_bytes());
    tags.extend_from_slice(vendor.as_bytes());
    tags.extend_from_slice(&0u32.to_le_bytes());
    tags
}

/// Any number that is not the same for every file does (RFC 3533 §6).
fn rand_serial(path: &Path) -> u32 {
    std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), path) as u32
}
