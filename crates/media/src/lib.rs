//! GStreamer and Chromium.
