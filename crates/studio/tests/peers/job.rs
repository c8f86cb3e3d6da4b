//! A test peer for the studio: speaks the protocol of `tallylight-job` over a real socket from a real
//! process, and writes text where the real one writes media. The room's name says how it behaves.

#![allow(clippy::unwrap_used, reason = "a test peer fails by panicking")]

mod sets;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{
    ConnectionState, DestinationResult, DestinationState, EgressStatus, EndReason, Event, Fact, Figures,
    FileResult, OutputFigures, TrackFacts,
};
use egress::id::{OutputId, TrackId};
use egress::names::FileNames;
use egress::roster::{Roster, TrackKind, TrackSource};
use egress::spec::{OutputKind, OutputSpec, Task};
use egress::wire::{
    EVENTS_FILE, FRAME_JSON, FRAME_THUMBNAIL, FromJob, Launch, LayoutChange, SOCKET_FILE, Secret, Thumbnail,
    ToJob,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

use crate::sets::Sets;

/// What the peer writes instead of media: one line each tick.
const LINE: &[u8] = b"media\n";
/// One tick stands for so much media.
const TICK_NS: i64 = 20_000_000;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => run(),
        ["repair", file, "--job", folder] => {
            lock(Path::new(folder)).try_lock().expect("the job lives");
            repair(Path::new(file));
        }
        ["still", file, jpeg, "--width", _] => {
            assert!(Path::new(file).exists());
            std::fs::write(jpeg, b"jpeg").unwrap();
        }
        ["probe"] => println!(r#"{{"encoder":"x264","hardware":false,"problems":[]}}"#),
        _ => panic!("unknown arguments: {args:?}"),
    }
}

/// Cuts the half line off that a killed process leaves, and marks the file as whole.
fn repair(file: &Path) {
    let text = std::fs::read(file).unwrap();
    let lines = text.len() / LINE.len();
    if lines == 0 {
        let error =
            ApiError::new(ErrorCode::Storage, Fault::Environment, "There is nothing in the file.", "");
        println!("{}", serde_json::to_string(&error).unwrap());
        std::process::exit(1);
    }
    let mut whole = text[..lines * LINE.len()].to_vec();
    whole.extend_from_slice(b"whole");
    std::fs::write(file, &whole).unwrap();
    let result = FileResult {
        path: Some(file.to_owned()),
        size_bytes: whole.len() as u64,
        started_at_ns: 0,
        ended_at_ns: 0,
        duration_ns: lines as i64 * TICK_NS,
        error: None,
    };
    println!("{}", serde_json::to_string(&result).unwrap());
}

/// The file whose lock says that a job lives.
fn lock(folder: &Path) -> std::fs::File {
    std::fs::File::options().create(true).append(true).open(folder.join("lock")).unwrap()
}

fn now_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64
}

struct Job {
    launch: Launch,
    log: std::fs::File,
    facts: Vec<Event>,
    output: Option<(OutputSpec, PathBuf, std::fs::File, i64)>,
    connected: Option<OwnedWriteHalf>,
    watched: Vec<TrackId>,
    streams: Vec<(OutputId, String, Secret)>,
    ticks: i64,
    sets: Option<Sets>,
}

fn run() {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).unwrap();
    let launch: Launch = serde_json::from_str(&text).unwrap();
    if launch.spec.room_name == "dies-at-once" {
        eprintln!("thread 'main' panicked: as it was told to");
        std::process::exit(101);
    }
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(live(launch));
}

async fn live(launch: Launch) {
    if launch.spec.room_name == "listens-late" {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
    let held = lock(&launch.folder);
    held.lock().unwrap();
    let log =
        std::fs::File::options().create(true).append(true).open(launch.folder.join(EVENTS_FILE)).unwrap();
    let listener = UnixListener::bind(launch.folder.join(SOCKET_FILE)).unwrap();
    let room = launch.spec.room_name.clone();
    let mut job = Job {
        launch,
        log,
        facts: vec![],
        output: None,
        connected: None,
        watched: vec![],
        streams: vec![],
        ticks: 0,
        sets: None,
    };
    job.say(Fact::Started { pid: std::process::id() }).await;
    job.say(Fact::Connection { state: ConnectionState::Connected }).await;
    let first = match &job.launch.spec.task {
        Task::Egress(egress) => egress.outputs.first().cloned(),
        Task::Monitor(_) => None,
    };
    if matches!(job.launch.spec.task, Task::Egress(_)) {
        let track = TrackFacts {
            track_id: "TR_video".into(),
            kind: TrackKind::Video,
            source: TrackSource::Camera,
            codec: "vp8".into(),
            publisher_identity: "ada".into(),
        };
        job.say(Fact::TrackAdded { track }).await;
        job.say(Fact::Armed).await;
    }
    if let Some(output) = first {
        job.attach(output).await;
    }
    let (said_in, mut said) = mpsc::channel(16);
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(20));
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                let (from, to) = stream.into_split();
                job.connected = Some(to);
                tokio::spawn(read(from, said_in.clone()));
            }
            Some(command) = said.recv() => match command {
                ToJob::Hello { after } => {
                    let missed: Vec<Event> = job.facts.iter().filter(|fact| fact.seq > after).cloned().collect();
                    for event in missed {
                        job.send(&FromJob::Event { event }).await;
                    }
                }
                ToJob::Attach { request, .. } if room == "refuses" => {
                    let error = ApiError::new(ErrorCode::Storage, Fault::Destination, "The disk is gone.", "Plug it in.");
                    job.send(&FromJob::Reply { request, error: Some(error) }).await;
                }
                ToJob::Stop { request } => {
                    job.send(&FromJob::Reply { request, error: None }).await;
                    return job.finish(EndReason::StopRequested).await;
                }
                ToJob::Watch { tracks } => job.watched = tracks,
                ToJob::Attach { request, output: OutputSpec { id, kind }, secret: Some(url), .. } => {
                    job.send(&FromJob::Reply { request, error: None }).await;
                    let address = match kind {
                        OutputKind::Stream(stream) => stream.address,
                        OutputKind::WebSocket(socket) => format!("{}#{:?}", socket.address, socket.format),
                        other => panic!("{other:?} has no address"),
                    };
                    job.streams.push((id.clone(), address, url));
                    job.tell_stream(&id, DestinationState::Connecting).await;
                    job.tell_stream(&id, DestinationState::Live { retries: 0 }).await;
                    job.say(Fact::OutputActive { output: id, started_at_ns: now_ns() }).await;
                }
                ToJob::Attach { request, output, with, .. } => {
                    job.send(&FromJob::Reply { request, error: None }).await;
                    for output in std::iter::once(output).chain(with) {
                        job.attach(output).await;
                    }
                }
                ToJob::Detach { request, output } => {
                    job.send(&FromJob::Reply { request, error: None }).await;
                    job.stop_stream(&output).await;
                }
                ToJob::DetachStream { request, url } => {
                    let found = job.streams.iter().find(|(_, _, known)| *known == url).map(|(id, ..)| id.clone());
                    let missing = || ApiError::new(ErrorCode::NotFound, Fault::Input, "Not streamed to.", "");
                    let error = found.is_none().then(|| missing().with_detail("stream {...} not found"));
                    job.send(&FromJob::Reply { request, error }).await;
                    if let Some(id) = found {
                        job.stop_stream(&id).await;
                    }
                }
                ToJob::Retry { request, output } => {
                    job.send(&FromJob::Reply { request, error: None }).await;
                    job.tell_stream(&output, DestinationState::Live { retries: 1 }).await;
                }
                ToJob::StartAnyway { request } | ToJob::Reload { request } => {
                    job.send(&FromJob::Reply { request, error: None }).await;
                }
                // Another layout is said to be on, as a job with a page does; one called `foreign` only a page of
                // somebody else's would know.
                ToJob::UpdateLayout { request, layout: LayoutChange::Name(layout) } if layout == "foreign" => {
                    let error = ApiError::new(ErrorCode::Unsupported, Fault::Input, "Not this page.", "");
                    job.send(&FromJob::Reply { request, error: Some(error) }).await;
                }
                ToJob::UpdateLayout { request, layout } => {
                    let layout = match layout {
                        LayoutChange::Name(name) => name,
                        LayoutChange::Document(document) => document.name.0.clone(),
                    };
                    job.say(Fact::Layout { layout }).await;
                    job.send(&FromJob::Reply { request, error: None }).await;
                }
            },
            _ = tick.tick() => if job.tick().await {
                let evicted = room == "evicts";
                let reason = if evicted { EndReason::DuplicateIdentity } else { EndReason::SourceClosed };
                return job.finish(reason).await;
            },
        }
    }
}

impl Job {
    async fn tell_stream(&mut self, id: &OutputId, state: DestinationState) {
        let Some((_, address, _)) = self.streams.iter().find(|(known, ..)| known == id) else { return };
        let address = address.clone();
        let tried_at_ns = now_ns();
        self.say(Fact::Destination { output: id.clone(), address, state, life: 0, tried_at_ns }).await;
    }

    async fn stop_stream(&mut self, id: &OutputId) {
        let result = DestinationResult { started_at_ns: 1, ended_at_ns: now_ns(), ..Default::default() };
        self.tell_stream(id, DestinationState::Stopped { result }).await;
        self.streams.retain(|(known, ..)| known != id);
    }

    /// Logs a fact, then sends it.
    async fn say(&mut self, fact: Fact) {
        let event = Event { seq: self.facts.len() as u64 + 1, at_ns: now_ns(), fact };
        let mut line = serde_json::to_vec(&event).unwrap();
        line.push(b'\n');
        self.log.write_all(&line).unwrap();
        self.log.sync_data().unwrap();
        self.facts.push(event.clone());
        self.send(&FromJob::Event { event }).await;
    }

    async fn send(&mut self, message: &FromJob) {
        let body = serde_json::to_vec(message).unwrap();
        self.frame(FRAME_JSON, &body).await;
    }

    async fn frame(&mut self, kind: u8, body: &[u8]) {
        let Some(to) = &mut self.connected else { return };
        let mut frame = (body.len() as u32 + 1).to_le_bytes().to_vec();
        frame.push(kind);
        frame.extend_from_slice(body);
        if to.write_all(&frame).await.is_err() {
            self.connected = None;
        }
    }

    async fn attach(&mut self, output: OutputSpec) {
        let OutputKind::File(file) = &output.kind else { return };
        let own = PathBuf::from(format!("{}.mp4", self.launch.spec.egress_id));
        let name = match self.launch.spec.names.settled(&output.id) {
            Some(FileNames::File { path }) if self.launch.spec.room_name == "named" => path.clone(),
            _ => own,
        };
        let path = file.folder.join(name);
        self.say(Fact::OutputOpening { output: output.id.clone(), path: path.clone() }).await;
        let mut file = std::fs::File::create(&path).unwrap();
        let started = now_ns();
        file.write_all(LINE).unwrap();
        self.say(Fact::OutputActive { output: output.id.clone(), started_at_ns: started }).await;
        self.output = Some((output, path.clone(), file, started));
        if self.launch.spec.room_name == "sets" {
            let (folder, name) = (path.parent().unwrap(), self.launch.spec.egress_id.to_string());
            let (sets, facts) = Sets::begin(folder, &name);
            self.sets = Some(sets);
            for fact in facts {
                self.say(fact).await;
            }
        }
    }

    /// True: the source is over.
    async fn tick(&mut self) -> bool {
        self.ticks += 1;
        if let Some(sets) = &mut self.sets {
            sets.step();
        }
        let mut figures = Figures { cpu_percent: self.ticks as f64, ..Figures::default() };
        if let Some((output, path, file, _)) = &mut self.output {
            file.write_all(LINE).unwrap();
            file.write_all(&LINE[..3]).unwrap();
            let size_bytes = std::fs::metadata(path).unwrap().len();
            // Half a line stays behind if the process dies here.
            file.write_all(&LINE[3..]).unwrap();
            figures.outputs.push(OutputFigures {
                output: output.id.clone(),
                elapsed_ms: self.ticks * 20,
                size_bytes,
                bitrate_bps: 1_000_000,
                frames: self.ticks as u64,
                dropped_frames: 0,
                behind_ms: 0,
                disk_left_s: None,
                destination: None,
            });
        }
        self.send(&FromJob::Figures { figures }).await;
        if matches!(self.launch.spec.task, Task::Egress(_)) && !self.watched.is_empty() {
            let jpeg = format!("program {}", self.ticks).into_bytes();
            self.frame(FRAME_THUMBNAIL, &Thumbnail { track_id: "program".into(), jpeg }.encode()).await;
        }
        if matches!(self.launch.spec.task, Task::Monitor(_)) {
            let room_name = self.launch.spec.room_name.clone();
            let room_sid = format!("RM_{}", std::process::id());
            let roster = Roster { room_name, room_sid, ..Roster::default() };
            self.send(&FromJob::Roster { roster }).await;
            for track_id in self.watched.clone() {
                let jpeg = format!("{track_id} {}", self.ticks).into_bytes();
                self.frame(FRAME_THUMBNAIL, &Thumbnail { track_id, jpeg }.encode()).await;
            }
        }
        matches!(self.launch.spec.room_name.as_str(), "ends-soon" | "evicts") && self.ticks > 10
    }

    async fn finish(&mut self, reason: EndReason) {
        self.say(Fact::Ending { reason }).await;
        for fact in self.sets.take().map(Sets::finish).unwrap_or_default() {
            self.say(fact).await;
        }
        if let Some((output, path, mut file, started_at_ns)) = self.output.take() {
            file.write_all(b"whole").unwrap();
            let ended_at_ns = now_ns();
            let result = FileResult {
                size_bytes: std::fs::metadata(&path).unwrap().len(),
                path: Some(path),
                started_at_ns,
                ended_at_ns,
                duration_ns: ended_at_ns - started_at_ns,
                error: None,
            };
            self.say(Fact::OutputEnded { output: OutputId::from(output.id.as_str()), result }).await;
        }
        let ended = match reason {
            EndReason::DuplicateIdentity => {
                let error = ApiError::new(ErrorCode::AlreadyExists, Fault::Server, "Taken over.", "");
                Fact::Ended { status: EgressStatus::Failed, error: Some(error) }
            }
            _ => Fact::Ended { status: EgressStatus::Complete, error: None },
        };
        self.say(ended).await;
    }
}

async fn read(mut from: OwnedReadHalf, said: mpsc::Sender<ToJob>) {
    loop {
        let Ok(len) = from.read_u32_le().await else { return };
        let mut body = vec![0; len as usize];
        if from.read_exact(&mut body).await.is_err() {
            return;
        }
        assert_eq!(body[0], FRAME_JSON);
        if said.send(serde_json::from_slice(&body[1..]).unwrap()).await.is_err() {
            return;
        }
    }
}
