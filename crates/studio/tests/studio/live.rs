//! A real LiveKit server, real people, the real `tallylight-job`.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use livekit_token::{AccessToken, VideoGrants};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::bench::{Bench, PATIENCE};

pub const KEY: &str = "testkey";
pub const SECRET: &str = "a secret that is long enough for the server";

/// The program that records, as it is built beside the tests.
pub fn job_program() -> PathBuf {
    let beside = std::env::current_exe().unwrap();
    let path = std::env::var_os("TALLYLIGHT_JOB")
        .map(PathBuf::from)
        .unwrap_or_else(|| beside.parent().and_then(Path::parent).unwrap().join("tallylight-job"));
    assert!(path.is_file(), "{} is missing: cargo build -p tallylight-job", path.display());
    path
}

/// A LiveKit server on random loopback ports.
pub struct Server {
    _child: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl Server {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (port, tcp_port) = (free_port().await, free_port().await);
        let udp_port = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let config = json!({
            "port": port,
            "bind_addresses": ["127.0.0.1"],
            "keys": { KEY: SECRET },
            "logging": { "level": "info" },
            "rtc": {
                "tcp_port": tcp_port,
                "udp_port": udp_port,
                "node_ip": "127.0.0.1",
                "use_external_ip": false,
                "enable_loopback_candidate": true,
                "interfaces": { "includes": ["lo"] },
                "stun_servers": [],
            },
            "room": { "empty_timeout": 60, "departure_timeout": 2 },
        });
        // JSON is YAML.
        std::fs::write(folder.path().join("config.yaml"), config.to_string()).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new(livekit_server())
            .arg("--config")
            .arg(folder.path().join("config.yaml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let server = Self { _child: child, folder, port };
        let answers = async {
            while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, answers).await.is_ok(), "no server: {}", server.log());
        server
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// Removes somebody from a room, as an administrator of the project may.
    pub async fn remove(&self, room: &str, identity: &str) {
        let server =
            room::service::Server { url: self.url(), api_key: KEY.into(), api_secret: SECRET.into() };
        room::service::remove_participant(&server, room, identity).await.unwrap();
    }

    pub fn bench(&self) -> Bench {
        Bench::at(&self.url(), KEY, SECRET)
    }
}

fn livekit_server() -> PathBuf {
    let path = std::env::var_os("TALLYLIGHT_LIVEKIT_SERVER").map(PathBuf::from).unwrap_or_else(|| {
        let cache = std::env::var_os("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache"));
        cache.join("tallylight/livekit-server")
    });
    assert!(
        path.is_file(),
        "no livekit-server at {}: set TALLYLIGHT_LIVEKIT_SERVER, or run `npm test` once, which builds it",
        path.display()
    );
    path
}

async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

/// A synthetic person of the shared harness: LiveKit's own SDK in a process of its own.
pub struct Person {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    commands: u64,
}

impl Person {
    /// Joins a room as `ada`, with a camera and a microphone.
    pub async fn ada(server: &Server, room: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/harness/person.mjs");
        let token = AccessToken::with_api_key(KEY, SECRET)
            .with_identity("ada")
            .with_name("Ada")
            .with_grants(VideoGrants { room_join: true, room: room.into(), ..Default::default() })
            .to_jwt()
            .unwrap();
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let config = json!({
            "url": server.url(), "token": token, "person": 0, "name": "Ada", "originMs": now_s * 1000,
        });
        let mut child = Command::new("node")
            .arg("--no-warnings")
            .arg(script)
            .arg(config.to_string())
            .env("RUST_LOG", "off")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .expect("node starts");
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut person = Self { _child: child, input, output, commands: 0 };
        person.command("join", json!({})).await;
        person.command("publishVideo", json!({ "codec": "vp8", "width": 640, "height": 360 })).await;
        person.command("publishAudio", json!({ "voice": "tune" })).await;
        person
    }

    async fn command(&mut self, command: &str, mut line: Value) {
        self.commands += 1;
        line["id"] = self.commands.into();
        line["command"] = command.into();
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        loop {
            let line = tokio::time::timeout(PATIENCE, self.output.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("no answer to {command}")).unwrap();
            let line = line.unwrap_or_else(|| panic!("the person is gone: are the npm packages installed?"));
            let answer: Value = serde_json::from_str(&line).unwrap();
            if answer["id"] == self.commands {
                assert!(answer.get("error").is_none_or(Value::is_null), "{command}: {answer}");
                return;
            }
        }
    }
}
