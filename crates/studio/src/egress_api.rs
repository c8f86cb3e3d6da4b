//! LiveKit's Egress API as calls: what comes over HTTP, over a LiveKit server's Redis, or from a rule, is carried out as
//! what the window asks for is, and every job, whoever asked for it, is told in LiveKit's words.

mod start;
mod told;

use std::sync::Arc;

use egress::error::ApiError;
use egress::fact::EgressStatus;
use egress::id::EgressId;
use egress::validate::EgressRequest;
use livekit_protocol::{EgressInfo, EgressStatus as LiveKitStatus};
use secrecy::SecretString;
use tokio::sync::broadcast;

use crate::error::{no_such_job, precondition};
use crate::fold::ended;
use crate::studio::Studio;
use crate::surface::Origin;

pub(crate) use start::known_already;
pub(crate) use told::{Asked, Egresses};

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
        self.egress(&id)?;
        self.update_stream(id.clone(), add, remove).await?;
        self.egress(&id)
    }
}
