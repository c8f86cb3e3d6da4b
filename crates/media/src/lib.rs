//! GStreamer and Chromium: the media side of a job.
//!
//! Media runs left to right through four stages, each in a module that uses only those to its left:
//! [`source`] (room tracks become encoded units with a time), [`compose`] (units become one picture and
//! one mix, on one clock), [`encode`] (raw becomes encoded units again) and [`output`] (units go into
//! files). [`job`] joins them into the program of a `tallylight-job` process. [`unit`] and [`chain`] are
//! what all stages share.

pub mod chain;
pub mod compose;
pub mod encode;
pub mod job;
pub mod output;
pub mod source;
pub mod unit;

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
