//! A file begins with whichever medium has something, and the other joins.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::compose::decode::audio_caps;
use crate::output::repair;
use crate::unit::Unit;
use egress::spec::Container;
use gstreamer as gst;
use room::event::Codec;

use super::harness::*;

/// Every codec that can be published, in every file that takes it.
const JOINED: [(&str, Container); 8] = [
    ("h264", Container::Mp4),
    ("h265", Container::Mp4),
    ("av1", Container::Mp4),
    ("vp8", Container::Webm),
    ("vp9", Container::Webm),
    // Where it was not known which it would be.
    ("vp8", Container::Mp4),
    ("vp9", Container::Mp4),
    ("h264-high", Container::Mp4),
];

fn opus() -> Option<Option<gst::Caps>> {
    crate::init().unwrap();
    Some(Some(audio_caps(Codec::Opus)))
}

fn open_at_once(folder: &Path, name: &str, container: Container) -> Written {
    let written = open(folder, name, container, true, opus());
    written.output.await_picture(false);
    written
}

fn push(written: &Written, units: &[Unit]) {
    units.iter().for_each(|unit| written.output.push(unit.clone()));
}

/// A copy of the file once it holds at least so many packets of each stream, in the order in which they are in it.
fn copy_with(written: &Written, to: &Path, packets: &[u64]) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        fs::copy(&written.output.plan.path, to).unwrap();
        let found: Vec<u64> = probe(to).0.iter().map(|(_, n)| *n).collect();
        if found.len() >= packets.len() && found.iter().zip(packets).all(|(found, wanted)| found >= wanted) {
            return;
        }
        assert!(Instant::now() < deadline, "{found:?} of {packets:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn start_s(path: &Path, stream: &str) -> f64 {
    stream_field(path, stream, "start_time").parse().unwrap()
}

#[test]
fn pictures_join_the_sound() {
    for (codec, container) in JOINED {
        let folder = tempfile::tempdir().unwrap();
        let case = format!("{codec} in {container:?}");
        let name = if container == Container::Mp4 { "a.mp4" } else { "a.webm" };
        let (sound, pictures) = (sound(8), pictures_of(codec, (320, 180), 120, 4000));
        let written = open_at_once(folder.path(), name, container);
        push(&written, &sound[..200]);
        // Alone it is on the disk, and playable, and can be repaired.
        let killed = folder.path().join(format!("alone-{name}"));
        copy_with(&written, &killed, &[180]);
        let alone = repair::repair(&killed).unwrap();
        assert!(alone.duration_ns > 3_600_000_000, "{case}: {alone:?}");
        assert_eq!(probe(&killed).0.len(), 1, "{case}: nothing else is in it");

        push(&written, &together(pictures[..90].to_vec(), sound[200..350].to_vec()));
        let killed = folder.path().join(format!("joined-{name}"));
        copy_with(&written, &killed, &[330, 75]);
        let found = probe(&killed).0;
        repair::repair(&killed).unwrap();
        assert_eq!(probe(&killed).0, found, "{case}: what was in it stays");
        assert_eq!(decode(&killed), (found[1].1 as usize, String::new()), "{case}");

        push(&written, &together(pictures[90..].to_vec(), sound[350..].to_vec()));
        let result = written.finish();
        assert_eq!(result.error, None, "{case}");
        let path = result.path.unwrap();
        let (streams, length) = probe(&path);
        assert_eq!(streams, [("opus".to_owned(), sound.len() as u64), (ffprobe_name(codec), 120)], "{case}");
        assert!((7.9..8.1).contains(&length), "{case}: {length}");
        assert!(start_s(&path, "a:0").abs() < 0.03, "{case}: {}", start_s(&path, "a:0"));
        assert!((start_s(&path, "v:0") - 4.0).abs() < 0.002, "{case}: {}", start_s(&path, "v:0"));
        assert_eq!(stream_field(&path, "v:0", "width"), "320", "{case}");
        assert_eq!(decode(&path), (120, String::new()), "{case}");
    }
}

#[test]
fn sound_joins_the_pictures() {
    for (codec, container) in JOINED {
        let folder = tempfile::tempdir().unwrap();
        let case = format!("{codec} in {container:?}");
        let (mut sound, pictures) = (sound(2), pictures(codec, 4));
        sound.iter_mut().for_each(|unit| unit.time_ns += 2_000_000_000);
        // A picture is waited for, sound is not.
        let written = open(folder.path(), "a", container, true, opus());
        push(&written, &together(pictures, sound.clone()));
        let path = written.finish().path.unwrap();
        let streams = probe(&path).0;
        assert_eq!((streams[0].1, streams[1].1), (120, sound.len() as u64), "{case}");
        assert!(start_s(&path, "v:0").abs() < 0.002, "{case}");
        assert!((start_s(&path, "a:0") - 2.0).abs() < 0.01, "{case}: {}", start_s(&path, "a:0"));
    }
}

#[test]
fn what_never_comes_is_not_in_the_file() {
    for (codec, container) in JOINED {
        let folder = tempfile::tempdir().unwrap();
        let case = format!("{codec} in {container:?}");
        let written = open_at_once(folder.path(), "sound", container);
        push(&written, &sound(2));
        let streams = probe(&written.finish().path.unwrap()).0;
        assert_eq!(streams, [("opus".to_owned(), 101)], "{case}");
        let written = open_at_once(folder.path(), "picture", container);
        push(&written, &pictures(codec, 2));
        let streams = probe(&written.finish().path.unwrap()).0;
        assert_eq!(streams, [(ffprobe_name(codec), 60)], "{case}");
        let written = open_at_once(folder.path(), "nothing", container);
        assert_eq!(written.finish().path, None, "{case}");
    }
}

#[test]
fn a_picture_is_waited_for_until_it_need_not_be() {
    let folder = tempfile::tempdir().unwrap();
    let (sound, pictures) = (sound(4), pictures_of("h264", (320, 180), 60, 2000));
    let written = open(folder.path(), "a.mp4", Container::Mp4, true, opus());
    push(&written, &sound[..100]);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(written.output.size_bytes(), 0, "nothing is begun");
    // The camera goes off: what came meanwhile is in it.
    written.output.await_picture(false);
    push(&written, &together(pictures, sound[100..].to_vec()));
    let path = written.finish().path.unwrap();
    assert_eq!(probe(&path).0[0], ("opus".to_owned(), sound.len() as u64));
    assert!((start_s(&path, "v:0") - 2.0).abs() < 0.002);
}

#[test]
fn a_picture_that_does_not_fit_is_said_and_the_sound_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (sound, pictures) = (sound(4), pictures_of("h264", (320, 180), 60, 2000));
    let mut written = open_at_once(folder.path(), "a.webm", Container::Webm);
    push(&written, &together(pictures, sound.clone()));
    let (result, refused) = written.ended();
    assert_eq!(result.error, None);
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(probe(&result.path.unwrap()).0, [("opus".to_owned(), sound.len() as u64)]);
}

/// A file that was killed while it got its pictures: after each of the writes that this takes.
#[test]
fn a_kill_while_pictures_join_leaves_a_file_that_plays() {
    let folder = tempfile::tempdir().unwrap();
    let (sound, pictures) = (sound(4), pictures_of("h264", (320, 180), 60, 2000));
    let written = open_at_once(folder.path(), "a.mp4", Container::Mp4);
    push(&written, &sound[..100]);
    let before = folder.path().join("before.mp4");
    copy_with(&written, &before, &[80]);
    push(&written, &together(pictures.clone(), sound[100..].to_vec()));
    let after = folder.path().join("after.mp4");
    copy_with(&written, &after, &[180, 40]);
    // The new head is there, and nothing leads to it yet.
    let mut bytes = fs::read(&before).unwrap();
    let joined = fs::read(&after).unwrap();
    let changed: Vec<usize> = (0..bytes.len().min(6000)).filter(|at| bytes[*at] != joined[*at]).collect();
    assert!(changed[0] >= 32 && changed[0] < 36 && *changed.last().unwrap() < 8192, "{changed:?}");
    bytes[36..6000].copy_from_slice(&joined[36..6000]);
    let cut = folder.path().join("cut.mp4");
    fs::write(&cut, bytes).unwrap();
    assert_eq!(probe(&cut).0, probe(&before).0);
    repair::repair(&cut).unwrap();
    assert_eq!(probe(&cut).0.len(), 1);

    let written = open_at_once(folder.path(), "a.webm", Container::Webm);
    push(&written, &sound[..100]);
    let before = folder.path().join("before.webm");
    copy_with(&written, &before, &[80]);
    push(&written, &together(pictures_of("vp8", (320, 180), 60, 2000), sound[100..].to_vec()));
    let after = folder.path().join("after.webm");
    copy_with(&written, &after, &[180, 40]);
    let (mut bytes, joined) = (fs::read(&before).unwrap(), fs::read(&after).unwrap());
    let changed: Vec<usize> = (0..800).filter(|at| bytes[*at] != joined[*at]).collect();
    // The length of the tracks is written last.
    let rest = changed.iter().copied().find(|at| *at > changed[0] + 8).unwrap();
    bytes[rest..800].copy_from_slice(&joined[rest..800]);
    let cut = folder.path().join("cut.webm");
    fs::write(&cut, bytes).unwrap();
    assert_eq!(probe(&cut).0, probe(&before).0);
    repair::repair(&cut).unwrap();
    assert_eq!(probe(&cut).0.len(), 1);
}
