//! The metrics in Prometheus's text form.

use std::collections::BTreeMap;
use std::fmt::Write;

use livekit_protocol::EgressInfo;
use studio::surface::Snapshot;

use super::counts::{BUCKETS_MS, Counts};
use super::{Status, kind};
use crate::admission::{Kind, Load};
use crate::bus::worker::WorkerState;

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

    /// A figure that LiveKit tells of for each node, by its words.
    fn flag(&mut self, name: &str, help: &str, yes: bool) {
        self.gauge(name, help, if yes { 1.0 } else { 0.0 });
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
    pub(super) fn text(&self, snapshot: &Snapshot, active: &[EgressInfo]) -> String {
        let node = vec![("node_id", self.node_id.clone()), ("cluster_id", self.cluster_id.clone())];
        let mut page = Page { text: String::new(), node };
        let draining = *self.draining.borrow();
        page.flag("livekit_egress_available", "Whether nothing runs", active.is_empty());
        // As LiveKit Egress has it: of a web page.
        let room = !draining && self.admission.fits(Kind::Web).is_ok();
        page.flag("livekit_egress_can_accept_request", "Whether a request is taken", room);
        page.flag("livekit_egress_is_disabled", "Whether no request is taken", draining);
        page.flag("livekit_egress_is_terminating", "Whether the service ends", draining);
        load(&mut page, &self.admission.load());

        let mut requests: BTreeMap<&str, u32> = BTreeMap::new();
        for info in active {
            *requests.entry(kind(info)).or_default() += 1;
        }
        page.family("livekit_egress_requests", "gauge", "Requests under way");
        for (kind, count) in requests {
            page.value("livekit_egress_requests", &[("type", kind)], f64::from(count));
        }
        counts(&mut page, &self.counts.lock());

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

/// How full the computer is.
fn load(page: &mut Page, load: &Load) {
    page.family("livekit_node_cpu_load", "gauge", "Use of all cores, 0 to 1");
    page.value("livekit_node_cpu_load", &[("node_type", "EGRESS")], load.cpu);
    let name = "livekit_load_ratio";
    page.family(name, "gauge", "Per-resource utilization ratio (0 = idle, can exceed 1 under overload)");
    page.value(name, &[("type", "cpu")], load.cpu_ratio);
    if let Some(ratio) = load.memory_ratio {
        page.value(name, &[("type", "memory")], ratio);
    }
    page.gauge("livekit_egress_proc_rss_bytes", "Memory of the jobs", load.jobs_bytes as f64);
    page.flag("livekit_egress_cgroup_read_success", "Whether there is a cgroup", load.cgroup_bytes.is_some());
    let cgroup = load.cgroup_bytes.unwrap_or_default() as f64;
    page.gauge("livekit_egress_cgroup_memory_bytes", "Memory of the cgroup", cgroup);
    let name = "livekit_egress_would_reject_cgroup";
    page.flag(name, "Whether the memory of the cgroup alone leaves no room", load.full_by_cgroup);
}

/// What has happened so far.
fn counts(page: &mut Page, counts: &Counts) {
    let name = "livekit_egress_handler_results_total";
    page.family(name, "counter", "Processes of requests that are over, by how they ended");
    for ((kind, result), count) in &counts.results {
        page.value(name, &[("type", *kind), ("result", *result)], *count as f64);
    }
    let name = "tallylight_jobs_ended_total";
    page.family(name, "counter", "Requests that are over, by their status");
    for ((kind, status), count) in &counts.ends {
        page.value(name, &[("type", *kind), ("status", *status)], *count as f64);
    }
    let name = "livekit_egress_pipeline_uploads";
    page.family(name, "counter", "Tries of uploads to the first storage");
    let labels = |one: &super::counts::Try| {
        let custom = if one.custom_endpoint { "true" } else { "false" };
        [("type", one.kind), ("status", one.status), ("custom_endpoint", custom)]
    };
    for (one, times) in &counts.uploads {
        page.value(name, &labels(one), times.count as f64);
    }
    // LiveKit's name is misspelled.
    let name = "livekit_egress_pipline_upload_response_time_ms";
    page.family(name, "histogram", "How long uploads took from when their file was complete, ms");
    for (one, times) in &counts.uploads {
        let mut below = 0;
        for (most, count) in BUCKETS_MS.iter().zip(times.buckets) {
            below += count;
            let (labels, most) = (labels(one), most.to_string());
            let labels: Vec<_> = labels.into_iter().chain([("le", most.as_str())]).collect();
            page.value(&format!("{name}_bucket"), &labels, below as f64);
        }
        let all: Vec<_> = labels(one).into_iter().chain([("le", "+Inf")]).collect();
        page.value(&format!("{name}_bucket"), &all, times.count as f64);
        page.value(&format!("{name}_sum"), &labels(one), times.sum_ms);
        page.value(&format!("{name}_count"), &labels(one), times.count as f64);
    }
    let name = "livekit_egress_backup_storage_writes";
    page.family(name, "counter", "Files that went to the backup");
    for (kind, count) in &counts.backups {
        page.value(name, &[("output_type", *kind)], *count as f64);
    }
}
