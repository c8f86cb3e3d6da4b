//! A real server, real publishers, and a witness of what a session tells.

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use egress::error::ApiError;
use egress::fact::ConnectionState;
use egress::id::TrackId;
use egress::roster::{LayerQuality, Roster, Track};
use livekit_token::{AccessToken, VideoGrants};
use room::event::{Packet, RoomEnd, RoomEvent, Stream, StreamId};
use room::session::{Room, RoomOptions, join};
use room::token::{RECORDER_TTL, recorder_token};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, watch};

pub const KEY: &str = "testkey";
pub const SECRET: &str = "a secret that is long enough for the server";
/// For anything that takes milliseconds on a quiet machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

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

/// A LiveKit server of our own, on random loopback ports.
pub struct Server {
    child: Child,
    folder: tempfile::TempDir,
    pub port: u16,
}

impl Server {
    pub async fn start() -> Self {
        Self::start_with(json!({})).await
    }

    /// `room`: the server's settings for rooms.
    pub async fn start_with(room: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (port, tcp_port) = (free_port().await, free_port().await);
        let udp_port = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let mut rooms = json!({ "empty_timeout": 60, "departure_timeout": 2 });
        rooms.as_object_mut().unwrap().extend(room.as_object().unwrap().clone());
        let config = json!({
            "port": port,
            "bind_addresses": ["127.0.0.1"],
            "keys": { KEY: SECRET },
            "logging": { "level": "info", "json": true },
            "rtc": {
                "tcp_port": tcp_port,
                "udp_port": udp_port,
                "node_ip": "127.0.0.1",
                "use_external_ip": false,
                "enable_loopback_candidate": true,
                "interfaces": { "includes": ["lo"] },
                "stun_servers": [],
            },
            "room": rooms,
        });
        // JSON is YAML.
        std::fs::write(folder.path().join("config.yaml"), config.to_string()).unwrap();
        let child = spawn_server(folder.path());
        let mut server = Self { child, folder, port };
        server.answering().await;
        server
    }

    /// Kills the process and starts it again on the same ports.
    pub async fn restart(&mut self, down_for: Duration) {
        self.child.kill().await.unwrap();
        tokio::time::sleep(down_for).await;
        self.child = spawn_server(self.folder.path());
        self.answering().await;
    }

    async fn answering(&mut self) {
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.is_err() {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("livekit-server ended with {status}: {}", self.log());
            }
            assert!(Instant::now() < until, "livekit-server does not answer: {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    pub fn service(&self) -> room::service::Server {
        room::service::Server { url: self.url(), api_key: KEY.into(), api_secret: SECRET.into() }
    }

    pub fn options(&self, room: &str) -> RoomOptions {
        let token = recorder_token(KEY, &SECRET.into(), room, "EG_recorder", RECORDER_TTL).unwrap();
        RoomOptions::new(self.url(), token)
    }
}

fn spawn_server(folder: &Path) -> Child {
    let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
    Command::new(livekit_server())
        .arg("--config")
        .arg(folder.join("config.yaml"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

/// A synthetic person of the shared harness: LiveKit's own SDK in a process of its own.
pub struct Person {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    next: u64,
    pub identity: String,
}

impl Person {
    /// Joins a room.
    pub async fn join(server: &Server, room: &str, number: u32) -> Self {
        Self::join_at(&server.url(), room, number).await
    }

    pub async fn join_at(url: &str, room: &str, number: u32) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/harness/person.mjs");
        let identity = format!("person-{number}");
        let token = AccessToken::with_api_key(KEY, SECRET)
            .with_identity(&identity)
            .with_name(&format!("Person {number}"))
            .with_grants(VideoGrants { room_join: true, room: room.into(), ..Default::default() })
            .to_jwt()
            .unwrap();
        let now_ms = jiff::Timestamp::now().as_millisecond();
        let config = json!({
            "url": url, "token": token, "person": number, "name": identity,
            "originMs": now_ms / 1000 * 1000,
        });
        let mut child = Command::new("node")
            .arg("--no-warnings")
            .arg(&script)
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
        let mut person = Self { child, input, output, next: 1, identity };
        person.command("join", json!({})).await;
        person
    }

    /// Gives a command and returns its result.
    pub async fn command(&mut self, command: &str, options: Value) -> Value {
        let id = self.next;
        self.next += 1;
        let mut line = options;
        line["id"] = id.into();
        line["command"] = command.into();
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        loop {
            let line = tokio::time::timeout(PATIENCE, self.output.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("no answer to {command}")).unwrap();
            let line = line.unwrap_or_else(|| panic!("the publisher ended: are the npm packages installed?"));
            let answer: Value = serde_json::from_str(&line).unwrap();
            if answer["id"] == id {
                assert!(answer["error"].is_null(), "{command}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    /// Publishes a small picture and returns the track.
    pub async fn video(&mut self, codec: &str) -> TrackId {
        self.video_with(json!({ "codec": codec, "width": 320, "height": 180, "fps": 15 })).await
    }

    pub async fn video_with(&mut self, options: Value) -> TrackId {
        track_id(&self.command("publishVideo", options).await)
    }

    pub async fn audio(&mut self) -> TrackId {
        self.audio_with(json!({})).await
    }

    pub async fn audio_with(&mut self, options: Value) -> TrackId {
        track_id(&self.command("publishAudio", options).await)
    }

    /// Ends the process as a crash would.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

fn track_id(result: &Value) -> TrackId {
    TrackId(result["sid"].as_str().expect("a track id").to_owned())
}

/// What was received of one stream.
#[derive(Debug)]
pub struct Received {
    pub stream: Arc<Stream>,
    pub packets: u64,
    /// With a payload.
    pub media: u64,
    pub lost: u64,
    pub frames: u64,
    pub first: Option<Packet>,
    pub last: Option<Packet>,
    pub ended: bool,
    /// Sizes of VP8 key frames, as they came.
    pub sizes: Vec<(u16, u16)>,
    /// Longest step in `time_ns` between neighbours.
    pub largest_step_ns: i64,
}

/// Joins a room and keeps what the session tells.
pub struct Witness {
    pub room: Room,
    events: mpsc::Receiver<RoomEvent>,
    pub streams: BTreeMap<StreamId, Received>,
    pub connections: Vec<(ConnectionState, Instant)>,
    pub roster: Arc<Roster>,
    pub rosters: u64,
    pub failed: HashMap<TrackId, ApiError>,
    pub end: Option<RoomEnd>,
}

impl Witness {
    pub async fn join(options: RoomOptions) -> Self {
        let (room, events) = join(options).await.unwrap();
        Self {
            room,
            events,
            streams: BTreeMap::new(),
            connections: Vec::new(),
            roster: Arc::default(),
            rosters: 0,
            failed: HashMap::new(),
            end: None,
        }
    }

    /// Takes events until `done`, checking what holds for every stream.
    pub async fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let until = tokio::time::Instant::now() + PATIENCE;
        while !done(self) {
            let event = tokio::time::timeout_at(until, self.events.recv()).await;
            let Ok(event) = event else { panic!("not within {PATIENCE:?}: {what}\n{}", self.story()) };
            let Some(event) = event else { panic!("the session ended before: {what}\n{}", self.story()) };
            self.take(event);
        }
    }

    /// Takes events until something outside of them is so.
    pub async fn until_seen(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(Instant::now() < until, "not within {PATIENCE:?}: {what}\n{}", self.story());
            self.run(Duration::from_millis(50)).await;
        }
    }

    /// Takes events for a while.
    pub async fn run(&mut self, time: Duration) {
        let until = tokio::time::Instant::now() + time;
        while let Ok(Some(event)) = tokio::time::timeout_at(until, self.events.recv()).await {
            self.take(event);
        }
    }

    /// Leaves and takes what is left.
    pub async fn leave(&mut self) {
        self.room.leave().await;
        while let Some(event) = self.events.recv().await {
            self.take(event);
        }
    }

    fn take(&mut self, event: RoomEvent) {
        assert_eq!(self.end, None, "nothing comes after the end");
        match event {
            RoomEvent::Connection(state) => self.connections.push((state, Instant::now())),
            RoomEvent::Roster(roster) => {
                self.roster = roster;
                self.rosters += 1;
            }
            RoomEvent::StreamStarted(stream) => {
                let open = self.streams.values().any(|it| !it.ended && it.stream.track_id == stream.track_id);
                assert!(!open, "one stream of a track at a time");
                let received = Received {
                    stream: stream.clone(),
                    packets: 0,
                    media: 0,
                    lost: 0,
                    frames: 0,
                    first: None,
                    last: None,
                    ended: false,
                    sizes: Vec::new(),
                    largest_step_ns: 0,
                };
                assert!(self.streams.insert(stream.id, received).is_none(), "ids are never used again");
            }
            RoomEvent::Packet(packet) => {
                self.streams.get_mut(&packet.stream).expect("a known stream").take(packet)
            }
            RoomEvent::StreamEnded(id) => {
                let received = self.streams.get_mut(&id).expect("a known stream");
                assert!(!std::mem::replace(&mut received.ended, true), "a stream ends once");
            }
            RoomEvent::SubscriptionFailed { track_id, error } => {
                self.failed.insert(track_id, error);
            }
            RoomEvent::Ended(end) => self.end = Some(end),
        }
    }

    /// Subscribes once the track is in the roster, and waits for its first packets.
    pub async fn subscribe(&mut self, track: &TrackId) {
        self.subscribe_layer(track, LayerQuality::High).await;
    }

    pub async fn subscribe_layer(&mut self, track: &TrackId, layer: LayerQuality) {
        let id = track.clone();
        self.until("the track is in the roster", |it| it.track(&id).is_some()).await;
        self.room.subscribe(track.clone(), layer);
        self.until("the track's stream starts", |it| it.current(&id).is_some_and(|now| now.media > 0)).await;
    }

    /// Takes so many more packets of a track.
    pub async fn more(&mut self, track: &TrackId, packets: u64) {
        let goal = self.media(track) + packets;
        self.until("more packets", |it| it.media(track) >= goal).await;
    }

    pub fn track(&self, id: &TrackId) -> Option<&Track> {
        self.roster.participants.iter().flat_map(|person| &person.tracks).find(|track| track.sid == *id)
    }

    /// The running stream of a track.
    pub fn current(&self, track: &TrackId) -> Option<&Received> {
        self.streams.values().find(|it| it.stream.track_id == *track && !it.ended)
    }

    /// All streams of a track, in order.
    pub fn all(&self, track: &TrackId) -> Vec<&Received> {
        self.streams.values().filter(|it| it.stream.track_id == *track).collect()
    }

    /// Packets with a payload, over all streams of a track.
    pub fn media(&self, track: &TrackId) -> u64 {
        self.all(track).iter().map(|it| it.media).sum()
    }

    pub fn states(&self) -> Vec<ConnectionState> {
        self.connections.iter().map(|(state, _)| *state).collect()
    }

    pub fn connected(&self, times: usize) -> bool {
        self.times_connected() >= times
    }

    pub fn times_connected(&self) -> usize {
        self.states().iter().filter(|state| **state == ConnectionState::Connected).count()
    }

    fn story(&self) -> String {
        let streams: Vec<String> = self
            .streams
            .values()
            .map(|it| {
                format!("{:?}: {} packets, {} lost, ended {}", it.stream, it.packets, it.lost, it.ended)
            })
            .collect();
        format!(
            "connections {:?}, end {:?}, failed {:?}, roster {:?}, streams {streams:#?}",
            self.states(),
            self.end,
            self.failed,
            self.roster
        )
    }
}

impl Received {
    fn take(&mut self, packet: Packet) {
        assert!(!self.ended, "no packet after the end of its stream");
        if let Some(last) = &self.last {
            assert_eq!(packet.seq, last.seq + 1 + u64::from(packet.lost_before), "in order, losses counted");
            if packet.rtp_time >= last.rtp_time {
                assert!(packet.time_ns >= last.time_ns, "time follows RTP time");
                let media = (packet.rtp_time - last.rtp_time) as i64 * 1_000_000_000
                    / i64::from(self.stream.clock_rate_hz);
                self.largest_step_ns =
                    self.largest_step_ns.max((packet.time_ns - last.time_ns - media).abs());
            }
        } else {
            assert_eq!(packet.lost_before, 0);
        }
        self.packets += 1;
        self.lost += u64::from(packet.lost_before);
        if !packet.payload.is_empty() {
            self.media += 1;
            self.frames += u64::from(packet.marker);
            if self.stream.codec == room::event::Codec::Vp8 {
                self.sizes.extend(vp8_key_frame(&packet.payload));
            }
        }
        if self.first.is_none() {
            self.first = Some(packet.clone());
        }
        self.last = Some(packet);
    }

    pub fn span(&self) -> Duration {
        let (Some(first), Some(last)) = (&self.first, &self.last) else { return Duration::ZERO };
        Duration::from_nanos(u64::try_from(last.time_ns - first.time_ns).expect("time goes forwards"))
    }
}

/// Width and height, if a VP8 key frame begins here. The start code is looked for, not parsed.
fn vp8_key_frame(payload: &[u8]) -> Option<(u16, u16)> {
    if payload[0] & 0x10 == 0 {
        return None;
    }
    let at =
        payload.iter().take(16).collect::<Vec<_>>().windows(3).position(|w| w == [&0x9d, &0x01, &0x2a])?;
    let size = payload.get(at + 3..at + 7)?;
    Some((u16::from_le_bytes([size[0], size[1]]) & 0x3fff, u16::from_le_bytes([size[2], size[3]]) & 0x3fff))
}

/// A TCP proxy before the server, which can cut its connections or go dead.
pub struct Proxy {
    pub address: SocketAddr,
    cut: watch::Sender<u64>,
    dead: Arc<AtomicBool>,
    pub accepted: Arc<AtomicU64>,
    /// How many connections are answered with HTTP 500 from now on, as by a server that has lost its Redis.
    pub failing: Arc<AtomicU64>,
}

impl Proxy {
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cut, cuts) = watch::channel(0);
        let dead = Arc::new(AtomicBool::new(false));
        let accepted = Arc::new(AtomicU64::new(0));
        let failing = Arc::new(AtomicU64::new(0));
        let (is_dead, count, refused) = (dead.clone(), accepted.clone(), failing.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let (is_dead, mut cuts) = (is_dead.clone(), cuts.clone());
                cuts.mark_unchanged();
                let less = |left: u64| left.checked_sub(1);
                if refused.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
                    tokio::spawn(fail(client));
                    continue;
                }
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else { return };
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    tokio::select! {
                        () = pump(from_client, to_server, is_dead.clone()) => {}
                        () = pump(from_server, to_client, is_dead) => {}
                        _ = cuts.changed() => {}
                    }
                });
            }
        });
        Self { address, cut, dead, accepted, failing }
    }

    pub fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Closes all connections.
    pub fn cut(&self) {
        self.cut.send_modify(|count| *count += 1);
    }

    /// Whether bytes are held back.
    pub fn set_dead(&self, dead: bool) {
        self.dead.store(dead, Ordering::SeqCst);
    }
}

async fn fail(mut client: TcpStream) {
    let mut head = BufReader::new(&mut client).lines();
    while let Ok(Some(line)) = head.next_line().await {
        if line.is_empty() {
            break;
        }
    }
    let answer = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    // Whoever has gone meanwhile needs no answer.
    let _ = client.write_all(answer.as_bytes()).await;
}

async fn pump(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    dead: Arc<AtomicBool>,
) {
    use tokio::io::AsyncReadExt;
    let mut buffer = vec![0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        while dead.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

/// A secret as tests have it.
pub fn secret(text: &str) -> SecretString {
    text.into()
}
