//! File names: templates resolved into a relative path that is what was asked for, character by character, and never
//! leads out of its folder.

mod launch;
mod sets;
mod system;
mod template;

pub use launch::{claims, launch_names};
pub(crate) use sets::BEHIND_BYTES;
pub use sets::{ImageNames, SegmentNames, in_one_folder};
pub(crate) use template::check;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::fact::TrackFacts;
use crate::id::{EgressId, TrackId};
use crate::roster::{TrackKind, TrackSource};
use crate::spec::{Container, EndRule, PageAddress, Source};
use system::System;

/// Longest path component on the file systems in use (ext4, APFS, NTFS), bytes.
const MAX_COMPONENT_BYTES: usize = 255;
/// The longest relative path, bytes: with the folder that it lies in it must fit into macOS's 1024, and an object's
/// name has no more.
const MAX_PATH_BYTES: usize = 900;
/// Extensions that are swapped for the right one, which are LiveKit's; any other is taken for a part of the name.
const KNOWN_EXTENSIONS: [&str; 9] = ["mp4", "ogg", "mp3", "webm", "ivf", "ts", "m3u8", "raw", "jpeg"];
/// A name or template without the extension of a kind of file that is made here.
pub(crate) fn without_extension(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, known)) if KNOWN_EXTENSIONS.iter().any(|ext| known.eq_ignore_ascii_case(ext)) => stem,
        _ => name,
    }
}

/// Whether a template names a folder and nothing in it: what it names gets the default name.
pub fn ends_a_folder(template: &str) -> bool {
    System::HERE.ends_a_folder(template)
}

/// The name of a file of which nothing else is left.
const FALLBACK: &str = "recording";

/// What a file name can be made of.
#[derive(Debug, Clone)]
pub struct NameFacts {
    /// `{room_name}`
    pub room_name: String,
    /// `{room_id}`, `RM_…`
    pub room_id: String,
    /// `{egress_id}`. Not among LiveKit's; it names the job beyond doubt.
    pub egress_id: EgressId,
    /// `{publisher_identity}`
    pub publisher_identity: Option<String>,
    /// `{track_id}`
    pub track_id: Option<TrackId>,
    /// `{track_type}`: `audio` or `video`
    pub track_kind: Option<TrackKind>,
    /// `{track_source}`: `camera`, `microphone`, …
    pub track_source: Option<TrackSource>,
    /// `{time}` and `{utc}`: unix time, ns.
    pub at_ns: i64,
    /// What `{time}` is told in.
    pub time_zone: TimeZone,
    /// `{identifier}`, which the default name begins with: the room's name, the identity, or the track's
    /// id.
    pub identifier: String,
    /// `{retry}`: how often the job was tried before; 0 for the first time.
    pub retry: u32,
    /// Placeholders that a value is still to come for: until then they stand for themselves, as LiveKit shows them.
    pub awaited: Vec<&'static str>,
}

impl NameFacts {
    /// The facts of a job that has received `tracks`, in order of appearance.
    ///
    /// The default name begins with the track's id in a Track egress, with the identity in a Participant
    /// egress, with `web` in that of a web page, and with the room's name in all others, as LiveKit's does.
    pub fn of(
        egress_id: &EgressId,
        room_name: &str,
        room_id: &str,
        source: &Source,
        tracks: &[TrackFacts],
        at_ns: i64,
        time_zone: TimeZone,
    ) -> Self {
        let selection = match source {
            Source::Tracks(selection) => selection,
            Source::Page(page) => {
                let web = matches!(page.address, PageAddress::Web { .. });
                return Self {
                    room_name: room_name.to_owned(),
                    room_id: room_id.to_owned(),
                    egress_id: egress_id.clone(),
                    publisher_identity: None,
                    track_id: None,
                    track_kind: None,
                    track_source: None,
                    at_ns,
                    time_zone,
                    identifier: if web { "web" } else { room_name }.to_owned(),
                    retry: 0,
                    awaited: Vec::new(),
                };
            }
        };
        let single = selection.single_track();
        let track = match (single, tracks) {
            (Some(id), _) => tracks.iter().find(|track| track.track_id == *id),
            (None, [track]) if selection.ends == EndRule::TracksGone => Some(track),
            _ => None,
        };
        let publisher = tracks.first().map(|track| track.publisher_identity.as_str());
        let publisher =
            publisher.filter(|first| tracks.iter().all(|track| track.publisher_identity == *first));
        let identifier = match (&selection.ends, single) {
            (_, Some(id)) => id.as_str(),
            (EndRule::ParticipantLeaves(identity), None) => identity,
            _ => room_name,
        };
        Self {
            room_name: room_name.to_owned(),
            room_id: room_id.to_owned(),
            egress_id: egress_id.clone(),
            publisher_identity: selection.single_identity().or(publisher).map(str::to_owned),
            track_id: single.or(track.map(|track| &track.track_id)).cloned(),
            track_kind: track.map(|track| track.kind),
            track_source: track.map(|track| track.source),
            at_ns,
            time_zone,
            identifier: identifier.to_owned(),
            retry: 0,
            awaited: Vec::new(),
        }
    }

    /// The value of a placeholder. Outer none: no such placeholder. Inner none: not known in this job.
    fn value(&self, placeholder: &str) -> Option<Option<String>> {
        let value = match placeholder {
            "identifier" => Some(self.identifier.clone()),
            "room_name" => Some(self.room_name.clone()),
            "room_id" => Some(self.room_id.clone()),
            "egress_id" => Some(self.egress_id.0.clone()),
            "publisher_identity" => self.publisher_identity.clone(),
            "track_id" => self.track_id.as_ref().map(|id| id.0.clone()),
            "track_type" => self.track_kind.map(|kind| kind_name(kind).to_owned()),
            "track_source" => self.track_source.map(|source| source_name(source).to_owned()),
            "time" => Some(self.local_time()),
            "utc" => Some(self.utc()),
            "retry" => Some(self.retry.to_string()),
            _ => return None,
        };
        let value = value.filter(|text| !text.is_empty());
        Some(value.or_else(|| self.awaited.contains(&placeholder).then(|| format!("{{{placeholder}}}"))))
    }

    fn timestamp(&self) -> Timestamp {
        timestamp(self.at_ns)
    }

    fn local_time(&self) -> String {
        self.timestamp().to_zoned(self.time_zone.clone()).strftime("%Y-%m-%dT%H%M%S").to_string()
    }

    /// Really UTC, to the millisecond.
    fn utc(&self) -> String {
        utc(self.at_ns)
    }

    fn default_template(&self) -> &'static str {
        if self.retry == 0 { "{identifier}-{time}" } else { "{identifier}-{time}-{retry}" }
    }
}

fn timestamp(at_ns: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(at_ns)).expect("64-bit nanoseconds end in 2262")
}

/// Digits down to the millisecond.
fn utc(at_ns: i64) -> String {
    timestamp(at_ns).strftime("%Y%m%d%H%M%S%3f").to_string()
}

/// As in `{track_type}` and in manifests.
pub(crate) fn kind_name(kind: TrackKind) -> &'static str {
    match kind {
        TrackKind::Audio => "audio",
        TrackKind::Video => "video",
    }
}

/// As in `{track_source}` and in manifests.
pub(crate) fn source_name(source: TrackSource) -> &'static str {
    match source {
        TrackSource::Unknown => "unknown",
        TrackSource::Camera => "camera",
        TrackSource::Microphone => "microphone",
        TrackSource::ScreenShare => "screen_share",
        TrackSource::ScreenShareAudio => "screen_share_audio",
    }
}

/// The extension of a container's files, without the dot.
pub fn extension(container: Container) -> &'static str {
    match container {
        Container::Mp4 => "mp4",
        Container::Webm => "webm",
        Container::Ogg => "ogg",
        Container::Mp3 => "mp3",
    }
}

/// Resolves a file-name template into a relative path, character by character as it is written.
///
/// `/` makes folders, in the template and in values: the room `acme/daily` has a folder, as LiveKit has it. An empty
/// template, or one that ends in a separator, gets the default name `{identifier}-{time}`. A known extension that does
/// not fit the container is swapped, an unknown one is part of the name. A placeholder whose value this job does not
/// have vanishes with the separator beside it; one that does not exist stays as it is written.
///
/// Whatever the template and the facts hold, the path has no root and no `..`, is not empty, and this system takes it:
/// values are shortened where it would be too long. What of a template itself no system takes is refused before
/// ([`check`]).
pub fn resolve(template: &str, container: Container, facts: &NameFacts) -> PathBuf {
    resolve_on(System::HERE, template, container, facts)
}

fn resolve_on(on: System, template: &str, container: Container, facts: &NameFacts) -> PathBuf {
    let (folders, name) = template::split(template, on);
    let ours = extension(container);
    // The extension is looked for in the template alone: a person called "ann.mp3" keeps the name.
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, known)) if KNOWN_EXTENSIONS.iter().any(|ext| known.eq_ignore_ascii_case(ext)) => {
            (stem, if known.eq_ignore_ascii_case(ours) { known } else { ours })
        }
        _ => (name, ours),
    };
    let (mut path, name) = filled(on, (&folders, stem), facts, extension.len() + 1, true);
    path.push(format!("{}.{extension}", name.as_deref().unwrap_or(FALLBACK)));
    path.iter().collect()
}

/// Folders and name of a template, filled in. `behind`: how many bytes come behind the name. Where the template has no
/// name it is none, or with `default` the default one.
fn filled(
    on: System,
    (folders, name): (&[&str], &str),
    facts: &NameFacts,
    behind: usize,
    default: bool,
) -> (Vec<String>, Option<String>) {
    let with = |max_value_bytes: usize| {
        let fill = |part: &str| fill(part, facts, max_value_bytes);
        let mut parts: Vec<String> = folders.iter().flat_map(|part| on.parts(&fill(part))).collect();
        let mut name = fill(name);
        if default && (name.is_empty() || on.ends_a_folder(&name)) {
            name.push_str(&fill(facts.default_template()));
        }
        parts.extend(on.parts(&name));
        let last = if name.is_empty() || on.ends_a_folder(&name) { None } else { parts.pop() };
        (parts, last)
    };
    let fits = |(folders, name): &(Vec<String>, Option<String>)| {
        let name = name.as_ref().map_or(0, String::len);
        folders.iter().all(|folder| folder.len() <= MAX_COMPONENT_BYTES)
            && name + behind <= MAX_COMPONENT_BYTES
            && folders.iter().map(|folder| folder.len() + 1).sum::<usize>() + name + behind <= MAX_PATH_BYTES
    };
    // The values are shortened first, so that a very long room name does not cost the time of day behind it.
    let all = [MAX_COMPONENT_BYTES, 160, 120, 80, 40].into_iter().map(with).find(fits);
    all.unwrap_or_else(|| {
        let (mut folders, mut name) = with(40);
        let mut room = MAX_PATH_BYTES - MAX_COMPONENT_BYTES;
        folders.retain_mut(|folder| {
            folder.truncate(cut(folder, MAX_COMPONENT_BYTES).len());
            let fits = folder.len() < room;
            room -= if fits { folder.len() + 1 } else { 0 };
            fits
        });
        if let Some(name) = &mut name {
            name.truncate(cut(name, MAX_COMPONENT_BYTES - behind).len());
        }
        (folders, name)
    })
}

fn fill(template: &str, facts: &NameFacts, max_value_bytes: usize) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        filled.push_str(&rest[..open]);
        rest = &rest[open..];
        let placeholder = rest.find('}').map(|close| (&rest[1..close], close + 1));
        let value = placeholder.and_then(|(name, end)| facts.value(name).map(|value| (value, end)));
        match value {
            Some((Some(value), end)) => {
                filled.push_str(cut(&without_tricks(&value), max_value_bytes));
                rest = &rest[end..];
            }
            Some((None, end)) => {
                rest = &rest[end..];
                let separator = |c: char| matches!(c, '-' | '_' | ' ' | '.');
                if let Some(shorter) = filled.strip_suffix(separator) {
                    filled.truncate(shorter.len());
                } else if filled.is_empty() {
                    rest = rest.strip_prefix(separator).unwrap_or(rest);
                }
            }
            None => {
                filled.push('{');
                rest = &rest[1..];
            }
        }
    }
    filled.push_str(rest);
    filled
}

/// A value, which a stranger may have chosen, without what nobody sees: explicit changes of direction and the byte
/// order mark, made for faking extensions (right-to-left letters need none of them), and control characters.
fn without_tricks(value: &str) -> String {
    let seen = value
        .chars()
        .filter(|c| !matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}'));
    seen.map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { '_' } else { c }).collect()
}

/// The longest beginning of at most `max_bytes` that ends between characters, and not on a joiner that
/// has lost its second half.
fn cut(text: &str, max_bytes: usize) -> &str {
    if text.len() <= max_bytes {
        return text;
    }
    text[..text.floor_char_boundary(max_bytes)].trim_end_matches('\u{200D}')
}

/// The path with a number behind its name, for when the name is taken: `show.mp4` and 2 make
/// `show-2.mp4`. Below 2 the path stays as it is. What is too long for a number loses its end to it.
pub fn numbered(path: &Path, n: u32) -> PathBuf {
    let Some(stem) = path.file_stem().filter(|_| n >= 2) else { return path.to_owned() };
    let extension = path.extension().map(|extension| format!(".{}", extension.to_string_lossy()));
    let end = format!("-{n}{}", extension.unwrap_or_default());
    let stem = stem.to_string_lossy();
    path.with_file_name(format!("{}{end}", cut(&stem, MAX_COMPONENT_BYTES - end.len())))
}

/// The name of a small proxy of a file: `show-2.webm` makes `show-2-proxy.mp4`.
pub fn proxy_name(master: &Path) -> PathBuf {
    const BEHIND: &str = "-proxy.mp4";
    let stem = master.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    let stem = cut(&stem, MAX_COMPONENT_BYTES - BEHIND.len());
    master.with_file_name(format!("{stem}{BEHIND}"))
}

#[cfg(test)]
mod tests;
