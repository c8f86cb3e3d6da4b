//! What comes back from the threads of GStreamer and of outputs waits here for the job's loop. Raw pictures have megabytes
//! each: so many wait, and then the oldest are let go of.
//!
//! Media does not wake the loop, which looks every few milliseconds; word of an output does.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use room::event::StreamId;
use tokio::sync::Notify;

use crate::compose::decode::Decoded;
use crate::encode::encoder::Encoded;
use crate::encode::set::Run;
use crate::output::OutputReport;
use crate::source::depayload::Picture;
use crate::source::page::Captured;

/// Most bytes of raw pictures that wait: forty of 1080p, which is more than a loop that works is ever behind.
const MOST_BYTES: usize = 128 << 20;

/// So many messages do not wait for the loop to look.
const MANY: usize = 64;

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
    let line = Arc::new(Line::default());
    (MediaSender(line.clone()), MediaReceiver(line))
}

/// Sends to the job's loop. A copy sends to the same.
#[derive(Debug, Clone)]
pub struct MediaSender(Arc<Line>);

/// What the job's loop takes.
#[derive(Debug)]
pub struct MediaReceiver(Arc<Line>);

#[derive(Debug, Default)]
struct Line {
    queue: Mutex<Queue>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    /// With the size of each raw picture, bytes; 0 of all else.
    waiting: VecDeque<(usize, FromMedia)>,
    bytes: usize,
    let_go: u64,
}

impl Queue {
    fn push(&mut self, message: FromMedia) {
        let bytes = picture_bytes(&message);
        self.waiting.push_back((bytes, message));
        self.bytes += bytes;
        // Never the only one, however large.
        while self.bytes > MOST_BYTES && self.bytes > bytes {
            let Some(oldest) = self.waiting.iter().position(|(bytes, _)| *bytes > 0) else { break };
            self.bytes -= self.waiting.remove(oldest).map_or(0, |(bytes, _)| bytes);
            self.let_go += 1;
        }
    }
}

/// How large a raw picture is, if it is one.
fn picture_bytes(message: &FromMedia) -> usize {
    match message {
        FromMedia::Decoded(_, Decoded::Picture { frame, .. })
        | FromMedia::Captured(Captured::Picture { frame, .. }) => frame.size(),
        _ => 0,
    }
}

impl MediaSender {
    /// Sends. Where nobody listens any more, the job is over, and there is nothing left to say.
    pub fn send(&self, message: FromMedia) {
        let urgent = matches!(message, FromMedia::Output(_));
        let waiting = {
            let mut queue = self.0.queue.lock();
            queue.push(message);
            queue.waiting.len()
        };
        if urgent || waiting >= MANY {
            self.0.wake.notify_one();
        }
    }
}

impl MediaReceiver {
    /// The next message: as soon as the loop looks for one, and at once where it is about an output. Safe to cancel.
    pub async fn recv(&mut self) -> FromMedia {
        loop {
            if let Some(message) = self.try_recv() {
                return message;
            }
            self.0.wake.notified().await;
        }
    }

    /// The next message, if there is one now.
    pub fn try_recv(&mut self) -> Option<FromMedia> {
        let mut queue = self.0.queue.lock();
        let (bytes, message) = queue.waiting.pop_front()?;
        queue.bytes -= bytes;
        Some(message)
    }

    /// Pictures that were let go of so far because the loop was behind.
    pub fn let_go(&self) -> u64 {
        self.0.queue.lock().let_go
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

    #[test]
    fn a_loop_that_stands_still_finds_the_newest_pictures_and_everything_else() {
        let (to, mut from) = line();
        for n in 0..100 {
            to.send(picture(n));
            to.send(FromMedia::Preview(vec![n as u8]));
        }
        let (mut pictures, mut others) = (Vec::new(), Vec::new());
        while let Some(message) = from.try_recv() {
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
    }

    #[test]
    fn a_loop_that_keeps_up_misses_nothing() {
        let (to, mut from) = line();
        for n in 0..1000 {
            to.send(picture(n));
            let Some(FromMedia::Decoded(_, Decoded::Picture { time_ns, .. })) = from.try_recv() else {
                panic!()
            };
            assert_eq!(time_ns, n);
        }
        assert_eq!(from.let_go(), 0);
    }

    #[tokio::test]
    async fn word_of_an_output_and_many_messages_wake_the_loop_and_media_alone_does_not() {
        let waits = std::time::Duration::from_millis(50);
        let (to, mut from) = line();
        let (woken, mut wakes) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                let message = from.recv().await;
                while from.try_recv().is_some() {}
                drop(woken.send(message));
            }
        });
        tokio::task::yield_now().await;
        to.send(FromMedia::Preview(vec![1]));
        assert!(tokio::time::timeout(waits, wakes.recv()).await.is_err(), "it waits for a look");
        to.send(FromMedia::Output(OutputReport::WantsKeyframe { output: "file".into() }));
        assert!(matches!(wakes.recv().await, Some(FromMedia::Preview(_))), "in the order of sending");
        for n in 0..MANY {
            to.send(FromMedia::Preview(vec![n as u8]));
        }
        assert!(wakes.recv().await.is_some());
    }
}
