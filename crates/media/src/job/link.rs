//! The job's end of the socket to the studio, which may go and come back.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{Event, Fact, Figures};
use egress::id::TrackId;
use egress::roster::Roster;
use egress::wire::{FRAME_JSON, FRAME_THUMBNAIL, FromJob, MAX_FRAME_BYTES, SOCKET_FILE, Thumbnail, ToJob};
use interprocess::local_socket::tokio::{Listener, Stream, prelude::*};
use interprocess::local_socket::{GenericFilePath, ListenerOptions, ToFsName};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, mpsc};

/// How long a studio may take to read one frame. One that is frozen is as good as gone: the facts that would
/// wait for it are in the log, where it finds them when it comes again.
const READS_WITHIN: Duration = Duration::from_secs(30);

/// What comes from the studio's side.
#[derive(Debug)]
pub enum FromStudio {
    /// A studio has connected; it has the facts up to this number.
    Connected {
        /// The last fact it has.
        after: u64,
    },
    /// A command.
    Command(ToJob),
    /// The studio has gone.
    Gone,
}

/// Listens, and speaks to at most one studio: a newer one takes the place of the older.
#[derive(Debug)]
pub struct Link {
    incoming: mpsc::UnboundedReceiver<(u64, Incoming)>,
    peer: Option<Peer>,
    put_back: VecDeque<ToJob>,
    holding: bool,
}

#[derive(Debug)]
struct Peer {
    number: u64,
    outbox: Arc<Outbox>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.outbox.change(|waiting| waiting.closed = true);
    }
}

#[derive(Debug)]
enum Incoming {
    Outbox(Arc<Outbox>),
    Message(ToJob),
    Gone,
}

/// Whole frames that wait for a studio to read them. Of what is of the moment only the newest waits, so that
/// a studio that does not read costs no memory.
#[derive(Debug, Default)]
struct Outbox {
    waiting: Mutex<Waiting>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Facts and answers, each of which must arrive.
    told: VecDeque<Vec<u8>>,
    roster: Option<Vec<u8>>,
    figures: Option<Vec<u8>>,
    /// One of each track, so that all tracks get their turn.
    thumbnails: VecDeque<(TrackId, Vec<u8>)>,
    closed: bool,
}

impl Outbox {
    fn change(&self, change: impl FnOnce(&mut Waiting)) {
        change(&mut self.waiting.lock());
        self.news.notify_one();
    }

    /// The next frame to send; none once all are sent and no more come.
    async fn next(&self) -> Option<Vec<u8>> {
        loop {
            {
                let mut waiting = self.waiting.lock();
                match waiting.take() {
                    None if !waiting.closed => {}
                    next => return next,
                }
            }
            self.news.notified().await;
        }
    }
}

impl Waiting {
    fn take(&mut self) -> Option<Vec<u8>> {
        self.told
            .pop_front()
            .or_else(|| self.roster.take())
            .or_else(|| self.figures.take())
            .or_else(|| self.thumbnails.pop_front().map(|(_, frame)| frame))
    }

    fn put_thumbnail(&mut self, track_id: &TrackId, frame: Vec<u8>) {
        match self.thumbnails.iter_mut().find(|(of, _)| of == track_id) {
            Some((_, older)) => *older = frame,
            None => self.thumbnails.push_back((track_id.clone(), frame)),
        }
    }
}

impl Link {
    /// Listens at the socket in the job's folder.
    ///
    /// # Errors
    /// If the socket cannot be made.
    pub fn listen(folder: &Path) -> io::Result<Self> {
        Self::listen_to(folder, READS_WITHIN)
    }

    fn listen_to(folder: &Path, reads_within: Duration) -> io::Result<Self> {
        let path = folder.join(SOCKET_FILE);
        // Left by a job of the same folder that died; nobody else uses the name.
        let _ = std::fs::remove_file(&path);
        let name = path.to_fs_name::<GenericFilePath>()?;
        let listener = ListenerOptions::new().name(name).create_tokio()?;
        let (sender, incoming) = mpsc::unbounded_channel();
        tokio::spawn(accept(listener, sender, reads_within));
        Ok(Self { incoming, peer: None, put_back: Default::default(), holding: false })
    }

    /// Whether a studio is connected.
    pub fn connected(&self) -> bool {
        self.peer.is_some()
    }

    /// The next thing from the studio's side. Safe to cancel.
    pub async fn next(&mut self) -> FromStudio {
        if !self.holding
            && let Some(command) = self.put_back.pop_front()
        {
            return FromStudio::Command(command);
        }
        loop {
            let Some((number, incoming)) = self.incoming.recv().await else {
                // The listener is gone for good: nobody can come any more.
                return std::future::pending().await;
            };
            match incoming {
                Incoming::Outbox(outbox) => self.peer = Some(Peer { number, outbox }),
                // From a studio that has been replaced.
                _ if self.peer.as_ref().is_none_or(|p| p.number != number) => {}
                Incoming::Message(ToJob::Hello { after }) => return FromStudio::Connected { after },
                Incoming::Message(command) => return FromStudio::Command(command),
                Incoming::Gone => {
                    self.peer = None;
                    return FromStudio::Gone;
                }
            }
        }
    }

    /// Keeps a command that comes too early until [`Link::release`].
    pub fn put_back(&mut self, command: ToJob) {
        self.holding = true;
        self.put_back.push_back(command);
    }

    /// Gives out what was kept.
    pub fn release(&mut self) {
        self.holding = false;
    }

    /// Sends a fact. One that is longer than any studio takes is told of, and stays in the log.
    pub fn event(&self, event: &Event) {
        let tell = |event: Event| {
            self.json(&FromJob::Event { event }, |waiting, frame| waiting.told.push_back(frame))
        };
        if !tell(event.clone()) {
            tell(Event { fact: Fact::Warning { warning: too_long() }, ..event.clone() });
        }
    }

    /// Answers a command.
    pub fn reply(&self, request: u64, error: Option<ApiError>) {
        self.json(&FromJob::Reply { request, error }, |waiting, frame| waiting.told.push_back(frame));
    }

    /// Sends the people, in place of those that were not read yet.
    pub fn roster(&self, roster: &Roster) {
        self.json(&FromJob::Roster { roster: roster.clone() }, |waiting, frame| waiting.roster = Some(frame));
    }

    /// Sends figures, in place of those that were not read yet.
    pub fn figures(&self, figures: &Figures) {
        let message = FromJob::Figures { figures: figures.clone() };
        self.json(&message, |waiting, frame| waiting.figures = Some(frame));
    }

    /// Sends a picture, in place of one of the same track that was not read yet.
    pub fn thumbnail(&self, thumbnail: &Thumbnail) {
        self.frame(FRAME_THUMBNAIL, &thumbnail.encode(), |waiting, frame| {
            waiting.put_thumbnail(&thumbnail.track_id, frame);
        });
    }

    /// Whether a message is not longer than a studio takes: else it is not sent, or the studio would hang up, come again
    /// and be sent it again.
    fn json(&self, message: &FromJob, put: impl FnOnce(&mut Waiting, Vec<u8>)) -> bool {
        match serde_json::to_vec(message) {
            Ok(body) => self.frame(FRAME_JSON, &body, put),
            Err(error) => {
                tracing::error!(%error, "a message could not be written");
                true
            }
        }
    }

    fn frame(&self, kind: u8, body: &[u8], put: impl FnOnce(&mut Waiting, Vec<u8>)) -> bool {
        let Some(peer) = &self.peer else { return true };
        let length = 1 + body.len() as u64;
        if length > u64::from(MAX_FRAME_BYTES) {
            tracing::error!(length, "a message is too long for the studio");
            return false;
        }
        let mut frame = Vec::with_capacity(5 + body.len());
        frame.extend_from_slice(&(length as u32).to_le_bytes());
        frame.push(kind);
        frame.extend_from_slice(body);
        peer.outbox.change(|waiting| put(waiting, frame));
        true
    }
}

fn too_long() -> ApiError {
    ApiError::new(
        ErrorCode::Internal,
        Fault::Ours,
        "Something that this recording had to say is too long to be shown.",
        "It is in the job's log. The recording itself is not touched.",
    )
}

async fn accept(listener: Listener, to: mpsc::UnboundedSender<(u64, Incoming)>, reads_within: Duration) {
    let mut number = 0;
    loop {
        match listener.accept().await {
            Ok(stream) => {
                number += 1;
                tokio::spawn(serve(stream, number, to.clone(), reads_within));
            }
            Err(error) => {
                tracing::warn!(%error, "a studio could not connect");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(
    stream: Stream,
    number: u64,
    to: mpsc::UnboundedSender<(u64, Incoming)>,
    reads_within: Duration,
) {
    let (mut reader, mut writer) = (&stream, &stream);
    let outbox = Arc::new(Outbox::default());
    if to.send((number, Incoming::Outbox(outbox.clone()))).is_err() {
        return;
    }
    let write = async {
        while let Some(frame) = outbox.next().await {
            tokio::time::timeout(reads_within, writer.write_all(&frame)).await??;
        }
        io::Result::Ok(())
    };
    let read = async {
        loop {
            let length = reader.read_u32_le().await?;
            if length == 0 || length > MAX_FRAME_BYTES {
                return Err(io::Error::from(io::ErrorKind::InvalidData));
            }
            let mut frame = vec![0; length as usize];
            reader.read_exact(&mut frame).await?;
            match serde_json::from_slice(&frame[1..]) {
                Ok(message) if frame[0] == FRAME_JSON => {
                    if to.send((number, Incoming::Message(message))).is_err() {
                        return io::Result::Ok(());
                    }
                }
                _ => tracing::warn!("a frame from the studio was not understood"),
            }
        }
    };
    let outcome = tokio::select! {
        outcome = write => outcome,
        outcome = read => outcome,
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "the studio's connection ended");
    }
    let _ = to.send((number, Incoming::Gone));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use egress::id::TrackId;

    use super::*;

    /// More than a socket takes in by itself.
    const JPEG_BYTES: usize = 40_000;
    const ROUNDS: u64 = 2000;

    async fn hello(link: &mut Link, folder: &Path) -> Stream {
        let name = folder.join(SOCKET_FILE).to_fs_name::<GenericFilePath>().unwrap();
        let stream = Stream::connect(name).await.unwrap();
        let mut body = vec![FRAME_JSON];
        serde_json::to_writer(&mut body, &ToJob::Hello { after: 0 }).unwrap();
        (&stream).write_all(&(body.len() as u32).to_le_bytes()).await.unwrap();
        (&stream).write_all(&body).await.unwrap();
        assert!(matches!(link.next().await, FromStudio::Connected { after: 0 }));
        stream
    }

    /// What comes until nothing comes for a moment, or the job hangs up.
    async fn read_all(stream: &Stream) -> (Vec<(u8, Vec<u8>)>, bool) {
        let mut frames = Vec::new();
        let mut from = stream;
        loop {
            let one = async {
                let length = from.read_u32_le().await?;
                let mut frame = vec![0; length as usize];
                from.read_exact(&mut frame).await?;
                io::Result::Ok(frame)
            };
            match tokio::time::timeout(Duration::from_millis(300), one).await {
                Ok(Ok(frame)) => frames.push((frame[0], frame[1..].to_vec())),
                Ok(Err(_)) => return (frames, true),
                Err(_) => return (frames, false),
            }
        }
    }

    fn event(seq: u64) -> Event {
        Event { seq, at_ns: 0, fact: Fact::Armed }
    }

    fn thumbnail(track: &str, round: u64) -> Thumbnail {
        Thumbnail { track_id: TrackId::from(track), jpeg: vec![round as u8; JPEG_BYTES] }
    }

    #[tokio::test]
    async fn a_studio_that_does_not_read_finds_every_fact_and_the_newest_of_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let mut link = Link::listen(dir.path()).unwrap();
        let stream = hello(&mut link, dir.path()).await;
        for round in 1..=ROUNDS {
            link.figures(&Figures { cpu_percent: round as f64, ..Figures::default() });
            link.roster(&Roster { room_sid: round.to_string(), ..Roster::default() });
            link.thumbnail(&thumbnail("TR_a", round));
            link.thumbnail(&thumbnail("TR_b", round));
            if round % 100 == 0 {
                link.event(&event(round / 100));
            }
            tokio::task::yield_now().await;
        }
        let (frames, hung_up) = read_all(&stream).await;
        assert!(!hung_up);
        assert!(frames.len() < 200, "{} frames waited", frames.len());
        let (mut facts, mut figures, mut roster) = (Vec::new(), None, None);
        for (_, body) in frames.iter().filter(|(kind, _)| *kind == FRAME_JSON) {
            match serde_json::from_slice(body).unwrap() {
                FromJob::Event { event } => facts.push(event.seq),
                FromJob::Figures { figures: newest } => figures = Some(newest.cpu_percent),
                FromJob::Roster { roster: newest } => roster = Some(newest.room_sid),
                FromJob::Reply { .. } => {}
            }
        }
        assert_eq!(facts, (1..=ROUNDS / 100).collect::<Vec<_>>());
        assert_eq!(figures, Some(ROUNDS as f64));
        assert_eq!(roster, Some(ROUNDS.to_string()));
        for track in ["TR_a", "TR_b"] {
            let pictures = frames.iter().filter(|(kind, _)| *kind == FRAME_THUMBNAIL);
            let mut pictures = pictures.filter_map(|(_, body)| Thumbnail::decode(body));
            assert_eq!(pictures.rfind(|t| t.track_id.as_str() == track), Some(thumbnail(track, ROUNDS)));
        }
    }

    /// It would hang up, come again, and be sent the same.
    #[tokio::test]
    async fn what_is_longer_than_a_studio_takes_is_not_sent() {
        let dir = tempfile::tempdir().unwrap();
        let mut link = Link::listen(dir.path()).unwrap();
        let stream = hello(&mut link, dir.path()).await;
        let endless = "x".repeat(MAX_FRAME_BYTES as usize);
        link.event(&Event { fact: Fact::Layout { layout: endless.clone() }, ..event(1) });
        link.roster(&Roster { room_sid: endless, ..Roster::default() });
        link.event(&event(2));
        let (frames, _) = read_all(&stream).await;
        let told = frames.iter().map(|(_, body)| match serde_json::from_slice(body).unwrap() {
            FromJob::Event { event } => (event.seq, event.fact == Fact::Armed),
            other => panic!("{other:?}"),
        });
        assert_eq!(told.collect::<Vec<_>>(), [(1, false), (2, true)]);
    }

    #[tokio::test]
    async fn a_studio_that_is_frozen_for_long_is_gone_until_it_comes_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut link = Link::listen_to(dir.path(), Duration::from_millis(200)).unwrap();
        let frozen = hello(&mut link, dir.path()).await;
        for round in 1..=ROUNDS {
            link.event(&event(round));
            link.thumbnail(&thumbnail("TR_a", round));
            tokio::task::yield_now().await;
        }
        assert!(matches!(link.next().await, FromStudio::Gone));
        assert!(!link.connected());
        assert!(read_all(&frozen).await.1, "it is told when it wakes");
        let again = hello(&mut link, dir.path()).await;
        link.event(&event(1));
        assert_eq!(read_all(&again).await.0.len(), 1);
    }
}
