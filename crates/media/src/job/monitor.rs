//! The loop of a job that shows a room to the window: people, levels, small moving pictures.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{ConnectionState, EgressStatus, EndReason, Fact, Figures};
use egress::id::TrackId;
use egress::roster::{LayerQuality, Roster, TrackKind};
use egress::spec::MonitorSpec;
use egress::wire::{Thumbnail, ToJob};
use gst::prelude::*;
use gstreamer as gst;
use room::event::{RoomEnd, RoomEvent, Stream, StreamId};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::chain::{Chain, ChainEvent};
use crate::compose::decode::{Decoded, Decoder};
use crate::job::levels::Levels;
use crate::job::link::{FromStudio, Link};
use crate::job::media::{self, FromMedia, MediaSender};
use crate::job::recording::track_figures;
use crate::job::signal::EndSignal;
use crate::job::sleep::Sleep;
use crate::job::source::ingest::Ingest;
use crate::job::source::memory::MOST_BYTES;
use crate::job::usage::Usage;
use crate::job::{Facts, Joined};
use crate::source::depayload::{Passage, Picture};
use crate::unit::Unit;

/// How often levels are sent.
const FIGURES: Duration = Duration::from_millis(100);
/// How long a monitor stays when no studio is there.
const ALONE: Duration = Duration::from_secs(10);
/// A microphone is fifty packets a second to decode: in a larger room only those of people who are looked at
/// are taken.
const ALL_MICROPHONES: usize = 24;

struct Monitor {
    spec: MonitorSpec,
    room: room::session::Room,
    pictures: UnboundedSender<Thumbnail>,
    media: MediaSender,
    roster: Arc<Roster>,
    watched: HashSet<TrackId>,
    subscribed: HashSet<TrackId>,
    streams: HashMap<StreamId, Watched>,
    levels: Levels,
    connection: ConnectionState,
}

struct Watched {
    ingest: Ingest,
    thumbnails: Option<Chain>,
    /// Servers take the level out of the packets, so that sound has to be heard to be measured.
    ear: Option<Decoder>,
}

/// Runs until nobody looks any more or the room is over; its last fact is recorded.
pub async fn run(spec: MonitorSpec, joined: Joined, facts: &mut Facts, link: &mut Link) {
    let (room, mut events) = joined;
    let (media, mut from_media) = media::line();
    let (pictures, mut new_pictures) = unbounded_channel();
    let mut monitor = Monitor {
        spec,
        roster: room.roster(),
        room,
        pictures,
        media,
        watched: HashSet::new(),
        subscribed: HashSet::new(),
        streams: HashMap::new(),
        levels: Levels::default(),
        connection: ConnectionState::Connected,
    };
    monitor.subscribe();
    link.roster(&monitor.roster);

    let mut figures_due = interval(FIGURES);
    figures_due.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut end_signal = EndSignal::new();
    let (usage, mut sleep) = (Usage::watch(false), Sleep::watch());
    // The studio may have come while the room was being joined.
    link.roster(&monitor.roster);
    let mut alone_since = (!link.connected()).then(Instant::now);
    let (reason, error) = loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(RoomEvent::Ended(end)) => break over(end),
                None => break (EndReason::Failure, Some(out_of_order())),
                Some(event) => monitor.on_room(event, facts, link),
            },
            message = from_media.recv() => monitor.on_media(message),
            () = facts.more() => {}
            Some(picture) = new_pictures.recv() => link.thumbnail(&picture),
            from = link.next() => match from {
                FromStudio::Connected { after } => {
                    facts.tell_after(after, link);
                    link.roster(&monitor.roster);
                    alone_since = None;
                }
                FromStudio::Gone => alone_since = Some(Instant::now()),
                FromStudio::Command(ToJob::Watch { tracks }) => {
                    monitor.watched = tracks.into_iter().collect();
                    monitor.subscribe();
                }
                FromStudio::Command(ToJob::Stop { request }) => {
                    link.reply(request, None);
                    break (EndReason::StopRequested, None);
                }
                FromStudio::Command(_) => {}
            },
            () = end_signal.wait() => break (EndReason::ProcessKilled, None),
            _ = figures_due.tick() => {
                let stats = monitor.room.stats();
                let (cpu_percent, memory_bytes) = usage.now();
                if memory_bytes > MOST_BYTES {
                    break (EndReason::Failure, Some(too_much()));
                }
                if let Some(ns) = sleep.look() {
                    facts.slept(ns);
                }
                link.figures(&Figures {
                    levels: monitor.levels.take(),
                    tracks: track_figures(&stats),
                    rtt_ms: stats.rtt_ms,
                    cpu_percent,
                    memory_bytes,
                    ..Figures::default()
                });
                if alone_since.is_some_and(|since| since.elapsed() > ALONE) {
                    break (EndReason::StopRequested, None);
                }
            }
        }
        facts.tell(link);
    };
    facts.record(Fact::Ending { reason });
    let status = if error.is_some() { EgressStatus::Failed } else { EgressStatus::Complete };
    facts.record(Fact::Ended { status, error });
}

impl Monitor {
    fn on_room(&mut self, event: RoomEvent, facts: &mut Facts, link: &Link) {
        match event {
            // The first join is told before there is a monitor.
            RoomEvent::Connection(state) => {
                if state != ConnectionState::Connecting
                    && std::mem::replace(&mut self.connection, state) != state
                {
                    facts.record(Fact::Connection { state });
                }
            }
            RoomEvent::Roster(roster) => {
                link.roster(&roster);
                self.roster = roster;
                self.subscribe();
            }
            RoomEvent::StreamStarted(stream) => match Ingest::start(&stream, &self.media) {
                Ok(ingest) => {
                    if stream.kind == TrackKind::Video {
                        self.room.request_keyframe(stream.track_id.clone());
                    }
                    let ear = if stream.kind == TrackKind::Audio { self.ear(&stream) } else { None };
                    self.streams.insert(stream.id, Watched { ingest, thumbnails: None, ear });
                }
                Err(error) => tracing::info!(%error, "a track cannot be shown"),
            },
            RoomEvent::Packet(packet) => {
                let Some(watched) = self.streams.get_mut(&packet.stream) else { return };
                match &watched.ear {
                    Some(ear) if !packet.payload.is_empty() => {
                        ear.push_sound(packet.time_ns, 0, packet.payload.clone());
                    }
                    _ => watched.ingest.push_video(&packet),
                }
            }
            RoomEvent::StreamEnded(id) => {
                if let Some(watched) = self.streams.remove(&id)
                    && watched.ingest.stream.kind == TrackKind::Audio
                {
                    self.levels.remove(&watched.ingest.stream.track_id);
                }
            }
            // Its row in the window says what it publishes; a picture is all that is missing.
            RoomEvent::SubscriptionFailed { track_id, error } => {
                tracing::info!(%track_id, %error, "a track cannot be shown");
            }
            RoomEvent::Ended(_) => {}
        }
    }

    fn on_media(&mut self, message: FromMedia) {
        let (id, unit, damaged) = match message {
            FromMedia::Picture(id, Picture::Unit { unit, damaged }) => (id, unit, damaged),
            FromMedia::Decoded(id, Decoded::Sound { stereo, .. }) => {
                if let Some(watched) = self.streams.get(&id) {
                    self.levels.heard(&watched.ingest.stream.track_id, &stereo);
                }
                return;
            }
            _ => return,
        };
        let Some(watched) = self.streams.get_mut(&id) else { return };
        if watched.ingest.gate.judge(unit.keyframe, damaged) == Passage::Hold {
            self.room.request_keyframe(watched.ingest.stream.track_id.clone());
            return;
        }
        if watched.thumbnails.is_none() {
            watched.thumbnails =
                thumbnails(&self.spec, watched.ingest.stream.track_id.clone(), &unit, &self.pictures);
        }
        if let Some(chain) = &watched.thumbnails {
            chain.set_caps(&unit.caps);
            chain.push(unit.data);
        }
    }

    fn ear(&self, stream: &Stream) -> Option<Decoder> {
        let (id, media) = (stream.id, self.media.clone());
        Decoder::audio(stream.codec, move |decoded| {
            media.send(FromMedia::Decoded(id, decoded));
        })
        .inspect_err(|error| tracing::info!(%error, "a track cannot be heard"))
        .ok()
    }

    /// Takes what is looked at, and nothing else.
    fn subscribe(&mut self) {
        let microphones = self.roster.participants.iter().flat_map(|p| &p.tracks);
        let microphones = microphones.filter(|t| t.kind == TrackKind::Audio).count();
        let mut wanted = HashSet::new();
        for person in &self.roster.participants {
            let looked_at = person.tracks.iter().any(|t| self.watched.contains(&t.sid));
            for track in person.tracks.iter().filter(|t| !t.encrypted && !t.muted) {
                let take = match track.kind {
                    TrackKind::Video => self.watched.contains(&track.sid),
                    TrackKind::Audio => looked_at || microphones <= ALL_MICROPHONES,
                };
                if take {
                    wanted.insert(track.sid.clone());
                }
            }
        }
        for track in wanted.difference(&self.subscribed) {
            self.room.subscribe(track.clone(), LayerQuality::Low);
        }
        for track in self.subscribed.difference(&wanted) {
            self.room.unsubscribe(track.clone());
            self.levels.remove(track);
        }
        self.subscribed = wanted;
    }
}

/// Why the room is over for the monitor. Only a room that is closed is not looked at again.
fn over(end: RoomEnd) -> (EndReason, Option<ApiError>) {
    let thrown_out = |code, message: &str| {
        let error = ApiError::new(code, Fault::Server, message, "It is opened again by itself.");
        (EndReason::RoomLost, Some(error.retryable()))
    };
    match end {
        RoomEnd::Left => (EndReason::StopRequested, None),
        RoomEnd::RoomClosed => (EndReason::SourceClosed, None),
        RoomEnd::Removed => {
            thrown_out(ErrorCode::PermissionDenied, "Somebody removed Tallylight's view of the room from it.")
        }
        RoomEnd::DuplicateIdentity => thrown_out(
            ErrorCode::FailedPrecondition,
            "Somebody joined the room under the identity of Tallylight's view of it.",
        ),
        RoomEnd::Lost(error) => (EndReason::RoomLost, Some(error)),
    }
}

fn out_of_order() -> ApiError {
    ApiError::new(
        ErrorCode::Internal,
        Fault::Ours,
        "The connection to the room ended without a word.",
        "It is opened again by itself; recordings are not touched.",
    )
    .retryable()
}

/// Somebody publishes what takes that much to decode.
fn too_much() -> ApiError {
    ApiError::new(
        ErrorCode::Exhausted,
        Fault::Input,
        "Showing this room took more memory than it may.",
        "It is opened again by itself. Somebody publishes an unusually large picture: hide it, or ask for a smaller one.",
    )
    .retryable()
}

/// A chain that makes a few small JPEGs a second of a stream.
fn thumbnails(
    spec: &MonitorSpec,
    track_id: TrackId,
    first: &Unit,
    pictures: &UnboundedSender<Thumbnail>,
) -> Option<Chain> {
    let name = first.caps.structure(0)?.name().to_string();
    let decoder = match name.as_str() {
        "video/x-h264" => "h264parse ! avdec_h264 max-threads=1",
        "video/x-h265" => "h265parse ! avdec_h265 max-threads=1",
        "video/x-vp8" => "vp8dec threads=1",
        "video/x-vp9" => "vp9dec threads=1",
        _ => "av1dec",
    };
    let (width, fps) = (spec.thumbnail_width.max(16), spec.thumbnail_fps.max(1));
    let description = format!(
        "{decoder} ! identity name=pace ! videoconvertscale ! \
         video/x-raw,format=I420,width=[16,{width}],pixel-aspect-ratio=1/1 ! jpegenc quality=75"
    );
    let pictures = pictures.clone();
    let chain = Chain::start("thumbnails", &first.caps, &description, move |event| {
        if let ChainEvent::Sample(sample) = event
            && let Some(map) = sample.buffer().and_then(|b| b.map_readable().ok())
        {
            let _ = pictures.send(Thumbnail { track_id: track_id.clone(), jpeg: map.to_vec() });
        }
    });
    let chain = chain.inspect_err(|error| tracing::info!(%error, "a track cannot be shown")).ok()?;
    pace(&chain, fps);
    Some(chain)
}

/// Lets so many decoded pictures a second through. GStreamer's `videorate` is no choice here: 1.22 aborts
/// on pictures that have neither a rate nor a duration, as those from a room.
fn pace(chain: &Chain, fps: u32) {
    let Some(pad) = chain.element("pace").and_then(|pace| pace.static_pad("src")) else { return };
    let between_ns = gst::ClockTime::SECOND.nseconds() / u64::from(fps);
    let due_ns = AtomicU64::new(0);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let Some(at) = info.buffer().and_then(|buffer| buffer.pts()) else { return gst::PadProbeReturn::Ok };
        let (at_ns, due) = (at.nseconds(), due_ns.load(Ordering::Relaxed));
        // Far before the time that is due, the clock was set back.
        if at_ns < due && due - at_ns <= between_ns {
            return gst::PadProbeReturn::Drop;
        }
        due_ns.store(at_ns + between_ns, Ordering::Relaxed);
        gst::PadProbeReturn::Ok
    });
}
