//! What the queue is told and what it tells.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use egress::error::ApiError;
use egress::storage::{StorageProfile, StorageSecret};
use rand::Rng;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::identity::Environment;
pub use crate::pace::Yield;

/// One upload.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
pub struct UploadId(pub String);

impl UploadId {
    pub(crate) fn random() -> Self {
        let mut rng = rand::rng();
        let text = (0..12).map(|_| char::from(rng.sample(rand::distr::Alphanumeric)));
        Self(std::iter::once("UP_".to_owned()).chain(text.map(String::from)).collect())
    }
}

impl std::fmt::Display for UploadId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Gives the secrets of storages, by the name under which they were put away. The queue keeps none on disk.
#[async_trait]
pub trait Secrets: Send + Sync + 'static {
    /// The secret of this name.
    ///
    /// # Errors
    /// It cannot be had: there is none, or the keyring is locked. The upload waits, and shows this.
    async fn secret(&self, name: &str) -> Result<StorageSecret, ApiError>;

    /// The settings that the storage of this name has by now: they may have been corrected since an upload was put on
    /// the list, which then goes where they say. None: those that it was put there with.
    fn profile(&self, name: &str) -> Option<StorageProfile>;
}

/// A storage, and under which name its secret is to be had. Without a secret in it: it is journalled.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
pub struct Target {
    /// Where to.
    pub profile: StorageProfile,
    /// What [`Secrets::secret`] is asked for. Of no matter for a folder.
    pub secret: String,
}

/// A file to be uploaded.
#[derive(Debug, Clone)]
pub struct NewUpload {
    /// Absolute path of the file.
    pub path: PathBuf,
    /// Name of the object, below the storage's prefix.
    pub name: String,
    /// Where to.
    pub target: Target,
    /// Where to if that fails for good.
    pub backup: Option<Target>,
    /// Whose it is, for the caller alone: the egress id, say.
    pub owner: String,
    /// What the file is like now.
    pub content: Content,
    /// What comes before it.
    pub order: Order,
    /// What becomes of the local file once the object is verified.
    pub afterwards: Afterwards,
}

/// What a file is like when it is added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Complete: nobody writes to it any more.
    Closed,
    /// Still being written: [`Queue::grow`](crate::Queue::grow) tells how far it is final, and
    /// [`Queue::finish`](crate::Queue::finish) that it is complete.
    Growing,
    /// These bytes are taken into the queue; the file is written anew later: a playlist. At most 64 MiB.
    Now(Vec<u8>),
}

/// What has to be in the store before an upload begins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// Nothing.
    #[default]
    Free,
    /// Nothing; but others of this group may wait for it: a segment.
    In(String),
    /// All of this group that were added before it: a playlist.
    After(String),
}

/// What becomes of the local file once the object is verified.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Afterwards {
    /// It stays.
    #[default]
    Keep,
    /// It is removed.
    Remove,
}

/// How far a growing file is final.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Growth {
    /// Bytes from the start of the file that are written and will not change, except for `rewritten`.
    pub final_bytes: u64,
    /// The bytes that are written once more, at the latest when the file is completed. An MP4 of ours: 32 to 8192, its
    /// `free` and its head. An MP3: its Xing head.
    pub rewritten: Range<u64>,
}

/// Where an upload stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum UploadState {
    /// What is final of a growing file is in the store; the rest does not exist yet.
    Following,
    /// Its turn will come.
    Queued,
    /// Bytes are going up.
    Uploading,
    /// All is there; the store is asked what it holds.
    Verifying,
    /// Saved locally, waiting. Nothing is lost.
    Waiting {
        /// Why.
        error: ApiError,
        /// When it is tried again, unix ms.
        #[ts(type = "number")]
        next_try_ms: i64,
    },
    /// The operator has paused it.
    Paused,
    /// The object is there, and its size and checksum are those of the file.
    Stored {
        /// How it was verified.
        verified: Verified,
        /// Unix ms.
        #[ts(type = "number")]
        at_ms: i64,
    },
}

/// How an object was verified. Its size is checked always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Verified {
    /// The store's MD5, or the MD5 of the parts' MD5s, is ours. On Azure: it has checked that of each block.
    Md5,
    /// The store's CRC-32C is ours.
    Crc32c,
    /// The store checked the SHA-256 of each part when it came, and keeps no checksum that can be compared.
    OnReceipt,
    /// It was read back and compared.
    ReadBack,
}

/// Where the local file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum LocalFile {
    /// In its place.
    Kept,
    /// Removed after the object was verified.
    Removed,
}

/// An upload as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Upload {
    /// Which.
    pub id: UploadId,
    /// The local file.
    #[ts(type = "string")]
    pub path: PathBuf,
    /// Name of the object, prefix included.
    pub key: String,
    /// What the storage in use is called: `the bucket "shows"`.
    pub storage: String,
    /// Whether it goes, or went, to the backup.
    pub on_backup: bool,
    /// Whose it is.
    pub owner: String,
    /// Where it stands.
    pub state: UploadState,
    /// Whether the file still grows.
    pub growing: bool,
    /// How far it is. Of a growing file the total is what is final.
    pub progress: Progress,
    /// How often it has failed since it last got on.
    pub attempts: u32,
    /// Address of the object, once it is there.
    pub location: Option<String>,
    /// The local file.
    pub local: LocalFile,
    /// When it was added, unix ms.
    #[ts(type = "number")]
    pub created_at_ms: i64,
}

/// How far an upload is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(rename = "UploadProgress")]
pub struct Progress {
    /// Bytes that are up.
    #[ts(type = "number")]
    pub sent_bytes: u64,
    /// Bytes in all.
    #[ts(type = "number")]
    pub total_bytes: u64,
    /// At which rate it goes, bits a second. 0: nothing goes.
    #[ts(type = "number")]
    pub rate_bps: u64,
    /// How long it takes from here. None where nobody can know.
    #[ts(type = "number | null")]
    pub remaining_ms: Option<u64>,
}

/// What happens in the queue. Numbered without a gap, so that who missed one sees it and takes a
/// [`Snapshot`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Event {
    /// Number of the event.
    #[ts(type = "number")]
    pub seq: u64,
    /// What happened.
    pub what: What,
}

/// What happens in the queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum What {
    /// An upload is new, or is another than it was.
    Upload {
        /// As it is now.
        upload: Box<Upload>,
    },
    /// It got on. At most twice a second.
    Progress {
        /// Which.
        id: UploadId,
        /// How far it is.
        progress: Progress,
    },
    /// It is off the list: cancelled, forgotten, or overtaken by a newer version of the same file.
    Gone {
        /// Which.
        id: UploadId,
    },
}

/// All uploads, in the order in which they were added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Snapshot {
    /// Number of the last event that is in it.
    #[ts(type = "number")]
    pub seq: u64,
    /// The uploads.
    pub uploads: Vec<Upload>,
}

/// How the queue works. The defaults are right outside of tests.
#[derive(Debug, Clone)]
pub struct Options {
    /// Length of a part, bytes. At least 5 MiB for S3.
    pub part_bytes: u64,
    /// Parts of one file that go up at a time.
    pub parallel_parts: usize,
    /// Files that go up at a time; as many again that are no longer than a part.
    pub parallel_uploads: usize,
    /// A try that failed is followed by the next after at most this, doubled each time.
    pub first_retry: Duration,
    /// The longest wait between two tries.
    pub longest_retry: Duration,
    /// Failures in a row before the backup is taken. A failure that lasts counts for all.
    pub attempts_before_backup: u32,
    /// How long nothing may move before a connection counts as dead.
    pub stall: Duration,
    /// Limit for all uploads together, bits a second.
    pub limit_bps: Option<u64>,
    /// How long the queue remembers what it has stored.
    pub remember: Duration,
    /// Where it is looked for this computer's identity, where storages use it.
    pub environment: Environment,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            part_bytes: 8 << 20,
            parallel_parts: 3,
            parallel_uploads: 2,
            first_retry: Duration::from_secs(1),
            longest_retry: Duration::from_secs(5 * 60),
            attempts_before_backup: 6,
            stall: Duration::from_secs(60),
            limit_bps: None,
            remember: Duration::from_secs(7 * 24 * 3600),
            environment: Environment::default(),
        }
    }
}
