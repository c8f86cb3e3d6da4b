//! How the studio and a job process talk over their local socket.
//!
//! A frame is a little-endian `u32` length of what follows, one byte of type, and a body: type 0 is a
//! JSON message ([`ToJob`] one way, [`FromJob`] the other), type 1 a thumbnail ([`Thumbnail`]). The job
//! listens; one studio at a time is connected, and may go and come back: it says in [`ToJob::Hello`]
//! which facts it has, and gets the rest from the job's log.

use std::collections::BTreeMap;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::ApiError;
use crate::fact::{Event, Figures};
use crate::id::{OutputId, TrackId};
use crate::layout::Layout;
use crate::roster::Roster;
use crate::spec::{JobSpec, OutputSpec};

/// What a job process reads from its standard input: one JSON document, then end of file. Standard
/// input, because arguments and environment can be read by other processes.
#[derive(Debug, Serialize, Deserialize)]
pub struct Launch {
    /// What to do.
    pub spec: JobSpec,
    /// The room token.
    #[serde(serialize_with = "expose")]
    pub token: SecretString,
    /// What outputs of the specification need and it must not hold: full addresses with their keys.
    #[serde(default)]
    pub secrets: BTreeMap<OutputId, Secret>,
    /// How its programs run.
    #[serde(default)]
    pub tuning: Tuning,
    /// The job's own folder, which exists: it holds `events.jsonl`, `job.log` and `socket`.
    pub folder: PathBuf,
}

/// How the programs of a job run, as far as who runs the service has a say in it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Tuning {
    /// The encoder of H.264 that works on this computer; none: the job finds out.
    #[serde(default)]
    pub encoder: Option<H264Encoder>,
    /// Threads of a software encoder; 0 for as many as it likes.
    #[serde(default)]
    pub encoder_threads: u32,
    /// What Chromium is started with besides, by the names of its switches without dashes.
    #[serde(default)]
    pub browser_flags: BTreeMap<String, BrowserFlag>,
    /// Whether a page may be at an address without a good certificate, and use what is not encrypted.
    #[serde(default)]
    pub insecure_pages: bool,
}

/// An encoder of H.264.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum H264Encoder {
    /// NVIDIA.
    Nvenc,
    /// VA-API (Intel, AMD), GStreamer's newer plugin.
    Va,
    /// VA-API, the older plugin.
    Vaapi,
    /// Apple VideoToolbox.
    VideoToolbox,
    /// Windows Media Foundation.
    MediaFoundation,
    /// Software.
    X264,
}

/// A switch of Chromium.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum BrowserFlag {
    /// It is there or not, without a value.
    Set(bool),
    /// It is there with this value.
    Value(String),
}

impl<'de> Deserialize<'de> for BrowserFlag {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Flag;
        impl de::Visitor<'_> for Flag {
            type Value = BrowserFlag;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("true, false, or a value")
            }

            fn visit_bool<E>(self, set: bool) -> Result<BrowserFlag, E> {
                Ok(BrowserFlag::Set(set))
            }

            fn visit_str<E>(self, value: &str) -> Result<BrowserFlag, E> {
                Ok(BrowserFlag::Value(value.to_owned()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<BrowserFlag, E> {
                Ok(BrowserFlag::Value(value.to_string()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<BrowserFlag, E> {
                Ok(BrowserFlag::Value(value.to_string()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<BrowserFlag, E> {
                Ok(BrowserFlag::Value(value.to_string()))
            }
        }
        from.deserialize_any(Flag)
    }
}

/// Serialises a secret where it has to travel: from the studio to its own child.
fn expose<S: Serializer>(secret: &SecretString, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(secret.expose_secret())
}

/// A secret where it has to travel, which is from the studio to its own child and nowhere else.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Secret(#[serde(serialize_with = "expose")] pub SecretString);

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

/// Name of the job's event log in its folder: one JSON [`Event`] a line.
pub const EVENTS_FILE: &str = "events.jsonl";
/// Name of the job's socket in its folder.
pub const SOCKET_FILE: &str = "socket";
/// Name of the file in its folder that the job holds locked from its start to its exit: while it does, nobody
/// else touches its recordings, whatever clocks and process lists say.
pub const LOCK_FILE: &str = "lock";
/// Name of the file in its folder with the key to the screen on which the job's page is shown. X clients look for
/// it in `XAUTHORITY`: whoever starts a `tallylight-job` sets that to this file.
pub const SCREEN_KEY_FILE: &str = "xauthority";
/// Name of the job's trace log in its folder.
pub const LOG_FILE: &str = "job.log";
/// Longest frame either side accepts, bytes.
pub const MAX_FRAME_BYTES: u32 = 8 << 20;
/// Frame type of a JSON message.
pub const FRAME_JSON: u8 = 0;
/// Frame type of a thumbnail.
pub const FRAME_THUMBNAIL: u8 = 1;

/// A command to a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum ToJob {
    /// First message of a connection: send the facts after this number, then go on live.
    Hello {
        /// The last fact the studio has; 0 for none.
        after: u64,
    },
    /// Attach an output (Record).
    Attach {
        /// Answered with the same number.
        request: u64,
        /// What to attach.
        output: OutputSpec,
        /// What it needs and its specification must not hold.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret: Option<Secret>,
        /// What begins in the same moment: of several files of one program none is to begin later than another.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        with: Vec<OutputSpec>,
    },
    /// Finish one output; the program goes on.
    Detach {
        /// Answered with the same number.
        request: u64,
        /// Which.
        output: OutputId,
    },
    /// Finish the stream that goes to this very address (LiveKit's UpdateStream names it so).
    DetachStream {
        /// Answered with the same number.
        request: u64,
        /// The address, with its key.
        url: Secret,
    },
    /// Try a destination again at once: one that the server refused, or that waits for its next try.
    Retry {
        /// Answered with the same number.
        request: u64,
        /// Which.
        output: OutputId,
    },
    /// Finish all outputs and exit.
    Stop {
        /// Answered with the same number.
        request: u64,
    },
    /// A job with a page: show this layout. Refused, with the place and the reason, if it cannot be drawn; the
    /// picture stays then.
    UpdateLayout {
        /// Answered with the same number.
        request: u64,
        /// Which.
        layout: LayoutChange,
    },
    /// A job whose page waits for its start signal: begin without it.
    StartAnyway {
        /// Answered with the same number.
        request: u64,
    },
    /// A job whose page has failed to load or hangs: load it again.
    Reload {
        /// Answered with the same number.
        request: u64,
    },
    /// Make thumbnails of these tracks and no others; of an egress job: of its [`PROGRAM`].
    Watch {
        /// Which.
        tracks: Vec<TrackId>,
    },
}

/// The track id under which an egress job shows and measures what it makes of its source.
pub const PROGRAM: &str = "program";

/// A layout to change to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayoutChange {
    /// The name of one that the page knows.
    Name(String),
    /// A document.
    Document(Box<Layout>),
}

/// A message from a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum FromJob {
    /// A fact, in order.
    Event {
        /// The fact.
        event: Event,
    },
    /// Figures of the moment.
    Figures {
        /// The figures.
        figures: Figures,
    },
    /// Monitor only: the people of the room, whenever they change.
    Roster {
        /// All of them.
        roster: Roster,
    },
    /// The answer to a command.
    Reply {
        /// The command's number.
        request: u64,
        /// Why it could not be done; none: done, or begun.
        error: Option<ApiError>,
    },
}

/// A picture of a track for the window. Body: one byte length of the track id, the id, then a JPEG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumbnail {
    /// Of which track.
    pub track_id: TrackId,
    /// The picture.
    pub jpeg: Vec<u8>,
}

impl Thumbnail {
    /// The frame body.
    pub fn encode(&self) -> Vec<u8> {
        let id = self.track_id.as_str().as_bytes();
        let id = &id[..id.len().min(usize::from(u8::MAX))];
        let mut body = Vec::with_capacity(1 + id.len() + self.jpeg.len());
        body.push(id.len() as u8);
        body.extend_from_slice(id);
        body.extend_from_slice(&self.jpeg);
        body
    }

    /// Reads a frame body; none if it is malformed.
    pub fn decode(body: &[u8]) -> Option<Self> {
        let (&len, rest) = body.split_first()?;
        let (id, jpeg) = rest.split_at_checked(usize::from(len))?;
        let track_id = TrackId(std::str::from_utf8(id).ok()?.to_owned());
        Some(Self { track_id, jpeg: jpeg.to_vec() })
    }
}
