//! A worker on the bus and nothing else, for tests of it alone: `bus_worker serve --config FILE --data-dir FOLDER`.
//! The configuration is that of `tallylight-worker serve`, as JSON.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use api::bus::redis::RedisConfig;
use api::bus::worker::{CpuCost, Worker, WorkerOptions};
use secrecy::SecretString;
use serde::Deserialize;
use studio::projects::JsonProjects;
use studio::secrets::MemorySecrets;
use studio::surface::ProjectInput;
use studio::{Studio, StudioOptions};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Deserialize)]
struct Config {
    redis: RedisConfig,
    api_key: String,
    api_secret: SecretString,
    ws_url: String,
    local_directory: PathBuf,
    #[serde(default)]
    cpu_cost: CpuCost,
}

#[tokio::main(flavor = "multi_thread")]
async fn main() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let words: Vec<String> = std::env::args().collect();
    let after = |name: &str| words.iter().skip_while(|word| *word != name).nth(1).expect(name).clone();
    let text = std::fs::read(after("--config")).expect("a configuration");
    let config: Config = serde_json::from_slice(&text).expect("a configuration that can be read");
    let data_dir = PathBuf::from(after("--data-dir"));
    let mut terminate = signal(SignalKind::terminate()).expect("signals");

    let projects = JsonProjects::new(data_dir.join("projects.json"));
    let options = StudioOptions {
        default_folder: Some(config.local_directory),
        ..StudioOptions::new(data_dir.clone(), Arc::new(projects), Arc::new(MemorySecrets::default()))
    };
    let studio = Studio::open(options).await.expect("a studio");
    let input = ProjectInput {
        name: String::new(),
        url: config.ws_url,
        api_key: config.api_key,
        api_secret: Some(config.api_secret),
        this_run_only: true,
    };
    let known = studio.snapshot().projects.list;
    let project = match known.iter().find(|project| project.url == input.url) {
        Some(project) => {
            studio.edit_project(project.id.clone(), input).await.expect("a login");
            project.id.clone()
        }
        None => studio.add_project(input).await.expect("a login"),
    };
    studio.select_project(Some(project)).await.expect("a project");
    let (redis, cpu_cost) = (config.redis, config.cpu_cost);
    let options = WorkerOptions { redis, cluster_id: String::new(), cpu_cost, data_dir, affinity: 1.0 };
    let worker = Worker::open(studio.clone(), options).await.expect("a worker");
    terminate.recv().await;
    worker.drain();
    while worker.state().running > 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    worker.close(Duration::from_secs(30)).await;
    studio.shut_down(false).await.expect("an end");
}
