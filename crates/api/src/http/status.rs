//! Health and metrics, as LiveKit Egress has them, and what it has not: how each output is.

use std::collections::BTreeMap;
use std::fmt::Write;
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
use studio::surface::{Change, Numbered, Snapshot};
use studio::{EgressFilter, Studio};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use upload::UploadState;

use super::json::write;
use crate::admission::{Admission, Kind};
use crate::bus::worker::{Worker, WorkerState};

/// What the pages show.
pub struct Status {
    studio: Studio,
    node_id: String,
    cluster_id: String,
    admission: Admission,
    draining: watch::Receiver<bool>,
    /// The worker on the bus, where there is one.
    worker: OnceLock<Worker>,
    counted: Mutex<Counted>,
}

/// What only grows.
#[derive(Debug, Default)]
struct Counted {
    /// Ended jobs, by type and result.
    results: BTreeMap<(&'static str, &'static str), u64>,
    /// Verified uploads, by whether they went to the backup.
    uploads: BTreeMap<bool, u64>,
    seen_jobs: std::collections::HashSet<String>,
    seen_uploads: std::collections::HashSet<String>,
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
        let (worker, counted) = (OnceLock::new(), Mutex::default());
        Arc::new(Self { studio, node_id, cluster_id, admission, draining, worker, counted })
    }

    /// From now on the pages show a worker on the bus, too.
    pub fn show_worker(&self, worker: Worker) {
        // There is one at most.
        let _ = self.worker.set(worker);
    }

    /// The health page at `/`.
    pub fn health(self: &Arc<Self>) -> Router {
        Router::new().route("/", get(health)).with_state(self.clone())
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
                        if matches!(upload.state, UploadState::Stored { .. }) {
                            self.counted.lock().stored(format!("{:?}", upload.id), upload.on_backup);
                        }
                    }
                    Err(RecvError::Closed) => return,
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                },
                info = egresses.recv() => match info {
                    Ok(info) => self.counted.lock().ended(&info),
                    Err(RecvError::Closed) => return,
                    Err(RecvError::Lagged(_)) => {}
                },
            }
        }
    }
}

impl Counted {
    fn ended(&mut self, info: &EgressInfo) {
        use proto::EgressStatus::{EgressAborted, EgressComplete, EgressFailed, EgressLimitReached};
        let result = match info.status() {
            EgressComplete | EgressLimitReached => "completed",
            EgressAborted => "aborted",
            EgressFailed => "failed",
            _ => return,
        };
        if self.seen_jobs.insert(info.egress_id.clone()) {
            *self.results.entry((kind(info), result)).or_default() += 1;
        }
    }

    fn stored(&mut self, id: String, on_backup: bool) {
        if self.seen_uploads.insert(id) {
            *self.uploads.entry(on_backup).or_default() += 1;
        }
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

fn cores() -> f64 {
    std::thread::available_parallelism().map_or(1.0, |count| count.get() as f64)
}

fn active(studio: &Studio) -> Vec<EgressInfo> {
    studio.list_egress(&EgressFilter { active: true, ..EgressFilter::default() })
}

/// LiveKit's health page: free cores by a misleading name, and each running request by its id.
async fn health(State(status): State<Arc<Status>>) -> Response {
    let busy = status.studio.snapshot().machine.cpu_percent / 100.0;
    let mut page = Map::new();
    page.insert("CpuLoad".to_owned(), json!(cores() * (1.0 - busy)));
    if let Some(worker) = status.worker.get() {
        page.insert("Bus".to_owned(), json!(worker.state()));
    }
    for info in active(&status.studio) {
        let written = write(&info).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
        let request = written.and_then(|mut info| {
            let name = info.as_object()?.keys().find(|key| REQUESTS.contains(&key.as_str()))?.clone();
            Some(json!({ name.clone(): info[&name].take() }))
        });
        page.insert(info.egress_id, request.unwrap_or(Value::Null));
    }
    (json_type(), Value::Object(page).to_string()).into_response()
}

/// Where an `EgressInfo` holds its request.
const REQUESTS: [&str; 7] =
    ["egress", "replay", "room_composite", "web", "participant", "track_composite", "track"];

fn json_type() -> [(header::HeaderName, HeaderValue); 1] {
    [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]
}

async fn metrics(State(status): State<Arc<Status>>) -> Response {
    let text = status.text(&status.studio.snapshot(), &active(&status.studio));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// Metrics in Prometheus's text form.
struct Page {
    text: String,
    node: Vec<(&'static str, String)>,
}

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn value(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let node = self.node.iter().map(|(key, value)| (*key, value.as_str()));
        let labels: Vec<String> = node
            .chain(labels.iter().copied())
            .map(|(key, value)| format!("{key}=\"{}\"", escaped(value)))
            .collect();
        let _ = writeln!(self.text, "{name}{{{}}} {value}", labels.join(","));
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.family(name, "gauge", help);
        self.value(name, &[], value);
    }

    fn counter(&mut self, name: &str, help: &str, value: f64) {
        self.family(name, "counter", help);
        self.value(name, &[], value);
    }
}

/// How the worker on the bus is.
fn bus(page: &mut Page, worker: &WorkerState) {
    let up = if worker.redis_error.is_none() { 1.0 } else { 0.0 };
    page.gauge("tallylight_bus_up", "Whether Redis is reached", up);
    page.gauge("tallylight_bus_jobs", "Jobs from the bus that are not over", worker.running as f64);
    let untold = worker.untold as f64;
    page.gauge("tallylight_bus_untold", "Jobs of which the server has not heard everything", untold);
    page.counter("tallylight_bus_dropped_total", "Messages that were dropped", worker.dropped as f64);
    page.counter("tallylight_bus_passed_total", "Requests left to other workers", worker.passed as f64);
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

impl Status {
    fn text(&self, snapshot: &Snapshot, active: &[EgressInfo]) -> String {
        let node = vec![("node_id", self.node_id.clone()), ("cluster_id", self.cluster_id.clone())];
        let mut page = Page { text: String::new(), node };
        let draining = *self.draining.borrow();
        let number = |yes: bool| if yes { 1.0 } else { 0.0 };
        let load = snapshot.machine.cpu_percent / 100.0;
        page.gauge("livekit_egress_available", "Whether nothing runs", number(active.is_empty()));
        // As LiveKit Egress has it: of the kind that costs most.
        let room = !draining && self.admission.fits(Kind::RoomComposite).is_ok();
        page.gauge("livekit_egress_can_accept_request", "Whether a request is taken", number(room));
        page.gauge("livekit_egress_is_disabled", "Whether no request is taken", number(draining));
        page.gauge("livekit_egress_is_terminating", "Whether the service ends", number(draining));
        page.gauge("livekit_node_cpu_load", "Use of all cores, 0 to 1", load);
        page.family("livekit_load_ratio", "gauge", "Use of a resource, 0 to 1");
        page.value("livekit_load_ratio", &[("type", "cpu")], load);

        let mut requests: BTreeMap<&str, u32> = BTreeMap::new();
        for info in active {
            *requests.entry(kind(info)).or_default() += 1;
        }
        page.family("livekit_egress_requests", "gauge", "Requests under way");
        for (kind, count) in requests {
            page.value("livekit_egress_requests", &[("type", kind)], f64::from(count));
        }
        let running = || snapshot.jobs.iter().filter_map(|job| Some((job, job.figures.as_ref()?)));
        let resident: u64 = running().map(|(_, figures)| figures.memory_bytes).sum();
        page.gauge("livekit_egress_proc_rss_bytes", "Memory of the jobs", resident as f64);
        let counted = self.counted.lock();
        page.family("livekit_egress_handler_results_total", "counter", "Requests that are over");
        for ((kind, result), count) in &counted.results {
            let labels = [("type", *kind), ("result", *result)];
            page.value("livekit_egress_handler_results_total", &labels, *count as f64);
        }
        page.family(
            "livekit_egress_pipeline_uploads",
            "counter",
            "Files that are in their storage, verified",
        );
        for (on_backup, count) in &counted.uploads {
            let labels = [("status", "success"), ("storage", if *on_backup { "backup" } else { "primary" })];
            page.value("livekit_egress_pipeline_uploads", &labels, *count as f64);
        }
        let backup = counted.uploads.get(&true).copied().unwrap_or_default();
        page.family("livekit_egress_backup_storage_writes", "counter", "Files that went to the backup");
        page.value("livekit_egress_backup_storage_writes", &[], backup as f64);
        drop(counted);

        let refused = self.admission.refused() as f64;
        page.counter("tallylight_refused_total", "Requests that there was no room for", refused);
        if let Some(worker) = self.worker.get() {
            bus(&mut page, &worker.state());
        }
        self.jobs(&mut page, snapshot);
        page.text
    }

    /// What LiveKit Egress does not tell.
    fn jobs(&self, page: &mut Page, snapshot: &Snapshot) {
        let running: Vec<_> =
            snapshot.jobs.iter().filter_map(|job| Some((job, job.figures.as_ref()?))).collect();
        page.family("tallylight_job_cpu_cores", "gauge", "Cores that a job uses");
        for (job, figures) in &running {
            let labels = [("egress_id", job.egress_id.as_str())];
            page.value("tallylight_job_cpu_cores", &labels, figures.cpu_percent / 100.0);
        }
        page.family("tallylight_job_memory_bytes", "gauge", "Memory of a job");
        for (job, figures) in &running {
            let labels = [("egress_id", job.egress_id.as_str())];
            page.value("tallylight_job_memory_bytes", &labels, figures.memory_bytes as f64);
        }
        type Figure = fn(&egress::fact::OutputFigures) -> f64;
        let outputs: [(&str, &str, &str, Figure); 5] = [
            ("tallylight_output_frames_total", "counter", "Pictures written or sent", |o| o.frames as f64),
            ("tallylight_output_dropped_frames_total", "counter", "Pictures missing", |o| {
                o.dropped_frames as f64
            }),
            ("tallylight_output_bytes_total", "counter", "Bytes written or sent", |o| o.size_bytes as f64),
            ("tallylight_output_bitrate_bps", "gauge", "Bits a second, of late", |o| o.bitrate_bps as f64),
            ("tallylight_output_elapsed_seconds", "gauge", "Media time", |o| o.elapsed_ms as f64 / 1000.0),
        ];
        for (name, kind, help, figure) in outputs {
            page.family(name, kind, help);
            for (job, figures) in &running {
                for output in &figures.outputs {
                    let labels = [("egress_id", job.egress_id.as_str()), ("output", output.output.as_str())];
                    page.value(name, &labels, figure(output));
                }
            }
        }
        let name = "tallylight_output_reconnects";
        page.family(name, "gauge", "Tries of a stream since it was last live");
        for (job, figures) in &running {
            for output in &figures.outputs {
                if let Some(connection) = &output.destination {
                    let labels = [("egress_id", job.egress_id.as_str()), ("output", output.output.as_str())];
                    page.value(name, &labels, f64::from(connection.tries));
                }
            }
        }
        if let Some(free) = snapshot.machine.disk_free_bytes {
            page.gauge("tallylight_disk_free_bytes", "Free where recordings go", free as f64);
        }
    }
}
