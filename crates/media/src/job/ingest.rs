//! One received stream on its way into the job.

use std::sync::Arc;

use egress::roster::TrackKind;
use room::event::{Packet, Stream, StreamId};
use tokio::sync::mpsc::UnboundedSender;

use crate::chain::ChainError;
use crate::compose::decode::Decoded;
use crate::encode::encoder::Encoded;
use crate::output::OutputReport;
use crate::source::depayload::{Depayloader, KeyframeGate, Picture};
use crate::source::page::Captured;

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
    /// Something the program's encoders made.
    Encoded(Encoded),
    /// Something the encoders for servers made.
    Broadcast(Encoded),
    /// Something an output reports.
    Output(OutputReport),
}

/// One received stream.
#[derive(Debug)]
pub struct Ingest {
    /// What is known of it.
    pub stream: Arc<Stream>,
    /// Holds pictures back that cannot be decoded.
    pub gate: KeyframeGate,
    /// Nothing more comes; what is inside is on its way out.
    pub ended: bool,
    depayloader: Option<Depayloader>,
}

impl Ingest {
    /// Starts taking a stream.
    ///
    /// # Errors
    /// If its codec cannot be taken apart here.
    pub fn start(stream: &Arc<Stream>, media: &UnboundedSender<FromMedia>) -> Result<Self, ChainError> {
        let depayloader = if stream.kind == TrackKind::Video {
            let (id, media) = (stream.id, media.clone());
            Some(Depayloader::start(stream, move |picture| {
                // A closed queue: the job is over.
                let _ = media.send(FromMedia::Picture(id, picture));
            })?)
        } else {
            None
        };
        Ok(Self { stream: stream.clone(), gate: KeyframeGate::default(), ended: false, depayloader })
    }

    /// Takes a video packet.
    pub fn push_video(&mut self, packet: &Packet) {
        if let Some(depayloader) = &self.depayloader {
            depayloader.push(packet);
        }
    }

    /// Lets what is inside out.
    pub fn finish(&self) {
        if let Some(depayloader) = &self.depayloader {
            depayloader.finish();
        }
    }
}
