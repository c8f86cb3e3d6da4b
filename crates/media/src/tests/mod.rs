//! Tests of several parts together, against independent programs: ffprobe and ffmpeg, and Chromium.

mod files;
#[cfg(target_os = "linux")]
mod page;
mod sound;
