//! What a source gave, for as long as it is good.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use object_store::CredentialProvider;
use parking_lot::Mutex;

use crate::fault::StoreError;

/// Taken anew so long before it ends: a part under way must not outlive it.
const RENEW_BEFORE: SignedDuration = SignedDuration::from_mins(5);
/// What does not say when it ends is looked at again after this: a file may be written anew.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_mins(5);
/// Between two tries to renew what is still good.
const TRY_AGAIN: SignedDuration = SignedDuration::from_secs(5);

/// What is known of a credential beside itself.
#[derive(Debug)]
pub(crate) struct Taken<C> {
    pub(crate) credential: C,
    pub(crate) ends: Option<Timestamp>,
    /// Where it is from, in words: `the environment`.
    pub(crate) from: String,
}

/// Where credentials come from.
#[async_trait]
pub(crate) trait Source: Debug + Send + Sync + 'static {
    type Credential: Debug + Send + Sync;

    async fn take(&self) -> Result<Taken<Self::Credential>, StoreError>;
}

/// Where the credentials in use are from, in words, once some were taken.
pub(crate) type SourceName = Arc<Mutex<Option<String>>>;

#[derive(Debug)]
struct Kept<C> {
    credential: Arc<C>,
    ends: Option<Timestamp>,
    renew_at: Timestamp,
}

/// Gives the credentials of a source, and takes them anew before they end.
pub(crate) struct Held<S: Source> {
    source: S,
    kept: tokio::sync::Mutex<Option<Kept<S::Credential>>>,
    name: SourceName,
}

// The credentials would show.
impl<S: Source> Debug for Held<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").field("source", &self.source).finish_non_exhaustive()
    }
}

impl<S: Source> Held<S> {
    pub(crate) fn new(source: S) -> Self {
        Self { source, kept: tokio::sync::Mutex::default(), name: SourceName::default() }
    }

    pub(crate) fn name(&self) -> SourceName {
        self.name.clone()
    }
}

/// When to renew what was taken now. What lives for a short time only is renewed at half of it.
pub(super) fn renew_at(now: Timestamp, ends: Option<Timestamp>) -> Timestamp {
    let Some(ends) = ends else { return now + LOOK_AGAIN };
    let half = now + ends.duration_since(now) / 2;
    // An instance's service may give what has ended, when it has a fault: the store decides.
    (ends - RENEW_BEFORE).max(half).max(now + SignedDuration::from_secs(1))
}

#[async_trait]
impl<S: Source> CredentialProvider for Held<S> {
    type Credential = S::Credential;

    async fn get_credential(&self) -> object_store::Result<Arc<S::Credential>> {
        // Who comes meanwhile waits for the same answer.
        let mut kept = self.kept.lock().await;
        let now = Timestamp::now();
        if let Some(kept) = kept.as_ref().filter(|kept| now < kept.renew_at) {
            return Ok(kept.credential.clone());
        }
        match self.source.take().await {
            Ok(Taken { credential, ends, from }) => {
                let known = self.name.lock().replace(from.clone());
                if known.as_ref() != Some(&from) {
                    tracing::info!(%from, "uploads with this computer's identity");
                }
                let credential = Arc::new(credential);
                let renew_at = renew_at(now, ends);
                *kept = Some(Kept { credential: credential.clone(), ends, renew_at });
                Ok(credential)
            }
            Err(error) => match kept.as_mut() {
                Some(kept) if kept.ends.is_none_or(|ends| ends > now + TRY_AGAIN) => {
                    tracing::warn!(%error, "credentials could not be renewed yet");
                    kept.renew_at = now + TRY_AGAIN;
                    Ok(kept.credential.clone())
                }
                _ => Err(object_store::Error::Generic { store: "identity", source: Box::new(error) }),
            },
        }
    }
}
