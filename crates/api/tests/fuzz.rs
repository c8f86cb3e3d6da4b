//! Anything at all, sent to the API: it answers or hangs up, says nothing that it should not, and stays as it was.
//!
//! `TALLYLIGHT_FUZZ` sets how many requests of each kind are made.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use api::admission::{Admission, CpuCost};
use api::http::{Api, Endpoint, Server};
use api::keys::ApiKeys;
use livekit_protocol as proto;
use livekit_token::{AccessToken, VideoGrants};
use parking_lot::Mutex;
use prost::Message;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use studio::projects::JsonProjects;
use studio::secrets::MemorySecrets;
use studio::{Studio, StudioOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

const API_SECRET: &str = "the-secret-of-the-key-itself-0123456789";
/// Stand in requests, and must not come out again.
const HIDDEN: [&str; 3] = ["hunter2hunter2", "AKIAFUZZFUZZ", "c3RyZWFtLWtleQ-hidden"];
const CALLS: [&str; 12] = [
    "StartEgress",
    "StartRoomCompositeEgress",
    "StartWebEgress",
    "StartParticipantEgress",
    "StartTrackCompositeEgress",
    "StartTrackEgress",
    "UpdateLayout",
    "UpdateStream",
    "ListEgress",
    "StopEgress",
    "Nothing",
    "",
];

/// Everything that is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn rounds() -> usize {
    std::env::var("TALLYLIGHT_FUZZ").ok().and_then(|count| count.parse().ok()).unwrap_or(400)
}

fn token(rng: &mut StdRng) -> String {
    let good = || {
        let grants = VideoGrants { room_record: true, ..VideoGrants::default() };
        AccessToken::with_api_key("key", API_SECRET).with_grants(grants).to_jwt().unwrap()
    };
    match rng.random_range(0..6) {
        0 => String::new(),
        1 => text(rng, 300),
        2 => {
            let mut token = good();
            let at = rng.random_range(0..token.len());
            token.remove(at);
            token
        }
        3 => format!(
            "{}.{}.",
            "eyJhbGciOiJub25lIn0", "eyJpc3MiOiJrZXkiLCJ2aWRlbyI6eyJyb29tUmVjb3JkIjp0cnVlfX0"
        ),
        _ => good(),
    }
}

fn text(rng: &mut StdRng, most: usize) -> String {
    let length = rng.random_range(0..most);
    (0..length).map(|_| char::from(rng.random_range(0x20..0x7f_u8))).collect()
}

fn bytes(rng: &mut StdRng, most: usize) -> Vec<u8> {
    let length = rng.random_range(0..most);
    (0..length).map(|_| rng.random()).collect()
}

/// A request that makes sense, or nearly.
fn request(rng: &mut StdRng) -> proto::RoomCompositeEgressRequest {
    let s3 = proto::S3Upload {
        access_key: HIDDEN[1].into(),
        secret: HIDDEN[0].into(),
        bucket: text(rng, 20),
        ..Default::default()
    };
    let file = proto::EncodedFileOutput {
        filepath: text(rng, 40),
        file_type: rng.random_range(-2..9),
        output: rng.random_bool(0.5).then_some(proto::encoded_file_output::Output::S3(s3)),
        ..Default::default()
    };
    let stream = proto::StreamOutput {
        protocol: rng.random_range(-1..4),
        urls: vec![format!("{}://h/live/{}", ["rtmp", "srt", "x"][rng.random_range(0..3)], HIDDEN[2])],
    };
    proto::RoomCompositeEgressRequest {
        room_name: text(rng, 10),
        layout: text(rng, 10),
        file_outputs: vec![file; rng.random_range(0..3)],
        stream_outputs: vec![stream; rng.random_range(0..3)],
        options: Some(proto::room_composite_egress_request::Options::Preset(rng.random_range(-3..20))),
        ..Default::default()
    }
}

/// A body: nonsense, or a request with some bytes of it changed.
fn body(rng: &mut StdRng, json: bool) -> Vec<u8> {
    let mut body = match rng.random_range(0..5) {
        0 => bytes(rng, 2000),
        1 => text(rng, 2000).into_bytes(),
        2 => [b"[".as_slice(), b"{\"a\":"][rng.random_range(0..2)].repeat(rng.random_range(0..3000)),
        _ if json => serde_json::to_vec(&request(rng)).unwrap_or_default(),
        _ => request(rng).encode_to_vec(),
    };
    for _ in 0..rng.random_range(0..4) {
        if !body.is_empty() {
            let at = rng.random_range(0..body.len());
            body[at] = rng.random();
        }
    }
    body
}

/// What is written to the connection.
fn written(rng: &mut StdRng) -> Vec<u8> {
    if rng.random_bool(0.15) {
        return bytes(rng, 4000);
    }
    let call = CALLS[rng.random_range(0..CALLS.len())];
    let json = rng.random_bool(0.5);
    let kind = match rng.random_range(0..10) {
        0 => text(rng, 60),
        _ if json => "application/json".to_owned(),
        _ => "application/protobuf".to_owned(),
    };
    let body = body(rng, json);
    let verb = ["POST", "POST", "POST", "POST", "GET", "OPTIONS", "PUT", "\u{1}"][rng.random_range(0..8)];
    let length = if rng.random_bool(0.9) { body.len() } else { rng.random_range(0..100_000) };
    let (token, more) = (token(rng), text(rng, 100).replace(':', ""));
    let mut all = format!(
        "{verb} /twirp/livekit.Egress/{call} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: {kind}\r\nContent-Length: {length}\r\nX-More: {more}\r\n\r\n"
    )
    .into_bytes();
    all.extend(body);
    all
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn anything_at_all() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_env_filter("debug,api=trace,hyper=trace")
        .with_writer(move || writer.clone())
        .init();
    let folder = tempfile::tempdir().unwrap();
    let projects = JsonProjects::new(folder.path().join("projects.json"));
    let secrets = Arc::new(MemorySecrets::default());
    let studio = Studio::open(StudioOptions {
        default_folder: Some(folder.path().join("recordings")),
        // What gets so far as to be started is over at once.
        job_program: Some("/bin/false".into()),
        ..StudioOptions::new(folder.path().join("data"), Arc::new(projects), secrets)
    })
    .await
    .unwrap();
    // What is asked reaches the studio, however busy this computer is.
    let cost = CpuCost { max_cpu_utilization: 1e6, ..CpuCost::default() };
    let admission = Admission::open(studio.clone(), cost, folder.path()).await;
    let api = Api::new(studio.clone(), ApiKeys::new("key", API_SECRET.into()), admission.clone());
    api.open();
    let endpoint = Endpoint { bind: "127.0.0.1".parse().unwrap(), port: 0, tls: None };
    let server = Server::for_calls(&endpoint).await.unwrap();
    let address = server.address().unwrap();
    let (closing, closed) = watch::channel(false);
    let serving = tokio::spawn(server.run(api.router(), closed));

    let mut rng = StdRng::seed_from_u64(7);
    let (mut answered, mut warm) = (0, 0);
    for round in 0..rounds() {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let all = written(&mut rng);
        let (mut sent, mut rest) = (all.as_slice(), Vec::new());
        // In pieces, and sometimes not to the end.
        if rng.random_bool(0.1) {
            sent = &all[..rng.random_range(0..=all.len())];
        }
        let middle = rng.random_range(0..=sent.len());
        let talk = async {
            let _ = stream.write_all(&sent[..middle]).await;
            let _ = stream.write_all(&sent[middle..]).await;
            let _ = stream.shutdown().await;
            let _ = stream.read_to_end(&mut rest).await;
        };
        timeout(Duration::from_secs(30), talk).await.unwrap_or_else(|_| panic!("round {round} has no end"));
        let answer = String::from_utf8_lossy(&rest);
        if answer.starts_with("HTTP/1.1 ") {
            answered += 1;
        }
        assert!(!answer.contains(" 500 "), "round {round}: {answer}");
        for secret in HIDDEN.iter().chain(&[API_SECRET]) {
            assert!(!answer.contains(secret), "round {round}: {answer}");
        }
        if round == rounds() / 4 {
            warm = resident_bytes();
        }
        if round % 50 == 0 {
            let mut said = log.0.lock();
            let text = String::from_utf8_lossy(&said).into_owned();
            for secret in HIDDEN.iter().chain(&[API_SECRET]) {
                assert!(!text.contains(secret), "the log holds {secret}");
            }
            said.clear();
            said.shrink_to(1 << 20);
        }
    }
    // Who hangs up in the middle is often not answered, on a busy computer more often.
    assert!(answered > rounds() / 4, "{answered} of {} were answered", rounds());
    let grown = resident_bytes().saturating_sub(warm);
    assert!(grown < 48 << 20, "{grown} bytes more than after the first quarter");

    // It is as well as before.
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    closing.send_replace(true);
    timeout(Duration::from_secs(30), serving).await.expect("it ends").unwrap();
    admission.close().await;
    studio.shut_down(false).await.unwrap();
}
