//! The command line.

use std::path::PathBuf;

use clap::{Args as Group, Parser, Subcommand, ValueEnum};
use egress::error::{ApiError, ErrorCode, Fault};
use egress::request::{Mixing, PageParts, Preset, RecordFormat, RecordRequest, RecordSource};
use egress::spec::{AfterCrash, Container};
use secrecy::SecretString;

/// Records LiveKit rooms on this computer.
#[derive(Debug, Parser)]
#[command(name = "tallylight-worker", version)]
pub struct Args {
    /// The server and the right to use it.
    #[command(flatten)]
    pub access: Access,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The server and the right to use it.
#[derive(Debug, Group)]
pub struct Access {
    /// Address of the LiveKit server: wss://… or ws://…
    #[arg(long, env = "LIVEKIT_URL", global = true)]
    pub url: Option<String>,
    /// API key.
    #[arg(long = "api-key", env = "LIVEKIT_API_KEY", global = true)]
    pub api_key: Option<String>,
    /// Our own folder for the journal and the logs of jobs; one for each user where nothing is said.
    #[arg(long, global = true)]
    pub data_dir: Option<PathBuf>,
}

impl Access {
    /// The API secret. From the environment alone: other users can read a command line.
    pub fn secret(&self) -> Option<SecretString> {
        std::env::var("LIVEKIT_API_SECRET").ok().filter(|secret| !secret.is_empty()).map(SecretString::from)
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Records a room, a person, tracks or a web page into a file, whose path is the last line of the output.
    Record(Box<Record>),
    /// Lists the rooms of the project: name and number of people.
    Rooms,
    /// Answers LiveKit's Egress API, in the place of LiveKit Egress. SIGTERM: nothing new is taken, and it ends with
    /// what runs. SIGINT: ends what runs.
    Serve(Serve),
}

/// How to serve.
#[derive(Debug, Group)]
pub struct Serve {
    /// The configuration: LiveKit Egress's own config.yaml. Else EGRESS_CONFIG_BODY, else EGRESS_CONFIG_FILE.
    #[arg(long)]
    pub config: Option<PathBuf>,
}

/// What to record, and how.
#[derive(Debug, Group)]
#[command(group = clap::ArgGroup::new("source").required(true).multiple(true))]
pub struct Record {
    /// The room; only a web page needs none.
    #[arg(long, required_unless_present = "web_url")]
    pub room: Option<String>,
    /// Record the whole room in this layout, for instance grid or speaker-light.
    #[arg(long, group = "source", conflicts_with_all = ["identity", "track", "video_track", "audio_track", "as_published"])]
    pub layout: Option<String>,
    /// Draw the layout with this template, a web page.
    #[arg(long, requires = "layout", conflicts_with_all = ["identity", "track", "video_track", "audio_track"])]
    pub custom_base_url: Option<String>,
    /// Record this web page.
    #[arg(long, group = "source", conflicts_with_all = ["room", "wait", "layout", "identity", "track", "video_track", "audio_track", "as_published"])]
    pub web_url: Option<String>,
    /// Begin when the web page says START_RECORDING on its console, and not already when it has loaded.
    #[arg(long, requires = "web_url", conflicts_with_all = ["layout", "identity", "track", "video_track", "audio_track"])]
    pub await_start_signal: bool,
    /// Record the sound of the room or page alone.
    #[arg(long, conflicts_with_all = ["video_only", "identity", "track", "video_track", "audio_track"])]
    pub audio_only: bool,
    /// On which sides people are heard where the sound of a room is recorded alone.
    #[arg(long, value_enum, default_value_t, requires = "audio_only", conflicts_with_all = ["web_url", "custom_base_url"])]
    pub audio_mixing: AudioMixing,
    /// Record the picture of the room or page alone.
    #[arg(long, conflicts_with_all = ["identity", "track", "video_track", "audio_track"])]
    pub video_only: bool,
    /// End when the page crashes, instead of loading it again and going on in the same file.
    #[arg(long, conflicts_with_all = ["identity", "track", "video_track", "audio_track"])]
    pub end_on_crash: bool,
    /// Record this person's picture and sound, across republishing.
    #[arg(long, group = "source", conflicts_with_all = ["track", "video_track", "audio_track"])]
    pub identity: Option<String>,
    /// Show the person's shared screen while there is one.
    #[arg(long, conflicts_with_all = ["track", "video_track", "audio_track"])]
    pub follow_screen_share: bool,
    /// Record this one track exactly as published.
    #[arg(long, group = "source", conflicts_with_all = ["video_track", "audio_track", "preset"])]
    pub track: Option<String>,
    /// Record this picture.
    #[arg(long, group = "source")]
    pub video_track: Option<String>,
    /// Record this sound.
    #[arg(long, group = "source")]
    pub audio_track: Option<String>,
    /// File format; the one that fits where nothing is said.
    #[arg(long)]
    pub format: Option<Format>,
    /// Re-encode with one of LiveKit's presets [default: H264_720P_30].
    #[arg(long, conflicts_with = "as_published")]
    pub preset: Option<String>,
    /// Keep what is published as it is.
    #[arg(long)]
    pub as_published: bool,
    /// Folder for the file.
    #[arg(long)]
    pub out: PathBuf,
    /// Name of the file, with {room_name}, {time} and so on.
    #[arg(long, default_value = "")]
    pub name: String,
    /// Write a manifest beside the file.
    #[arg(long)]
    pub manifest: bool,
    /// Stop after this many seconds of recording. Without it: when the source ends, or at Ctrl-C.
    #[arg(long)]
    pub seconds: Option<u64>,
    /// Wait until the room is open, instead of failing where it is not.
    #[arg(long)]
    pub wait: bool,
}

/// File formats.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Format {
    /// MP4.
    Mp4,
    /// WebM.
    Webm,
    /// Ogg.
    Ogg,
    /// MP3.
    Mp3,
}

/// On which sides people are heard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum AudioMixing {
    /// All on both.
    #[default]
    Together,
    /// Agents left, everybody else right.
    AgentLeft,
    /// Each track on one side, in turn.
    Alternate,
}

impl From<AudioMixing> for Mixing {
    fn from(mixing: AudioMixing) -> Self {
        match mixing {
            AudioMixing::Together => Self::Together,
            AudioMixing::AgentLeft => Self::AgentLeft,
            AudioMixing::Alternate => Self::Alternate,
        }
    }
}

impl Record {
    /// What is recorded. The command line names one thing.
    fn source(&self) -> RecordSource {
        let parts = match (self.audio_only, self.video_only) {
            (true, _) => PageParts::Sound,
            (_, true) => PageParts::Picture,
            _ => PageParts::Both,
        };
        let after_crash = if self.end_on_crash { AfterCrash::End } else { AfterCrash::Reload };
        if let Some(layout) = &self.layout {
            let (layout, base_url) = (layout.clone(), self.custom_base_url.clone());
            let mixing = self.audio_mixing.into();
            return RecordSource::RoomComposite { layout, base_url, parts, mixing, after_crash };
        }
        if let Some(url) = &self.web_url {
            let (url, await_start_signal) = (url.clone(), self.await_start_signal);
            return RecordSource::Web { url, await_start_signal, parts, after_crash };
        }
        match (&self.identity, &self.track) {
            (Some(identity), _) => RecordSource::Participant {
                identity: identity.clone(),
                follow_screen_share: self.follow_screen_share,
            },
            (None, Some(track)) => RecordSource::Track { track_id: track.as_str().into() },
            (None, None) => RecordSource::TrackComposite {
                video_track_id: self.video_track.as_deref().map(Into::into),
                audio_track_id: self.audio_track.as_deref().map(Into::into),
            },
        }
    }

    /// The request that the command line means.
    pub fn request(&self) -> Result<RecordRequest, ApiError> {
        let source = self.source();
        let container = self.format.map(|format| match format {
            Format::Mp4 => Container::Mp4,
            Format::Webm => Container::Webm,
            Format::Ogg => Container::Ogg,
            Format::Mp3 => Container::Mp3,
        });
        let format = match &self.preset {
            None if self.as_published || self.track.is_some() => RecordFormat::AsPublished { container },
            None => RecordFormat::Preset { container, preset: Preset::H264720p30 },
            Some(name) => RecordFormat::Preset { container, preset: preset(name)? },
        };
        let folder = std::path::absolute(&self.out).map_err(|error| {
            invalid("The folder for the file is not a path.", "Name it with --out.").with_detail(error)
        })?;
        Ok(RecordRequest {
            room_name: self.room.clone().unwrap_or_default(),
            source,
            format,
            folder: folder.display().to_string(),
            name: self.name.clone(),
            manifest: self.manifest,
            segments: None,
            images: None,
            copy_folder: None,
            proxy: None,
            upload: None,
        })
    }
}

/// A preset by LiveKit's name.
fn preset(name: &str) -> Result<Preset, ApiError> {
    serde_json::from_value(serde_json::Value::String(name.to_uppercase())).map_err(|error| {
        invalid(format!("There is no preset {name}."), "Take one of LiveKit's, for instance H264_1080P_30.")
            .with_detail(error)
    })
}

/// What was asked makes no sense.
pub fn invalid(message: impl Into<String>, remedy: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::InvalidArgument, Fault::Input, message, remedy)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Record, String> {
        parse_roomless(&format!("--room r {line}"))
    }

    fn parse_roomless(line: &str) -> Result<Record, String> {
        let words = ["tallylight-worker", "record", "--url", "ws://h", "--out", "/o"];
        let args = Args::try_parse_from(words.into_iter().chain(line.split_whitespace()))
            .map_err(|error| error.to_string())?;
        match args.command {
            Command::Record(record) => Ok(*record),
            Command::Rooms | Command::Serve(_) => unreachable!("record was asked for"),
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn sources_and_formats() {
        let request = parse("--identity ada --preset h264_1080p_30").unwrap().request().unwrap();
        assert_eq!(
            request.source,
            RecordSource::Participant { identity: "ada".into(), follow_screen_share: false }
        );
        assert_eq!(request.format, RecordFormat::Preset { container: None, preset: Preset::H2641080p30 });
        let request = parse("--track TR_1").unwrap().request().unwrap();
        assert_eq!(request.format, RecordFormat::AsPublished { container: None });
        let request = parse("--video-track TR_1 --audio-track TR_2 --as-published --format webm").unwrap();
        assert_eq!(
            request.request().unwrap().format,
            RecordFormat::AsPublished { container: Some(Container::Webm) }
        );
        assert!(parse("--audio-track TR_2 --format mp3").unwrap().request().is_ok());
        let (parts, after_crash) = (PageParts::Picture, AfterCrash::End);
        assert_eq!(
            parse("--layout grid --video-only --end-on-crash").unwrap().request().unwrap().source,
            RecordSource::RoomComposite {
                layout: "grid".into(),
                base_url: None,
                parts,
                mixing: Mixing::Together,
                after_crash,
            }
        );
        let (url, parts) = ("https://example.com".to_owned(), PageParts::Both);
        assert_eq!(
            parse_roomless("--web-url https://example.com --await-start-signal")
                .unwrap()
                .request()
                .unwrap()
                .source,
            RecordSource::Web { url, await_start_signal: true, parts, after_crash: AfterCrash::Reload }
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "",
            "--identity ada --track TR_1",
            "--track TR_1 --audio-track TR_2",
            "--track TR_1 --preset H264_720P_30",
            "--identity ada --preset H264_720P_30 --as-published",
            "--audio-track TR_1 --follow-screen-share",
            "--identity ada --format avi",
            "--layout grid --identity ada",
            "--layout grid --as-published",
            "--layout grid --audio-only --video-only",
            "--web-url https://example.com",
            "--custom-base-url https://example.com --identity ada",
            "--await-start-signal --layout grid",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        assert!(parse_roomless("--identity ada").is_err());
        assert!(parse("--identity ada --preset 4K").unwrap().request().is_err());
    }
}
