//! Names as they are resolved when a job is launched: whoever asked for it is answered with them.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use super::{ImageNames, NameFacts, SegmentNames, numbered, proxy_name, resolve};
use crate::container;
use crate::id::OutputId;
use crate::names::{FileNames, LaunchNames, OutputName};
use crate::spec::{EgressSpec, EndRule, FileOutput, JobSpec, OutputKind, PageAddress, Source, Treatment};

/// How many names are tried.
const MAX_NAMES: u32 = 10_000;
/// What of a track a name can hold.
const OF_TRACK: [&str; 3] = ["track_id", "track_type", "track_source"];

impl NameFacts {
    /// The facts of a job that has received nothing yet.
    pub fn at_launch(job: &JobSpec, source: &Source, at_ns: i64, time_zone: TimeZone) -> Self {
        let facts = Self::of(&job.egress_id, &job.room_name, &job.room_sid, source, &[], at_ns, time_zone);
        let mut awaited = Vec::new();
        let in_room =
            !matches!(source, Source::Page(page) if matches!(page.address, PageAddress::Web { .. }));
        if in_room {
            awaited.push("room_id");
        }
        if let Source::Tracks(selection) = source {
            awaited.push("publisher_identity");
            // Of any other selection there may be several, and then they have no common name.
            if selection.ends == EndRule::TracksGone {
                awaited.extend(OF_TRACK);
            }
        }
        Self { awaited, retry: job.retry, ..facts }
    }

    /// Whether a template names something that is yet to come.
    fn awaits(&self, template: &str) -> bool {
        let stands = |name: &str| format!("{{{name}}}");
        let comes = |name: &str| self.value(name).flatten().is_some_and(|value| value == stands(name));
        self.awaited.iter().any(|name| comes(name) && template.contains(&stands(name)))
    }
}

/// Resolves the names of a job's outputs as far as they are known, each with the first number that is not `taken`
/// (an absolute path is asked about).
pub fn launch_names(spec: &EgressSpec, facts: &NameFacts, taken: impl Fn(&Path) -> bool) -> LaunchNames {
    let mut names = LaunchNames { at_ns: facts.at_ns, ..LaunchNames::default() };
    let mut claimed: Vec<PathBuf> = Vec::new();
    for output in &spec.outputs {
        let found = match &output.kind {
            OutputKind::File(file) => {
                let Some((path, settled)) = file_name(file, &spec.treatment, facts, &names) else { continue };
                first_free(&file.folder, settled, &taken, &mut claimed, |n| {
                    let path = numbered(&path, n);
                    (FileNames::File { path: path.clone() }, vec![path])
                })
            }
            OutputKind::Segments(set) => {
                let of_set = SegmentNames::of(set, facts);
                let templates = [&set.prefix, &set.playlist, &set.live_playlist];
                let settled = !templates.into_iter().any(|template| facts.awaits(template));
                first_free(&set.folder, settled, &taken, &mut claimed, |n| {
                    let names = of_set.numbered(n);
                    (names.files(), names.marks())
                })
            }
            OutputKind::Images(set) => {
                let of_set = ImageNames::of(set, facts);
                let settled = !facts.awaits(&set.prefix);
                first_free(&set.folder, settled, &taken, &mut claimed, |n| {
                    let names = of_set.numbered(n);
                    (names.files(), names.marks())
                })
            }
            OutputKind::Stream(_) | OutputKind::WebSocket(_) => continue,
        };
        names.outputs.insert(output.id.clone(), found);
    }
    names
}

/// The absolute paths that the final names of a job speak for: nobody else is to be given them before the files are
/// there.
pub fn claims(spec: &EgressSpec, names: &LaunchNames) -> Vec<PathBuf> {
    let mut claims = Vec::new();
    for output in &spec.outputs {
        let settled = names.settled(&output.id);
        let (folder, marks) = match (&output.kind, settled) {
            (OutputKind::File(file), Some(FileNames::File { path })) => (&file.folder, vec![path.clone()]),
            (OutputKind::Segments(set), settled) => {
                let names = SegmentNames::settled(set, settled);
                (&set.folder, names.map(|names| names.marks()).unwrap_or_default())
            }
            (OutputKind::Images(set), settled) => {
                let names = ImageNames::settled(set, settled);
                (&set.folder, names.map(|names| names.marks()).unwrap_or_default())
            }
            _ => continue,
        };
        claims.extend(marks.into_iter().map(|mark| folder.join(mark)));
    }
    claims
}

/// The path of a file and whether it is final; none while its container is not known.
fn file_name(
    file: &FileOutput,
    treatment: &Treatment,
    facts: &NameFacts,
    names: &LaunchNames,
) -> Option<(PathBuf, bool)> {
    if let Some(proxy) = &file.proxy {
        return of_master(names, &proxy.of).map(|(master, settled)| (proxy_name(master), settled));
    }
    let treatment = file.treatment(treatment);
    let container = match treatment {
        // What is asked for is taken or refused.
        Treatment::Passthrough => file.container?,
        Treatment::Encode { .. } => container::choose(file.container, treatment, &[]).ok()?,
    };
    Some((resolve(&file.name, container, facts), !facts.awaits(&file.name)))
}

fn of_master<'a>(names: &'a LaunchNames, master: &OutputId) -> Option<(&'a Path, bool)> {
    let name = names.outputs.get(master)?;
    match &name.files {
        FileNames::File { path } => Some((path, name.settled)),
        FileNames::Segments { .. } | FileNames::Images { .. } => None,
    }
}

/// The names with the first number that is free. What is not final is shown without one.
fn first_free(
    folder: &Path,
    settled: bool,
    taken: impl Fn(&Path) -> bool,
    claimed: &mut Vec<PathBuf>,
    named: impl Fn(u32) -> (FileNames, Vec<PathBuf>),
) -> OutputName {
    let (unnumbered, _) = named(1);
    if !settled {
        return OutputName { files: unnumbered, settled };
    }
    for n in 1..MAX_NAMES {
        let (files, marks) = named(n);
        let marks: Vec<PathBuf> = marks.into_iter().map(|mark| folder.join(mark)).collect();
        if !marks.iter().any(|mark| taken(mark) || claimed.contains(mark)) {
            claimed.extend(marks);
            return OutputName { files, settled };
        }
    }
    OutputName { files: unnumbered, settled }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TrackId;
    use crate::spec::{
        AudioChannel, AudioCodec, AudioEncoding, AudioRoute, AudioSelect, Container, Limits, OutputSpec,
        PageSpec, Selection, Task, VideoSelect,
    };

    /// 2026-03-04 05:06:07.089 UTC.
    const AT_NS: i64 = 1_772_600_767_089_000_000;

    fn encode() -> Treatment {
        let audio = AudioEncoding { codec: AudioCodec::Opus, bitrate_bps: 1, sample_rate_hz: 48_000 };
        Treatment::Encode { video: None, audio: Some(audio) }
    }

    fn file(id: &str, name: &str) -> OutputSpec {
        let file = FileOutput {
            folder: "/r".into(),
            name: name.into(),
            container: None,
            manifest: false,
            proxy: None,
            as_published: false,
        };
        OutputSpec { id: id.into(), kind: OutputKind::File(file) }
    }

    fn sound(from: AudioSelect, ends: EndRule) -> Source {
        let audio = vec![AudioRoute { from, channel: AudioChannel::Both }];
        Source::Tracks(Selection { video: None, audio, ends })
    }

    fn voice() -> Source {
        sound(AudioSelect::Voice("ada".into()), EndRule::ParticipantLeaves("ada".into()))
    }

    fn track() -> Source {
        let track = || TrackId::from("TR_1");
        let audio = vec![AudioRoute { from: AudioSelect::Track(track()), channel: AudioChannel::Both }];
        Source::Tracks(Selection {
            video: Some(VideoSelect::Track(track())),
            audio,
            ends: EndRule::TracksGone,
        })
    }

    fn page(address: PageAddress) -> Source {
        Source::Page(PageSpec { address, await_start_signal: false, after_crash: Default::default() })
    }

    /// What a job of these outputs is told to be called; `there` is on the disk.
    fn names(
        source: Source,
        treatment: Treatment,
        outputs: Vec<OutputSpec>,
        there: &[&str],
    ) -> (LaunchNames, Vec<PathBuf>) {
        let egress = EgressSpec { source, treatment, outputs, limits: Limits::default() };
        let job = JobSpec {
            egress_id: "EG_1".into(),
            url: String::new(),
            room_name: "show".into(),
            room_sid: "RM_1".into(),
            retry: 0,
            names: LaunchNames::default(),
            task: Task::Egress(egress.clone()),
        };
        let facts = NameFacts::at_launch(&job, &egress.source, AT_NS, TimeZone::UTC);
        let names = launch_names(&egress, &facts, |path| there.iter().any(|name| path == Path::new(name)));
        let claims = claims(&egress, &names);
        (names, claims)
    }

    /// The one file of a job, and whether its name is final.
    fn one(source: Source, treatment: Treatment, name: &str) -> Option<(String, bool)> {
        let (names, _) = names(source, treatment, vec![file("file", name)], &[]);
        let name = names.outputs.get(&"file".into())?.clone();
        let FileNames::File { path } = name.files else { panic!("{name:?}") };
        Some((path.display().to_string(), name.settled))
    }

    #[test]
    fn a_name_that_is_known_is_final() {
        let is = |name: &str| Some((name.to_owned(), true));
        let all = "{room_name}-{room_id}-{publisher_identity}-{time}-{utc}-{track_id}";
        let told = "show-RM_1-ada-2026-03-04T050607-20260304050607089.ogg";
        assert_eq!(one(voice(), encode(), all), is(told));
        assert_eq!(one(voice(), encode(), ""), is("ada-2026-03-04T050607.ogg"));
        let room = PageAddress::Template { base_url: None, layout: String::new(), document: None };
        assert_eq!(one(page(room), encode(), "{room_id}/a{publisher_identity}"), is("RM_1/a.ogg"));
        let web = || page(PageAddress::Web { url: "http://h".into() });
        assert_eq!(one(web(), encode(), ""), is("web-2026-03-04T050607.ogg"));
    }

    #[test]
    fn what_only_a_track_tells_stands_for_itself_as_livekit_has_it() {
        let awaits = |name: &str| Some((name.to_owned(), false));
        let room = sound(AudioSelect::All, EndRule::RoomEnds);
        assert_eq!(
            one(room, encode(), "{room_name}/{publisher_identity}_{track_id}"),
            awaits("show/{publisher_identity}.ogg")
        );
        let sound = sound(AudioSelect::Track("TR_1".into()), EndRule::TracksGone);
        assert_eq!(one(sound, encode(), "{track_id}-{track_type}"), awaits("{track_id}-{track_type}.ogg"));
        // Of what container it will be, its codec tells.
        assert_eq!(one(track(), Treatment::Passthrough, "a"), None);
    }

    #[test]
    fn a_name_is_given_once() {
        let two = || vec![file("file", "a"), file("copy", "a")];
        let (first, claimed) = names(voice(), encode(), two(), &["/r/a.ogg"]);
        let path = |names: &LaunchNames, id: &str| match names.settled(&id.into()) {
            Some(FileNames::File { path }) => path.display().to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!((path(&first, "file"), path(&first, "copy")), ("a-2.ogg".into(), "a-3.ogg".into()));
        assert_eq!(claimed, [Path::new("/r/a-2.ogg"), Path::new("/r/a-3.ogg")]);
    }

    #[test]
    fn sets_are_settled_too_and_a_proxy_follows_its_master() {
        use crate::spec::{ImagesOutput, ProxyEncoding, SegmentsOutput};
        let segments = SegmentsOutput {
            folder: "/r".into(),
            prefix: "hls/{room_name}".into(),
            playlist: "list".into(),
            live_playlist: "live".into(),
            suffix: Default::default(),
            kind: Default::default(),
            duration_ms: 4000,
            manifest: false,
        };
        let images = ImagesOutput {
            folder: "/r".into(),
            prefix: "shots/{time}".into(),
            suffix: Default::default(),
            interval_ms: 1000,
            width: None,
            height: None,
            manifest: false,
        };
        let mut master = file("file", "a");
        let mut proxy = file("proxy", "");
        if let OutputKind::File(file) = &mut master.kind {
            file.container = Some(Container::Ogg);
        }
        if let OutputKind::File(file) = &mut proxy.kind {
            file.proxy = Some(ProxyEncoding { of: "file".into(), height: 360, bitrate_bps: None });
        }
        let outputs = vec![
            OutputSpec { id: "segments".into(), kind: OutputKind::Segments(segments.clone()) },
            OutputSpec { id: "images".into(), kind: OutputKind::Images(images.clone()) },
            master,
            proxy,
        ];
        let there = ["/r/hls/live.m3u8", "/r/shots/2026-03-04T050607_00000.jpeg", "/r/a.ogg"];
        let (names, _) = names(voice(), encode(), outputs, &there);
        let set = SegmentNames::settled(&segments, names.settled(&"segments".into())).unwrap();
        assert_eq!(set.playlist_path(), Path::new("hls/list-2.m3u8"));
        assert_eq!(set.live_playlist_path().unwrap(), Path::new("hls/live-2.m3u8"));
        assert_eq!(set.segment(7, 0), Path::new("show-2_00007.ts"));
        let set = ImageNames::settled(&images, names.settled(&"images".into())).unwrap();
        assert_eq!(set.image(0, 0), Path::new("shots/2026-03-04T050607-2_00000.jpeg"));
        let proxy = FileNames::File { path: "a-2-proxy.mp4".into() };
        assert_eq!(names.settled(&"proxy".into()), Some(&proxy));
    }
}
