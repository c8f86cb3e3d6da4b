//! LiveKit's Egress API as calls: what comes over HTTP, over a LiveKit server's Redis, or from a rule, is carried out as
//! what the window asks for is, and every job, whoever asked for it, is told in LiveKit's words.

mod news;
mod start;
mod told;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use egress::error::ApiError;
use egress::fact::EgressStatus;
use egress::id::EgressId;
use egress::redact::redact_url;
use egress::validate::EgressRequest;
use futures_util::future::BoxFuture;
use livekit_protocol::stream_info::Status as StreamStatus;
use livekit_protocol::{EgressInfo, EgressStatus as LiveKitStatus};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::broadcast;

use crate::error::{no_such_job, precondition};
use crate::fold::ended;
use crate::history::now_ms;
use crate::studio::Studio;
use crate::surface::{ApiState, Change, Job, Origin};

pub(crate) use start::known_already;
pub(crate) use told::{Asked, Egresses};

/// How long the answer of `UpdateStream` waits for the job to tell of what it was given.
const TOLD_WITHIN: Duration = Duration::from_secs(2);

/// A request of LiveKit's Egress API.
#[derive(Debug)]
pub struct StartEgress {
    /// The id that a LiveKit server has given it; none: a new one.
    pub egress_id: Option<EgressId>,
    /// The room's sid, where it is known. Otherwise empty.
    pub room_id: String,
    /// What is asked. Its secrets stay in memory and in the place for secrets.
    pub request: EgressRequest,
    /// How often it was tried before: `{retry}` in names.
    pub retry: u32,
    /// Who asks.
    pub origin: Origin,
}

/// Which jobs are listed: `ListEgressRequest`.
#[derive(Debug, Clone, Default)]
pub struct EgressFilter {
    /// Of this room; empty: of all.
    pub room_name: String,
    /// This one; empty: all.
    pub egress_id: String,
    /// Only those that are not over.
    pub active: bool,
}

impl Studio {
    /// A job in LiveKit's words.
    ///
    /// # Errors
    /// There is no such job.
    pub fn egress(&self, id: &EgressId) -> Result<EgressInfo, ApiError> {
        let info = self.inner.egresses.info(id);
        info.map(|info| (*info).clone())
            .ok_or_else(|| no_such_job().with_detail(format!("egress {id} does not exist")))
    }

    /// Jobs in LiveKit's words, newest first.
    pub fn list_egress(&self, filter: &EgressFilter) -> Vec<EgressInfo> {
        let fits = |info: &EgressInfo| {
            (filter.room_name.is_empty() || info.room_name == filter.room_name)
                && (filter.egress_id.is_empty() || info.egress_id == filter.egress_id)
                && (!filter.active || news::is_active(info))
        };
        let mut found: Vec<EgressInfo> =
            self.inner.egresses.all().iter().filter(|info| fits(info)).map(|info| (**info).clone()).collect();
        found.sort_by(|a, b| b.started_at.cmp(&a.started_at).then_with(|| a.egress_id.cmp(&b.egress_id)));
        found
    }

    /// Jobs in LiveKit's words, as others were told of them last: what [`Studio::egress_changes`] has given.
    /// The oldest first.
    pub fn told_egress(&self) -> Vec<Arc<EgressInfo>> {
        let mut told = self.inner.egresses.told();
        told.sort_by(|a, b| a.started_at.cmp(&b.started_at).then_with(|| a.egress_id.cmp(&b.egress_id)));
        told
    }

    /// Whether a job was under way when this studio was opened, as far as the one before had written down.
    pub fn was_under_way(&self, id: &EgressId) -> bool {
        self.inner.egresses.was_under_way(id)
    }

    /// A job as front ends see it, whoever asked for it. None: it is not known, or was forgotten.
    pub fn job(&self, id: &EgressId) -> Option<Job> {
        self.inner.board.job(id)
    }

    /// Whether another worker has taken a job over, by joining its room under the same identity. What becomes of the
    /// egress is that worker's to tell.
    pub fn was_evicted(&self, id: &EgressId) -> bool {
        self.inner.egresses.evicted(id)
    }

    /// Every job in LiveKit's words, whenever there is news of it, in LiveKit's order: that it is there, is active, what
    /// becomes of its streams, that it is ending, its end, and what comes of it after that. A receiver that lags asks
    /// for [`Studio::told_egress`].
    pub fn egress_changes(&self) -> broadcast::Receiver<Arc<EgressInfo>> {
        self.inner.egresses.subscribe()
    }

    /// LiveKit's `StopEgress`: finishes a job's outputs and ends it.
    ///
    /// # Errors
    /// There is no such job, or it is over or ending already.
    pub fn stop_egress(&self, id: EgressId) -> BoxFuture<'_, Result<EgressInfo, ApiError>> {
        Box::pin(async move {
            let info = self.egress(&id)?;
            let job = self.inner.board.job(&id).ok_or_else(no_such_job)?;
            if ended(job.status) || job.status == EgressStatus::Ending {
                let status = info.status().as_str_name();
                return Err(precondition(
                    "This recording is over or ending already.",
                    "There is nothing to stop.",
                )
                .with_detail(format!("egress with status {status} cannot be stopped")));
            }
            self.stop(id.clone()).await?;
            let mut info = self.egress(&id)?;
            // It was asked to; its own word of that may still be on its way.
            if info.status() < LiveKitStatus::EgressEnding {
                info.set_status(LiveKitStatus::EgressEnding);
            }
            Ok(info)
        })
    }

    /// LiveKit's `UpdateLayout`.
    ///
    /// # Errors
    /// As [`Studio::update_layout`].
    pub fn update_egress_layout(
        &self,
        id: EgressId,
        layout: String,
    ) -> BoxFuture<'_, Result<EgressInfo, ApiError>> {
        Box::pin(async move {
            self.egress(&id)?;
            self.update_layout(id.clone(), layout).await?;
            self.egress(&id)
        })
    }

    /// LiveKit's `UpdateStream`.
    ///
    /// # Errors
    /// As [`Studio::update_stream`].
    pub fn update_egress_stream(
        &self,
        id: EgressId,
        add: Vec<SecretString>,
        remove: Vec<SecretString>,
    ) -> BoxFuture<'_, Result<EgressInfo, ApiError>> {
        Box::pin(async move {
            let before = self.egress(&id)?;
            let listed = before.stream_results.len() + add.len();
            // Streams that are taken away are told apart by what is shown of them.
            let mut removed: HashMap<String, usize> = HashMap::new();
            for url in &remove {
                *removed.entry(redact_url(url.expose_secret())).or_default() += 1;
            }
            let going = |info: &EgressInfo, url: &str| {
                let streams = info.stream_results.iter();
                streams.filter(|stream| stream.url == url && stream.status() == StreamStatus::Active).count()
            };
            self.update_stream(id.clone(), add, remove).await?;
            // The answer is the state after the change, as LiveKit's is.
            let done = |info: &EgressInfo| {
                let gone = |(url, count): (&String, &usize)| {
                    going(info, url) <= going(&before, url).saturating_sub(*count)
                };
                !news::is_active(info) || info.stream_results.len() >= listed && removed.iter().all(gone)
            };
            let all_told = async {
                loop {
                    let changed = self.inner.egresses.changed();
                    if !self.egress(&id).is_ok_and(|info| !done(&info)) {
                        return;
                    }
                    changed.await;
                }
            };
            let _ = tokio::time::timeout(TOLD_WITHIN, all_told).await;
            let mut info = self.egress(&id)?;
            // What is taken away says goodbye to its server first, which may take a while.
            for (url, count) in removed {
                let left = going(&before, &url).saturating_sub(count);
                let over = going(&info, &url).saturating_sub(left);
                let streams = info.stream_results.iter_mut();
                let streams =
                    streams.filter(|stream| stream.url == url && stream.status() == StreamStatus::Active);
                for stream in streams.take(over) {
                    stream.set_status(StreamStatus::Finished);
                    stream.ended_at = now_ms() * 1_000_000;
                }
            }
            Ok(info)
        })
    }

    /// The key of the open project, with which tokens for the Egress API of this studio are signed. None: no project is
    /// open.
    ///
    /// # Errors
    /// Its secret is not at hand.
    pub fn egress_key(&self) -> BoxFuture<'_, Result<Option<(String, SecretString)>, ApiError>> {
        Box::pin(async move {
            if self.inner.board.read(|snapshot| snapshot.projects.current.is_none()) {
                return Ok(None);
            }
            let (_, server) = self.inner.current_server().await?;
            Ok(Some((server.api_key, server.api_secret)))
        })
    }

    /// Shows how the Egress API of this studio is.
    pub fn show_api(&self, api: ApiState) {
        self.inner.board.edit(|snapshot| (snapshot.api != api).then_some(Change::Api { api }));
    }

    /// The studio's own folder.
    pub fn data_dir(&self) -> &Path {
        &self.inner.data_dir
    }
}
