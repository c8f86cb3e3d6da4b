//! Queues, files and waiting.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use egress::error::{ApiError, ErrorCode, Fault};
use egress::storage::{StorageProfile, StorageSecret};
use parking_lot::Mutex;
use tempfile::TempDir;
use upload::{
    Afterwards, Content, NewUpload, Options, Order, Queue, Secrets, Target, Upload, UploadId, UploadState,
};

pub const MIB: usize = 1 << 20;
/// The least that S3 takes for a part.
pub const PART: usize = 5 * MIB;

/// A keyring, and the settings that were corrected.
#[derive(Default, Clone)]
pub struct Keys(
    pub Arc<Mutex<HashMap<String, StorageSecret>>>,
    pub Arc<Mutex<HashMap<String, StorageProfile>>>,
);

#[async_trait]
impl Secrets for Keys {
    async fn secret(&self, name: &str) -> Result<StorageSecret, ApiError> {
        self.0.lock().get(name).cloned().ok_or_else(|| {
            ApiError::new(ErrorCode::Keyring, Fault::Environment, "No such secret.", "Enter it.").retryable()
        })
    }

    fn profile(&self, name: &str) -> Option<StorageProfile> {
        self.1.lock().get(name).cloned()
    }
}

/// A queue with a folder, a keyring with the secret `main`, and files.
pub struct Bench {
    pub dir: TempDir,
    pub keys: Keys,
    pub options: Options,
    pub target: Target,
    pub queue: Queue,
}

pub fn quick() -> Options {
    Options {
        part_bytes: PART as u64,
        first_retry: Duration::from_millis(50),
        longest_retry: Duration::from_millis(400),
        stall: Duration::from_secs(3),
        ..Options::default()
    }
}

impl Bench {
    pub async fn new(profile: StorageProfile, secret: StorageSecret) -> Self {
        Self::with(profile, secret, quick()).await
    }

    pub async fn with(profile: StorageProfile, secret: StorageSecret, options: Options) -> Self {
        let dir = TempDir::new().unwrap();
        let keys = Keys::default();
        keys.0.lock().insert("main".into(), secret);
        let target = Target { profile, secret: "main".into() };
        let queue =
            Queue::open(&dir.path().join("queue"), Arc::new(keys.clone()), options.clone()).await.unwrap();
        Self { dir, keys, options, target, queue }
    }

    /// Closes the queue and opens it again, as a restart would.
    pub async fn restart(&mut self) {
        let folder = self.dir.path().join("queue");
        self.queue.clone().shutdown().await;
        self.queue = Queue::open(&folder, Arc::new(self.keys.clone()), self.options.clone()).await.unwrap();
    }

    /// Makes a file; its bytes depend on its name alone.
    pub fn file(&self, name: &str, size: usize) -> (PathBuf, Vec<u8>) {
        let bytes = noise(name, size);
        let path = self.dir.path().join(name.replace('/', "_"));
        std::fs::write(&path, &bytes).unwrap();
        (path, bytes)
    }

    pub fn new_upload(&self, path: &Path, name: &str) -> NewUpload {
        NewUpload {
            path: path.to_owned(),
            name: name.into(),
            target: self.target.clone(),
            backup: None,
            owner: "EG_test".into(),
            content: Content::Closed,
            order: Order::Free,
            afterwards: Afterwards::Keep,
        }
    }

    pub async fn add(&self, path: &Path, name: &str) -> UploadId {
        self.queue.add(self.new_upload(path, name)).await.unwrap()
    }

    pub fn upload(&self, id: &UploadId) -> Upload {
        self.queue.snapshot().uploads.into_iter().find(|upload| upload.id == *id).unwrap()
    }

    /// Waits until an upload is stored, and what was asked of its file is done.
    pub async fn stored(&self, id: &UploadId) -> Upload {
        self.until(id, "stored", |upload| matches!(upload.state, UploadState::Stored { .. })).await
    }

    pub async fn waiting(&self, id: &UploadId) -> ApiError {
        let upload =
            self.until(id, "waiting", |upload| matches!(upload.state, UploadState::Waiting { .. })).await;
        let UploadState::Waiting { error, .. } = upload.state else { unreachable!() };
        error
    }

    pub async fn until(&self, id: &UploadId, what: &str, holds: impl Fn(&Upload) -> bool) -> Upload {
        until(&format!("{id} is {what}"), || {
            let upload = self.upload(id);
            if holds(&upload) { Ok(upload) } else { Err(format!("{upload:?}")) }
        })
        .await
    }
}

/// Bytes that no store can compress and that differ by name.
pub fn noise(name: &str, size: usize) -> Vec<u8> {
    let seed =
        name.bytes().fold(size as u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        // Xorshift: a generator fit for secrets takes seconds for what tests need, without optimisation.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// Waits for a condition; the error says how it stood last.
pub async fn until<T>(what: &str, holds: impl Fn() -> Result<T, String>) -> T {
    let until = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        match holds() {
            Ok(value) => return value,
            Err(last) if tokio::time::Instant::now() > until => panic!("not in 60 s: {what}\n{last}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}
