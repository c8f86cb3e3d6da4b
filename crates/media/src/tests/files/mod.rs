//! Files are playable at every moment, ordinary ones once finished or repaired. Coded media comes from
//! GStreamer's test sources; an independent program (ffprobe) says what is in the files.

mod gaps;
mod harness;
mod joins;
mod sizes;
mod tags;

use std::fs;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::output::file::{FileOutput, FilePlan, FileReport, reserve};
use crate::output::{repair, still};
use crate::unit::Lane;
use egress::spec::Container;

use self::harness::*;

#[test]
fn sound_that_is_here_before_its_first_picture_does_not_stop_a_file() {
    for (codec, container) in [("av1", Container::Mp4), ("h264", Container::Mp4), ("vp8", Container::Webm)] {
        let folder = tempfile::tempdir().unwrap();
        // A keyframe is large, and on its way for longer than a packet of sound.
        let (mut units, pictures) = (sound(2), pictures(codec, 2));
        units.extend(pictures);
        units.sort_by_key(|u| u.time_ns + if u.lane == Lane::Video { 150_000_000 } else { 0 });
        let result = write(folder.path(), "show", container, &units).finish();
        assert_eq!(result.error, None, "{codec}");
        let (streams, _) = probe(&result.path.unwrap());
        assert_eq!(streams, [(codec.to_owned(), 60), ("opus".to_owned(), 101)]);
    }
}

#[test]
fn sound_alone_in_webm_can_be_found_by_its_index() {
    let folder = tempfile::tempdir().unwrap();
    let result = write(folder.path(), "show", Container::Webm, &sound(3)).finish();
    let bytes = fs::read(result.path.unwrap()).unwrap();
    // CueTrack, of eight bytes; with 0x42 before it, it is another element.
    let head = [0xf7, 1, 0, 0, 0, 0, 0, 0, 8];
    let cues = bytes.windows(18).filter(|w| w[0] != 0x42 && w[1..10] == head);
    let cues: Vec<u8> = cues.map(|w| w[17]).collect();
    assert!(!cues.is_empty() && cues.iter().all(|track| *track == 2), "{cues:?}");
}

/// Where the index of a finished file begins.
fn index_at(bytes: &[u8]) -> usize {
    bytes.windows(4).rposition(|kind| kind == b"moov").unwrap() - 4
}

#[test]
fn a_finished_mp4_is_an_ordinary_one() {
    let folder = tempfile::tempdir().unwrap();
    let units = together(pictures("h264", 4), sound(4));
    let result = write(folder.path(), "a.mp4", Container::Mp4, &units).finish();
    assert_eq!(result.error, None);
    assert!((3_900_000_000..4_100_000_000).contains(&result.duration_ns), "{}", result.duration_ns);
    let path = result.path.unwrap();
    assert_eq!(boxes(&path), ["ftyp", "mdat", "moov"]);
    let (streams, length) = probe(&path);
    assert_eq!(streams[0], ("h264".to_owned(), 120));
    assert!(streams[1].1 >= 199, "{streams:?}");
    assert!((3.9..4.1).contains(&length), "{length}");
}

#[test]
fn an_mp4_that_breaks_off_plays_and_is_repaired_even_without_keyframes() {
    let folder = tempfile::tempdir().unwrap();
    let units = together(pictures("h264", 10), sound(10));
    let total: usize = units.iter().map(|u| u.data.size()).sum();
    let written = write(folder.path(), "a.mp4", Container::Mp4, &units);
    let killed = written.killed(&folder.path().join("killed.mp4"), total as u64 * 9 / 10);
    let (streams, _) = probe(&killed);
    assert!(streams[0].1 >= 240 && streams[1].1 >= 400, "playable as it is: {streams:?}");

    let result = repair::repair(&killed).unwrap();
    assert_eq!(result.path.as_deref(), Some(killed.as_path()));
    assert!(!boxes(&killed).contains(&"moof".to_owned()), "{:?}", boxes(&killed));
    let (repaired, length) = probe(&killed);
    assert!(repaired[0].1 >= streams[0].1 - 1, "{streams:?} became {repaired:?}");
    assert!(
        (length - result.duration_ns as f64 / 1e9).abs() < 0.2,
        "{length} against {}",
        result.duration_ns
    );
    // Once more changes nothing.
    let before = fs::read(&killed).unwrap();
    repair::repair(&killed).unwrap();
    assert_eq!(fs::read(&killed).unwrap(), before);
}

#[test]
fn an_mp4_that_is_killed_while_it_is_completed_is_completed_again() {
    let folder = tempfile::tempdir().unwrap();
    let units = together(pictures("h264", 4), sound(4));
    let result = write(folder.path(), "a.mp4", Container::Mp4, &units).finish();
    let whole = result.path.unwrap();
    let wanted = probe(&whole);
    let bytes = fs::read(&whole).unwrap();
    let span = u32::from_be_bytes(bytes[0..4].try_into().unwrap()) as usize;
    assert_eq!(&bytes[span + 4..span + 8], b"mdat");
    let index = index_at(&bytes);
    // Completing appends the index, then makes one box of what is before it. Killed in between, or while
    // appending, or before the first byte of it was on the disk.
    for kept in [bytes.len(), bytes.len() - 100, index + 4, index] {
        let mut cut = bytes[..kept].to_vec();
        cut[span..span + 4].copy_from_slice(&16u32.to_be_bytes());
        cut[span + 4..span + 8].copy_from_slice(b"free");
        let path = folder.path().join(format!("cut-{kept}.mp4"));
        fs::write(&path, cut).unwrap();
        assert!(probe(&path).0[0].1 >= 110, "plays as it is, {kept} bytes: {:?}", probe(&path));
        let repaired = repair::repair(&path).unwrap();
        assert_eq!(probe(&path), wanted, "{kept} bytes");
        assert_eq!(repaired.duration_ns, result.duration_ns);
        assert_eq!(boxes(&path), ["ftyp", "mdat", "moov"]);
    }
}

#[test]
fn a_webm_that_breaks_off_is_completed_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let units = together(pictures("vp8", 10), sound(10));
    let whole = write(folder.path(), "a.webm", Container::Webm, &units).finish();
    assert_eq!(whole.error, None);
    let whole = whole.path.unwrap();
    let (streams, length) = probe(&whole);
    assert_eq!(streams[0], ("vp8".to_owned(), 300));
    assert!((9.9..10.1).contains(&length), "{length}");

    let written = write(folder.path(), "b.webm", Container::Webm, &units);
    let total: usize = units.iter().map(|u| u.data.size()).sum();
    let killed = written.killed(&folder.path().join("killed.webm"), total as u64 / 2);
    // In the middle of a block.
    let size = fs::metadata(&killed).unwrap().len();
    fs::OpenOptions::new().write(true).open(&killed).unwrap().set_len(size - 5).unwrap();
    let (before, _) = probe(&killed);
    let result = repair::repair(&killed).unwrap();
    let (after, length) = probe(&killed);
    assert!(after[0].1 + 1 >= before[0].1 && after[0].1 > 30, "{before:?} became {after:?}");
    assert!((length - result.duration_ns as f64 / 1e9).abs() < 0.05, "{length}");
}

#[test]
fn sound_goes_on_while_the_camera_is_off() {
    let folder = tempfile::tempdir().unwrap();
    // Three seconds of picture, then sound alone: it must reach the disk, not wait for the camera.
    for (codec, container, name) in [("h264", Container::Mp4, "a.mp4"), ("vp8", Container::Webm, "a.webm")] {
        let units = together(pictures(codec, 3), sound(20));
        let sound_bytes: usize = units.iter().filter(|u| u.lane == Lane::Audio).map(|u| u.data.size()).sum();
        let written = write(folder.path(), name, container, &units);
        let killed =
            written.killed(&folder.path().join(format!("killed-{name}")), sound_bytes as u64 * 8 / 10);
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            fs::copy(&written.output.plan.path, &killed).unwrap();
            let packets = probe(&killed).0.get(1).map_or(0, |s| s.1);
            if packets >= 900 {
                break;
            }
            assert!(Instant::now() < deadline, "{name}: {packets} packets of sound of 1000");
            std::thread::sleep(Duration::from_millis(100));
        }
        let result = written.finish();
        assert_eq!(result.error, None);
        let (streams, length) = probe(&result.path.unwrap());
        assert!(streams[1].1 >= 999, "{streams:?}");
        assert!((19.9..20.1).contains(&length), "{length}");
    }
}

#[test]
fn an_ogg_is_whole_at_every_page() {
    let folder = tempfile::tempdir().unwrap();
    let units = sound(10);
    let result = write(folder.path(), "a.ogg", Container::Ogg, &units).finish();
    let (streams, length) = probe(result.path.as_ref().unwrap());
    assert_eq!(streams, [("opus".to_owned(), units.len() as u64)]);
    assert!((9.9..10.1).contains(&length), "{length}");

    let cut = folder.path().join("cut.ogg");
    let bytes = fs::read(result.path.unwrap()).unwrap();
    fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let repaired = repair::repair(&cut).unwrap();
    assert!(repaired.duration_ns > 4_000_000_000, "{}", repaired.duration_ns);
}

#[test]
fn nothing_written_leaves_no_file_and_a_full_name_is_not_taken_again() {
    let folder = tempfile::tempdir().unwrap();
    let units = sound(1);
    let first = write(folder.path(), "a.ogg", Container::Ogg, &units).finish().path.unwrap();
    let second = write(folder.path(), "a.ogg", Container::Ogg, &units).finish().path.unwrap();
    assert_eq!(first.file_name().unwrap(), "a.ogg");
    assert_eq!(second.file_name().unwrap(), "a-2.ogg");

    crate::init().unwrap();
    let path = reserve(&folder.path().join("empty.mp4")).unwrap();
    let plan = FilePlan {
        id: "file".into(),
        path: path.clone(),
        container: Container::Mp4,
        video: true,
        audio: None,
    };
    let (sender, reports) = mpsc::channel();
    let output = FileOutput::start(plan, move |report| {
        let _ = sender.send(report);
    });
    output.finish();
    let FileReport::Ended { result, .. } = reports.recv_timeout(Duration::from_secs(10)).unwrap() else {
        panic!("no media, and yet active");
    };
    assert_eq!(result.path, None);
    assert!(!path.exists());
}

#[test]
fn an_empty_file_that_is_left_behind_is_removed() {
    crate::init().unwrap();
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.mp4", "a.webm", "a.ogg", "a.mp3"] {
        let path = reserve(&folder.path().join(name)).unwrap();
        assert!(repair::repair(&path).is_err());
        assert!(!path.exists(), "{name}");
    }
}

#[test]
fn a_still_is_a_small_jpeg() {
    let folder = tempfile::tempdir().unwrap();
    let result = write(folder.path(), "a.mp4", Container::Mp4, &pictures("h264", 3)).finish();
    let to = folder.path().join("a.jpg");
    still::still(&result.path.unwrap(), &to, 160).unwrap();
    let jpeg = fs::read(&to).unwrap();
    assert_eq!(jpeg[..2], [0xff, 0xd8]);
    let sound_alone = write(folder.path(), "b.ogg", Container::Ogg, &sound(1)).finish();
    assert!(still::still(&sound_alone.path.unwrap(), &to, 160).is_err());
}
