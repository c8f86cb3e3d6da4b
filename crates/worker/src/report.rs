//! What is told on standard error.

use std::io::{IsTerminal, Write};

use egress::error::{ApiError, Fault};
use egress::fact::{EgressStatus, OutputFigures};
use studio::surface::Job;

/// One line.
pub fn say(text: &str) {
    clear();
    eprintln!("{text}");
}

/// What happened, whose side it is on, what to do.
pub fn error(error: &ApiError) {
    let side = match error.fault {
        Fault::Ours => "a defect of Tallylight",
        Fault::Server => "the server, or the network to it",
        Fault::Destination => "where the recording was to go",
        Fault::Input => "what was asked for, or what is published",
        Fault::Environment => "this computer",
    };
    clear();
    eprintln!("error: {}", error.message);
    eprintln!("  where: {side}");
    if !error.remedy.is_empty() {
        eprintln!("  what to do: {}", error.remedy);
    }
    if !error.detail.is_empty() {
        eprintln!("  details: {}", error.detail);
    }
}

/// How a recording goes, in one line: over the last one on a terminal.
pub fn progress(job: &Job) {
    let line = line(job);
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K{line}");
        let _ = std::io::stderr().flush();
    } else {
        eprintln!("{line}");
    }
}

/// What became of a recording of an earlier run.
pub fn earlier(job: &Job) {
    if job.ended_at_ms.is_none() {
        say(&format!("{} still goes on", job.egress_id));
    }
    for result in job.outputs.iter().filter_map(|output| output.result.as_ref()) {
        match (&result.path, &result.error) {
            (Some(path), None) => say(&format!("{} was saved: {}", job.egress_id, path.display())),
            (_, Some(trouble)) => error(trouble),
            (None, None) => {}
        }
    }
}

fn clear() {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
}

fn line(job: &Job) -> String {
    let Some(taken) = job.figures.as_ref().and_then(|figures| figures.outputs.first()) else {
        return match job.status {
            EgressStatus::Starting => "waiting for the first picture or sound".into(),
            EgressStatus::Ending => "finishing".into(),
            _ => "recording".into(),
        };
    };
    let OutputFigures { elapsed_ms, size_bytes, bitrate_bps, dropped_frames, disk_left_s, .. } = taken;
    let s = elapsed_ms / 1000;
    let mut line = format!(
        "recording {:02}:{:02}:{:02}  {:.1} MB  {:.1} Mb/s",
        s / 3600,
        s / 60 % 60,
        s % 60,
        *size_bytes as f64 / 1e6,
        *bitrate_bps as f64 / 1e6
    );
    if *dropped_frames > 0 {
        line += &format!("  {dropped_frames} frames dropped");
    }
    // Nobody needs to hear of a disk that lasts for days.
    if let Some(left) = disk_left_s.filter(|left| *left < 24 * 3600) {
        line += &format!("  disk full in {} h {:02} min", left / 3600, left / 60 % 60);
    }
    line
}
