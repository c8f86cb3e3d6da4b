//! A camera or microphone that is off for longer than 32 bits of ticks say.

use std::path::Path;
use std::process::Command;

use crate::output::repair::repair;
use crate::unit::{Lane, Unit};
use egress::spec::Container;

use super::harness::{START_NS, decode, pictures, pictures_of, sound, write};

const DAY_S: i64 = 26 * 3600;

/// Times of the packets of a stream, s.
fn times(path: &Path, stream: &str) -> Vec<f64> {
    let output = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-select_streams",
            stream,
            "-show_entries",
            "packet=pts_time",
            "-of",
            "csv=p=0",
        ])
        .arg(path)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter(|line| !line.is_empty())
        .map(|line| line.trim_end_matches(',').parse().unwrap())
        .collect()
}

fn a_day_later(units: Vec<Unit>) -> Vec<Unit> {
    let later = |mut unit: Unit| {
        unit.time_ns += DAY_S * 1_000_000_000;
        unit
    };
    units.into_iter().map(later).collect()
}

fn on_and_off() -> Vec<Unit> {
    let mut units = pictures("h264", 1);
    units.extend(sound(1));
    units.extend(pictures_of("h264", (320, 180), 30, DAY_S * 1000));
    units.extend(a_day_later(sound(1)));
    units.sort_by_key(|unit| unit.time_ns);
    units
}

fn assert_in_time(path: &Path) {
    for (stream, each_s, most_ms) in [("v:0", 1.0 / 30.0, 5.0), ("a:0", 0.02, 30.0)] {
        let times = times(path, stream);
        let [first, later] = [0, times.len() / 2].map(|at| times[at]);
        assert!(first.abs() < 0.05, "{stream} begins at {first} s");
        assert!((later - first - DAY_S as f64).abs() * 1000.0 < most_ms, "{stream} goes on at {later} s");
        let (last, count) = (*times.last().unwrap(), times.len() as f64 / 2.0);
        let should = DAY_S as f64 + (count - 1.0) * each_s;
        assert!((last - first - should).abs() < 0.05, "{stream} ends at {last} s, and should at {should} s");
    }
}

#[test]
fn what_is_off_for_a_day_is_on_again_at_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let result = write(folder.path(), "show", Container::Mp4, &on_and_off()).finish();
    assert_eq!(result.error, None);
    assert!((result.duration_ns / 1_000_000 - (DAY_S + 1) * 1000).abs() < 100, "{}", result.duration_ns);
    let path = result.path.unwrap();
    assert_in_time(&path);
    assert_eq!(decode(&path), (60, String::new()));
}

#[test]
fn so_it_is_in_a_file_that_broke_off() {
    let folder = tempfile::tempdir().unwrap();
    let units = on_and_off();
    assert_eq!(units.iter().filter(|unit| unit.lane == Lane::Video).count(), 60);
    assert_eq!(units[0].time_ns, START_NS);
    // Far into what came after the gap.
    let bytes = units.iter().map(|unit| unit.data.size() as u64).sum::<u64>() * 8 / 10;
    let path =
        write(folder.path(), "show", Container::Mp4, &units).killed(&folder.path().join("cut.mp4"), bytes);
    let result = repair(&path).unwrap();
    assert!((result.duration_ns / 1_000_000 - (DAY_S + 1) * 1000).abs() < 500, "{}", result.duration_ns);
    let times = times(&path, "v:0");
    let at = times.iter().position(|time| *time > 2.0).unwrap();
    assert!((times[at] - times[0] - DAY_S as f64).abs() < 0.05, "{} s", times[at]);
}
