//! Playlists of HLS: the whole one, and the one of the newest segments.

use std::io;
use std::path::{Component, Path, PathBuf};

use chrono::DateTime;
use egress::spec::SegmentKind;
use m3u8_rs::{Map, MediaPlaylist, MediaPlaylistType, MediaSegment};

use crate::output::segments::mux::replace;

/// Segments in the playlist of the newest, as LiveKit has it.
const LIVE_SEGMENTS: usize = 5;
/// What LiveKit writes, and old players look for. The field's later versions have no such tag.
const NO_CACHE: &str = "#EXT-X-ALLOW-CACHE:NO\n";
/// LiveKit's, and the first that has segments of MP4 in all lists (RFC 8216 §7).
const VERSION_TS: usize = 4;
const VERSION_FMP4: usize = 7;

/// The two playlists of a set.
#[derive(Debug)]
pub struct Playlists {
    event: MediaPlaylist,
    live: MediaPlaylist,
    /// What the newest segment needs to be read.
    map: Option<PathBuf>,
}

impl Playlists {
    /// Playlists of segments of this length, ms.
    pub fn new(duration_ms: u32, kind: SegmentKind) -> Self {
        let fmp4 = kind == SegmentKind::Fmp4;
        let list = |playlist_type| MediaPlaylist {
            version: Some(if fmp4 { VERSION_FMP4 } else { VERSION_TS }),
            // True of both; of TS LiveKit does not say it.
            independent_segments: fmp4,
            target_duration: u64::from(duration_ms.div_ceil(1000)),
            playlist_type,
            ..MediaPlaylist::default()
        };
        Self { event: list(Some(MediaPlaylistType::Event)), live: list(None), map: None }
    }

    /// Adds a segment. Paths are relative to the playlist's folder; times are unix, ns. `map`: what it needs to be read;
    /// where that is another file than before, a player is told to begin anew.
    pub fn add(&mut self, path: &Path, began_ns: i64, ended_ns: i64, map: Option<&Path>) {
        let other_map = map.filter(|map| self.map.as_deref() != Some(*map));
        let discontinuity = other_map.is_some() && self.map.is_some();
        if let Some(map) = other_map {
            self.map = Some(map.to_owned());
        }
        let length_s = (ended_ns - began_ns).max(0) as f64 / 1e9;
        let segment = MediaSegment {
            uri: uri(path),
            duration: length_s as f32,
            map: other_map.map(|map| Map { uri: uri(map), ..Map::default() }),
            discontinuity,
            program_date_time: Some(DateTime::from_timestamp_nanos(began_ns).fixed_offset()),
            ..MediaSegment::default()
        };
        for list in [&mut self.event, &mut self.live] {
            // What a player is promised must hold for a segment that came out longer.
            list.target_duration = list.target_duration.max(length_s.round() as u64);
            list.segments.push(segment.clone());
        }
        if self.live.segments.len() > LIVE_SEGMENTS {
            drop_first(&mut self.live);
        }
    }

    /// Nothing more comes.
    pub fn end(&mut self) {
        self.event.end_list = true;
        self.live.end_list = true;
    }

    /// Puts both in their places.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn write(&self, event: &Path, live: Option<&Path>) -> io::Result<()> {
        write(&self.event, event)?;
        live.map_or(Ok(()), |path| write(&self.live, path))
    }
}

/// Takes the oldest segment off a list. What it said of those behind it, the next one says.
fn drop_first(list: &mut MediaPlaylist) {
    let gone = list.segments.remove(0);
    list.media_sequence += 1;
    list.discontinuity_sequence += u64::from(gone.discontinuity);
    if let Some(next) = list.segments.first_mut() {
        next.map = next.map.take().or(gone.map);
    }
}

fn write(list: &MediaPlaylist, path: &Path) -> io::Result<()> {
    replace(path, &text(list)?, true)
}

fn text(list: &MediaPlaylist) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    list.write_to(&mut text)?;
    let text = String::from_utf8(text).map_err(io::Error::other)?;
    if list.version.is_some_and(|version| version > VERSION_TS) {
        return Ok(text.into_bytes());
    }
    let at = text.find("#EXT-X-TARGETDURATION").unwrap_or(text.len());
    Ok(format!("{}{NO_CACHE}{}", &text[..at], &text[at..]).into_bytes())
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
    let bytes = std::fs::read(path)?;
    let (_, list) =
        m3u8_rs::parse_media_playlist(&bytes).map_err(|_| io::Error::other("this is no playlist of HLS"))?;
    if list.segments.is_empty() {
        return Err(io::Error::other("no segment was whole"));
    }
    end(path, &bytes)?;
    let (mut length_ns, mut size) = (0, 0);
    let folder = path.parent().unwrap_or(Path::new(""));
    for segment in &list.segments {
        length_ns += (f64::from(segment.duration) * 1e9).round() as i64;
        for uri in [Some(&segment.uri), segment.map.as_ref().map(|map| &map.uri)].into_iter().flatten() {
            size += std::fs::metadata(folder.join(name(uri))).map_or(0, |m| m.len());
        }
    }
    // The one of the newest lists the same last segment.
    let last = list.segments.last().map(|segment| segment.uri.clone()).unwrap_or_default();
    for other in std::fs::read_dir(folder)?.flatten().map(|entry| entry.path()) {
        if other == path || other.extension().is_none_or(|extension| extension != "m3u8") {
            continue;
        }
        let Ok(bytes) = std::fs::read(&other) else { continue };
        let Ok((_, of_newest)) = m3u8_rs::parse_media_playlist(&bytes) else { continue };
        let newest = list.segments.iter().rev().take(2);
        let ours = of_newest
            .segments
            .last()
            .is_some_and(|last| newest.clone().any(|segment| segment.uri == last.uri));
        if ours && !of_newest.end_list {
            let mut of_newest = of_newest;
            if of_newest.segments.last().is_some_and(|newest| newest.uri != last) {
                // The process died between the two.
                of_newest.segments.extend(list.segments.last().cloned());
                drop_first(&mut of_newest);
            }
            of_newest.end_list = true;
            write(&of_newest, &other)?;
        }
    }
    Ok((length_ns, size))
}

/// Adds the end to a playlist as it stands.
fn end(path: &Path, bytes: &[u8]) -> io::Result<()> {
    const END: &str = "#EXT-X-ENDLIST";
    if bytes.split(|byte| *byte == b'\n').any(|line| line.trim_ascii() == END.as_bytes()) {
        return Ok(());
    }
    replace(path, &[bytes, END.as_bytes(), b"\n"].concat(), true)
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
    use proptest::prelude::*;

    use super::*;

    const S: i64 = 1_000_000_000;
    const AT: i64 = 1_786_000_000 * S;

    fn of(list: &MediaPlaylist) -> String {
        String::from_utf8(text(list).unwrap()).unwrap()
    }

    #[test]
    fn the_whole_playlist_is_as_livekit_writes_it() {
        let mut lists = Playlists::new(4000, SegmentKind::MpegTs);
        lists.add(Path::new("show_00000.ts"), AT, AT + 4 * S, None);
        lists.add(Path::new("show_00001.ts"), AT + 4 * S, AT + 8 * S + 33_333_333, None);
        assert_eq!(
            of(&lists.event),
            "#EXTM3U\n#EXT-X-VERSION:4\n#EXT-X-ALLOW-CACHE:NO\n#EXT-X-TARGETDURATION:4\n#EXT-X-PLAYLIST-TYPE:EVENT\n\
             #EXT-X-PROGRAM-DATE-TIME:2026-08-06T07:06:40.000Z\n#EXTINF:4,\nshow_00000.ts\n\
             #EXT-X-PROGRAM-DATE-TIME:2026-08-06T07:06:44.000Z\n#EXTINF:4.0333333,\nshow_00001.ts\n"
        );
        lists.end();
        assert!(of(&lists.event).ends_with("show_00001.ts\n#EXT-X-ENDLIST\n"));
    }

    #[test]
    fn the_live_playlist_holds_the_newest_five() {
        let mut lists = Playlists::new(4000, SegmentKind::MpegTs);
        for n in 0..12 {
            let at = AT + n * 4 * S;
            lists.add(Path::new(&format!("s_{n:05}.ts")), at, at + 4 * S, None);
        }
        let live = of(&lists.live);
        assert!(live.contains("#EXT-X-MEDIA-SEQUENCE:7\n") && !live.contains("PLAYLIST-TYPE"), "{live}");
        let listed: Vec<&str> = live.lines().filter(|line| line.starts_with("s_")).collect();
        assert_eq!(listed, ["s_00007.ts", "s_00008.ts", "s_00009.ts", "s_00010.ts", "s_00011.ts"]);
    }

    #[test]
    fn segments_of_mp4_say_what_they_need() {
        let mut lists = Playlists::new(2000, SegmentKind::Fmp4);
        for n in 0..8 {
            let (name, at) = (format!("b/s {n}.m4s"), AT + n * 2 * S);
            let map = if n < 6 { "b/s init.mp4" } else { "b/s init-2.mp4" };
            lists.add(Path::new(&name), at, at + 2 * S, Some(Path::new(map)));
        }
        let (event, live) = (of(&lists.event), of(&lists.live));
        let begins = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-TARGETDURATION:2\n\
             #EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-MAP:URI=\"b/s%20init.mp4\"\n\
             #EXT-X-PROGRAM-DATE-TIME:2026-08-06T07:06:40.000Z\n#EXTINF:2,\nb/s%200.m4s\n";
        assert!(event.starts_with(begins), "{event}");
        for list in [&event, &live] {
            assert_eq!(list.matches("#EXT-X-DISCONTINUITY\n").count(), 1, "{list}");
            assert_eq!(list.matches("#EXT-X-MAP").count(), 2, "{list}");
            let at = |what: &str| list.find(what).unwrap();
            assert!(at("s%20init.mp4") < at("s%205.m4s") && at("s%205.m4s") < at("s%20init-2.mp4"), "{list}");
            assert!(
                at("s%20init-2.mp4") < at("s%206.m4s") && at("DISCONTINUITY\n") < at("s%206.m4s"),
                "{list}"
            );
        }
        for n in 8..12 {
            let name = format!("b/s {n}.m4s");
            let at = AT + n * 2 * S;
            lists.add(Path::new(&name), at, at + 2 * S, Some(Path::new("b/s init-2.mp4")));
        }
        let live = of(&lists.live);
        assert!(live.contains("#EXT-X-DISCONTINUITY-SEQUENCE:1\n"), "{live}");
        assert!(!live.contains("#EXT-X-DISCONTINUITY\n"), "{live}");
        assert!(live.find("s%20init-2.mp4").unwrap() < live.find("s%207.m4s").unwrap(), "{live}");
    }

    #[test]
    fn of_a_dead_job_the_list_of_the_newest_still_says_what_they_need() {
        let dir = tempfile::tempdir().unwrap();
        let (event, live) = (dir.path().join("show.m3u8"), dir.path().join("now.m3u8"));
        std::fs::write(dir.path().join("init.mp4"), [0; 100]).unwrap();
        let mut lists = Playlists::new(4000, SegmentKind::Fmp4);
        for n in 0..6 {
            let name = format!("s{n}.m4s");
            std::fs::write(dir.path().join(&name), [0; 188]).unwrap();
            lists.add(Path::new(&name), AT + n * 4 * S, AT + n * 4 * S + 4 * S, Some(Path::new("init.mp4")));
            if n == 4 {
                lists.write(&event, Some(&live)).unwrap();
            }
        }
        lists.write(&event, None).unwrap();
        assert_eq!(complete(&event).unwrap(), (24 * S, 6 * 188 + 100));
        lists.end();
        assert_eq!(std::fs::read_to_string(&event).unwrap(), of(&lists.event));
        assert_eq!(std::fs::read_to_string(&live).unwrap(), of(&lists.live));
        assert!(of(&lists.live).contains("#EXT-X-MAP"));
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

    #[test]
    fn what_a_dead_job_left_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let (event, live) = (dir.path().join("show.m3u8"), dir.path().join("now.m3u8"));
        let mut lists = Playlists::new(4000, SegmentKind::MpegTs);
        for n in 0..6 {
            let name = format!("s {n}.ts");
            std::fs::write(dir.path().join(&name), [0; 188]).unwrap();
            lists.add(Path::new(&name), AT + n * 4 * S, AT + n * 4 * S + 4 * S, None);
            if n == 4 {
                lists.write(&event, Some(&live)).unwrap();
            }
        }
        lists.write(&event, None).unwrap();
        let other = dir.path().join("other.m3u8");
        std::fs::write(&other, of(&Playlists::new(4000, SegmentKind::MpegTs).event)).unwrap();
        assert_eq!(complete(&event).unwrap(), (24 * S, 6 * 188));
        lists.end();
        assert_eq!(std::fs::read_to_string(&event).unwrap(), of(&lists.event));
        assert_eq!(std::fs::read_to_string(&live).unwrap(), of(&lists.live), "the other half is caught up");
        assert!(!std::fs::read_to_string(&other).unwrap().contains("ENDLIST"));
        assert_eq!(complete(&event).unwrap(), (24 * S, 6 * 188), "twice changes nothing");
        assert_eq!(std::fs::read_to_string(&event).unwrap(), of(&lists.event));
        assert!(complete(&other).is_err());
    }
}
