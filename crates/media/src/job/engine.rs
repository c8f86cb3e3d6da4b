//! The egress of a job: which tracks are taken, what becomes of their media, when it begins and ends.
//!
//! Everything that happens comes in through a method, and everything it needs to know of time is an
//! argument; the loop around it ([`crate::job::egress`]) only waits.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{ConnectionState, EndReason, Fact, TrackFacts};
use egress::id::{OutputId, TrackId};
use egress::roster::{LayerQuality, Roster, TrackKind};
use egress::spec::{EgressSpec, EndRule, OutputSpec, Treatment};
use room::event::{Packet, RoomEvent, Stream, StreamId};
use room::session::Room;
use tokio::sync::mpsc::UnboundedSender;

use crate::compose::decode::Decoded;
use crate::compose::mix::Sides;
use crate::job::Facts;
use crate::job::ending::{Stage, not_found};
use crate::job::full_size::FullSize;
use crate::job::health::TrackHealth;
use crate::job::ingest::{FromMedia, Ingest};
use crate::job::lanes::Lanes;
use crate::job::levels::Levels;
use crate::job::outputs::Outputs;
use crate::job::shape::{NameContext, shape};
use crate::job::watch::{Sight, SourceWatch, Verdict};
use crate::source::depayload::{Passage, Picture};
use crate::source::select::{Wanted, WantedTrack, select};
use crate::unit::Lane;

/// How long a person may be away before they count as gone: a client that loses its network joins
/// again within this. Nothing is written meanwhile.
const AWAY_NS: i64 = 4_000_000_000;
/// How long a selected track may be away: ids do not come back, but the room's list may be in the middle
/// of a reconnect.
const TRACK_AWAY_NS: i64 = 500_000_000;

/// The egress of a job.
pub struct Engine {
    /// Which outputs there are.
    pub outputs: Outputs,
    /// The program and the encoders.
    pub lanes: Lanes,
    /// Sound levels.
    pub levels: Levels,
    /// How far it is with ending.
    pub stage: Stage,
    pub(super) spec: EgressSpec,
    pub(super) room: Room,
    pub(super) media: UnboundedSender<FromMedia>,
    pub(super) streams: HashMap<StreamId, Ingest>,
    names: NameContext,
    wanted: Wanted,
    connection: ConnectionState,
    subscribed: HashSet<TrackId>,
    facts_of: HashMap<TrackId, TrackFacts>,
    received: Vec<TrackFacts>,
    health: TrackHealth,
    video_stream: Option<StreamId>,
    full_size: FullSize,
    watch: SourceWatch,
    armed: bool,
}

impl Engine {
    /// An engine in a joined room.
    pub fn new(
        spec: EgressSpec,
        names: NameContext,
        room: Room,
        media: UnboundedSender<FromMedia>,
        lanes: Lanes,
        now_ns: i64,
    ) -> Self {
        let mut outputs = Outputs::default();
        for output in &spec.outputs {
            // Ids are unique by validation; a second one of a name is dropped.
            let _ = outputs.add(output.clone());
        }
        let patience_ns = match spec.selection.ends {
            EndRule::ParticipantLeaves(_) => AWAY_NS,
            _ => TRACK_AWAY_NS,
        };
        Self {
            outputs,
            lanes,
            levels: Levels::default(),
            stage: Stage::Running,
            spec,
            room,
            media,
            streams: HashMap::new(),
            names,
            wanted: Wanted::default(),
            connection: ConnectionState::Connected,
            subscribed: HashSet::new(),
            facts_of: HashMap::new(),
            received: Vec::new(),
            health: TrackHealth::default(),
            video_stream: None,
            full_size: FullSize::default(),
            watch: SourceWatch::new(now_ns, patience_ns),
            armed: false,
        }
    }

    /// Attaches an output: Record.
    ///
    /// # Errors
    /// If there is one of that id, or the job is ending.
    pub fn attach(&mut self, output: OutputSpec, now_ns: i64, facts: &mut Facts) -> Result<(), ApiError> {
        if self.stage.ending() {
            return Err(ApiError::new(
                ErrorCode::FailedPrecondition,
                Fault::Input,
                "This job is ending.",
                "Start a new recording.",
            ));
        }
        self.outputs.add(output)?;
        self.lanes.request_start(now_ns);
        self.open_outputs(now_ns, facts);
        Ok(())
    }

    /// Detaches an output; the program goes on.
    ///
    /// # Errors
    /// If there is none of that id.
    pub fn detach(&mut self, output: &OutputId, now_ns: i64) -> Result<(), ApiError> {
        self.outputs.detach(output, now_ns)
    }

    /// Takes what happens in the room. Some: the job ends for this reason.
    pub fn on_room(&mut self, event: RoomEvent, now_ns: i64, facts: &mut Facts) -> Option<EndReason> {
        match event {
            // The first join is told before there is an engine.
            RoomEvent::Connection(ConnectionState::Connecting) => {}
            RoomEvent::Connection(state) => {
                if std::mem::replace(&mut self.connection, state) != state {
                    facts.record(Fact::Connection { state });
                }
            }
            RoomEvent::Roster(roster) => self.on_roster(&roster, now_ns, facts),
            RoomEvent::StreamStarted(stream) => self.on_stream(stream, now_ns, facts),
            RoomEvent::Packet(packet) => self.on_packet(&packet, facts),
            RoomEvent::StreamEnded(id) => self.on_stream_end(id),
            RoomEvent::SubscriptionFailed { track_id, error } => self.refuse(&track_id, error, facts),
            RoomEvent::Ended(end) => return Some(self.on_room_end(end, facts)),
        }
        None
    }

    fn on_roster(&mut self, roster: &Roster, now_ns: i64, facts: &mut Facts) {
        self.names.room_id.clone_from(&roster.room_sid);
        self.settle_single_track(roster);
        let before = std::mem::replace(&mut self.wanted, select(&self.spec.selection, roster));
        if matches!(self.spec.treatment, Treatment::Passthrough) {
            // Packets as published cannot be mixed: one sound.
            self.wanted.audio.truncate(1);
        }
        for track in encrypted(roster) {
            if self.is_wanted(&track) {
                let error = ApiError::new(
                    ErrorCode::Unsupported,
                    Fault::Input,
                    "This track is end-to-end encrypted: nobody but its people can see or hear it.",
                    "Ask for encryption to be switched off in the room, then record again.",
                );
                self.refuse(&track, error, facts);
            }
        }
        let tracks: HashSet<TrackId> = self.wanted_tracks().map(|t| t.track_id.clone()).collect();
        for gone in self.subscribed.difference(&tracks).cloned().collect::<Vec<_>>() {
            self.subscribed.remove(&gone);
            self.room.unsubscribe(gone.clone());
            facts.record(Fact::TrackRemoved { track_id: gone });
        }
        self.subscribe(now_ns);
        let on = self.wanted.video.as_ref().is_some_and(|v| !v.muted);
        self.lanes.picture_on(on, self.wanted.video.as_ref().map(|v| v.source), now_ns);
        let (was, is) = (track_id(&before), track_id(&self.wanted));
        if was != is {
            self.video_stream = self.stream_of(is);
        }
        for (track, _) in &self.wanted.audio {
            if track.muted
                && let Some(stream) = self.stream_of(Some(&track.track_id))
            {
                self.lanes.sound_off(stream.0);
            }
        }
        self.lanes.sound_muted(self.wanted.audio.iter().all(|(t, _)| t.muted));
        if self.source_is_there() {
            self.watch.saw();
        }
        self.open_outputs(now_ns, facts);
    }

    /// Subscribes to what is wanted and may be taken.
    fn subscribe(&mut self, now_ns: i64) {
        let wanted: Vec<TrackId> = self.wanted_tracks().map(|t| t.track_id.clone()).collect();
        for track in wanted.into_iter().filter(|t| self.health.takes(t, now_ns)) {
            if self.subscribed.insert(track.clone()) {
                self.room.subscribe(track, LayerQuality::High);
            }
        }
    }

    /// A Track egress names its track for picture and sound alike; the room says which it is.
    fn settle_single_track(&mut self, roster: &Roster) {
        let Some(track) = self.spec.selection.single_track() else { return };
        let mut tracks = roster.participants.iter().flat_map(|p| &p.tracks);
        let Some(kind) = tracks.find(|t| t.sid == *track).map(|t| t.kind) else { return };
        match kind {
            TrackKind::Video => self.spec.selection.audio.clear(),
            TrackKind::Audio => self.spec.selection.video = None,
        }
        self.lanes.restrict(kind);
    }

    fn on_stream(&mut self, stream: Arc<Stream>, now_ns: i64, facts: &mut Facts) {
        let Some(track) = self.wanted_tracks().find(|t| t.track_id == stream.track_id).cloned() else {
            return;
        };
        match Ingest::start(&stream, &self.media) {
            Ok(ingest) => {
                self.streams.insert(stream.id, ingest);
            }
            Err(error) => {
                let codec = stream.codec.name();
                let error = ApiError::new(
                    ErrorCode::Unsupported,
                    Fault::Environment,
                    format!("This track's codec ({codec}) cannot be taken on this computer."),
                    "Install the missing GStreamer plugins, or ask for another codec.",
                )
                .with_detail(error);
                self.refuse(&stream.track_id, error, facts);
                return;
            }
        }
        if stream.kind == TrackKind::Video {
            self.video_stream = Some(stream.id);
            self.room.request_keyframe(stream.track_id.clone());
        }
        let codec = stream.codec.name().to_owned();
        if self.facts_of.get(&stream.track_id).is_none_or(|t| t.codec != codec) {
            let track = TrackFacts {
                track_id: stream.track_id.clone(),
                kind: stream.kind,
                source: track.source,
                codec,
                publisher_identity: track.identity,
            };
            self.facts_of.insert(stream.track_id.clone(), track.clone());
            self.received.push(track.clone());
            facts.record(Fact::TrackAdded { track });
        }
        if stream.kind == TrackKind::Audio
            && let Err(error) = self.lanes.sound_stream(&stream)
        {
            self.refuse(&stream.track_id, error, facts);
        }
        self.open_outputs(now_ns, facts);
    }

    /// Lets a stream that has ended come out whole; it is forgotten when it has.
    fn on_stream_end(&mut self, id: StreamId) {
        let Some(ingest) = self.streams.get_mut(&id) else { return };
        ingest.ended = true;
        ingest.finish();
        if ingest.stream.kind == TrackKind::Audio {
            self.lanes.sound_off(id.0);
            self.lanes.decoders.finish(id);
        }
    }

    /// A stream has come out whole.
    fn on_stream_out(&mut self, id: StreamId) {
        self.stage.drained(id);
        if self.streams.get(&id).is_some_and(|ingest| ingest.ended) {
            self.streams.remove(&id);
            self.lanes.forget(id);
        }
    }

    fn on_packet(&mut self, packet: &Packet, facts: &mut Facts) {
        let Some(ingest) = self.streams.get_mut(&packet.stream) else { return };
        let stream = ingest.stream.clone();
        if stream.kind == TrackKind::Video {
            ingest.push_video(packet);
        } else {
            for unit in self.lanes.sound_packet(&stream, packet) {
                self.outputs.push(&unit);
            }
            self.note_armed(facts);
        }
    }

    /// Takes what comes back from GStreamer's threads.
    pub fn on_media(&mut self, message: FromMedia, now_ns: i64, facts: &mut Facts) {
        match message {
            FromMedia::Picture(id, picture) => self.on_picture(id, picture, now_ns, facts),
            FromMedia::Decoded(id, decoded) => {
                let sides = self.streams.get(&id).map(|i| self.sides_of(&i.stream.track_id));
                let current = self.video_stream == Some(id);
                if let Some(track) = self.streams.get(&id).map(|i| i.stream.track_id.clone()) {
                    self.levels.decoded(&track, &decoded);
                }
                if matches!(decoded, Decoded::Finished) {
                    self.on_stream_out(id);
                }
                if let Some(error) = self.lanes.decoded(id, decoded, current, sides.unwrap_or(BOTH)) {
                    self.drop_stream(id, error, now_ns, facts);
                }
                self.note_armed(facts);
            }
            FromMedia::Encoded(encoded) => match self.lanes.encoded(encoded) {
                Ok(Some(unit)) => self.outputs.push(&unit),
                Ok(None) => {}
                Err(error) => self.stage.fail(error),
            },
            FromMedia::File(report) => {
                if let Some((output, result, spec)) = self.outputs.on_report(report, facts) {
                    self.names.write_manifest(&spec, &result, &self.received, facts);
                    tracing::info!(%output, size = result.size_bytes, "output ended");
                }
            }
        }
    }

    fn on_picture(&mut self, id: StreamId, picture: Picture, now_ns: i64, facts: &mut Facts) {
        let Some(ingest) = self.streams.get_mut(&id) else { return };
        match picture {
            Picture::Unit { unit, damaged } => {
                if self.video_stream != Some(id) {
                    return;
                }
                // A decoder that cannot keep up is given keyframes alone: late pictures would all be late.
                let unfit = damaged || self.lanes.decoders.lags(id, now_ns);
                if ingest.gate.judge(unit.keyframe, unfit) == Passage::Hold {
                    self.lanes.held_pictures += 1;
                    self.room.request_keyframe(ingest.stream.track_id.clone());
                    return;
                }
                if self.lanes.passes_pictures()
                    && !self.full_size.reached(&unit, self.wanted.video.as_ref(), now_ns)
                {
                    if self.full_size.overdue(now_ns) {
                        self.room.request_keyframe(ingest.stream.track_id.clone());
                    }
                    return;
                }
                match self.lanes.picture(id, ingest.stream.codec, unit, now_ns) {
                    Ok(Some(unit)) => {
                        self.lanes.cache.push(&unit);
                        self.outputs.push(&unit);
                    }
                    Ok(None) => {}
                    Err(error) => {
                        let track = ingest.stream.track_id.clone();
                        self.refuse(&track, error, facts);
                    }
                }
                self.note_armed(facts);
                self.begin_outputs(now_ns);
            }
            Picture::Finished => {
                if self.lanes.decoders.has(id) {
                    self.lanes.decoders.finish(id);
                } else {
                    self.on_stream_out(id);
                }
            }
            Picture::Failed(error) => {
                let codec = ingest.stream.codec.name();
                let error = ApiError::new(
                    ErrorCode::Unsupported,
                    Fault::Input,
                    format!("This track's {codec} stream is broken."),
                    "Ask its publisher to publish it again.",
                )
                .with_detail(error);
                self.drop_stream(id, error, now_ns, facts);
            }
        }
    }

    /// Lets time pass. Some: the job ends for this reason.
    pub fn tick(&mut self, now_ns: i64, facts: &mut Facts) -> Option<EndReason> {
        for unit in self.lanes.tick(now_ns, self.wanted_is_muted()) {
            self.outputs.push(&unit);
        }
        if self.health.pause_over(now_ns) {
            self.subscribe(now_ns);
        }
        if self.outputs.any_waiting() {
            self.open_outputs(now_ns, facts);
        }
        self.begin_outputs(now_ns);
        self.outputs.tick(now_ns);
        if let Some(error) = self.outputs.all_failed() {
            self.stage.fail(error);
        }
        if self.lanes.running() && !self.outputs.any() && !self.stage.ending() {
            self.lanes.stop_program();
        }
        self.watch_source(now_ns, facts)
    }

    /// Judges whether the source is there, away for a moment, or gone.
    fn watch_source(&mut self, now_ns: i64, facts: &mut Facts) -> Option<EndReason> {
        if self.stage.ending() || self.connection != ConnectionState::Connected {
            return None;
        }
        let sight = Sight {
            gone: self.wanted.source_gone,
            silent: self.wanted_tracks().next().is_none(),
            held_by_camera: self.lanes.passes_pictures()
                && self.wanted.video.as_ref().is_some_and(|video| video.muted)
                && self.outputs.any_not_begun(),
        };
        match self.watch.look(sight, now_ns) {
            Verdict::AsBefore => {}
            Verdict::Remark(warning) => facts.record(Fact::Warning { warning }),
            Verdict::Left => self.lanes.hold(Some(now_ns)),
            Verdict::Back => self.lanes.hold(None),
            Verdict::Gone => return Some(EndReason::SourceClosed),
            Verdict::NeverCame => {
                self.stage.fail(not_found(&self.spec.selection));
                return Some(EndReason::Failure);
            }
        }
        None
    }

    /// When the source went away for good; none while it is there.
    pub fn away_since_ns(&self) -> Option<i64> {
        self.watch.away_since_ns()
    }

    fn source_is_there(&self) -> bool {
        match &self.spec.selection.ends {
            EndRule::RoomEnds => true,
            _ => !self.wanted.source_gone,
        }
    }

    fn open_outputs(&mut self, now_ns: i64, facts: &mut Facts) {
        if !self.outputs.any_waiting() || self.stage.ending() {
            return;
        }
        let Some(codecs) = self.received_codecs() else { return };
        self.lanes.request_start(now_ns);
        // Sound alone has no keyframe to wait for; an encoder begins with one.
        let fed = !self.lanes.passes_pictures() || !self.armed;
        let (spec, names, wanted) = (&self.spec, &self.names, &self.wanted);
        let media = self.media.clone();
        self.outputs.open_waiting(
            |file| shape(file, spec, names, wanted, &codecs, now_ns),
            fed,
            facts,
            move |report| {
                let _ = media.send(FromMedia::File(report));
            },
        );
        if self.lanes.running() {
            // It joins a program that is on: without this it would wait for the next keyframe.
            self.lanes.force_keyframe();
        }
        self.begin_outputs(now_ns);
    }

    /// Codecs as published of what is wanted; none while too little is known to name a file.
    fn received_codecs(&self) -> Option<Vec<String>> {
        if !matches!(self.spec.treatment, Treatment::Passthrough) {
            return (self.watch.seen() || self.wanted_tracks().next().is_some()).then(Vec::new);
        }
        let selection = &self.spec.selection;
        if selection.video.is_some() != self.wanted.video.is_some()
            || selection.audio.is_empty() != self.wanted.audio.is_empty()
        {
            return None;
        }
        self.wanted_tracks()
            .map(|track| {
                let received = self.facts_of.get(&track.track_id).map(|t| t.codec.clone());
                received.or_else(|| match track.codec.as_str() {
                    "" => None,
                    "red" => Some("opus".to_owned()),
                    known => Some(known.to_owned()),
                })
            })
            .collect()
    }

    /// Lets outputs of an armed passthrough job begin, with a whole picture.
    fn begin_outputs(&mut self, now_ns: i64) {
        if self.outputs.any_unfed()
            && let Some(units) = self.lanes.opening(now_ns)
        {
            self.outputs.begin_unfed(&units);
        } else if self.outputs.any_unfed()
            && let Some(video) = &self.wanted.video
        {
            self.room.request_keyframe(video.track_id.clone());
        }
    }

    fn note_armed(&mut self, facts: &mut Facts) {
        if !self.armed && self.lanes.ready(self.wanted.video.as_ref().is_some_and(|v| !v.muted)) {
            self.armed = true;
            facts.record(Fact::Armed);
        }
    }

    fn refuse(&mut self, track: &TrackId, error: ApiError, facts: &mut Facts) {
        if self.health.refuse(track) {
            self.unsubscribe(track);
            facts.record(Fact::TrackRefused { track_id: track.clone(), error });
        }
    }

    fn unsubscribe(&mut self, track: &TrackId) {
        self.room.unsubscribe(track.clone());
        self.subscribed.remove(track);
    }

    /// A stream's media broke: its track is taken anew a few times before it is given up.
    fn drop_stream(&mut self, id: StreamId, error: ApiError, now_ns: i64, facts: &mut Facts) {
        let Some(ingest) = self.streams.remove(&id) else { return };
        self.lanes.forget(id);
        let track = &ingest.stream.track_id;
        if self.health.breaks(track, now_ns) {
            tracing::warn!(%track, %error, "a track broke and is taken anew");
            self.unsubscribe(track);
        } else {
            self.refuse(track, error, facts);
        }
    }

    fn wanted_is_muted(&self) -> bool {
        self.wanted_tracks().all(|t| t.muted)
    }

    fn is_wanted(&self, track: &TrackId) -> bool {
        self.wanted_tracks().any(|t| t.track_id == *track)
    }

    fn wanted_tracks(&self) -> impl Iterator<Item = &WantedTrack> {
        self.wanted.video.iter().chain(self.wanted.audio.iter().map(|(t, _)| t))
    }

    fn stream_of(&self, track: Option<&TrackId>) -> Option<StreamId> {
        let track = track?;
        self.streams.values().filter(|i| i.stream.track_id == *track).map(|i| i.stream.id).max()
    }

    fn sides_of(&self, track: &TrackId) -> Sides {
        use egress::spec::AudioChannel;
        match self.wanted.audio.iter().find(|(t, _)| t.track_id == *track).map(|(_, side)| side) {
            Some(AudioChannel::Left) => Sides { left: true, right: false },
            Some(AudioChannel::Right) => Sides { left: false, right: true },
            _ => BOTH,
        }
    }

    /// The streams that still deliver, by lane.
    pub(super) fn delivering(&self) -> Vec<(StreamId, Lane)> {
        self.streams
            .values()
            .map(|i| (i.stream.id, if i.stream.kind == TrackKind::Video { Lane::Video } else { Lane::Audio }))
            .collect()
    }
}

const BOTH: Sides = Sides { left: true, right: true };

fn track_id(wanted: &Wanted) -> Option<&TrackId> {
    wanted.video.as_ref().map(|v| &v.track_id)
}

fn encrypted(roster: &Roster) -> Vec<TrackId> {
    let tracks = roster.participants.iter().flat_map(|p| &p.tracks);
    tracks.filter(|t| t.encrypted).map(|t| t.sid.clone()).collect()
}
