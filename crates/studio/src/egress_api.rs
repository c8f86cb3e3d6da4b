//! LiveKit's Egress API as calls: what comes over HTTP, over a LiveKit server's Redis, or from a rule, is carried out as
//! what the window asks for is, and every job, whoever asked for it, is told in LiveKit's words.

mod start;
mod told;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use egress::error::ApiError;
use egress::fact::EgressStatus;
use egress::id::EgressId;
use egress::validate::EgressRequest;
use livekit_protocol::{EgressInfo, EgressStatus as LiveKitStatus};
use secrecy::SecretString;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::error::{no_such_job, precondition};
use crate::fold::ended;
use crate::studio::Studio;
use crate::surface::{ApiState, Change, Origin};

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
                && (!filter.active || told::is_active(info))
        };
        let mut found: Vec<EgressInfo> =
            self.inner.egresses.all().iter().filter(|info| fits(info)).map(|info| (**info).clone()).collect();
        found.sort_by(|a, b| b.started_at.cmp(&a.started_at).then_with(|| a.egress_id.cmp(&b.egress_id)));
        found
    }

    /// Whether a job was under way when this studio was opened, as far as the one before had written down.
    pub fn was_under_way(&self, id: &EgressId) -> bool {
        self.inner.egresses.was_under_way(id)
    }

    /// Every job in LiveKit's words, whenever that changes. A receiver that lags asks for the list.
    pub fn egress_changes(&self) -> broadcast::Receiver<Arc<EgressInfo>> {
        self.inner.egresses.subscribe()
    }

    /// LiveKit's `StopEgress`: finishes a job's outputs and ends it.
    ///
    /// # Errors
    /// There is no such job, or it is over or ending already.
    pub async fn stop_egress(&self, id: EgressId) -> Result<EgressInfo, ApiError> {
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
    }

    /// LiveKit's `UpdateLayout`.
    ///
    /// # Errors
    /// As [`Studio::update_layout`].
    pub async fn update_egress_layout(&self, id: EgressId, layout: String) -> Result<EgressInfo, ApiError> {
        self.egress(&id)?;
        self.update_layout(id.clone(), layout).await?;
        self.egress(&id)
    }

    /// LiveKit's `UpdateStream`.
    ///
    /// # Errors
    /// As [`Studio::update_stream`].
    pub async fn update_egress_stream(
        &self,
        id: EgressId,
        add: Vec<SecretString>,
        remove: Vec<SecretString>,
    ) -> Result<EgressInfo, ApiError> {
        let before = self.egress(&id)?.stream_results.len();
        let listed = before + add.len();
        let mut changes = self.egress_changes();
        self.update_stream(id.clone(), add, remove).await?;
        // A stream is in the answer, as in LiveKit's, once its job has told of it.
        let all_told = async {
            while self.egress(&id).is_ok_and(|info| info.stream_results.len() < listed) {
                if let Err(RecvError::Closed) = changes.recv().await {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(TOLD_WITHIN, all_told).await;
        self.egress(&id)
    }

    /// The key of the open project, with which tokens for the Egress API of this studio are signed. None: no project is
    /// open.
    ///
    /// # Errors
    /// Its secret is not at hand.
    pub async fn egress_key(&self) -> Result<Option<(String, SecretString)>, ApiError> {
        if self.inner.board.read(|snapshot| snapshot.projects.current.is_none()) {
            return Ok(None);
        }
        let (_, server) = self.inner.current_server().await?;
        Ok(Some((server.api_key, server.api_secret)))
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
