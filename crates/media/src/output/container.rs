//! Which writer writes which container.

use std::path::Path;

use egress::spec::Container;

use crate::output::mp3::Mp3Mux;
use crate::output::mp4::Mp4Mux;
use crate::output::mux::{Lanes, Mux, MuxError};
use crate::output::ogg::OggMux;
use crate::output::webm::WebmMux;

/// Opens a writer for `container` on the existing, empty file at `path`.
///
/// # Errors
/// If the file cannot be opened or a lane has no place in the container.
pub fn open(container: Container, path: &Path, lanes: &Lanes) -> Result<Box<dyn Mux>, MuxError> {
    Ok(match container {
        Container::Mp4 => Box::new(Mp4Mux::open(path, lanes)?),
        Container::Mp3 => Box::new(Mp3Mux::open(path, lanes)?),
        Container::Webm => Box::new(WebmMux::open(path, lanes)?),
        Container::Ogg => Box::new(OggMux::open(path)?),
    })
}
