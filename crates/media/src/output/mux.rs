//! What every container writer can do.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

use crate::chain::ChainError;
use crate::unit::Unit;

/// Puts units into a container. What was written is playable at every moment, whatever becomes of the
/// process; [`Mux::finish`] makes it an ordinary file.
pub trait Mux: Send {
    /// Adds a unit that is to be shown at `pts_ns`, counted from the start of the file. Units of a lane
    /// come in the order they are decoded in, which here is the order they are shown in.
    ///
    /// # Errors
    /// If the disk or the container refuses it. The file stays as it is; where a first picture is refused
    /// ([`MuxError::Unsupported`]), its sound can go on.
    fn write(&mut self, unit: &Unit, pts_ns: i64) -> Result<(), MuxError>;

    /// Completes the file, which ends at `end_ns`.
    ///
    /// # Errors
    /// If the disk refuses; the file is still playable.
    fn finish(self: Box<Self>, end_ns: i64) -> Result<(), MuxError>;
}

/// The lanes a file has, with a unit of each to read parameters from (the sound lane's is made up
/// where its parameters are known without).
#[derive(Debug, Clone, Default)]
pub struct Lanes {
    /// Caps of the pictures.
    pub video: Option<gstreamer::Caps>,
    /// Caps of the sound.
    pub audio: Option<gstreamer::Caps>,
    /// Whether pictures may come later to a file that begins without: the first of them is written like any other.
    pub video_later: bool,
}

impl Lanes {
    /// Pictures alone.
    pub(crate) fn video(caps: &gstreamer::Caps) -> Self {
        Self { video: Some(caps.clone()), ..Self::default() }
    }
}

/// Why a container cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum MuxError {
    /// The disk.
    #[error("writing failed: {0}")]
    Io(#[from] io::Error),
    /// GStreamer.
    #[error("muxing failed: {0}")]
    Chain(#[from] ChainError),
    /// GStreamer gave no sign of having finished in time.
    #[error("the muxer did not finish in time")]
    Stuck,
    /// The container has no place for this.
    #[error("{0} cannot be put into this container")]
    Unsupported(String),
}

impl MuxError {
    /// Whether the disk is full.
    pub fn disk_full(&self) -> bool {
        match self {
            Self::Io(error) => error.kind() == io::ErrorKind::StorageFull,
            Self::Chain(error) => error.debug.contains("No space left") || error.message.contains("space"),
            _ => false,
        }
    }
}

/// Appends to a file in one piece, or not at all: when the disk is full, what got onto it is taken back, so
/// that the file still ends with something whole. `length` is the file's, and is kept.
pub(crate) fn append_whole(file: &mut File, length: &mut u64, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(*length))?;
    match file.write_all(bytes) {
        Ok(()) => {
            *length += bytes.len() as u64;
            Ok(())
        }
        Err(error) => {
            // If this fails too, the repair at the next start does it.
            let _ = file.set_len(*length);
            Err(error)
        }
    }
}

/// A short name for caps in errors.
pub(crate) fn caps_name(caps: &gstreamer::Caps) -> String {
    caps.structure(0).map(|s| s.name().to_string()).unwrap_or_default()
}
