//! File names: templates resolved into a relative path that is safe on every system a recording may be
//! copied to, and never leads out of its folder.

mod sets;

pub use sets::{ImageNames, SegmentNames, in_one_folder};

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::fact::TrackFacts;
use crate::id::{EgressId, TrackId};
use crate::roster::{TrackKind, TrackSource};
use crate::spec::{Container, EndRule, PageAddress, Source};

/// Longest path component on the file systems in use (ext4, APFS, NTFS), bytes.
const MAX_COMPONENT_BYTES: usize = 255;
/// Kept free in a file name for `-12` ([`numbered`]) and for a suffix while the file is being written.
const RESERVED_BYTES: usize = 24;
/// All folders of a template together, bytes: the whole path must fit into macOS's 1024.
const MAX_FOLDERS_BYTES: usize = 512;
/// Extensions that are swapped for the right one; any other is taken for a part of the name.
const KNOWN_EXTENSIONS: [&str; 11] =
    ["mp4", "ogg", "mp3", "webm", "ivf", "ts", "m3u8", "raw", "jpeg", "jpg", "mkv"];
/// A name or template without the extension of a kind of file that is made here.
pub(crate) fn without_extension(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, known)) if KNOWN_EXTENSIONS.iter().any(|ext| known.eq_ignore_ascii_case(ext)) => stem,
        _ => name,
    }
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
        Some(value.filter(|text| !text.is_empty()))
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

/// Resolves a file-name template into a relative path.
///
/// `/` and `\` in the template make folders; in a value they do not. An empty template, or one that ends
/// in a separator, gets the default name `{identifier}-{time}`. A known extension that does not fit the
/// container is swapped, an unknown one is part of the name. A placeholder whose value this job does not
/// have vanishes with the separator beside it; one that does not exist stays as it is written.
///
/// Whatever the template and the facts hold, the path has no root and no `..`, is not empty, every
/// component is at most 255 bytes (the last one leaves room for [`numbered`]), and each can be copied to
/// Windows, macOS and Linux alike.
pub fn resolve(template: &str, container: Container, facts: &NameFacts) -> PathBuf {
    let (folders, name) = match template.rfind(['/', '\\']) {
        Some(at) => (&template[..at], &template[at + 1..]),
        None => ("", template),
    };
    let mut path = folders_of(folders, facts);
    path.push(file_name(name, container, facts));
    path
}

/// The folders of a template, filled in.
fn folders_of(template: &str, facts: &NameFacts) -> PathBuf {
    let mut path = PathBuf::new();
    let mut folder_bytes = 0;
    for folder in template.split(['/', '\\']) {
        let folder = fit(folder, facts, MAX_COMPONENT_BYTES);
        folder_bytes += folder.len() + 1;
        if !folder.is_empty() && folder_bytes <= MAX_FOLDERS_BYTES {
            path.push(folder);
        }
    }
    path
}

fn file_name(template: &str, container: Container, facts: &NameFacts) -> String {
    let ours = extension(container);
    // The extension is looked for in the template alone: a person called "ann.mp3" keeps the name.
    let (stem, extension) = match template.rsplit_once('.') {
        Some((stem, known)) if KNOWN_EXTENSIONS.iter().any(|ext| known.eq_ignore_ascii_case(ext)) => {
            (stem, if known.eq_ignore_ascii_case(ours) { known } else { ours })
        }
        _ => (template, ours),
    };
    let max_bytes = MAX_COMPONENT_BYTES - RESERVED_BYTES - 1 - extension.len();
    let mut stem = Some(stem.trim())
        .filter(|stem| !stem.is_empty())
        .map(|stem| fit(stem, facts, max_bytes))
        .filter(|stem| !stem.is_empty())
        .unwrap_or_else(|| fit(facts.default_template(), facts, max_bytes));
    if stem.is_empty() {
        stem.push_str(FALLBACK);
    }
    format!("{stem}.{extension}")
}

/// Fills in one component and makes it safe. Where it is too long, the values are shortened first, so
/// that a very long room name does not cost the time of day behind it.
fn fit(template: &str, facts: &NameFacts, max_bytes: usize) -> String {
    [MAX_COMPONENT_BYTES, 160, 120, 80, 40]
        .into_iter()
        .map(|max_value_bytes| safe(&fill(template, facts, max_value_bytes)))
        .find(|name| name.len() <= max_bytes)
        .unwrap_or_else(|| safe(cut(&safe(&fill(template, facts, 40)), max_bytes)))
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
                filled.push_str(cut(&value.replace(['/', '\\'], "_"), max_value_bytes));
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

/// A component that every system takes, or nothing.
fn safe(name: &str) -> String {
    let name: String = name.chars().filter_map(portable).collect();
    // Windows drops dots and spaces at the end; at the front, a dot hides the file and a space is a trap.
    let name = name.trim_start().trim_end_matches(|c: char| c == '.' || c.is_whitespace());
    let name = match name.strip_prefix('.') {
        Some(rest) => format!("_{}", rest.trim_start_matches('.')),
        None => name.to_owned(),
    };
    if is_device(&name) { format!("_{name}") } else { name }
}

/// What stands for a character in a file name; none if it is left out.
fn portable(c: char) -> Option<char> {
    match c {
        // Explicit direction changes and the byte order mark: invisible, and made for faking extensions.
        // Right-to-left letters need none of them.
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}' => None,
        '<' | '>' | ':' | '"' | '/' | '\\' | '|' | '?' | '*' => Some('_'),
        '\u{2028}' | '\u{2029}' => Some('_'),
        c if c.is_control() => Some('_'),
        c => Some(c),
    }
}

/// Whether Windows takes the name for a device, whatever its extension: `CON`, `nul.tar`, `COM1`.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end();
    if ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"]
        .iter()
        .any(|device| stem.eq_ignore_ascii_case(device))
    {
        return true;
    }
    let Some((port, number)) = stem.split_at_checked(3) else { return false };
    let mut number = number.chars();
    (port.eq_ignore_ascii_case("COM") || port.eq_ignore_ascii_case("LPT"))
        && matches!(number.next(), Some('0'..='9' | '¹' | '²' | '³'))
        && number.next().is_none()
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
/// `show-2.mp4`. Below 2 the path stays as it is.
pub fn numbered(path: &Path, n: u32) -> PathBuf {
    let Some(stem) = path.file_stem().filter(|_| n >= 2) else { return path.to_owned() };
    let mut name = stem.to_owned();
    name.push(format!("-{n}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// The name of a small proxy of a file: `show-2.webm` makes `show-2-proxy.mp4`.
pub fn proxy_name(master: &Path) -> PathBuf {
    const BEHIND: &str = "-proxy.mp4";
    let stem = master.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    let stem = cut(&stem, MAX_COMPONENT_BYTES - RESERVED_BYTES - BEHIND.len());
    master.with_file_name(format!("{stem}{BEHIND}"))
}

#[cfg(test)]
mod tests;
