//! The playlists of a set: the whole one, and the one of the newest segments.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Component, Path, PathBuf};

use egress::spec::SegmentKind;

use crate::output::mux::append_whole;
use crate::output::segments::list::{List, Listed};
use crate::output::segments::mux::replace;

/// Segments in the playlist of the newest, as LiveKit has it.
const LIVE_SEGMENTS: usize = 5;

/// The two playlists of a set.
#[derive(Debug)]
pub struct Playlists {
    event: List,
    live: List,
    /// What the newest segment needs to be read.
    map: Option<PathBuf>,
    written: Option<Written>,
}

/// The file of the whole playlist. What is new is put behind what is there: a day of segments of 4 s would else be
/// written 21,600 times, of two megabytes at last.
#[derive(Debug)]
struct Written {
    file: File,
    length: u64,
    segments: usize,
    ended: bool,
}

/// What the playlists say that a segment lasts at most, s: `EXT-X-TARGETDURATION`, one value for the life of a set.
/// `duration_ms`: how long segments are to be.
fn longest_s(duration_ms: u32) -> u64 {
    u64::from(duration_ms.div_ceil(1000))
}

/// How long a segment may be for that to hold, ns: lengths are rounded to whole seconds (RFC 8216 §4.3.3.1), after
/// they were rounded to the milliseconds that are written.
pub fn longest_ns(duration_ms: u32) -> i64 {
    longest_s(duration_ms) as i64 * 1_000_000_000 + 499_000_000
}

impl Playlists {
    /// Playlists of segments that are to be so long, ms.
    pub fn new(duration_ms: u32, kind: SegmentKind) -> Self {
        let list = |event| List::new(kind, event, longest_s(duration_ms));
        Self { event: list(true), live: list(false), map: None, written: None }
    }

    /// Adds a segment. Paths are relative to the playlist's folder; times are unix, ns. `apart`: it does not go on where
    /// the one before ended. `map`: what it needs to be read; where that is another file than before, a player is told
    /// to begin anew, too.
    pub fn add(&mut self, path: &Path, (began_ns, ended_ns): (i64, i64), apart: bool, map: Option<&Path>) {
        let other_map = map.filter(|map| self.map.as_deref() != Some(*map));
        let first = self.event.segments.is_empty();
        let anew = !first && (apart || other_map.is_some());
        if let Some(map) = other_map {
            self.map = Some(map.to_owned());
        }
        let segment = Listed::new(uri(path), began_ns, ended_ns).after(anew, other_map.map(uri));
        self.event.add(segment.clone(), usize::MAX);
        self.live.add(segment, LIVE_SEGMENTS);
    }

    /// Nothing more comes.
    pub fn end(&mut self) {
        self.event.ended = true;
        self.live.ended = true;
    }

    /// Puts both in their places. The whole one is always written to the same file.
    ///
    /// # Errors
    /// If they cannot be written. What was written before stands.
    pub fn write(&mut self, event: &Path, live: Option<&Path>) -> io::Result<()> {
        let (segments, ended) = (self.event.segments.len(), self.event.ended);
        match &mut self.written {
            None => {
                write(&self.event, event)?;
                let file = OpenOptions::new().write(true).open(event)?;
                let length = file.metadata()?.len();
                self.written = Some(Written { file, length, segments, ended });
            }
            Some(written) if written.ended => {}
            Some(written) => {
                let new = self.event.text_behind(written.segments);
                append_whole(&mut written.file, &mut written.length, new.as_bytes())?;
                written.file.sync_data()?;
                (written.segments, written.ended) = (segments, ended);
            }
        }
        live.map_or(Ok(()), |path| write(&self.live, path))
    }
}

fn write(list: &List, path: &Path) -> io::Result<()> {
    replace(path, list.text().as_bytes(), true)
}

/// A relative path as a player reads it: what is not plain in a name would end it, change it, or make it an address
/// of another kind.
fn uri(path: &Path) -> String {
    let mut uri = String::new();
    for part in path.components() {
        let Component::Normal(name) = part else { continue };
        if !uri.is_empty() {
            uri.push('/');
        }
        for byte in name.to_string_lossy().bytes() {
            match byte {
                b'-' | b'.' | b'_' | b'~' => uri.push(char::from(byte)),
                byte if byte.is_ascii_alphanumeric() => uri.push(char::from(byte)),
                byte => uri.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    uri
}

/// Ends the playlist that a dead job left, in place, and the one of the newest segments beside it. Its length, ns,
/// and the bytes of the segments in it.
///
/// # Errors
/// If it cannot be read, or nothing is listed in it.
pub fn complete(path: &Path) -> io::Result<(i64, u64)> {
    let mut list = read(path)?.ok_or_else(|| io::Error::other("this is no playlist of HLS"))?;
    let Some(last) = list.segments.back().cloned() else {
        return Err(io::Error::other("no segment was whole"));
    };
    if !list.ended {
        list.ended = true;
        write(&list, path)?;
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let size_of = |uri: &str| std::fs::metadata(folder.join(name(uri))).map_or(0, |m| m.len());
    let (mut length_ns, mut size) = (0, 0);
    for segment in &list.segments {
        length_ns += segment.length_ns();
        size += size_of(&segment.uri) + segment.map().map_or(0, size_of);
    }
    // The one of the newest lists the same last segment; or the one before, where the process died between the two.
    let newest: Vec<&String> = list.segments.iter().rev().map(|segment| &segment.uri).take(2).collect();
    for other in std::fs::read_dir(folder)?.flatten().map(|entry| entry.path()) {
        if other == path || other.extension().is_none_or(|extension| extension != "m3u8") {
            continue;
        }
        let Ok(Some(mut of_newest)) = read(&other) else { continue };
        let Some(its_last) = of_newest.segments.back().map(|segment| segment.uri.clone()) else { continue };
        if of_newest.ended || !newest.contains(&&its_last) {
            continue;
        }
        if its_last != last.uri {
            of_newest.add(last.clone(), LIVE_SEGMENTS);
        }
        of_newest.ended = true;
        write(&of_newest, &other)?;
    }
    Ok((length_ns, size))
}

/// The playlist in a file; none if it is no playlist. Of a line that broke off nothing is known.
fn read(path: &Path) -> io::Result<Option<List>> {
    let bytes = std::fs::read(path)?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    Ok(List::read(&String::from_utf8_lossy(&bytes[..whole])))
}

/// The path behind an address of a playlist.
pub fn name(uri: &str) -> String {
    let query = format!("p={}", uri.replace('+', "%2B").replace('&', "%26"));
    url::form_urlencoded::parse(query.as_bytes())
        .next()
        .map(|(_, path)| path.into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use m3u8_rs::{MediaPlaylist, MediaPlaylistType};
    use proptest::prelude::*;

    use super::*;

    const S: i64 = 1_000_000_000;
    const AT: i64 = 1_786_000_000 * S;

    /// Playlists of a set of segments of 4 s whose names end so.
    fn four_seconds(count: i64, kind: SegmentKind, map: impl Fn(i64) -> Option<&'static str>) -> Playlists {
        let mut lists = Playlists::new(4000, kind);
        for n in 0..count {
            let at = AT + n * 4 * S;
            lists.add(Path::new(&format!("s {n}.ts")), (at, at + 4 * S), false, map(n).map(Path::new));
        }
        lists
    }

    /// What another reader finds in a list.
    fn others(list: &List) -> MediaPlaylist {
        m3u8_rs::parse_media_playlist_res(list.text().as_bytes()).unwrap()
    }

    #[test]
    fn the_whole_playlist_is_as_livekit_writes_it() {
        let mut lists = Playlists::new(4000, SegmentKind::MpegTs);
        lists.add(Path::new("show_00000.ts"), (AT, AT + 4 * S), false, None);
        lists.add(Path::new("show_00001.ts"), (AT + 4 * S, AT + 8 * S + 33_666_666), false, None);
        let text = "#EXTM3U\n#EXT-X-VERSION:4\n#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-ALLOW-CACHE:NO\n\
             #EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:0\n\
             #EXT-X-PROGRAM-DATE-TIME:2026-08-06T07:06:40.000Z\n#EXTINF:4.000,\nshow_00000.ts\n\
             #EXT-X-PROGRAM-DATE-TIME:2026-08-06T07:06:44.000Z\n#EXTINF:4.034,\nshow_00001.ts\n";
        assert_eq!(lists.event.text(), text);
        assert_eq!(List::read(text).as_ref(), Some(&lists.event));
        lists.end();
        assert_eq!(lists.event.text(), format!("{text}#EXT-X-ENDLIST\n"));
        let read = others(&lists.event);
        assert_eq!((read.version, read.target_duration, read.media_sequence), (Some(4), 4, 0));
        assert_eq!((read.playlist_type, read.end_list), (Some(MediaPlaylistType::Event), true));
        let lengths: Vec<f32> = read.segments.iter().map(|segment| segment.duration).collect();
        assert_eq!(lengths, [4.0, 4.034]);
        let began = read.segments[1].program_date_time.unwrap().timestamp_nanos_opt();
        assert_eq!(began, Some(AT + 4 * S));
    }

    #[test]
    fn the_live_playlist_holds_the_newest_five() {
        let mut lists = four_seconds(3, SegmentKind::MpegTs, |_| None);
        let begins = "#EXTM3U\n#EXT-X-VERSION:4\n#EXT-X-ALLOW-CACHE:NO\n#EXT-X-TARGETDURATION:4\n\
             #EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PROGRAM-DATE-TIME:2026-08-06T07:06:40.000Z\n#EXTINF:4.000,\ns%200.ts\n";
        assert!(lists.live.text().starts_with(begins), "{}", lists.live.text());
        lists = four_seconds(12, SegmentKind::MpegTs, |_| None);
        let live = others(&lists.live);
        assert_eq!((live.media_sequence, live.playlist_type), (7, None));
        let listed: Vec<&str> = live.segments.iter().map(|segment| segment.uri.as_str()).collect();
        assert_eq!(listed, ["s%207.ts", "s%208.ts", "s%209.ts", "s%2010.ts", "s%2011.ts"]);
        assert!(lists.live.text().contains("\n#EXT-X-MEDIA-SEQUENCE:7\n"));
        assert!(!lists.live.text().contains("DISCONTINUITY"));
    }

    #[test]
    fn segments_of_mp4_say_what_they_need() {
        let map = |n| Some(if n < 6 { "b/s init.mp4" } else { "b/s init-2.mp4" });
        let lists = four_seconds(8, SegmentKind::Fmp4, map);
        let (event, live) = (lists.event.text(), lists.live.text());
        let begins = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-INDEPENDENT-SEGMENTS\n\
             #EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-MAP:URI=\"b/s%20init.mp4\"\n\
             #EXT-X-PROGRAM-DATE-TIME:2026-08-06T07:06:40.000Z\n#EXTINF:4.000,\ns%200.ts\n";
        assert!(event.starts_with(begins), "{event}");
        for list in [&event, &live] {
            assert_eq!(list.matches("#EXT-X-DISCONTINUITY\n").count(), 1, "{list}");
            assert_eq!(list.matches("#EXT-X-MAP").count(), 2, "{list}");
            let at = |what: &str| list.find(what).unwrap();
            assert!(at("s%20init.mp4") < at("s%205.ts") && at("s%205.ts") < at("s%20init-2.mp4"), "{list}");
            assert!(
                at("s%20init-2.mp4") < at("s%206.ts") && at("DISCONTINUITY\n") < at("s%206.ts"),
                "{list}"
            );
        }
        let lists = four_seconds(12, SegmentKind::Fmp4, map);
        let live = lists.live.text();
        assert!(live.contains("#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n"), "{live}");
        assert!(!live.contains("#EXT-X-DISCONTINUITY\n"), "{live}");
        assert!(live.find("s%20init-2.mp4").unwrap() < live.find("s%207.ts").unwrap(), "{live}");
        let read = others(&lists.event);
        let maps = read.segments.iter().filter_map(|s| s.map.as_ref()).map(|map| map.uri.as_str());
        assert_eq!(maps.collect::<Vec<_>>(), ["b/s%20init.mp4", "b/s%20init-2.mp4"]);
        assert_eq!(read.segments.iter().position(|segment| segment.discontinuity), Some(6));
    }

    #[test]
    fn what_does_not_go_on_is_a_discontinuity_and_never_the_first() {
        let mut lists = Playlists::new(2000, SegmentKind::MpegTs);
        lists.add(Path::new("0.ts"), (AT, AT + 2 * S), true, None);
        lists.add(Path::new("1.ts"), (AT + 9 * S, AT + 10 * S), true, None);
        let read = others(&lists.event);
        assert_eq!(read.segments.iter().map(|s| s.discontinuity).collect::<Vec<_>>(), [false, true]);
    }

    proptest! {
        #[test]
        fn any_name_comes_back_from_its_address(folder in "[^/\0]{1,20}", name in "[^/\0]{1,40}") {
            prop_assume!(![&folder, &name].into_iter().any(|part| matches!(part.as_str(), "." | "..")));
            let path = format!("{folder}/{name}");
            let uri = uri(Path::new(&path));
            prop_assert!(uri.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%/".contains(&b)), "{}", uri);
            prop_assert_eq!(super::name(&uri), path);
            // As players resolve it.
            let resolved = url::Url::parse("http://h/a/list.m3u8").unwrap().join(&uri).unwrap();
            prop_assert_eq!(resolved.path(), format!("/a/{uri}"));
        }
    }

    #[test]
    fn names_come_back_from_their_addresses() {
        for path in ["a b/100% #1 + ü?x.ts", "C:\u{1F399}&y=1_00000.ts", "plain_00000.ts", "%41_0.ts"] {
            let uri = uri(Path::new(path));
            assert!(uri.is_ascii() && !uri.contains([' ', '#', '?', ':']), "{uri}");
            assert_eq!(name(&uri), path);
        }
    }

    /// A folder in which a job died between the two lists, after `count` segments.
    fn died(count: i64, kind: SegmentKind, map: Option<&'static str>) -> (tempfile::TempDir, Playlists) {
        let dir = tempfile::tempdir().unwrap();
        let (event, live) = (dir.path().join("show.m3u8"), dir.path().join("now.m3u8"));
        for n in 0..count {
            std::fs::write(dir.path().join(format!("s {n}.ts")), [0; 188]).unwrap();
        }
        if let Some(map) = map {
            std::fs::write(dir.path().join(map), [0; 100]).unwrap();
        }
        four_seconds(count - 1, kind, |_| map).write(&event, Some(&live)).unwrap();
        let mut lists = four_seconds(count, kind, |_| map);
        lists.write(&event, None).unwrap();
        (dir, lists)
    }

    #[test]
    fn what_a_dead_job_left_is_ended() {
        for (count, kind, map) in [
            (6, SegmentKind::MpegTs, None),
            (6, SegmentKind::Fmp4, Some("init.mp4")),
            // Fewer than are ever taken off.
            (3, SegmentKind::MpegTs, None),
        ] {
            let (dir, mut lists) = died(count, kind, map);
            let (event, live) = (dir.path().join("show.m3u8"), dir.path().join("now.m3u8"));
            let other = dir.path().join("other.m3u8");
            let others_text = Playlists::new(4000, SegmentKind::MpegTs).event.text();
            std::fs::write(&other, &others_text).unwrap();
            let whole = (4 * count * S, count as u64 * 188 + if map.is_some() { 100 } else { 0 });
            assert_eq!(complete(&event).unwrap(), whole);
            lists.end();
            for _ in 0..2 {
                assert_eq!(std::fs::read_to_string(&event).unwrap(), lists.event.text());
                assert_eq!(std::fs::read_to_string(&live).unwrap(), lists.live.text(), "it is caught up");
                assert_eq!(complete(&event).unwrap(), whole, "twice changes nothing");
            }
            assert_eq!(std::fs::read_to_string(&other).unwrap(), others_text);
            assert!(complete(&other).is_err(), "nothing is listed in it");
        }
    }

    #[test]
    fn what_is_appended_is_what_would_be_written_and_a_torn_end_is_made_good() {
        let dir = tempfile::tempdir().unwrap();
        let (event, live) = (dir.path().join("show.m3u8"), dir.path().join("now.m3u8"));
        let mut lists = Playlists::new(4000, SegmentKind::Fmp4);
        for n in 0..40 {
            let (name, at) = (format!("s {n}.m4s"), AT + n * 4 * S);
            std::fs::write(dir.path().join(&name), [0; 10]).unwrap();
            let map = if n < 20 { "init.mp4" } else { "init-2.mp4" };
            lists.add(Path::new(&name), (at, at + 4 * S), n == 7, Some(Path::new(map)));
            lists.write(&event, Some(&live)).unwrap();
            assert_eq!(std::fs::read_to_string(&event).unwrap(), lists.event.text());
        }
        let whole = std::fs::read(&event).unwrap();
        lists.end();
        for _ in 0..2 {
            lists.write(&event, Some(&live)).unwrap();
            assert_eq!(std::fs::read_to_string(&event).unwrap(), lists.event.text(), "ended once");
        }
        // The last entry, cut wherever the process may have died.
        let last = whole
            .windows(2)
            .enumerate()
            .filter(|(_, w)| w == b"\n#")
            .map(|(at, _)| at + 1)
            .nth_back(1)
            .unwrap();
        for cut in last..whole.len() {
            std::fs::write(&event, &whole[..cut]).unwrap();
            assert_eq!(complete(&event).unwrap().0, 39 * 4 * S, "cut at {cut} of {}", whole.len());
            let read = m3u8_rs::parse_media_playlist_res(&std::fs::read(&event).unwrap()).unwrap();
            assert!(read.end_list && read.segments.len() == 39);
        }
    }

    /// As they were written up to 2026: another order, no sequence at first, lengths as long as they come.
    #[test]
    fn older_lists_are_ended_too() {
        let dir = tempfile::tempdir().unwrap();
        let entry = |n: i64| {
            format!(
                "#EXT-X-PROGRAM-DATE-TIME:2026-08-06T07:06:{}.000Z\n#EXTINF:4.0333333,\ns%20{n}.m4s\n",
                40 + 4 * n
            )
        };
        let head = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-TARGETDURATION:4\n";
        let map = "#EXT-X-MAP:URI=\"init.mp4\"\n";
        let event = dir.path().join("show.m3u8");
        let listed: String = (0..7).map(entry).collect();
        std::fs::write(&event, format!("{head}#EXT-X-PLAYLIST-TYPE:EVENT\n{map}{listed}")).unwrap();
        let live = dir.path().join("now.m3u8");
        let newest: String = (1..6).map(entry).collect();
        std::fs::write(&live, format!("{head}#EXT-X-MEDIA-SEQUENCE:1\n{map}{newest}")).unwrap();
        assert_eq!(complete(&event).unwrap(), (7 * 4_033_333_300, 0));
        let read = |path: &Path| {
            let text = std::fs::read(path).unwrap();
            m3u8_rs::parse_media_playlist_res(&text).unwrap()
        };
        let (event, live) = (read(&event), read(&live));
        assert!(event.end_list && live.end_list);
        assert_eq!((event.segments.len(), event.target_duration, event.version), (7, 4, Some(7)));
        assert_eq!((live.media_sequence, live.segments.len(), live.target_duration), (2, 5, 4));
        assert_eq!(live.segments[0].map.as_ref().unwrap().uri, "init.mp4");
        assert_eq!(
            (live.segments[0].uri.as_str(), live.segments[4].uri.as_str()),
            ("s%202.m4s", "s%206.m4s")
        );
        assert_eq!(event.segments[6], live.segments[4]);
    }

    #[test]
    fn what_is_no_list_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.m3u8");
        for text in ["", "\u{feff}", "hello", "#EXTINF:4,\na.ts\n"] {
            std::fs::write(&path, text).unwrap();
            assert!(complete(&path).is_err());
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }
}
