//! The tracks of a room as the feed of a job: which are taken, and what becomes of their media.

mod ends;
mod facts;
mod pictures;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{ConnectionState, EndReason, Fact, TrackFacts};
use egress::id::TrackId;
use egress::roster::{LayerQuality, Roster, TrackKind};
use egress::spec::{EndRule, Selection};
use egress::wire::ToJob;
use room::event::{Packet, RoomEvent, Stream, StreamId};
use room::session::{Room, RoomStats};

use crate::compose::mix::Sides;
use crate::compose::turns::Turns;
use crate::job::Facts;
use crate::job::core::Core;
use crate::job::feed::Feed;
use crate::job::feed::tracks::ends::{never_began, not_found, too_much};
use crate::job::first_picture::FirstPicture;
use crate::job::full_size::FullSize;
use crate::job::health::TrackHealth;
use crate::job::ingest::Ingest;
use crate::job::lanes::start::Camera;
use crate::job::link::Link;
use crate::job::media::FromMedia;
use crate::job::memory::MemoryGuard;
use crate::job::outputs::Route;
use crate::job::shape::Known;
use crate::job::watch::{Quiet, Sight, SourceWatch, Verdict};
use crate::source::select::{Wanted, WantedTrack, select};

/// How long a person may be away before they count as gone: a client that loses its network joins
/// again within this. Nothing is written meanwhile.
const AWAY_NS: i64 = 4_000_000_000;
/// How long a selected track may be away: ids do not come back, but the room's list may be in the middle
/// of a reconnect.
const TRACK_AWAY_NS: i64 = 500_000_000;
/// How long, once there is sound, a camera may take to be published before a file as published begins without knowing
/// what the picture will be.
const PUBLISH_NS: i64 = 3_000_000_000;

/// So many tracks are remembered for manifests, the newest.
const MOST_TRACKS: usize = 1000;

/// The tracks of a room.
pub struct TracksFeed {
    selection: Selection,
    room: Room,
    streams: HashMap<StreamId, Ingest>,
    wanted: Wanted,
    turns: Turns,
    connection: ConnectionState,
    subscribed: HashSet<TrackId>,
    codecs: HashMap<TrackId, String>,
    health: TrackHealth,
    video_stream: Option<StreamId>,
    full_size: FullSize,
    first_picture: FirstPicture,
    watch: SourceWatch,
    quiet: Quiet,
    memory: MemoryGuard,
}

impl TracksFeed {
    /// A selection of a joined room.
    pub fn new(selection: Selection, room: Room, now_ns: i64) -> Self {
        let patience_ns = match selection.ends {
            EndRule::ParticipantLeaves(_) => AWAY_NS,
            _ => TRACK_AWAY_NS,
        };
        Self {
            selection,
            room,
            streams: HashMap::new(),
            wanted: Wanted::default(),
            turns: Turns::default(),
            connection: ConnectionState::Connected,
            subscribed: HashSet::new(),
            codecs: HashMap::new(),
            health: TrackHealth::default(),
            video_stream: None,
            full_size: FullSize::default(),
            first_picture: FirstPicture::default(),
            watch: SourceWatch::new(now_ns, patience_ns),
            quiet: Quiet::default(),
            memory: MemoryGuard::default(),
        }
    }

    fn on_roster(&mut self, roster: &Roster, core: &mut Core, now_ns: i64, facts: &mut Facts) {
        core.names.room_id.clone_from(&roster.room_sid);
        self.settle_single_track(roster, core);
        let before = std::mem::replace(&mut self.wanted, select(&self.selection, roster));
        if core.passthrough() {
            // Packets as published cannot be mixed: one sound.
            self.wanted.audio.truncate(1);
        }
        self.turns.note(&self.wanted.audio);
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
        // A room in which somebody publishes anew all day is as small as one in which nobody does.
        let there: HashSet<&TrackId> =
            roster.participants.iter().flat_map(|p| &p.tracks).map(|track| &track.sid).collect();
        self.codecs.retain(|track, _| there.contains(track));
        self.health.retain(|track| there.contains(track));
        for gone in self.subscribed.difference(&tracks).cloned().collect::<Vec<_>>() {
            self.subscribed.remove(&gone);
            self.room.unsubscribe(gone.clone());
            facts.record(Fact::TrackRemoved { track_id: gone });
        }
        self.subscribe(now_ns);
        let on = self.wanted.video.as_ref().is_some_and(|v| !v.muted);
        core.lanes.picture_on(on, self.wanted.video.as_ref().map(|v| v.source), now_ns);
        let (was, is) = (track_id(&before), track_id(&self.wanted));
        if was != is {
            self.video_stream = self.stream_of(is);
        }
        if self.first_picture.camera(on, now_ns)
            && let Some(track) = is.filter(|_| core.lanes.passes_pictures())
        {
            // Files that wait for it, or have begun without, begin with a keyframe.
            self.room.request_keyframe(track.clone());
        }
        let camera = match &self.wanted.video {
            _ if self.selection.video.is_none() => Camera::None,
            None => Camera::Unpublished,
            Some(video) if video.muted => Camera::Muted,
            Some(_) => Camera::On { since_ns: now_ns },
        };
        core.lanes.published(camera, !self.wanted.audio.is_empty(), self.all_muted(), now_ns);
        for (track, _) in &self.wanted.audio {
            if track.muted
                && let Some(stream) = self.stream_of(Some(&track.track_id))
            {
                core.lanes.sound_off(stream.0);
            }
        }
        core.lanes.sound_muted(self.wanted.audio.iter().all(|(t, _)| t.muted));
        if self.selection.ends == EndRule::RoomEnds || !self.wanted.source_gone {
            self.watch.saw();
        }
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
    fn settle_single_track(&mut self, roster: &Roster, core: &mut Core) {
        let Some(track) = self.selection.single_track() else { return };
        let mut tracks = roster.participants.iter().flat_map(|p| &p.tracks);
        let Some(kind) = tracks.find(|t| t.sid == *track).map(|t| t.kind) else { return };
        match kind {
            TrackKind::Video => self.selection.audio.clear(),
            TrackKind::Audio => self.selection.video = None,
        }
        core.lanes.restrict(kind);
    }

    fn on_stream(&mut self, stream: Arc<Stream>, core: &mut Core, now_ns: i64, facts: &mut Facts) {
        let Some(track) = self.wanted_tracks().find(|t| t.track_id == stream.track_id).cloned() else {
            return;
        };
        match Ingest::start(&stream, &core.media) {
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
        if self.codecs.insert(stream.track_id.clone(), codec.clone()).as_ref() != Some(&codec) {
            let track = TrackFacts {
                track_id: stream.track_id.clone(),
                kind: stream.kind,
                source: track.source,
                codec,
                publisher_identity: track.identity,
            };
            if !core.received.contains(&track) {
                if core.received.len() >= MOST_TRACKS {
                    core.received.remove(0);
                }
                core.received.push(track.clone());
            }
            facts.record(Fact::TrackAdded { track });
        }
        if stream.kind == TrackKind::Audio
            && let Err(error) = core.lanes.sound_stream(&stream, now_ns)
        {
            self.refuse(&stream.track_id, error, facts);
        }
    }

    /// Lets a stream that has ended come out whole; it is forgotten when it has.
    fn on_stream_end(&mut self, id: StreamId, core: &mut Core) {
        let Some(ingest) = self.streams.get_mut(&id) else { return };
        ingest.ended = true;
        ingest.finish();
        if ingest.stream.kind == TrackKind::Audio {
            core.lanes.sound_off(id.0);
            core.lanes.decoders.finish(id);
        }
    }

    /// A stream has come out whole.
    fn on_stream_out(&mut self, id: StreamId, core: &mut Core) {
        core.stage.drained(id);
        if self.streams.get(&id).is_some_and(|ingest| ingest.ended)
            && let Some(Ingest { stream, .. }) = self.streams.remove(&id)
        {
            core.lanes.forget(id);
            if self.stream_of(Some(&stream.track_id)).is_none() {
                core.levels.remove(&stream.track_id);
            }
        }
    }

    fn on_packet(&mut self, packet: &Packet, core: &mut Core) {
        let Some(ingest) = self.streams.get_mut(&packet.stream) else { return };
        self.quiet.heard();
        let stream = ingest.stream.clone();
        if stream.kind == TrackKind::Video {
            ingest.push_video(packet);
        } else {
            for unit in core.lanes.sound_packet(&stream, packet) {
                core.outputs.push(&unit, Route::Published);
            }
        }
    }

    /// Judges whether the source is there, away for a moment, or gone.
    fn watch_source(&mut self, core: &mut Core, now_ns: i64, facts: &mut Facts) -> Option<EndReason> {
        let expected = self.connection == ConnectionState::Connected
            && self.wanted_tracks().any(|track| !track.muted && self.subscribed.contains(&track.track_id));
        if let Some(warning) = self.quiet.look(expected && !core.stage.ending(), now_ns) {
            facts.record(Fact::Warning { warning });
        }
        if core.stage.ending() || self.connection != ConnectionState::Connected {
            return None;
        }
        let sight = Sight {
            gone: self.wanted.source_gone,
            silent: self.wanted_tracks().next().is_none(),
            muted: self.all_muted() && core.outputs.any_not_begun(),
        };
        match self.watch.look(sight, now_ns) {
            Verdict::AsBefore => {}
            Verdict::Remark(warning) => facts.record(Fact::Warning { warning }),
            Verdict::Left => core.lanes.hold(Some(now_ns)),
            Verdict::Back => core.lanes.hold(None),
            Verdict::Gone => return Some(EndReason::SourceClosed),
            Verdict::NeverCame => {
                core.stage.fail(not_found(&self.selection));
                return Some(EndReason::Failure);
            }
        }
        None
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
    fn drop_stream(
        &mut self,
        id: StreamId,
        error: ApiError,
        core: &mut Core,
        now_ns: i64,
        facts: &mut Facts,
    ) {
        let Some(ingest) = self.streams.remove(&id) else { return };
        core.lanes.forget(id);
        let track = &ingest.stream.track_id;
        if self.health.breaks(track, now_ns) {
            tracing::warn!(%track, %error, "a track broke and is taken anew");
            self.unsubscribe(track);
        } else {
            self.refuse(track, error, facts);
        }
    }

    /// Whether something is published, all of it muted.
    fn all_muted(&self) -> bool {
        self.wanted_tracks().next().is_some() && self.wanted_tracks().all(|track| track.muted)
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

    fn sides_of(&mut self, track: &TrackId) -> Sides {
        let wanted = self.wanted.audio.iter().find(|(t, _)| t.track_id == *track);
        self.turns.sides(track, wanted.map(|(_, channel)| *channel))
    }
}

impl Feed for TracksFeed {
    type Event = RoomEvent;
    const STARTS_PROCESSES: bool = false;

    fn on_event(
        &mut self,
        event: RoomEvent,
        core: &mut Core,
        now_ns: i64,
        facts: &mut Facts,
    ) -> Option<EndReason> {
        match event {
            // The first join is told before there is a feed.
            RoomEvent::Connection(ConnectionState::Connecting) => {}
            RoomEvent::Connection(state) => {
                if std::mem::replace(&mut self.connection, state) != state {
                    facts.record(Fact::Connection { state });
                }
            }
            RoomEvent::Roster(roster) => self.on_roster(&roster, core, now_ns, facts),
            RoomEvent::StreamStarted(stream) => self.on_stream(stream, core, now_ns, facts),
            RoomEvent::Packet(packet) => self.on_packet(&packet, core),
            RoomEvent::StreamEnded(id) => self.on_stream_end(id, core),
            RoomEvent::SubscriptionFailed { track_id, error } => self.refuse(&track_id, error, facts),
            RoomEvent::Ended(end) => return Some(self.on_room_end(end, core, facts)),
        }
        None
    }

    fn on_media(&mut self, message: FromMedia, core: &mut Core, now_ns: i64, facts: &mut Facts) {
        match message {
            FromMedia::Picture(id, picture) => self.on_picture(id, picture, core, now_ns, facts),
            FromMedia::Decoded(id, decoded) => self.on_decoded(id, decoded, core, now_ns, facts),
            _ => {}
        }
    }

    fn on_command(&mut self, command: ToJob, _: &mut Core, _: i64, _: &mut Facts, link: &Link) {
        if let ToJob::UpdateLayout { request, .. }
        | ToJob::StartAnyway { request }
        | ToJob::Reload { request } = command
        {
            let error = ApiError::new(
                ErrorCode::FailedPrecondition,
                Fault::Input,
                "This job shows no page.",
                "Choose a job that records a layout or a web page.",
            );
            link.reply(request, Some(error));
        }
    }

    fn tick(&mut self, core: &mut Core, now_ns: i64, facts: &mut Facts) -> Option<EndReason> {
        if let Some(video) = self.wanted.video.as_ref().filter(|_| core.lanes.wants_whole_picture()) {
            self.room.request_keyframe(video.track_id.clone());
        }
        if self.health.pause_over(now_ns) {
            self.subscribe(now_ns);
        }
        self.watch_source(core, now_ns, facts)
    }

    fn known(&self, core: &Core, now_ns: i64) -> Option<Known> {
        self.source_facts(core, now_ns)
    }

    fn awaits_picture(&self, core: &Core, now_ns: i64) -> bool {
        !core.lanes.passes_pictures() || self.first_picture.awaited(core.attached_ns, now_ns)
    }

    fn begin(&mut self, core: &mut Core, now_ns: i64) {
        if !core.outputs.any_unfed() {
            return;
        }
        if !self.awaits_picture(core, now_ns) {
            core.outputs.begin_unfed(&[]);
        } else if let Some(units) = core.lanes.opening(now_ns) {
            core.outputs.begin_unfed(&units);
        } else if let Some(video) = &self.wanted.video {
            self.room.request_keyframe(video.track_id.clone());
        }
    }

    fn muted(&self) -> bool {
        self.wanted_tracks().all(|t| t.muted)
    }

    fn picture_on(&self) -> bool {
        self.wanted.video.as_ref().is_some_and(|v| !v.muted)
    }

    fn away_since_ns(&self) -> Option<i64> {
        self.watch.away_since_ns()
    }

    fn flush(&self) {
        self.room.flush();
    }

    fn drain(&mut self, core: &mut Core, _end_ns: i64) -> HashSet<StreamId> {
        let mut pending = HashSet::new();
        for (&id, ingest) in &self.streams {
            if ingest.stream.kind == TrackKind::Video {
                pending.insert(id);
                ingest.finish();
            } else if core.lanes.decoders.has(id) {
                pending.insert(id);
                core.lanes.decoders.finish(id);
            }
        }
        pending
    }

    fn uses(&mut self, memory_bytes: u64, core: &mut Core, now_ns: i64, facts: &mut Facts) {
        let decoded = self.video_stream.filter(|id| core.lanes.decoders.has(*id));
        if let Some(id) = decoded
            && self.memory.look(memory_bytes, now_ns)
            && let Some(Ingest { stream, .. }) = self.streams.remove(&id)
        {
            core.lanes.forget(id);
            self.refuse(&stream.track_id, too_much(memory_bytes), facts);
        }
    }

    fn never_began(&self, reason: EndReason) -> Option<ApiError> {
        let nothing = self.wanted_tracks().next().is_none();
        (nothing || self.all_muted()).then(|| never_began(reason, !nothing))
    }

    fn stats(&self) -> RoomStats {
        self.room.stats()
    }
}

fn track_id(wanted: &Wanted) -> Option<&TrackId> {
    wanted.video.as_ref().map(|v| &v.track_id)
}

fn encrypted(roster: &Roster) -> Vec<TrackId> {
    let tracks = roster.participants.iter().flat_map(|p| &p.tracks);
    tracks.filter(|t| t.encrypted).map(|t| t.sid.clone()).collect()
}
