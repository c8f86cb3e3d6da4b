//! Whether a storage can be used: a probe is written, read and deleted.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use egress::error::ApiError;
use egress::storage::{StorageProfile, StorageSecret, object_key};
use futures_util::TryStreamExt;
use rand::Rng;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::digest::{PartSum, hex};
use crate::explain::explained;
use crate::fault::StoreError;
use crate::identity::Environment;
use crate::line::within;
use crate::pace::Pace;
use crate::remote::{Expected, Part, Remote, connect};

/// How long the operator is kept waiting for a server that does not answer.
const STALL: Duration = Duration::from_secs(10);

/// What a check found that does not stand in the way of uploads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Checked {
    /// Where the probe was, as the addresses of uploads will look.
    pub location: String,
    /// What is not as it might be, in words: the key may not read, or may not delete.
    pub remarks: Vec<String>,
}

/// Writes, reads and deletes a probe, beside nothing that is there.
///
/// # Errors
/// Files cannot be uploaded; what is wrong is said in words: no such bucket, key refused, wrong region, clock
/// off, no right to write, nobody answers, no encryption; where no keys are used, what of this computer's identity
/// fails.
pub async fn check(
    profile: &StorageProfile,
    secret: &StorageSecret,
    environment: &Environment,
) -> Result<Checked, ApiError> {
    let pace = Arc::new(Pace::new(None));
    let remote = match connect(&profile.storage, secret, &pace, STALL, environment).await {
        Ok(remote) => remote,
        Err(error) => return Err(explained(&error, &profile.storage, Some(secret), None).await),
    };
    match probe(profile, &*remote).await {
        Ok(found) => Ok(found),
        Err(error) => Err(explained(&error, &profile.storage, Some(secret), remote.identity()).await),
    }
}

async fn probe(profile: &StorageProfile, remote: &dyn Remote) -> Result<Checked, StoreError> {
    let nonce = hex(&rand::rng().random::<[u8; 8]>());
    let key = object_key(&profile.prefix, &format!("tallylight-check-{nonce}.txt"))
        .map_err(|error| StoreError::Told(error.into()))?;
    let text = Bytes::from(format!("Tallylight checks that it can write here, read and delete. {nonce}\n"));
    let mut found = Checked { location: remote.location(&key), remarks: Vec::new() };
    let part = write(remote, &key, text.clone()).await?;
    match read(remote, &key, &text, &part).await {
        Ok(()) => {}
        Err(error @ (StoreError::Differs(_) | StoreError::Unreachable(..))) => return Err(error),
        Err(error) => {
            tracing::debug!(%error, "a probe cannot be read back");
            found.remarks.push(
                "The key may write, but not read. Uploads are verified by what the storage answers to them; where that is not enough, they wait."
                    .into(),
            );
        }
    }
    if let Err(error) = remote.delete(&key).await {
        tracing::debug!(%error, "a probe cannot be deleted");
        found.remarks.push(format!("The key may write, but not delete: the probe {key} stays."));
    }
    Ok(found)
}

async fn write(remote: &dyn Remote, key: &str, text: Bytes) -> Result<Part, StoreError> {
    let sum = PartSum::of(&text);
    if remote.always_parts() {
        let id = remote.begin(key).await?;
        let content_id = remote.put_part(key, &id, 0, 0, text, sum).await?;
        let part = Part { sum, content_id };
        remote.complete(key, &id, std::slice::from_ref(&part)).await?;
        return Ok(part);
    }
    remote.put(key, text, sum).await?;
    Ok(Part { sum, content_id: String::new() })
}

async fn read(remote: &dyn Remote, key: &str, text: &Bytes, part: &Part) -> Result<(), StoreError> {
    let expected = Expected {
        size: part.sum.size,
        parts: std::slice::from_ref(part),
        multipart: remote.always_parts(),
        receipt: None,
    };
    remote.verify(key, expected).await?;
    let back: Vec<Bytes> = within(STALL, async { remote.read(key).await?.try_collect().await }).await?;
    if back.concat() == text[..] { Ok(()) } else { Err(StoreError::Differs("the probe".into())) }
}
