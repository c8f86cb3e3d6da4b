//! Health and metrics: LiveKit Egress's own, name by name, for dashboards and autoscalers that know them, and what it
//! has not: how each output is.

mod counts;
mod metrics;

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use egress::validate::EgressRequest;
use livekit_protocol as proto;
use livekit_protocol::EgressInfo;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use studio::surface::{Change, Numbered};
use studio::{EgressFilter, Studio};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use super::json::write;
use crate::admission::Admission;
use crate::bus::worker::Worker;
use counts::Counts;

/// What the pages show.
pub struct Status {
    studio: Studio,
    node_id: String,
    cluster_id: String,
    admission: Admission,
    draining: watch::Receiver<bool>,
    /// The worker on the bus, where there is one.
    worker: OnceLock<Worker>,
    counts: Mutex<Counts>,
}

impl Status {
    /// The pages of a studio.
    pub fn new(
        studio: Studio,
        node_id: String,
        cluster_id: String,
        admission: Admission,
        draining: watch::Receiver<bool>,
    ) -> Arc<Self> {
        let (worker, counts) = (OnceLock::new(), Mutex::default());
        Arc::new(Self { studio, node_id, cluster_id, admission, draining, worker, counts })
    }

    /// From now on the pages show a worker on the bus, too.
    pub fn show_worker(&self, worker: Worker) {
        // There is one at most.
        let _ = self.worker.set(worker);
    }

    /// LiveKit's health page, which is at every path, and ours at `/status`.
    pub fn health(self: &Arc<Self>) -> Router {
        Router::new().route("/status", get(status)).fallback(health).with_state(self.clone())
    }

    /// The metrics at `/metrics`.
    pub fn metrics(self: &Arc<Self>) -> Router {
        Router::new().route("/metrics", get(metrics)).with_state(self.clone())
    }

    /// Counts what happens, until the studio closes.
    pub async fn count(self: Arc<Self>) {
        let (mut changes, mut egresses) = (self.studio.changes(), self.studio.egress_changes());
        loop {
            tokio::select! {
                change = changes.recv() => match change.as_deref() {
                    Ok(Numbered { change: Change::Upload { upload }, .. }) => {
                        let job = self.studio.job(&upload.owner.as_str().into());
                        self.counts.lock().upload(upload, job.as_ref());
                    }
                    Ok(Numbered { change: Change::UploadRemoved { id }, .. }) => {
                        self.counts.lock().gone(id);
                    }
                    Err(RecvError::Closed) => return,
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                },
                info = egresses.recv() => match info {
                    Ok(info) => {
                        let job = self.studio.job(&info.egress_id.as_str().into());
                        self.counts.lock().ended(&info, kind(&info), job.as_ref());
                    }
                    Err(RecvError::Closed) => return,
                    Err(RecvError::Lagged(_)) => {}
                },
            }
        }
    }

    fn active(&self) -> Vec<EgressInfo> {
        self.studio.list_egress(&EgressFilter { active: true, ..EgressFilter::default() })
    }
}

/// LiveKit Egress's name for what a request is.
fn kind(info: &EgressInfo) -> &'static str {
    use proto::start_egress_request::{Encoding, Source};
    match &info.request {
        Some(EgressRequest::RoomComposite(_)) => "room_composite",
        Some(EgressRequest::Web(_)) => "web",
        Some(EgressRequest::Participant(_)) => "participant",
        Some(EgressRequest::TrackComposite(_)) => "track_composite",
        Some(EgressRequest::Track(_)) => "track",
        Some(EgressRequest::Egress(request)) => match (&request.encoding, &request.source) {
            (Some(Encoding::Preset(preset)), _)
                if *preset == i32::from(proto::EncodingOptionsPreset::Passthrough) =>
            {
                "track"
            }
            (_, Some(Source::Template(_))) => "template",
            (_, Some(Source::Web(_))) => "web",
            (_, Some(Source::Media(_))) => "media",
            (_, None) => "unknown",
        },
        Some(EgressRequest::Replay(_)) | None => "unknown",
    }
}

/// LiveKit's health page: cores that requests can have, by a misleading name, and each running request by its id.
async fn health(State(status): State<Arc<Status>>) -> Response {
    let mut page = Map::new();
    page.insert("CpuLoad".to_owned(), json!(status.admission.load().available_cores));
    for info in status.active() {
        let written = write(&info).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
        let request = written.and_then(|mut info| {
            let name = info.as_object()?.keys().find(|key| REQUESTS.contains(&key.as_str()))?.clone();
            Some(json!({ name.clone(): info[&name].take() }))
        });
        page.insert(info.egress_id, request.unwrap_or(Value::Null));
    }
    (json_type(), Value::Object(page).to_string()).into_response()
}

/// What LiveKit's health page has no place for.
async fn status(State(status): State<Arc<Status>>) -> Response {
    let load = status.admission.load();
    let page = json!({
        "bus": status.worker.get().map(Worker::state),
        "draining": *status.draining.borrow(),
        "running": status.active().len(),
        "cores": { "used": load.cpu, "available": load.available_cores },
    });
    (json_type(), page.to_string()).into_response()
}

/// Where an `EgressInfo` holds its request.
const REQUESTS: [&str; 7] =
    ["egress", "replay", "room_composite", "web", "participant", "track_composite", "track"];

fn json_type() -> [(header::HeaderName, HeaderValue); 1] {
    [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]
}

async fn metrics(State(status): State<Arc<Status>>) -> Response {
    let text = status.text(&status.studio.snapshot(), &status.active());
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}
