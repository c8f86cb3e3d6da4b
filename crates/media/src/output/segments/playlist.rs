//! Playlists of HLS: the whole one, and the one of the newest segments.

use std::io;
use std::path::{Component, Path};

use chrono::DateTime;
use m3u8_rs::{MediaPlaylist, MediaPlaylistType, MediaSegment};
use url::Url;

use crate::output::segments::mux::replace;

/// Segments in the playlist of the newest, as LiveKit has it.
const LIVE_SEGMENTS: usize = 5;
/// What LiveKit writes, and old players look for. The field's later versions have no such tag.
const NO_CACHE: &str = "#EXT-X-ALLOW-CACHE:NO\n";

/// The two playlists of a set.
#[derive(Debug)]
pub struct Playlists {
    event: MediaPlaylist,
    live: MediaPlaylist,
}

impl Playlists {
    /// Playlists of segments of this length, ms.
    pub fn new(duration_ms: u32) -> Self {
        let list = |playlist_type| MediaPlaylist {
            version: Some(4),
            independent_segments: false,
            target_duration: u64::from(duration_ms.div_ceil(1000)),
            playlist_type,
            ..MediaPlaylist::default()
        };
        Self { event: list(Some(MediaPlaylistType::Event)), live: list(None) }
    }

    /// Adds a segment. `path` is relative to the playlist's folder; times are unix, ns.
    pub fn add(&mut self, path: &Path, began_ns: i64, ended_ns: i64) {
        let length_s = (ended_ns - began_ns).max(0) as f64 / 1e9;
        let segment = MediaSegment {
            uri: uri(path),
            duration: length_s as f32,
            program_date_time: Some(DateTime::from_timestamp_nanos(began_ns).fixed_offset()),
            ..MediaSegment::default()
        };
        for list in [&mut self.event, &mut self.live] {
            // What a player is promised must hold for a segment that came out longer.
            list.target_duration = list.target_duration.max(length_s.round() as u64);
            list.segments.push(segment.clone());
        }
        if self.live.segments.len() > LIVE_SEGMENTS {
            self.live.segments.remove(0);
            self.live.media_sequence += 1;
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

fn write(list: &MediaPlaylist, path: &Path) -> io::Result<()> {
    replace(path, &text(list)?, true)
}

fn text(list: &MediaPlaylist) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    list.write_to(&mut text)?;
    let text = String::from_utf8(text).map_err(io::Error::other)?;
    let at = text.find("#EXT-X-TARGETDURATION").unwrap_or(text.len());
    Ok(format!("{}{NO_CACHE}{}", &text[..at], &text[at..]).into_bytes())
}

/// A relative path as a player reads it: a space, a hash or a percent sign in a name would end or change it.
fn uri(path: &Path) -> String {
    let mut url = Url::parse("http://h/").expect("this is an address");
    if let Ok(mut segments) = url.path_segments_mut() {
        let names = path.components().filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_string_lossy()),
            _ => None,
        });
        segments.clear().extend(names);
    }
    // A colon in the first name would make it an address of another kind.
    url.path().trim_start_matches('/').replace(':', "%3A")
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
        size += std::fs::metadata(folder.join(name(&segment.uri))).map_or(0, |m| m.len());
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
                of_newest.segments.remove(0);
                of_newest.media_sequence += 1;
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
    use super::*;

    const S: i64 = 1_000_000_000;
    const AT: i64 = 1_786_000_000 * S;

    fn of(list: &MediaPlaylist) -> String {
        String::from_utf8(text(list).unwrap()).unwrap()
    }

    #[test]
    fn the_whole_playlist_is_as_livekit_writes_it() {
        let mut lists = Playlists::new(4000);
        lists.add(Path::new("show_00000.ts"), AT, AT + 4 * S);
        lists.add(Path::new("show_00001.ts"), AT + 4 * S, AT + 8 * S + 33_333_333);
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
        let mut lists = Playlists::new(4000);
        for n in 0..12 {
            let at = AT + n * 4 * S;
            lists.add(Path::new(&format!("s_{n:05}.ts")), at, at + 4 * S);
        }
        let live = of(&lists.live);
        assert!(live.contains("#EXT-X-MEDIA-SEQUENCE:7\n") && !live.contains("PLAYLIST-TYPE"), "{live}");
        let listed: Vec<&str> = live.lines().filter(|line| line.starts_with("s_")).collect();
        assert_eq!(listed, ["s_00007.ts", "s_00008.ts", "s_00009.ts", "s_00010.ts", "s_00011.ts"]);
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
        let mut lists = Playlists::new(4000);
        for n in 0..6 {
            let name = format!("s {n}.ts");
            std::fs::write(dir.path().join(&name), [0; 188]).unwrap();
            lists.add(Path::new(&name), AT + n * 4 * S, AT + n * 4 * S + 4 * S);
            if n == 4 {
                lists.write(&event, Some(&live)).unwrap();
            }
        }
        lists.write(&event, None).unwrap();
        let other = dir.path().join("other.m3u8");
        std::fs::write(&other, of(&Playlists::new(4000).event)).unwrap();
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
