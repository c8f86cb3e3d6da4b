//! What playlists say of a set holds whatever comes.

use std::path::Path;

use egress::spec::SegmentKind;
use gstreamer as gst;
use proptest::prelude::*;

use super::cut::{Cut, Cutter};
use super::playlist::{Playlists, longest_ns};
use crate::unit::{Lane, Unit};

const MS: i64 = 1_000_000;
const BEGAN_NS: i64 = 1_786_000_000_000 * MS;

/// What happens to one unit after the other: how long after the one before it comes, ms, and how late, ms; whether a
/// picture is a keyframe.
#[derive(Debug, Clone)]
struct Happens {
    after_ms: i64,
    late_ms: i64,
    key: bool,
}

/// A lane on which units come steadily, but for now and then.
fn lane(length: std::ops::Range<usize>, period_ms: i64, keys: f64) -> impl Strategy<Value = Vec<Happens>> {
    let after = prop_oneof![
        200 => Just(period_ms),
        4 => 1..=period_ms,
        2 => 100..3_000i64,
        1 => 3_000..100_000i64,
        1 => Just(3_600_000i64),
    ];
    let late = prop_oneof![20 => Just(0i64), 1 => 0..2_500i64, 1 => 0..70_000i64];
    let happens = (after, late, prop::bool::weighted(keys));
    prop::collection::vec(
        happens.prop_map(|(after_ms, late_ms, key)| Happens { after_ms, late_ms, key }),
        length,
    )
}

fn units(of: Lane, period_ms: i64, happens: Vec<Happens>) -> Vec<(i64, Unit)> {
    let (mut time, mut arrives) = (BEGAN_NS, 0);
    let caps = gst::Caps::new_empty_simple("x/y");
    let unit = |happens: Happens| {
        time += happens.after_ms * MS;
        // Within a lane nothing overtakes.
        arrives = arrives.max(time + happens.late_ms * MS);
        let keyframe = happens.key || of == Lane::Audio;
        let (data, caps) = (gst::Buffer::new(), caps.clone());
        (arrives, Unit { lane: of, time_ns: time, duration_ns: period_ms * MS, keyframe, data, caps })
    };
    happens.into_iter().map(unit).collect()
}

fn playlist(lists: &mut Playlists, folder: &Path) -> (m3u8_rs::MediaPlaylist, m3u8_rs::MediaPlaylist) {
    let (event, live) = (folder.join("event.m3u8"), folder.join("live.m3u8"));
    lists.write(&event, Some(&live)).unwrap();
    let read = |path| m3u8_rs::parse_media_playlist_res(&std::fs::read(path).unwrap()).unwrap();
    (read(event), read(live))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn no_segment_is_longer_than_the_playlist_says(
        lanes in prop::sample::select(vec![(true, true), (true, false), (false, true)]),
        fps in prop::sample::select(vec![5i64, 24, 30, 60]),
        duration_ms in prop_oneof![Just(1000u32), Just(2000), Just(4000), 700..7000u32],
        (pictures, packets) in prop::sample::select(vec![0.0, 0.02, 0.3])
            .prop_flat_map(|keys| (lane(1..1500, 33, keys), lane(1..1500, 21, 0.0))),
    ) {
        gst::init().unwrap();
        let (video, audio) = lanes;
        let mut all = Vec::new();
        if video {
            let mut pictures = units(Lane::Video, 1000 / fps, pictures);
            pictures[0].1.keyframe = true;
            all.extend(pictures);
        }
        if audio {
            all.extend(units(Lane::Audio, 21, packets));
        }
        all.sort_by_key(|(arrives, _)| *arrives);
        let first = all.iter().filter(|(_, unit)| !video || unit.lane == Lane::Video).map(|(_, u)| u.time_ns).min();

        let longest = longest_ns(duration_ms);
        let mut cutter = Cutter::new(video, audio, i64::from(duration_ms) * MS, longest);
        let mut lists = Playlists::new(duration_ms, SegmentKind::MpegTs);
        let mut cuts: Vec<Cut> = all.iter().flat_map(|(_, unit)| cutter.push(unit.clone())).collect();
        cuts.extend(cutter.finish());
        let (mut open, mut before, mut out) = (None, None, Vec::new());
        for cut in cuts {
            match cut {
                Cut::Begin { at_ns, apart } => {
                    prop_assert!(open.is_none());
                    let goes_on = before.is_none_or(|before| before == at_ns);
                    prop_assert!(goes_on || apart && before < Some(at_ns), "{before:?} {at_ns} {apart}");
                    open = Some((at_ns, apart));
                }
                Cut::Unit(unit) => {
                    prop_assert!(open.is_some());
                    out.push((unit.lane, unit.time_ns));
                }
                Cut::End { at_ns } => {
                    let (began, apart) = open.take().unwrap();
                    prop_assert!(at_ns >= began && at_ns - began <= longest, "{} ns", at_ns - began);
                    lists.add(Path::new("a.ts"), (began, at_ns), apart, None);
                    before = Some(at_ns);
                }
            }
        }
        prop_assert!(open.is_none());
        for lane in [Lane::Video, Lane::Audio] {
            // What was heard before the first picture came is kept only where it lies behind it.
            let wanted = |time: i64| first.is_some_and(|first| time >= first);
            let expected: Vec<i64> =
                all.iter().map(|(_, u)| u).filter(|u| u.lane == lane && wanted(u.time_ns)).map(|u| u.time_ns).collect();
            let found: Vec<i64> = out.iter().filter(|(of, _)| *of == lane).map(|(_, time)| *time).collect();
            // Sound that comes long before the first picture is let go of.
            prop_assert!(expected.ends_with(&found), "{lane:?}: {} of {}", found.len(), expected.len());
            if lane == Lane::Video || !video {
                prop_assert_eq!(found.len(), expected.len());
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let (event, live) = playlist(&mut lists, dir.path());
        for list in [&event, &live] {
            prop_assert_eq!(list.target_duration, u64::from(duration_ms.div_ceil(1000)));
            for segment in &list.segments {
                prop_assert!(segment.duration.round() as u64 <= list.target_duration, "{}", segment.duration);
            }
        }
        for pair in event.segments.windows(2) {
            let at = |n: usize| pair[n].program_date_time.unwrap().timestamp_millis();
            let ends = at(0) + (f64::from(pair[0].duration) * 1000.0).round() as i64;
            prop_assert!(at(1) >= ends - 1, "{} {}", at(1), ends);
            prop_assert!(pair[1].discontinuity || at(1) <= ends + 1, "{} {}", at(1), ends);
        }
    }
}
