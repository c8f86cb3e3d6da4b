//! File names: templates resolved into a relative path that is safe on every system a recording may be
//! copied to, and never leads out of its folder.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::id::{EgressId, TrackId};
use crate::roster::{TrackKind, TrackSource};
use crate::spec::Container;

/// Longest path component on the file systems in use (ext4, APFS, NTFS), bytes.
const MAX_COMPONENT_BYTES: usize = 255;
/// Kept free in a file name for `-12` ([`numbered`]) and for a suffix while the file is being written.
const RESERVED_BYTES: usize = 24;
/// All folders of a template together, bytes: the whole path must fit into macOS's 1024.
const MAX_FOLDERS_BYTES: usize = 512;
/// Extensions that are swapped for the right one; any other is taken for a part of the name.
const KNOWN_EXTENSIONS: [&str; 11] =
    ["mp4", "ogg", "mp3", "webm", "ivf", "ts", "m3u8", "raw", "jpeg", "jpg", "mkv"];
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
        Timestamp::from_nanosecond(i128::from(self.at_ns)).expect("64-bit nanoseconds end in 2262")
    }

    fn local_time(&self) -> String {
        self.timestamp().to_zoned(self.time_zone.clone()).strftime("%Y-%m-%dT%H%M%S").to_string()
    }

    /// Really UTC, to the millisecond.
    fn utc(&self) -> String {
        self.timestamp().strftime("%Y%m%d%H%M%S%3f").to_string()
    }

    fn default_template(&self) -> &'static str {
        if self.retry == 0 { "{identifier}-{time}" } else { "{identifier}-{time}-{retry}" }
    }
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
    let mut path = PathBuf::new();
    let mut folder_bytes = 0;
    for folder in folders.split(['/', '\\']) {
        let folder = fit(folder, facts, MAX_COMPONENT_BYTES);
        folder_bytes += folder.len() + 1;
        if !folder.is_empty() && folder_bytes <= MAX_FOLDERS_BYTES {
            path.push(folder);
        }
    }
    path.push(file_name(name, container, facts));
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2026-03-04 05:06:07.089 UTC.
    const AT_NS: i64 = 1_772_600_767_089_000_000;

    fn facts() -> NameFacts {
        NameFacts {
            room_name: "morning-show".into(),
            room_id: "RM_abc".into(),
            egress_id: "EG_xyz".into(),
            publisher_identity: Some("ada".into()),
            track_id: Some("TR_1".into()),
            track_kind: Some(TrackKind::Video),
            track_source: Some(TrackSource::ScreenShare),
            at_ns: AT_NS,
            time_zone: TimeZone::fixed(jiff::tz::offset(-5)),
            identifier: "morning-show".into(),
            retry: 0,
        }
    }

    fn mp4(template: &str) -> String {
        resolve(template, Container::Mp4, &facts()).to_str().unwrap().to_owned()
    }

    fn in_room(room_name: &str, template: &str) -> String {
        let facts = NameFacts { room_name: room_name.into(), identifier: room_name.into(), ..facts() };
        resolve(template, Container::Mp4, &facts).to_str().unwrap().to_owned()
    }

    #[test]
    fn placeholders_are_livekits() {
        assert_eq!(
            mp4("{room_name}_{room_id}_{publisher_identity}_{track_id}_{track_type}_{track_source}_{retry}"),
            "morning-show_RM_abc_ada_TR_1_video_screen_share_0.mp4"
        );
        assert_eq!(mp4("{egress_id}"), "EG_xyz.mp4");
        assert_eq!(mp4("{time}"), "2026-03-04T000607.mp4");
        assert_eq!(mp4("{utc}"), "20260304050607089.mp4");
    }

    #[test]
    fn default_name() {
        assert_eq!(mp4(""), "morning-show-2026-03-04T000607.mp4");
        assert_eq!(mp4("a/b/"), "a/b/morning-show-2026-03-04T000607.mp4");
        let again = NameFacts { retry: 2, ..facts() };
        assert_eq!(resolve("", Container::Ogg, &again), Path::new("morning-show-2026-03-04T000607-2.ogg"));
        assert_eq!(in_room("v1.mp3", ""), "v1.mp3-2026-03-04T000607.mp4");
    }

    #[test]
    fn extensions() {
        assert_eq!(mp4("show"), "show.mp4");
        assert_eq!(mp4("show.mp4"), "show.mp4");
        assert_eq!(mp4("show.MP4"), "show.MP4");
        assert_eq!(mp4("show.ogg"), "show.mp4");
        assert_eq!(mp4("show.WEBM"), "show.mp4");
        assert_eq!(mp4("v1.2-show"), "v1.2-show.mp4");
        assert_eq!(mp4("show.final"), "show.final.mp4");
        assert_eq!(mp4(".mp4"), "morning-show-2026-03-04T000607.mp4");
        // A value is no extension.
        assert_eq!(in_room("ann.mp3", "{room_name}"), "ann.mp3.mp4");
    }

    #[test]
    fn values_that_a_job_does_not_have_take_their_separator_along() {
        let facts = NameFacts { track_id: None, publisher_identity: None, ..facts() };
        let name = |template: &str| resolve(template, Container::Mp4, &facts).to_str().unwrap().to_owned();
        assert_eq!(name("show-{track_id}.mp4"), "show.mp4");
        assert_eq!(name("{publisher_identity}-show.mp4"), "show.mp4");
        assert_eq!(name("{publisher_identity}/show.mp4"), "show.mp4");
        assert_eq!(name("{track_id}.mp4"), "morning-show-2026-03-04T000607.mp4");
        assert_eq!(name("{nonsense}-{"), "{nonsense}-{.mp4");
    }

    #[test]
    fn no_way_out_of_the_folder() {
        assert_eq!(mp4("../../etc/passwd"), "etc/passwd.mp4");
        assert_eq!(mp4("/etc/cron.d/job"), "etc/cron.d/job.mp4");
        assert_eq!(mp4("..\\..\\windows\\x"), "windows/x.mp4");
        assert_eq!(mp4("C:\\windows\\x"), "C_/windows/x.mp4");
        assert_eq!(mp4("a/../../b"), "a/b.mp4");
        assert_eq!(mp4("./.../. ./b"), "b.mp4");
        assert_eq!(mp4(".."), "morning-show-2026-03-04T000607.mp4");
        assert_eq!(in_room("../../root", "{room_name}/x"), "__.._root/x.mp4");
        assert_eq!(in_room("/abs/olute", "{room_name}"), "_abs_olute.mp4");
        assert_eq!(in_room("..", "{room_name}/x"), "x.mp4");
    }

    #[test]
    fn names_that_every_system_takes() {
        assert_eq!(mp4("a\0b\nc\u{7f}d"), "a_b_c_d.mp4");
        assert_eq!(mp4("Q&A: what? <now> \"|*"), "Q&A_ what_ _now_ ___.mp4");
        assert_eq!(mp4("CON"), "_CON.mp4");
        assert_eq!(mp4("nul.mp4"), "_nul.mp4");
        assert_eq!(mp4("aux.tar"), "_aux.tar.mp4");
        assert_eq!(mp4("COM1/lpt9/com¹/COM10"), "_COM1/_lpt9/_com¹/COM10.mp4");
        assert_eq!(mp4("Con sole"), "Con sole.mp4");
        assert_eq!(mp4("end. . ./x . "), "end/x.mp4");
        assert_eq!(mp4(".hidden"), "_hidden.mp4");
        assert_eq!(mp4("photo_\u{202E}4pm.exe"), "photo_4pm.exe.mp4");
    }

    #[test]
    fn names_of_the_world_survive() {
        for name in ["יום טוב", "مرحبا بالعالم", "朝の番組", "👩‍👩‍👧‍👦 family", "Ünïcödé", "e\u{301}"]
        {
            assert_eq!(in_room(name, "{room_name}"), format!("{name}.mp4"));
        }
    }

    #[test]
    fn long_names_are_cut_and_keep_what_follows() {
        let name = in_room(&"ü".repeat(300), "{room_name}-{time}");
        assert!(name.starts_with("üü") && name.ends_with("ü-2026-03-04T000607.mp4"), "{name}");
        assert!(name.len() <= MAX_COMPONENT_BYTES - RESERVED_BYTES);
        let name = mp4(&"x".repeat(300));
        assert_eq!(name.len(), MAX_COMPONENT_BYTES - RESERVED_BYTES);
        // A name that fits is not touched, however long.
        let fits = "y".repeat(220);
        assert_eq!(in_room(&fits, "{room_name}"), format!("{fits}.mp4"));
        // No family is cut in the middle of a joiner.
        let name = in_room(&"👩\u{200D}".repeat(60), "{room_name}");
        assert!(name.ends_with("👩.mp4"), "{name}");
        assert!(mp4(&"folder/".repeat(500)).len() < 1024);
    }

    #[test]
    fn numbers() {
        assert_eq!(numbered(Path::new("a/show.mp4"), 2), Path::new("a/show-2.mp4"));
        assert_eq!(numbered(Path::new("/a.b/v1.2.mp4"), 12), Path::new("/a.b/v1.2-12.mp4"));
        assert_eq!(numbered(Path::new("show"), 3), Path::new("show-3"));
        assert_eq!(numbered(Path::new("show.mp4"), 1), Path::new("show.mp4"));
    }

    /// Text of what breaks file names, and of anything.
    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("../".to_owned()),
            Just("..\\".to_owned()),
            Just("/".to_owned()),
            Just("\0".to_owned()),
            Just(".".to_owned()),
            Just(" ".to_owned()),
            Just("CON".to_owned()),
            Just("C:".to_owned()),
            Just(".mp3".to_owned()),
            Just("\u{202E}".to_owned()),
            Just("👩\u{200D}👧".to_owned()),
            Just("{room_name}".to_owned()),
            Just("{publisher_identity}".to_owned()),
            Just("{track_id}".to_owned()),
            Just("{time}".to_owned()),
            Just("{".to_owned()),
            "\\PC{0,100}",
            any::<String>(),
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn whatever_is_asked_the_path_is_safe(
            template in hostile(),
            room_name in hostile(),
            identity in proptest::option::of(hostile()),
            at_ns in any::<i64>(),
            retry in any::<u32>(),
            n in 0u32..100_000,
        ) {
            let facts = NameFacts {
                identifier: room_name.clone(),
                room_name,
                publisher_identity: identity,
                track_id: None,
                at_ns,
                retry,
                ..facts()
            };
            for container in [Container::Mp4, Container::Webm, Container::Ogg, Container::Mp3] {
                let path = resolve(&template, container, &facts);
                let wanted = extension(container);
                prop_assert!(path.extension().unwrap().to_str().unwrap().eq_ignore_ascii_case(wanted));
                prop_assert!(!path.file_stem().unwrap().is_empty());
                prop_assert!(path.as_os_str().len() < 900);
                for path in [path.clone(), numbered(&path, n)] {
                    prop_assert!(path.is_relative());
                    for component in path.components() {
                        let std::path::Component::Normal(name) = component else {
                            return Err(TestCaseError::fail(format!("{component:?} in {path:?}")));
                        };
                        let name = name.to_str().unwrap();
                        prop_assert!(!name.is_empty() && name.len() <= MAX_COMPONENT_BYTES);
                        prop_assert!(!name.contains(['\\', ':', '<', '>', '"', '|', '?', '*']));
                        prop_assert!(!name.chars().any(char::is_control));
                        prop_assert!(!name.ends_with(['.', ' ']) && !name.starts_with(['.', ' ']));
                        prop_assert!(!is_device(name), "{}", name);
                    }
                }
            }
        }
    }
}
