use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use egress::spec::{AudioCodec, VideoCodec};

use super::*;

const AIR: ProgramId = ProgramId(0);
const NEXT: ProgramId = ProgramId(1);
const SIZE: (u32, u32) = (64, 48);

fn video(bitrate_bps: u32, program: ProgramId) -> Key {
    let encoding = Encoding::Video(VideoEncoding {
        codec: VideoCodec::H264Main,
        width: SIZE.0,
        height: SIZE.1,
        framerate: 30,
        bitrate_bps,
        key_frame_interval_s: None,
    });
    Key { program, encoding, begins_with: None }
}

fn audio() -> Key {
    let (codec, bitrate_bps, sample_rate_hz) = (AudioCodec::Aac, 96_000, 48_000);
    let encoding = Encoding::Audio(AudioEncoding { codec, bitrate_bps, sample_rate_hz });
    Key { program: AIR, encoding, begins_with: None }
}

fn set() -> (EncoderSet, Receiver<(Run, Encoded)>) {
    crate::init().unwrap();
    let (sender, receiver) = channel();
    let deliver = move |run, encoded| sender.send((run, encoded)).unwrap_or_default();
    (EncoderSet::new(VideoEncoder::X264 { threads: 1 }, deliver), receiver)
}

fn frame() -> gst::Buffer {
    gst::Buffer::from_mut_slice(vec![0x80u8; (SIZE.0 * SIZE.1 * 3 / 2) as usize])
}

fn sound(samples: usize) -> Arc<[f32]> {
    vec![0.1; samples].into()
}

/// What comes until all has come out: units of each encode.
fn all(set: &mut EncoderSet, from: &Receiver<(Run, Encoded)>) -> Vec<(EncodeId, Unit)> {
    let mut units = Vec::new();
    while !set.finished() {
        let (run, encoded) = from.recv_timeout(Duration::from_secs(30)).unwrap();
        match set.encoded(run, encoded) {
            Came::Units(id, of) => units.extend(of.into_iter().map(|unit| (id, unit))),
            Came::Nothing => {}
            Came::Broke(error, outputs) => panic!("{error} {outputs:?}"),
        }
    }
    units
}

#[test]
fn outputs_whose_keys_are_equal_share_an_encode_and_the_last_ends_it() {
    let (mut set, from) = set();
    let [file, stream, small] = ["file", "stream", "small"].map(OutputId::from);
    let both = set.subscribe(&file, &[video(200_000, AIR), audio()]);
    assert_eq!(set.subscribe(&stream, &[video(200_000, AIR), audio()]), both);
    let own = set.subscribe(&small, &[video(100_000, AIR)]);
    assert_ne!(own[0], both[0]);
    assert_eq!(
        set.subscribe(&file, &[video(200_000, AIR), audio()]),
        both,
        "saying it again changes nothing"
    );
    set.start(AIR, Some(SIZE));
    for n in 0..10 {
        set.push_picture(AIR, &frame(), n * 33_333_333);
        set.push_picture(NEXT, &frame(), n * 33_333_333);
        set.push_sound(AIR, &sound(3200), n * 33_333_333);
    }
    set.finish(AIR);
    let units = all(&mut set, &from);
    for (id, pictures) in [(both[0], true), (own[0], true), (both[1], false)] {
        let count = units.iter().filter(|(of, _)| *of == id).count();
        assert!(if pictures { count == 10 } else { count > 10 }, "{count} of {id:?}");
    }
    set.unsubscribe(&stream);
    assert_eq!(set.entries.len(), 3, "the file takes it on");
    set.unsubscribe(&file);
    assert_eq!(set.entries.len(), 1);
    set.unsubscribe(&small);
    assert!(set.entries.is_empty());
}

#[test]
fn an_output_that_joins_what_runs_is_given_what_comes_from_then_on() {
    let (mut set, from) = set();
    set.start(AIR, Some(SIZE));
    let file = set.subscribe(&OutputId::from("file"), &[video(200_000, AIR)]);
    for n in 0..5 {
        set.push_picture(AIR, &frame(), n * 33_333_333);
    }
    let later = set.subscribe(&OutputId::from("later"), &[video(100_000, AIR)]);
    for n in 5..10 {
        set.push_picture(AIR, &frame(), n * 33_333_333);
    }
    set.finish(AIR);
    let units = all(&mut set, &from);
    let of = |id: EncodeId| units.iter().filter(move |(of, _)| *of == id).map(|(_, unit)| unit);
    assert_eq!((of(file[0]).count(), of(later[0]).count()), (10, 5));
    assert!(of(later[0]).next().is_some_and(|unit| unit.keyframe));
}

#[test]
fn what_cannot_be_encoded_breaks_those_who_take_it_alone() {
    let (mut set, from) = set();
    set.start(AIR, Some(SIZE));
    let Key { encoding: Encoding::Video(mut odd), .. } = video(1, AIR) else { unreachable!() };
    (odd.width, odd.height) = (0, 0);
    let bad = Key { program: AIR, encoding: Encoding::Video(odd), begins_with: None };
    let bad = set.subscribe(&OutputId::from("bad"), &[bad]);
    set.subscribe(&OutputId::from("good"), &[audio()]);
    set.push_picture(AIR, &frame(), 0);
    set.push_sound(AIR, &sound(1920), 0);
    set.finish(AIR);
    let mut broke = Vec::new();
    while !set.finished() {
        let (run, encoded) = from.recv_timeout(Duration::from_secs(30)).unwrap();
        if let Came::Broke(_, outputs) = set.encoded(run, encoded) {
            assert_eq!(run.encode, bad[0]);
            broke.extend(outputs);
        }
    }
    assert_eq!(broke, [OutputId::from("bad")]);
}

#[test]
fn encoders_of_a_program_that_rests_begin_anew_with_it() {
    let (mut set, from) = set();
    let id = set.subscribe(&OutputId::from("file"), &[video(200_000, AIR)]);
    for start in [0, 60_000_000_000] {
        set.start(AIR, Some(SIZE));
        set.push_picture(AIR, &frame(), start);
        set.finish(AIR);
        let units = all(&mut set, &from);
        assert_eq!(units.iter().map(|(of, unit)| (*of, unit.time_ns)).collect::<Vec<_>>(), [(id[0], start)]);
        set.stop(AIR);
    }
}

/// What was encoded with one effort and then with others is one stream: nothing is missing, out of order, or needs
/// another description.
#[test]
fn another_effort_is_taken_without_a_seam() {
    let (mut set, from) = set();
    set.start(AIR, Some(SIZE));
    set.subscribe(&OutputId::from("file"), &[video(200_000, AIR)]);
    let mut now_ns = 0;
    for (n, effort) in (0..300).zip([Effort::Usual, Effort::More, Effort::Least].into_iter().cycle()) {
        if n % 30 == 10 {
            let entry = &mut set.entries[0];
            entry.governor = Governor::at(effort);
            entry.change(set.with, &set.deliver);
        }
        set.push_picture(AIR, &frame(), now_ns);
        now_ns += 33_333_333;
        // The one before has come out, as it has where this happens of itself.
        while set.entries[0].leaving.is_some() {
            let (run, encoded) = from.recv_timeout(Duration::from_secs(30)).unwrap();
            let _ = set.encoded(run, encoded);
        }
    }
    set.finish(AIR);
    let units = all(&mut set, &from);
    assert!(units.iter().all(|(_, unit)| unit.caps == units[0].1.caps), "one description holds for all");
    assert!(units.windows(2).all(|pair| pair[1].1.time_ns > pair[0].1.time_ns));
}

/// A small one beside: of the same pictures, and of its own size.
#[test]
fn what_is_smaller_than_its_program_is_scaled() {
    let (mut set, from) = set();
    let Key { encoding: Encoding::Video(mut small), .. } = video(100_000, AIR) else { unreachable!() };
    (small.width, small.height) = (SIZE.0 / 2, SIZE.1 / 2);
    let small = Key { program: AIR, encoding: Encoding::Video(small), begins_with: None };
    let whole = set.subscribe(&OutputId::from("file"), &[video(200_000, AIR)]);
    let small = set.subscribe(&OutputId::from("proxy"), &[small]);
    set.start(AIR, Some(SIZE));
    for n in 0..10 {
        set.push_picture(AIR, &frame(), n * 33_333_333);
    }
    set.finish(AIR);
    let units = all(&mut set, &from);
    for (id, height) in [(whole[0], SIZE.1), (small[0], SIZE.1 / 2)] {
        let of: Vec<&Unit> = units.iter().filter(|(of, _)| *of == id).map(|(_, unit)| unit).collect();
        let heights = of.iter().filter_map(|unit| unit.caps.structure(0)?.get::<i32>("height").ok());
        assert_eq!(heights.collect::<Vec<_>>(), [height as i32; 10]);
    }
}

#[test]
fn what_begins_with_another_output_waits_for_it() {
    for began_before in [false, true] {
        let (mut set, from) = set();
        let (master, proxy) = (OutputId::from("file"), OutputId::from("proxy"));
        let key = Key { begins_with: Some(master.clone()), ..video(100_000, AIR) };
        if began_before {
            set.began(&master, 0);
        }
        set.subscribe(&proxy, &[key]);
        set.start(AIR, Some(SIZE));
        for n in 0..10 {
            set.push_picture(AIR, &frame(), n * 33_333_333);
            if n == 5 && !began_before {
                set.began(&master, 100_000_000);
            }
        }
        set.finish(AIR);
        let times: Vec<i64> = all(&mut set, &from).iter().map(|(_, unit)| unit.time_ns).collect();
        let (first, count) = if began_before { (0, 10) } else { (100_000_000, 7) };
        assert_eq!((times[0], times.len()), (first, count), "{times:?}");
    }
}

/// No encoder keeps up with this: a second and a half is encoded, then four pictures a second, and none is lost of what
/// another output takes.
#[test]
fn what_it_cannot_keep_up_with_is_left_out_and_counted() {
    let (mut set, from) = set();
    let size = (1280, 720);
    let Key { encoding: Encoding::Video(mut large), .. } = video(2_000_000, AIR) else { unreachable!() };
    (large.width, large.height) = size;
    let proxy = OutputId::from("proxy");
    set.subscribe(&proxy, &[Key { program: AIR, encoding: Encoding::Video(large), begins_with: None }]);
    set.start(AIR, Some(size));
    let frame = gst::Buffer::from_mut_slice(vec![128u8; 1280 * 720 * 3 / 2]);
    for n in 0..600 {
        set.push_picture(AIR, &frame, n * 33_333_333);
    }
    set.finish(AIR);
    let left_out = set.left_out(&proxy);
    let units = all(&mut set, &from);
    assert!(left_out > 0 && set.left_out(&OutputId::from("file")) == 0);
    assert_eq!(units.len() as u64 + left_out, 600);
}
