//! What the outputs of a job are called, as far as that is known when the job is launched.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::id::OutputId;

/// The names of a job's outputs at its launch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchNames {
    /// What `{time}` and `{utc}` stand for, unix time, ns. 0: the moment in which the job opens the output, as for a
    /// job that is armed.
    #[serde(default)]
    pub at_ns: i64,
    /// By output. An output without a file has none, and one whose container depends on a codec that is yet to come.
    #[serde(default)]
    pub outputs: BTreeMap<OutputId, OutputName>,
}

impl LaunchNames {
    /// The names of an output if they are final: the job takes these.
    pub fn settled(&self, output: &OutputId) -> Option<&FileNames> {
        self.outputs.get(output).filter(|name| name.settled).map(|name| &name.files)
    }

    /// The names of an output as they may be shown.
    pub fn shown(&self, output: &OutputId) -> Option<&FileNames> {
        self.outputs.get(output).map(|name| &name.files)
    }
}

/// The name of an output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputName {
    /// The names.
    pub files: FileNames,
    /// Whether they are final. If not, placeholders stand in them that only a received track can fill, and the job
    /// resolves its template itself.
    pub settled: bool,
}

/// Resolved names, relative to the folder of the output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileNames {
    /// Of one file.
    File {
        /// Its path.
        path: PathBuf,
    },
    /// Of a set of segments.
    Segments {
        /// Where the playlists are.
        folder: PathBuf,
        /// Where the segments are, relative to that.
        below: PathBuf,
        /// What the names of segments begin with.
        prefix: String,
        /// The playlist, without its extension.
        playlist: String,
        /// The playlist of the newest segments, without its extension.
        live_playlist: Option<String>,
    },
    /// Of images.
    Images {
        /// Where they are.
        folder: PathBuf,
        /// What their names begin with.
        prefix: String,
    },
}
