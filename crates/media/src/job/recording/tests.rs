//! The loop against a source that is worse than any real one.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use egress::spec::{AudioCodec, AudioEncoding, EndRule, Selection, Treatment};
use egress::wire::{EVENTS_FILE, FRAME_JSON, SOCKET_FILE};
use interprocess::local_socket::tokio::{Stream, prelude::*};
use interprocess::local_socket::{GenericFilePath, ToFsName};
use room::event::StreamId;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc::channel;

use super::*;
use crate::job::link::Link;
use crate::job::media::MediaSender;
use crate::job::media::{self, FromMedia};
use crate::job::shape::Known;
use crate::job::source::{Published, SourceEvent, Wants};

/// For what takes a moment on a quiet machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A source that says things, none of which matter.
struct Chatter;

impl Source for Chatter {
    type Event = ();
    const STARTS_PROCESSES: bool = false;

    fn on_event(&mut self, (): (), _: i64, _: &mut Vec<SourceEvent>) {
        // As long as handling a packet takes where the processor is slow.
        std::thread::sleep(Duration::from_micros(50));
    }

    fn on_media(&mut self, _: FromMedia, _: i64, _: &mut Vec<SourceEvent>) {}
    fn on_command(&mut self, _: ToJob, _: &mut Vec<SourceEvent>) {}
    fn tick(&mut self, _: i64, _: &mut Vec<SourceEvent>) {}
    fn want(&mut self, _: Wants) {}

    fn published(&self) -> Published {
        Published::default()
    }

    fn known(&self, _: i64, _: i64) -> Option<Known> {
        None
    }

    fn away_since_ns(&self) -> Option<i64> {
        None
    }

    fn drain(&mut self, _: i64) -> HashSet<StreamId> {
        HashSet::new()
    }

    fn uses(&mut self, _: u64, _: i64, _: &mut Vec<SourceEvent>) {}
}

struct Bench {
    folder: tempfile::TempDir,
    clock: Clock,
    facts: Facts,
    link: Link,
}

impl Bench {
    fn new() -> Self {
        gstreamer::init().unwrap();
        let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::start());
        let facts = Facts::open(folder.path(), clock).unwrap();
        let link = Link::listen(folder.path()).unwrap();
        Self { folder, clock, facts, link }
    }

    fn engine(&self, media: MediaSender) -> Engine<Chatter> {
        let audio = AudioEncoding { codec: AudioCodec::Opus, bitrate_bps: 64_000, sample_rate_hz: 48_000 };
        let selection = Selection { video: None, audio: Vec::new(), ends: EndRule::RoomEnds };
        let spec = EgressSpec {
            source: egress::spec::Source::Tracks(selection),
            treatment: Treatment::Encode { video: None, audio: Some(audio) },
            outputs: Vec::new(),
            limits: Limits::default(),
        };
        let names = NameContext {
            egress_id: "EG_1".into(),
            room_name: "show".into(),
            room_id: String::new(),
            retry: 0,
            asked: spec.source.clone(),
            launch: Default::default(),
        };
        let encoder = VideoEncoder::X264 { threads: 1 };
        Engine::new(&spec, &BTreeMap::new(), names, Chatter, media, encoder, self.clock)
    }

    /// The facts that are on the disk.
    async fn written(&mut self) -> Vec<Fact> {
        self.facts.flush(PATIENCE).await;
        let text = std::fs::read_to_string(self.folder.path().join(EVENTS_FILE)).unwrap();
        text.lines().map(|line| serde_json::from_str::<egress::fact::Event>(line).unwrap().fact).collect()
    }
}

async fn say(stream: &Stream, message: &ToJob) {
    let mut body = vec![FRAME_JSON];
    serde_json::to_writer(&mut body, message).unwrap();
    let mut to = stream;
    to.write_all(&(body.len() as u32).to_le_bytes()).await.unwrap();
    to.write_all(&body).await.unwrap();
}

async fn studio(folder: &Path) -> Stream {
    let name = folder.join(SOCKET_FILE).to_fs_name::<GenericFilePath>().unwrap();
    let stream = Stream::connect(name).await.unwrap();
    say(&stream, &ToJob::Hello { after: 0 }).await;
    stream
}

/// More comes than can be handled, and Stop is heard all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_flood_of_media_does_not_keep_a_command_out() {
    let mut bench = Bench::new();
    let (media, from_media) = media::line();
    let (events, incoming) = channel(1024);
    let flood = tokio::spawn(async move { while events.send(()).await.is_ok() {} });
    let engine = bench.engine(media);
    let folder = bench.folder.path().to_owned();
    let operator = tokio::spawn(async move {
        let stream = studio(&folder).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        say(&stream, &ToJob::Stop { request: 1 }).await;
        stream
    });
    let (clock, limits) = (bench.clock, Limits::default());
    let running = run(engine, &limits, &clock, incoming, from_media, &mut bench.facts, &mut bench.link);
    tokio::time::timeout(PATIENCE, running).await.expect("it ends");
    drop(operator.await.unwrap());
    flood.await.unwrap();
    let facts = bench.written().await;
    assert!(facts.contains(&Fact::Ending { reason: EndReason::StopRequested }), "{facts:?}");
}

/// The task of a room or a page has panicked: its channel closes, and nothing was said.
#[tokio::test]
async fn a_source_that_dies_ends_the_job_and_it_is_our_fault() {
    let mut bench = Bench::new();
    let (media, from_media) = media::line();
    let (events, incoming) = channel::<()>(1);
    let engine = bench.engine(media);
    drop(events);
    let (clock, limits) = (bench.clock, Limits::default());
    let running = run(engine, &limits, &clock, incoming, from_media, &mut bench.facts, &mut bench.link);
    tokio::time::timeout(PATIENCE, running).await.expect("it ends");
    let facts = bench.written().await;
    let Some(Fact::Ended { error: Some(error), .. }) = facts.last() else { panic!("{facts:?}") };
    assert_eq!((error.code, error.fault), (ErrorCode::Internal, Fault::Ours));
}
