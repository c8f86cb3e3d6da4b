//! The upload queue: files to S3 and what speaks its protocol, Google Cloud Storage, Azure Blob, Alibaba OSS
//! or a folder, whatever happens meanwhile.
//!
//! A [`Queue`] is opened on a folder, which holds its own journal. Whatever was added goes up: across
//! restarts and kills, lost networks and wrong keys. The local file stays until the object's size and
//! checksum are those of the file; then it is kept or removed, as was asked.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use upload::{Afterwards, Content, Growth, NewUpload, Options, Order, Queue, Secrets, Target};
//! # async fn example(secrets: Arc<dyn Secrets>, target: Target) -> Result<(), egress::error::ApiError> {
//! let queue = Queue::open("/var/lib/tallylight/uploads".as_ref(), secrets, Options::default()).await?;
//! let mut events = queue.events();
//! let id = queue
//!     .add(NewUpload {
//!         path: "/srv/shows/evening.mp4".into(),
//!         name: "evening.mp4".into(),
//!         target,
//!         backup: None,
//!         owner: "EG_…".into(),
//!         content: Content::Growing,
//!         order: Order::Free,
//!         afterwards: Afterwards::Keep,
//!     })
//!     .await?;
//! // While it is recorded, with what the recorder tells:
//! queue.grow(&id, Growth { final_bytes: 100 << 20, rewritten: 32..8192 })?;
//! // When the file is complete:
//! queue.finish(&id).await?;
//! while let Ok(event) = events.recv().await {
//!     println!("{event:?}");
//! }
//! # Ok(())
//! # }
//! ```
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
