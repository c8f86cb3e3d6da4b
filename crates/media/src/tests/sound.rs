//! What an encoder makes of two sides: separation, phase, level, order of the channels, and where a sound begins. The
//! recorded files are decoded by an independent program (ffmpeg).

use std::f64::consts::TAU;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use crate::encode::encoder::{Encoded, Encoder};
use crate::output::file::{FileOutput, FilePlan, FileReport, reserve};
use egress::spec::{AudioCodec, AudioEncoding, Container};

const START_NS: i64 = 1_700_000_000_000_000_000;
const RATE: usize = 48_000;
const SECONDS: usize = 4;
/// What is on the left and on the right.
const LEFT_HZ: f64 = 400.0;
const RIGHT_HZ: f64 = 1000.0;

/// Every encoder there is, as requests ask for them: the preset's, another rate, few bits.
fn encodings() -> Vec<(AudioEncoding, Container)> {
    let encoding = |codec, bitrate_bps, sample_rate_hz| AudioEncoding { codec, bitrate_bps, sample_rate_hz };
    vec![
        (encoding(AudioCodec::Aac, 128_000, 44_100), Container::Mp4),
        (encoding(AudioCodec::Aac, 320_000, 48_000), Container::Mp4),
        (encoding(AudioCodec::Aac, 64_000, 44_100), Container::Mp4),
        (encoding(AudioCodec::Opus, 128_000, 48_000), Container::Ogg),
        (encoding(AudioCodec::Opus, 64_000, 48_000), Container::Mp4),
        (encoding(AudioCodec::Mp3, 128_000, 44_100), Container::Mp3),
    ]
}

/// Level (dB) of what was recorded at 0 dB: LAME takes 5 % off, so that what it adds does not clip.
fn kept_db((encoding, _): &(AudioEncoding, Container)) -> f64 {
    if encoding.codec == AudioCodec::Mp3 { -0.45 } else { 0.0 }
}

struct Recorded {
    path: PathBuf,
    /// Moment of the file's beginning.
    started_s: f64,
}

/// Records what `sample` gives for each moment, s, and returns the file.
fn record(
    folder: &Path,
    (encoding, container): &(AudioEncoding, Container),
    sample: impl Fn(f64) -> (f64, f64),
) -> Recorded {
    crate::init().unwrap();
    let (sender, encoded) = mpsc::channel();
    let encoder = Encoder::audio(encoding, move |encoded| {
        let _ = sender.send(encoded);
    })
    .unwrap();
    for block in 0..SECONDS * 50 {
        let samples: Vec<f32> = (0..960)
            .flat_map(|n| {
                let (left, right) = sample((block * 960 + n) as f64 / RATE as f64);
                [left as f32, right as f32]
            })
            .collect();
        encoder.push_sound(&samples, START_NS + block as i64 * 20_000_000);
    }
    encoder.finish();
    let plan = FilePlan {
        id: "file".into(),
        path: reserve(&folder.join("sound")).unwrap(),
        container: *container,
        video: false,
        audio: Some(None),
    };
    let path = plan.path.clone();
    let (sender, reports) = mpsc::channel();
    let output = FileOutput::start(plan, move |report| {
        let _ = sender.send(report);
    });
    loop {
        match encoded.recv_timeout(Duration::from_secs(30)).unwrap() {
            Encoded::Unit(unit) => output.push(unit),
            Encoded::Finished => break,
            Encoded::Failed(_, error) => panic!("{error}"),
        }
    }
    output.finish();
    let mut started_s = f64::NAN;
    loop {
        match reports.recv_timeout(Duration::from_secs(30)).unwrap() {
            FileReport::Active { started_at_ns, .. } => started_s = (started_at_ns - START_NS) as f64 / 1e9,
            FileReport::NoPictures { .. } => panic!("a file of sound waits for no picture"),
            FileReport::Ended { result, .. } => {
                assert_eq!(result.error, None);
                return Recorded { path, started_s };
            }
        }
    }
}

/// Both sides of a file at 48 kHz, from the first moment of what was recorded on.
fn sides(Recorded { path, started_s }: &Recorded) -> [Vec<f64>; 2] {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-f", "f32le", "-ac", "2", "-ar", "48000", "-"])
        .output()
        .unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let bytes = output.stdout;
    let samples: Vec<f64> =
        bytes.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect();
    let shift = (started_s * RATE as f64).round() as i64;
    [0, 1].map(|side| {
        let own = samples.iter().skip(side).step_by(2).copied().skip((-shift).max(0) as usize);
        std::iter::repeat_n(0.0, shift.max(0) as usize).chain(own).collect()
    })
}

/// Level of a frequency in the two seconds in the middle, dB of full scale.
fn level_db(samples: &[f64], hz: f64) -> f64 {
    let part = &samples[RATE..RATE * 3];
    let (mut re, mut im) = (0.0, 0.0);
    for (n, sample) in part.iter().enumerate() {
        let angle = TAU * hz * n as f64 / RATE as f64;
        re += sample * angle.cos();
        im += sample * angle.sin();
    }
    20.0 * (2.0 * f64::hypot(re, im) / part.len() as f64).max(1e-9).log10()
}

fn sine(hz: f64, at_s: f64) -> f64 {
    (TAU * hz * at_s).sin()
}

/// Half of full scale, dB.
const HALF_DB: f64 = -6.02;

#[test]
fn both_sides_stay_apart_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    for encoding in encodings() {
        let file = record(folder.path(), &encoding, |t| (0.5 * sine(LEFT_HZ, t), 0.5 * sine(RIGHT_HZ, t)));
        let [left, right] = sides(&file);
        let kept = HALF_DB + kept_db(&encoding);
        let levels = [(&left, LEFT_HZ), (&right, RIGHT_HZ)].map(|(side, hz)| level_db(side, hz));
        let leaks = [(&left, RIGHT_HZ), (&right, LEFT_HZ)].map(|(side, hz)| level_db(side, hz));
        assert!(levels.iter().all(|level| (level - kept).abs() < 0.3), "{encoding:?}: {levels:?}");
        for (level, leak) in [(levels[0], leaks[1]), (levels[1], leaks[0])] {
            assert!(level - leak >= 40.0, "{encoding:?}: separated by {:.1} dB", level - leak);
        }
    }
}

#[test]
fn one_side_alone_leaves_the_other_silent() {
    let folder = tempfile::tempdir().unwrap();
    for encoding in encodings() {
        for lone in [0, 1] {
            let file = record(folder.path(), &encoding, |t| {
                let tone = 0.5 * sine(LEFT_HZ, t);
                if lone == 0 { (tone, 0.0) } else { (0.0, tone) }
            });
            let sides = sides(&file);
            let kept = HALF_DB + kept_db(&encoding);
            let (level, leak) = (level_db(&sides[lone], LEFT_HZ), level_db(&sides[1 - lone], LEFT_HZ));
            assert!((level - kept).abs() < 0.3, "{encoding:?}: {level:.2} dB");
            assert!(leak < kept - 40.0, "{encoding:?}: {leak:.1} dB on the other side");
        }
    }
}

#[test]
fn phase_and_full_scale_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    for encoding in encodings() {
        for phase in [1.0, -1.0] {
            let file = record(folder.path(), &encoding, |t| (sine(LEFT_HZ, t), phase * sine(LEFT_HZ, t)));
            let [left, right] = sides(&file);
            let rest: Vec<f64> = left.iter().zip(&right).map(|(l, r)| l - phase * r).collect();
            for side in [&left, &right] {
                let level = level_db(side, LEFT_HZ);
                assert!(
                    (level - kept_db(&encoding)).abs() < 0.3,
                    "{encoding:?}, phase {phase}: {level:.2} dB"
                );
            }
            let rest = level_db(&rest, LEFT_HZ);
            assert!(rest < -40.0, "{encoding:?}, phase {phase}: the sides differ by {rest:.1} dB");
        }
    }
}

#[test]
fn a_sound_begins_when_it_began() {
    const ONSET_S: f64 = 1.5;
    let folder = tempfile::tempdir().unwrap();
    for encoding in encodings() {
        let file = record(folder.path(), &encoding, |t| {
            let tone = if t < ONSET_S { 0.0 } else { 0.8 * sine(2000.0, t) };
            (tone, tone)
        });
        let [left, _] = sides(&file);
        // An encoder's pre-echo is quieter than this.
        let onset = left.iter().position(|s| s.abs() > 0.4).unwrap() as f64 / RATE as f64;
        assert!((onset - ONSET_S).abs() < 0.001, "{encoding:?}: {:.2} ms off", (onset - ONSET_S) * 1000.0);
    }
}

#[test]
fn bit_rates_that_aac_does_not_have_are_brought_to_one_that_it_has() {
    let folder = tempfile::tempdir().unwrap();
    for (bitrate_bps, sample_rate_hz) in [(1000, 48_000), (512_000, 48_000), (320_000, 8000), (8000, 44_100)]
    {
        let encoding = AudioEncoding { codec: AudioCodec::Aac, bitrate_bps, sample_rate_hz };
        let file = record(folder.path(), &(encoding, Container::Mp4), |t| {
            (0.5 * sine(LEFT_HZ, t), 0.5 * sine(RIGHT_HZ, t))
        });
        let [left, right] = sides(&file);
        assert!(
            (level_db(&left, LEFT_HZ) - HALF_DB).abs() < 2.0,
            "{bitrate_bps} bit/s at {sample_rate_hz} Hz"
        );
        assert!(
            (level_db(&right, RIGHT_HZ) - HALF_DB).abs() < 2.0,
            "{bitrate_bps} bit/s at {sample_rate_hz} Hz"
        );
    }
}
