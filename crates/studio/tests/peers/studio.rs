//! A studio in a process of its own, so that a test can kill it: starts one job, says its id once it
//! records (or is armed), and waits for its end.

#![allow(clippy::unwrap_used, reason = "a test peer fails by panicking")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use egress::fact::EgressStatus;
use egress::request::{Preset, RecordFormat, RecordRequest, RecordSource};
use secrecy::SecretString;
use studio::projects::JsonProjects;
use studio::secrets::{MemorySecrets, SecretStore};
use studio::{Studio, StudioOptions};

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [data_dir, recordings, job_program, room, what] = &args[..] else { panic!("wrong arguments") };
    let data_dir = PathBuf::from(data_dir);
    let secrets = MemorySecrets::default();
    secrets.set("PJ_test", &SecretString::from(std::env::var("PEER_SECRET").unwrap())).unwrap();
    let projects = JsonProjects::new(data_dir.join("projects.json"));
    let mut options = StudioOptions::new(data_dir, Arc::new(projects), Arc::new(secrets));
    options.job_program = Some(job_program.into());
    options.default_folder = Some(recordings.into());
    let studio = Studio::open(options).await.unwrap();
    let request = RecordRequest {
        room_name: room.clone(),
        source: RecordSource::Participant { identity: "ada".into(), follow_screen_share: false },
        format: RecordFormat::Preset { container: None, preset: Preset::H264720p30 },
        folder: String::new(),
        name: String::new(),
        manifest: false,
        segments: None,
        images: None,
        copy_folder: None,
        proxy: None,
        upload: None,
    };
    let id = match what.as_str() {
        "arm" => studio.arm(request).await.unwrap(),
        _ => studio.start(request).await.unwrap(),
    };
    loop {
        let jobs = studio.snapshot().jobs;
        let job = jobs.iter().find(|job| job.egress_id == id).unwrap();
        if job.armed || job.status != EgressStatus::Starting {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("{id}");
    std::future::pending::<()>().await;
}
