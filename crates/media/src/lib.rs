//! GStreamer and Chromium: the media side of a job.
//!
//! Media runs left to right through four stages, each in a module that uses only those to its left:
//! [`source`] (room tracks become encoded units with a time), [`compose`] (units become one picture and
//! one mix, on one clock), [`encode`] (raw becomes encoded units again) and [`output`] (units go into
//! files). [`job`] joins them into the program of a `tallylight-job` process. [`unit`] and [`chain`] are
//! what all stages share.

mod chain;
mod compose;
mod encode;
mod job;
mod oom;
mod output;
mod source;
#[cfg(test)]
mod tests;
mod unit;

pub use encode::probe::{Probe, probe};
pub use job::awake::problem as no_inhibitor;
pub use job::lock::{FolderLock, repair_of_dead};
pub use job::process::run;
pub use output::repair::repair;
pub use output::still::still;

/// Loads GStreamer and the elements that are linked into this program (Debian ships no Rust plugins).
/// Must be called once, before anything else here.
///
/// # Errors
/// If GStreamer cannot be initialised.
pub fn init() -> Result<(), gstreamer::glib::Error> {
    gstreamer::init()?;
    if let Err(error) = gstrsrtp::plugin_register_static() {
        // AV1 alone needs it; the probe reports it missing.
        tracing::warn!(%error, "the RTP plugin could not be registered");
    }
    Ok(())
}
