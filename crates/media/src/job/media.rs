//! What comes back from the threads of GStreamer and of outputs waits here for the job's loop. Raw pictures have megabytes
//! each: so many wait, and then the oldest are let go of.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use room::event::StreamId;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::compose::decode::Decoded;
use crate::encode::encoder::Encoded;
use crate::encode::set::Run;
use crate::output::OutputReport;
use crate::source::depayload::Picture;
use crate::source::page::Captured;

/// Most bytes of raw pictures that wait: forty of 1080p, which is more than a loop that works is ever behind.
const MOST_BYTES: usize = 128 << 20;

/// What GStreamer's threads and the outputs hand back to the job's loop.
#[derive(Debug)]
pub enum FromMedia {
    /// A coded picture of a stream.
    Picture(StreamId, Picture),
    /// A raw picture, or raw sound, of a stream.
    Decoded(StreamId, Decoded),
    /// A raw picture, or raw sound, of a page.
    Captured(Captured),
    /// A small picture of the program.
    Preview(Vec<u8>),
    /// Something that one of the program's encoders made.
    Encoded(Run, Encoded),
    /// Something an output reports.
    Output(OutputReport),
}

/// A line for messages to the job's loop.
pub fn line() -> (MediaSender, MediaReceiver) {
    let (to, from) = unbounded_channel();
    let pictures = Arc::new(Mutex::new(Pictures::default()));
    (MediaSender { to, pictures: pictures.clone() }, MediaReceiver { from, pictures })
}

/// Sends to the job's loop. A copy sends to the same.
#[derive(Debug, Clone)]
pub struct MediaSender {
    to: UnboundedSender<Waiting>,
    pictures: Arc<Mutex<Pictures>>,
}

/// What the job's loop takes.
#[derive(Debug)]
pub struct MediaReceiver {
    from: UnboundedReceiver<Waiting>,
    pictures: Arc<Mutex<Pictures>>,
}

#[derive(Debug)]
enum Waiting {
    Message(Box<FromMedia>),
    /// The oldest picture.
    Picture,
}

#[derive(Debug, Default)]
struct Pictures {
    waiting: VecDeque<(usize, FromMedia)>,
    bytes: usize,
    let_go: u64,
}

impl Pictures {
    /// Takes a picture in. Whether one more waits than before.
    fn push(&mut self, bytes: usize, picture: FromMedia) -> bool {
        self.waiting.push_back((bytes, picture));
        self.bytes += bytes;
        let mut more = true;
        // Never the only one, however large.
        while self.bytes > MOST_BYTES && self.waiting.len() > 1 {
            self.pop();
            self.let_go += 1;
            // Whoever looks for the one that has gone finds the next.
            more = false;
        }
        more
    }

    fn pop(&mut self) -> Option<FromMedia> {
        let (bytes, picture) = self.waiting.pop_front()?;
        self.bytes -= bytes;
        Some(picture)
    }
}

/// How large a raw picture is, if it is one.
fn picture_bytes(message: &FromMedia) -> Option<usize> {
    match message {
        FromMedia::Decoded(_, Decoded::Picture { frame, .. })
        | FromMedia::Captured(Captured::Picture { frame, .. }) => Some(frame.size()),
        _ => None,
    }
}

impl MediaSender {
    /// Sends. Where nobody listens any more, the job is over, and there is nothing left to say.
    pub fn send(&self, message: FromMedia) {
        let waiting = match picture_bytes(&message) {
            Some(bytes) => self.pictures.lock().push(bytes, message).then_some(Waiting::Picture),
            None => Some(Waiting::Message(Box::new(message))),
        };
        if let Some(waiting) = waiting {
            let _ = self.to.send(waiting);
        }
    }
}

impl MediaReceiver {
    /// The next message. Safe to cancel.
    pub async fn recv(&mut self) -> Option<FromMedia> {
        loop {
            let waiting = self.from.recv().await?;
            if let Some(message) = self.taken(waiting) {
                return Some(message);
            }
        }
    }

    /// The next message, if there is one now.
    pub fn try_recv(&mut self) -> Result<FromMedia, TryRecvError> {
        loop {
            let waiting = self.from.try_recv()?;
            if let Some(message) = self.taken(waiting) {
                return Ok(message);
            }
        }
    }

    fn taken(&self, waiting: Waiting) -> Option<FromMedia> {
        match waiting {
            Waiting::Message(message) => Some(*message),
            Waiting::Picture => self.pictures.lock().pop(),
        }
    }

    /// Pictures that were let go of so far because the loop was behind.
    pub fn let_go(&self) -> u64 {
        self.pictures.lock().let_go
    }
}

#[cfg(test)]
mod tests {
    use gstreamer as gst;

    use super::*;

    const BYTES: usize = 3 << 20;

    fn picture(n: i64) -> FromMedia {
        gst::init().unwrap();
        let frame = gst::Buffer::with_size(BYTES).unwrap();
        FromMedia::Decoded(StreamId(1), Decoded::Picture { time_ns: n, frame })
    }

    #[tokio::test]
    async fn a_loop_that_stands_still_finds_the_newest_pictures_and_everything_else() {
        let (to, mut from) = line();
        for n in 0..100 {
            to.send(picture(n));
            to.send(FromMedia::Preview(vec![n as u8]));
        }
        drop(to);
        let (mut pictures, mut others) = (Vec::new(), Vec::new());
        while let Some(message) = from.recv().await {
            match message {
                FromMedia::Decoded(_, Decoded::Picture { time_ns, .. }) => pictures.push(time_ns),
                FromMedia::Preview(bytes) => others.push(i64::from(bytes[0])),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(others, (0..100).collect::<Vec<_>>(), "nothing else is let go of");
        let kept = (MOST_BYTES / BYTES) as i64;
        assert_eq!(pictures, (100 - kept..100).collect::<Vec<_>>());
        assert_eq!(from.let_go(), 100 - kept as u64);
        assert!(matches!(from.try_recv(), Err(TryRecvError::Disconnected)));
    }

    #[tokio::test]
    async fn a_loop_that_keeps_up_misses_nothing() {
        let (to, mut from) = line();
        for n in 0..1000 {
            to.send(picture(n));
            let Ok(FromMedia::Decoded(_, Decoded::Picture { time_ns, .. })) = from.try_recv() else {
                panic!()
            };
            assert_eq!(time_ns, n);
        }
        assert_eq!(from.let_go(), 0);
    }
}
