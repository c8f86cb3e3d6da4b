//! What the pictures of an MP4 are called: by `avc1` and `hvc1`, which Safari and hardware players want, wherever the
//! parameter sets of the head hold for the whole file.

use std::fs;

use crate::output::repair;
use crate::unit::Unit;
use egress::spec::Container;

use super::harness::*;

const CODECS: [(&str, &str, &str); 3] =
    [("h264", "avc1", "avc3"), ("h264-high", "avc1", "avc3"), ("h265", "hvc1", "hev1")];

/// The tag of the pictures, and whether all of them can be decoded.
fn tag(path: &std::path::Path, pictures: usize) -> String {
    assert_eq!(decode(path), (pictures, String::new()));
    stream_field(path, "v:0", "codec_tag_string")
}

#[test]
fn as_published_pictures_whose_parameter_sets_never_changed_are_avc1_and_hvc1() {
    for (codec, tagged, growing) in CODECS {
        let folder = tempfile::tempdir().unwrap();
        let units = together(pictures(codec, 2), sound(2));
        let written = write(folder.path(), "a.mp4", Container::Mp4, &units);
        let total: usize = units.iter().map(|u| u.data.size()).sum();
        let killed = written.killed(&folder.path().join("killed.mp4"), total as u64 * 8 / 10);
        assert_eq!(stream_field(&killed, "v:0", "codec_tag_string"), growing, "they may still change");
        let pictures = decode(&killed).0;
        repair::repair(&killed).unwrap();
        assert_eq!(tag(&killed, pictures), tagged, "{codec}, repaired");
        let whole = written.finish().path.unwrap();
        assert_eq!(tag(&whole, 60), tagged, "{codec}");
        // What describes them is enough to decode from any keyframe: the sets are in the head as well.
        let bytes = fs::read(&whole).unwrap();
        let head = bytes.windows(4).rposition(|kind| kind == b"moov").unwrap();
        let (record, sets) = if tagged == "avc1" { (b"avcC", 5) } else { (b"hvcC", 22) };
        let at = head + bytes[head..].windows(4).position(|kind| kind == record).unwrap() + 4;
        assert_eq!(bytes[at + sets] & 0x1f, if tagged == "avc1" { 1 } else { 3 }, "{codec}");
    }
}

#[test]
fn parameter_sets_that_changed_stay_in_the_pictures() {
    for (codec, _, tagged) in CODECS {
        let folder = tempfile::tempdir().unwrap();
        // A publisher who turns the phone, and turns it back.
        let units: Vec<Unit> = [(320, 180), (180, 320), (320, 180)]
            .into_iter()
            .zip([0, 1000, 2000])
            .flat_map(|(size, from_ms)| pictures_of(codec, size, 30, from_ms))
            .collect();
        let written = write(folder.path(), "a.mp4", Container::Mp4, &units);
        let total: usize = units.iter().map(|u| u.data.size()).sum();
        let killed = written.killed(&folder.path().join("killed.mp4"), total as u64 * 9 / 10);
        let pictures = decode(&killed).0;
        repair::repair(&killed).unwrap();
        assert_eq!(tag(&killed, pictures), tagged, "{codec}, repaired");
        assert_eq!(tag(&written.finish().path.unwrap(), 90), tagged, "{codec}");
    }
}

#[test]
fn a_file_of_a_build_that_marked_nothing_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let written = write(folder.path(), "a.mp4", Container::Mp4, &pictures("h264", 4));
    let killed = written.killed(&folder.path().join("old.mp4"), 8_000);
    let mut bytes = fs::read(&killed).unwrap();
    let marks: Vec<usize> = bytes
        .windows(4)
        .enumerate()
        .filter(|(_, flags)| [[2, 0, 0, 1], [1, 1, 0, 1]].contains(&[flags[0], flags[1], flags[2], flags[3]]))
        .map(|(at, _)| at + 3)
        .collect();
    assert!(marks.len() > 60);
    marks.into_iter().for_each(|at| bytes[at] = 0);
    fs::write(&killed, bytes).unwrap();
    repair::repair(&killed).unwrap();
    assert_eq!(stream_field(&killed, "v:0", "codec_tag_string"), "avc3");
}
