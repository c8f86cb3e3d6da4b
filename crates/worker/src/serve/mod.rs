//! `serve`: the studio as a service in the place of LiveKit Egress.

mod config;
mod log;
mod places;
mod storage;

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use api::admission::Admission;
use api::bus::redis::RedisConfig;
use api::bus::worker::{Worker, WorkerOptions};
use api::http::status::Status;
use api::http::{Api, Endpoint, Server, Tls};
use api::keys::ApiKeys;
use api::webhook::{Configured, Patience, Webhooks};
use egress::error::ApiError;
use egress::id::EgressId;
use egress::validate::SessionLimits;
use egress::wire::Tuning;
use secrecy::SecretString;
use studio::surface::ProjectInput;
use studio::{EgressDefaults, Studio};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use upload::UploadState;

use crate::args::{Access, invalid};
use crate::session;
use config::{Config, Limits, Read};
use places::places;

pub use log::begin as begin_log;

/// How long the last webhooks may take when the service ends.
const WEBHOOKS_WITHIN: Duration = Duration::from_secs(30);
/// How long the LiveKit server may take to hear of the last, over the bus.
const TOLD_WITHIN: Duration = Duration::from_secs(30);
/// How long calls that are under way may take then.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// Between two tries to reach the LiveKit server at the start.
const LOGIN_WAIT: Duration = Duration::from_secs(3);
/// Between two looks at what is still under way.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Between two words about it.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// What the service is started with.
pub struct Prepared {
    config: Config,
    warnings: Vec<String>,
    defaults: EgressDefaults,
    keys: ApiKeys,
}

/// Reads the configuration. Nothing is begun yet.
///
/// # Errors
/// It cannot be used.
pub fn prepare(file: Option<&Path>) -> Result<Prepared, ApiError> {
    let environment = |name: &str| std::env::var(name).ok();
    let (text, from) = config::text(file, environment)?;
    let Read { mut config, mut warnings } = config::read(&text, &from, environment)?;
    let secret = config.api_secret.clone().expect("reading has made sure of it");
    let mut keys = ApiKeys::new(&config.api_key, secret);
    for (key, secret) in std::mem::take(&mut config.keys) {
        keys.insert(key, secret);
    }
    let (of_places, of_storage) = places(&mut config, environment)?;
    warnings.extend(of_storage);
    let defaults = defaults(&config, of_places);
    config.redis = config.redis.take().map(RedisConfig::resolved).transpose()?;
    Ok(Prepared { config, warnings, defaults, keys })
}

fn defaults(config: &Config, of_places: EgressDefaults) -> EgressDefaults {
    let Limits {
        file_output_max_duration,
        file_output_max_size,
        stream_output_max_duration,
        segment_output_max_duration,
        image_output_max_duration,
    } = &config.session_limits;
    // A limit of less than a second is still one.
    let seconds = |limit: &Option<Duration>| limit.map(|limit| limit.as_secs().max(1));
    EgressDefaults {
        disallow_local: config.disallow_local_storage,
        limits: SessionLimits {
            file_max_s: seconds(file_output_max_duration),
            file_max_bytes: (*file_output_max_size > 0).then_some(*file_output_max_size),
            stream_max_s: seconds(stream_output_max_duration),
            segments_max_s: seconds(segment_output_max_duration),
            images_max_s: seconds(image_output_max_duration),
        },
        template_base: config.template_base().map(str::to_owned),
        tuning: Tuning {
            encoder_threads: config.video_encoder_threads,
            browser_flags: config.chrome_flags.clone(),
            insecure_pages: config.insecure,
            // The studio says which this computer has.
            encoder: None,
        },
        ..of_places
    }
}

impl Prepared {
    /// How much is logged, and whether as JSON.
    pub fn logging(&self) -> (config::Level, bool) {
        let logging = &self.config.logging;
        (logging.level.or(self.config.log_level).unwrap_or_default(), logging.json)
    }

    fn endpoint(&self) -> Result<Endpoint, ApiError> {
        let http = self.config.api.clone().unwrap_or_default();
        let tls = match (http.tls_cert, http.tls_key) {
            (Some(certificate), Some(key)) => Some(Tls { certificate, key }),
            (None, None) => None,
            _ => {
                return Err(invalid(
                    "Only one of api.tls_cert and api.tls_key is set.",
                    "Set both, or neither.",
                ));
            }
        };
        Ok(Endpoint { bind: http.bind, port: http.port, tls })
    }
}

/// What is asked of the service from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    /// To go on.
    Go,
    /// To take nothing new, and end with what runs.
    Drain,
    /// To end what runs, and then itself.
    End,
}

/// Serves until it is told to end.
///
/// # Errors
/// An address cannot be had, the studio cannot be opened, or the LiveKit server refuses the key.
pub async fn run(access: &Access, prepared: Prepared) -> Result<(), ApiError> {
    for warning in &prepared.warnings {
        tracing::warn!("configuration: {warning}");
    }
    let mut wish = wishes()?;
    let endpoint = prepared.endpoint()?;
    let server = Server::for_calls(&endpoint).await?;
    let config = &prepared.config;
    let data_dir = session::served_dir(access.data_dir.clone())?;
    let studio =
        session::served(data_dir.clone(), config.local_directory.clone(), prepared.defaults.clone()).await?;
    let admission = Admission::open(studio.clone(), config.cpu_cost, &data_dir).await;
    let api = Api::new(studio.clone(), prepared.keys.clone(), admission.clone());
    let node_id = EgressId::random().as_str().replace("EG_", "NE_");
    let cluster_id = config.cluster_id.clone();
    let status = Status::new(studio.clone(), node_id, cluster_id, admission.clone(), api.draining());
    let pages = pages(config, &status).await?;
    let (closing, closed) = watch::channel(false);
    let counting = tokio::spawn(status.clone().count());
    let mut servers = JoinSet::new();
    for (page, router) in pages {
        servers.spawn(page.run(router, closed.clone()));
    }
    let hooks = webhooks(&prepared, &studio)?;
    let telling = tokio::spawn(hooks.clone().follow(studio.clone(), closed.clone()));
    let scheme = if endpoint.tls.is_some() { "https" } else { "http" };
    let address = server.address().map(|address| format!("{scheme}://{address}"));
    servers.spawn(server.run(api.clone().router(), closed.clone()));

    let begun = tokio::select! {
        begun = begin(&studio, &prepared, &admission, &data_dir) => begun,
        _ = wish.wait_for(|wish| *wish > Wish::Go) => Ok(None),
    };
    let (begun, worker) = match begun {
        Ok(worker) => (Ok(()), worker),
        Err(error) => (Err(error), None),
    };
    if begun.is_ok() {
        if let Some(worker) = &worker {
            status.show_worker(worker.clone());
        }
        api.open();
        tracing::info!("the API is at {}", address.unwrap_or_default());
        until_over(&studio, &api, worker.as_ref(), &mut wish).await;
    }
    let ended = *wish.borrow() == Wish::End;
    if let Some(worker) = worker {
        leave_bus(&studio, &worker, ended).await;
    }
    admission.close().await;
    let shut = studio.shut_down(ended).await;
    closing.send_replace(true);
    let _ = telling.await;
    hooks.finish(WEBHOOKS_WITHIN).await;
    let answered = async { while servers.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(ANSWERS_WITHIN, answered).await;
    counting.abort();
    begun.and(shut)
}

/// Reaches the LiveKit server, and its bus, if there is one.
async fn begin(
    studio: &Studio,
    prepared: &Prepared,
    admission: &Admission,
    data_dir: &Path,
) -> Result<Option<Worker>, ApiError> {
    let config = &prepared.config;
    login(studio, config, prepared).await?;
    let Some(redis) = config.redis.clone() else { return Ok(None) };
    let options = WorkerOptions {
        redis,
        cluster_id: config.cluster_id.clone(),
        admission: admission.clone(),
        data_dir: data_dir.to_owned(),
        affinity: 1.0,
    };
    Worker::open(studio.clone(), options).await.map(Some)
}

/// Tells the LiveKit server the last of what has happened. What ends with the service, ends before: afterwards nobody
/// could tell of it until the next start.
async fn leave_bus(studio: &Studio, worker: &Worker, ended: bool) {
    if ended {
        for id in studio.running() {
            // One that cannot be stopped is finished with the studio.
            let _ = studio.stop_egress(id).await;
        }
        let over = async {
            while worker.state().running > 0 {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let _ = tokio::time::timeout(TOLD_WITHIN, over).await;
    }
    worker.close(TOLD_WITHIN).await;
}

/// Serves until there is a wish to end, and then until it may.
async fn until_over(studio: &Studio, api: &Api, worker: Option<&Worker>, wish: &mut watch::Receiver<Wish>) {
    let _ = wish.wait_for(|wish| *wish > Wish::Go).await;
    api.drain();
    if let Some(worker) = worker {
        worker.drain();
    }
    tracing::info!("nothing new is taken");
    let mut told = tokio::time::Instant::now() - TELL_EVERY;
    loop {
        if *wish.borrow() == Wish::End {
            return;
        }
        let (running, uploads) = (studio.running().len(), uploads(studio));
        if running == 0 && uploads == 0 {
            return;
        }
        if told.elapsed() >= TELL_EVERY {
            tracing::info!(running, uploads, "waiting for what is under way");
            told = tokio::time::Instant::now();
        }
        let _ = tokio::time::timeout(LOOK_EVERY, wish.changed()).await;
    }
}

/// Uploads that are under way. One that the operator has paused, or that is not on the list any more, is none.
fn uploads(studio: &Studio) -> usize {
    let over = |state: &UploadState| matches!(state, UploadState::Stored { .. } | UploadState::Paused);
    studio.snapshot().uploads.iter().filter(|upload| !over(&upload.state)).count()
}

/// Wishes from outside: SIGTERM and SIGQUIT drain, SIGINT ends, as LiveKit Egress has it.
fn wishes() -> Result<watch::Receiver<Wish>, ApiError> {
    let listen = |kind| {
        signal(kind).map_err(|error| {
            invalid("The system does not let this program hear of signals.", "").with_detail(error)
        })
    };
    let (mut term, mut quit) = (listen(SignalKind::terminate())?, listen(SignalKind::quit())?);
    let mut int = listen(SignalKind::interrupt())?;
    let (sender, receiver) = watch::channel(Wish::Go);
    tokio::spawn(async move {
        loop {
            let heard = tokio::select! {
                _ = term.recv() => Wish::Drain,
                _ = quit.recv() => Wish::Drain,
                _ = int.recv() => Wish::End,
            };
            sender.send_if_modified(|wish| {
                let more = heard > *wish;
                *wish = heard.max(*wish);
                more
            });
        }
    });
    Ok(receiver)
}

/// The pages for health and metrics, each at its port.
async fn pages(config: &Config, status: &Arc<Status>) -> Result<Vec<(Server, axum::Router)>, ApiError> {
    let at = |port| Endpoint { bind: IpAddr::from(Ipv4Addr::UNSPECIFIED), port, tls: None };
    let (health, metrics) = (config.health_port, config.prometheus_port);
    let mut pages = Vec::new();
    if health != 0 {
        let router = status.health();
        let router = if health == metrics { router.merge(status.metrics()) } else { router };
        pages.push((Server::bind(&at(health)).await?, router));
    }
    if metrics != 0 && metrics != health {
        pages.push((Server::bind(&at(metrics)).await?, status.metrics()));
    }
    Ok(pages)
}

fn webhooks(prepared: &Prepared, studio: &Studio) -> Result<Webhooks, ApiError> {
    let configured = prepared.config.webhook.as_ref().map(|webhook| Configured {
        urls: webhook.urls.clone(),
        api_key: webhook.api_key.clone(),
        filter: livekit_protocol::FilterParams {
            include_events: webhook.filter_params.include_events.clone(),
            exclude_events: webhook.filter_params.exclude_events.clone(),
        },
    });
    let hooks = Webhooks::new(configured.unwrap_or_default(), prepared.keys.clone(), Patience::default())?;
    hooks.begin(studio);
    Ok(hooks)
}

/// Logs into the LiveKit server. One that does not answer yet is waited for.
async fn login(studio: &Studio, config: &Config, prepared: &Prepared) -> Result<(), ApiError> {
    let secret: SecretString =
        prepared.config.api_secret.clone().expect("reading the configuration has made sure of it");
    loop {
        let known = studio.snapshot().projects.list;
        let known = known.iter().find(|known| known.url == config.ws_url && known.api_key == config.api_key);
        let input = ProjectInput {
            name: String::new(),
            url: config.ws_url.clone(),
            api_key: config.api_key.clone(),
            api_secret: Some(secret.clone()),
            this_run_only: true,
        };
        let project = match known {
            Some(known) => studio.edit_project(known.id.clone(), input).await.map(|()| known.id.clone()),
            None => studio.add_project(input).await,
        };
        let selected = match project {
            Ok(id) => studio.select_project(Some(id)).await,
            Err(error) => Err(error),
        };
        match selected {
            Err(error) if error.retryable => {
                tracing::warn!(cause = error.detail, "{} It is tried again.", error.message);
                tokio::time::sleep(LOGIN_WAIT).await;
            }
            other => return other,
        }
    }
}
