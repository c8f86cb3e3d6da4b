//! A queue in a process of its own, for tests that kill it.
//!
//! Reads one line of JSON (`Job`) from its standard input, puts on the list what is not on it, follows the file
//! that grows, and ends when everything is stored and removed.

#![allow(clippy::unwrap_used, missing_docs)]

use std::io::BufRead;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use egress::error::ApiError;
use egress::storage::{StorageProfile, StorageSecret};
use serde::Deserialize;
use upload::{
    Afterwards, Content, Growth, LocalFile, NewUpload, Options, Order, Queue, Secrets, Target, UploadState,
};

#[derive(Deserialize)]
struct Job {
    folder: PathBuf,
    profile: StorageProfile,
    secret: String,
    files: Vec<PathBuf>,
    /// Still written, until there is a file of the same name with `.done` behind it.
    growing: PathBuf,
    limit_bps: Option<u64>,
}

struct One(StorageSecret);

#[async_trait]
impl Secrets for One {
    async fn secret(&self, _: &str) -> Result<StorageSecret, ApiError> {
        Ok(self.0.clone())
    }

    fn profile(&self, _: &str) -> Option<StorageProfile> {
        None
    }
}

#[tokio::main]
async fn main() {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).unwrap();
    let job: Job = serde_json::from_str(&line).unwrap();
    let secret = StorageSecret::from_keyring(&job.secret.into()).unwrap();
    let options = Options {
        part_bytes: 5 << 20,
        first_retry: Duration::from_millis(20),
        longest_retry: Duration::from_millis(200),
        limit_bps: job.limit_bps,
        ..Options::default()
    };
    let queue = Queue::open(&job.folder, Arc::new(One(secret)), options).await.unwrap();
    let growing = std::iter::once((job.growing.clone(), Content::Growing));
    for (path, content) in growing.chain(job.files.into_iter().map(|path| (path, Content::Closed))) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if queue.snapshot().uploads.iter().any(|upload| upload.key == name) {
            continue;
        }
        let upload = NewUpload {
            path,
            name,
            target: Target { profile: job.profile.clone(), secret: "main".into() },
            backup: None,
            owner: String::new(),
            content,
            order: Order::Free,
            afterwards: Afterwards::Remove,
        };
        queue.add(upload).await.unwrap();
    }
    let follow = || {
        let snapshot = queue.snapshot();
        let upload = snapshot.uploads.iter().find(|upload| upload.path == job.growing)?.clone();
        let final_bytes = std::fs::metadata(&job.growing).ok()?.len();
        queue.grow(&upload.id, Growth { final_bytes, rewritten: 32..48 }).ok()?;
        job.growing.with_extension("mp4.done").exists().then_some(upload.id)
    };
    while !queue.snapshot().uploads.iter().all(|upload| {
        matches!(upload.state, UploadState::Stored { .. }) && upload.local == LocalFile::Removed
    }) {
        if let Some(id) = follow() {
            queue.finish(&id).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    queue.shutdown().await;
    println!("done");
}
