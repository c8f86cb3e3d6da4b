//! StartEgress: whether this worker wants a job, and what it does with one.

use std::sync::Arc;
use std::time::Duration;

use egress::error::ApiError;
use egress::id::EgressId;
use egress::validate::EgressRequest;
use livekit_protocol::EgressInfo;
use studio::StartEgress;
use studio::surface::Origin;
use tokio::time::Instant;

use super::lane::is_over;
use super::ledger::plain;
use super::messages::StartEgressRequest;
use super::{Inner, Ours};
use crate::admission::{Kind, Place};
use crate::bus::psrpc::{Code, RpcError};

/// How long a request is remembered: the server tries again for less than two minutes.
pub(super) const HEARD_FOR: Duration = Duration::from_secs(300);
/// Requests that are remembered at most.
const HEARD: usize = 10_000;
/// How long Redis may take to confirm a job's own channels.
const SUBSCRIBED_WITHIN: Duration = Duration::from_secs(2);

impl Inner {
    /// How much a job is wanted; none: not at all.
    pub(super) fn bid(&self, request: &StartEgressRequest) -> Option<f32> {
        if *self.draining.borrow() {
            return None;
        }
        let id = EgressId::from(request.egress_id.as_str());
        if self.studio.was_evicted(&id) {
            return None;
        }
        // A second try for one that runs here: nobody else can answer it.
        if self.studio.egress(&id).is_ok() {
            return Some(1.0);
        }
        let mut state = self.state.lock();
        if state.heard.len() < HEARD {
            state.heard.entry(request.egress_id.clone()).or_insert_with(Instant::now);
        }
        // What is refused for good costs nothing, and is told best by whoever hears it.
        let Some(asked) = &request.request else { return Some(self.affinity) };
        let kind = Kind::of(&EgressRequest::from(asked.clone()));
        match self.admission.fits(kind) {
            Ok(()) => Some(self.affinity),
            Err(full) => {
                state.passed += 1;
                tracing::info!(egress_id = request.egress_id, ?kind, why = %full, "a job is left to others");
                None
            }
        }
    }

    /// Starts a job, and answers as its caller has to hear it.
    pub(super) async fn start(self: Arc<Self>, request: StartEgressRequest) -> Result<EgressInfo, RpcError> {
        let began = Instant::now();
        let id = request.egress_id;
        if !plain(&id) {
            return Err(RpcError::new(
                Code::InvalidArgument,
                "request has missing or invalid field: egress_id",
            ));
        }
        let Some(asked) = request.request else {
            return Err(RpcError::new(
                Code::InvalidArgument,
                "request has missing or invalid field: request",
            ));
        };
        if self.studio.was_evicted(&id.as_str().into()) {
            return Err(RpcError::new(Code::AlreadyExists, "egress runs on another worker"));
        }
        // The server asks again for one that it had no answer for in time: it is told of the one that runs.
        if let Ok(info) = self.studio.egress(&id.as_str().into()) {
            return Ok(info);
        }
        if let Some(info) = self.elsewhere(&id, began).await {
            return Ok(info);
        }
        let asked = EgressRequest::from(asked);
        let place = self.reserve(&id, Kind::of(&asked))?;
        let started = self.clone().carry_out(&id, request.room_id, asked, request.retry_count).await;
        match &started {
            Ok(_) => {
                place.taken();
                tracing::info!(egress_id = id, took_ms = began.elapsed().as_millis(), "a job was taken");
            }
            Err(error) => {
                drop(place);
                tracing::warn!(egress_id = id, %error, "a job was refused");
                self.release(&id).await;
            }
        }
        started
    }

    /// A job that another worker runs, by the server's own word: its answer went astray, and a second job of that id
    /// would throw the first out of its room. Only asked about what was heard before.
    async fn elsewhere(&self, id: &str, began: Instant) -> Option<EgressInfo> {
        let heard = self.state.lock().heard.get(id).copied()?;
        // The bid for this very request was a moment ago.
        if began - heard < Duration::from_secs(2) {
            return None;
        }
        match self.outbox.get(id).await {
            Ok(known) => known.filter(|info| !is_over(info)),
            Err(error) => {
                tracing::debug!(egress_id = id, %error, "the server does not say whether a job runs elsewhere");
                None
            }
        }
    }

    /// Makes room for a job, or says why there is none: between the bid and the grant others were taken.
    fn reserve(&self, id: &str, kind: Kind) -> Result<Place, RpcError> {
        if *self.draining.borrow() {
            return Err(shutting_down());
        }
        let mut state = self.state.lock();
        if state.ours.contains_key(id) {
            return Err(RpcError::new(Code::AlreadyExists, "egress already exists"));
        }
        let place = self.admission.reserve(id, kind).map_err(ApiError::from)?;
        state.ours.insert(id.to_owned(), Ours::default());
        Ok(place)
    }

    /// Undoes [`Inner::reserve`].
    async fn release(&self, id: &str) {
        // From here on nothing of it is put into the outbox: its caller is told, and the server keeps no record.
        self.state.lock().ours.remove(id);
        self.outbox.discard(id);
        if let Err(error) = self.ledger.settled(id).await {
            tracing::warn!(egress_id = id, %error, "a job is looked for again at the next start");
        }
    }

    async fn carry_out(
        self: Arc<Self>,
        id: &str,
        room_id: String,
        request: EgressRequest,
        retry_count: i32,
    ) -> Result<EgressInfo, RpcError> {
        self.ledger.taken(id).await.map_err(|error| {
            tracing::error!(egress_id = id, %error, "the list of jobs cannot be written");
            RpcError::new(Code::Unavailable, "The worker's disk cannot be written.")
        })?;
        self.outbox.reserve(id);
        let egress_id = Some(EgressId::from(id));
        let retry = retry_count.try_into().unwrap_or_default();
        let start = StartEgress { egress_id, room_id: room_id.clone(), request, retry, origin: Origin::Bus };
        let mut info = self.studio.start_egress(start).await?;
        // The job has not joined yet; whoever asked knows.
        if info.room_id.is_empty() {
            info.room_id = room_id;
        }
        let mut serving = self.serve_job(id);
        let subscribed = async {
            for serving in &mut serving {
                serving.confirmed().await;
            }
        };
        // The server knows of it before the caller does, and a Stop finds somebody.
        let (created, _) =
            tokio::join!(self.outbox.create(&info), tokio::time::timeout(SUBSCRIBED_WITHIN, subscribed));
        if let Err(error) = created {
            // The server does it itself when it has the answer.
            tracing::warn!(egress_id = id, %error, "the server was not told of a job before its caller");
        }
        self.keep_serving(id, serving);
        self.outbox.open(id);
        Ok(info)
    }
}

pub(super) fn shutting_down() -> RpcError {
    RpcError::new(Code::Unavailable, "server is shutting down")
}
