//! The job's end of the socket to the studio, which may go and come back.

use std::io;
use std::path::Path;

use egress::fact::{Event, Figures};
use egress::roster::Roster;
use egress::wire::{FRAME_JSON, FRAME_THUMBNAIL, FromJob, MAX_FRAME_BYTES, SOCKET_FILE, Thumbnail, ToJob};
use interprocess::local_socket::tokio::{Listener, Stream, prelude::*};
use interprocess::local_socket::{GenericFilePath, ListenerOptions, ToFsName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

/// Frames that may wait for a slow studio before figures and pictures are left out.
const WAITING_FRAMES: usize = 64;

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
    put_back: std::collections::VecDeque<ToJob>,
    holding: bool,
}

#[derive(Debug)]
struct Peer {
    number: u64,
    frames: mpsc::UnboundedSender<Vec<u8>>,
}

#[derive(Debug)]
enum Incoming {
    Frames(mpsc::UnboundedSender<Vec<u8>>),
    Message(ToJob),
    Gone,
}

impl Link {
    /// Listens at the socket in the job's folder.
    ///
    /// # Errors
    /// If the socket cannot be made.
    pub fn listen(folder: &Path) -> io::Result<Self> {
        let path = folder.join(SOCKET_FILE);
        // Left by a job of the same folder that died; nobody else uses the name.
        let _ = std::fs::remove_file(&path);
        let name = path.to_fs_name::<GenericFilePath>()?;
        let listener = ListenerOptions::new().name(name).create_tokio()?;
        let (sender, incoming) = mpsc::unbounded_channel();
        tokio::spawn(accept(listener, sender));
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
                Incoming::Frames(frames) => self.peer = Some(Peer { number, frames }),
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

    /// Sends a fact.
    pub fn event(&self, event: &Event) {
        self.json(&FromJob::Event { event: event.clone() });
    }

    /// Answers a command.
    pub fn reply(&self, request: u64, error: Option<egress::error::ApiError>) {
        self.json(&FromJob::Reply { request, error });
    }

    /// Sends the people.
    pub fn roster(&self, roster: &Roster) {
        self.json(&FromJob::Roster { roster: roster.clone() });
    }

    /// Sends figures, unless the studio is behind.
    pub fn figures(&self, figures: &Figures) {
        self.json(&FromJob::Figures { figures: figures.clone() });
    }

    /// Sends a picture, unless the studio is behind.
    pub fn thumbnail(&self, thumbnail: &Thumbnail) {
        self.frame(FRAME_THUMBNAIL, &thumbnail.encode());
    }

    fn json(&self, message: &FromJob) {
        match serde_json::to_vec(message) {
            Ok(body) => self.frame(FRAME_JSON, &body),
            Err(error) => tracing::error!(%error, "a message could not be written"),
        }
    }

    fn frame(&self, kind: u8, body: &[u8]) {
        let Some(peer) = &self.peer else { return };
        let mut frame = Vec::with_capacity(5 + body.len());
        frame.extend_from_slice(&(1 + body.len() as u32).to_le_bytes());
        frame.push(kind);
        frame.extend_from_slice(body);
        let _ = peer.frames.send(frame);
    }
}

async fn accept(listener: Listener, to: mpsc::UnboundedSender<(u64, Incoming)>) {
    let mut number = 0;
    loop {
        match listener.accept().await {
            Ok(stream) => {
                number += 1;
                tokio::spawn(serve(stream, number, to.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "a studio could not connect");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(stream: Stream, number: u64, to: mpsc::UnboundedSender<(u64, Incoming)>) {
    let (mut reader, mut writer) = (&stream, &stream);
    let (frames, mut waiting) = mpsc::unbounded_channel::<Vec<u8>>();
    if to.send((number, Incoming::Frames(frames))).is_err() {
        return;
    }
    let write = async {
        while let Some(frame) = waiting.recv().await {
            // Facts and answers must arrive; pictures of the moment may be left out.
            if waiting.len() > WAITING_FRAMES && frame.get(4) == Some(&FRAME_THUMBNAIL) {
                continue;
            }
            writer.write_all(&frame).await?;
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
