//! The upload queue: files to S3 and what speaks its protocol, Google Cloud Storage, Azure Blob, Alibaba OSS
//! or a folder, whatever happens meanwhile.
//!
//! A [`Queue`] is opened on a folder, which holds its own journal. Whatever was added goes up: across
//! restarts and kills, lost networks and wrong keys. The local file stays until the object's size and
//! checksum are those of the file; then it is kept or removed, as was asked.
//!
//! `tests/peers/queue.rs` is a whole program that uses one.
//!
//! [`check`] tells whether a storage can be used, before anything depends on it.

mod board;
mod carry;
mod check;
mod digest;
mod disk;
mod explain;
mod fault;
mod identity;
mod inner;
mod journal;
mod line;
mod pace;
mod queue;
mod remote;
mod surface;
mod worker;

pub use check::{Checked, check};
pub use identity::Environment;
pub use queue::Queue;
pub use surface::{
    Afterwards, Content, Event, Growth, LocalFile, NewUpload, Options, Order, Progress, Secrets, Snapshot,
    Target, Upload, UploadId, UploadState, Verified, What, Yield,
};
