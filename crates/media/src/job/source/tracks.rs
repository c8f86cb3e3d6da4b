//! The tracks of a room as the source of a job: which are taken, and what comes of them.

mod ends;
mod facts;
mod media;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{ConnectionState, EndReason, Fact, TrackFacts};
use egress::id::TrackId;
use egress::roster::{LayerQuality, Roster, TrackKind, TrackSource};
use egress::spec::{EndRule, Selection};
use egress::wire::ToJob;
use room::event::{Codec, RoomEvent, Stream, StreamId};
use room::session::{Room, RoomStats};

use crate::compose::turns::Turns;
use crate::job::media::{FromMedia, MediaSender};
use crate::job::shape::Known;
use crate::job::source::decoders::Decoders;
use crate::job::source::first_picture::FirstPicture;
use crate::job::source::full_size::FullSize;
use crate::job::source::health::TrackHealth;
use crate::job::source::ingest::Ingest;
use crate::job::source::memory::MemoryGuard;
use crate::job::source::tracks::ends::{never_began, not_found, too_much};
use crate::job::source::watch::{Quiet, Sight, SourceWatch, Verdict};
use crate::job::source::{Camera, Published, Source, SourceEvent, Wants};
use crate::source::opus::OpusRun;
use crate::source::select::{Wanted, WantedTrack, layer_for, select};

/// How long a person may be away before they count as gone: a client that loses its network joins
/// again within this. Nothing is written meanwhile.
const AWAY_NS: i64 = 4_000_000_000;
/// How long a selected track may be away: ids do not come back, but the room's list may be in the middle
/// of a reconnect.
const TRACK_AWAY_NS: i64 = 500_000_000;
/// How long, once there is sound, a camera may take to be published before a file as published begins without knowing
/// what the picture will be.
const PUBLISH_NS: i64 = 3_000_000_000;

/// The tracks of a room.
pub struct Tracks {
    selection: Selection,
    /// Whether files hold what is published.
    as_published: bool,
    room: Room,
    media: MediaSender,
    wants: Wants,
    streams: HashMap<StreamId, Ingest>,
    decoders: Decoders,
    wanted: Wanted,
    turns: Turns,
    connection: ConnectionState,
    /// What is subscribed to, and at which layer.
    subscribed: HashMap<TrackId, LayerQuality>,
    codecs: HashMap<TrackId, String>,
    health: TrackHealth,
    video_stream: Option<StreamId>,
    full_size: FullSize,
    first_picture: FirstPicture,
    watch: SourceWatch,
    quiet: Quiet,
    memory: MemoryGuard,
    /// Sound on its way into files as it is published.
    run: OpusRun,
    /// What the picture was published in so far, where files hold that.
    coded_in: Option<Codec>,
    /// Whether what goes into files as published is decoded beside.
    decodes_coded: bool,
    /// Whether it turned out that it cannot be.
    undecodable: bool,
    /// Whether anything was ever heard.
    heard: bool,
    /// Time of the first sound of what is published now, unix, ns.
    heard_since_ns: Option<i64>,
}

impl Tracks {
    /// A selection of a joined room. `as_published`: whether files hold what is published. What comes from other threads
    /// is sent to `media`.
    pub fn new(
        selection: Selection,
        as_published: bool,
        room: Room,
        media: MediaSender,
        now_ns: i64,
    ) -> Self {
        let patience_ns = match selection.ends {
            EndRule::ParticipantLeaves(_) => AWAY_NS,
            _ => TRACK_AWAY_NS,
        };
        Self {
            selection,
            as_published,
            room,
            wants: Wants::default(),
            streams: HashMap::new(),
            decoders: Decoders::new(media.clone()),
            media,
            wanted: Wanted::default(),
            turns: Turns::default(),
            connection: ConnectionState::Connected,
            subscribed: HashMap::new(),
            codecs: HashMap::new(),
            health: TrackHealth::default(),
            video_stream: None,
            full_size: FullSize::default(),
            first_picture: FirstPicture::default(),
            watch: SourceWatch::new(now_ns, patience_ns),
            quiet: Quiet::default(),
            memory: MemoryGuard::default(),
            run: OpusRun::gapless(),
            coded_in: None,
            decodes_coded: false,
            undecodable: false,
            heard: false,
            heard_since_ns: None,
        }
    }

    fn on_roster(&mut self, roster: &Roster, now_ns: i64, emit: &mut Vec<SourceEvent>) {
        emit.push(SourceEvent::RoomId(roster.room_sid.clone()));
        self.settle_single_track(roster, emit);
        let before = std::mem::replace(&mut self.wanted, select(&self.selection, roster));
        if self.as_published {
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
                self.refuse(&track, error, emit);
            }
        }
        let tracks: HashSet<TrackId> = self.wanted_tracks().map(|t| t.track_id.clone()).collect();
        // A room in which somebody publishes anew all day is as small as one in which nobody does.
        let there: HashSet<&TrackId> =
            roster.participants.iter().flat_map(|p| &p.tracks).map(|track| &track.sid).collect();
        self.codecs.retain(|track, _| there.contains(track));
        self.health.retain(|track| there.contains(track));
        let gone: Vec<TrackId> = self.subscribed.keys().filter(|t| !tracks.contains(*t)).cloned().collect();
        for track_id in gone {
            self.unsubscribe(&track_id);
            emit.push(SourceEvent::Fact(Fact::TrackRemoved { track_id }));
        }
        self.subscribe(now_ns);
        let (was, is) = (track_id(&before), track_id(&self.wanted));
        if was != is {
            self.video_stream = self.stream_of(is);
        }
        let on = self.wanted.video.as_ref().is_some_and(|v| !v.muted);
        if self.first_picture.camera(on, now_ns)
            && let Some(track) = is.filter(|_| self.wants.coded_pictures)
        {
            // Files that wait for it, or have begun without, begin with a keyframe.
            self.room.request_keyframe(track.clone());
        }
        if self.wanted.audio.is_empty() {
            self.heard_since_ns = None;
        }
        for (track, _) in self.wanted.audio.iter().filter(|(track, _)| track.muted) {
            emit.extend(self.stream_of(Some(&track.track_id)).map(SourceEvent::Quiet));
        }
        if self.selection.ends == EndRule::RoomEnds || !self.wanted.source_gone {
            self.watch.saw();
        }
    }

    /// Subscribes to what is wanted and may be taken, and to as much of it as is wanted.
    fn subscribe(&mut self, now_ns: i64) {
        let pictures = self.wants.pictures.filter(|_| !self.wants.coded_pictures);
        let wanted: Vec<(TrackId, LayerQuality)> =
            self.wanted_tracks().map(|track| (track.track_id.clone(), layer_for(track, pictures))).collect();
        for (track, layer) in wanted {
            match self.subscribed.get(&track) {
                Some(before) if *before == layer => continue,
                Some(_) => self.room.set_layer(track.clone(), layer),
                None if self.health.takes(&track, now_ns) => self.room.subscribe(track.clone(), layer),
                None => continue,
            }
            self.subscribed.insert(track, layer);
        }
    }

    /// A Track egress names its track for picture and sound alike; the room says which it is.
    fn settle_single_track(&mut self, roster: &Roster, emit: &mut Vec<SourceEvent>) {
        let Some(track) = self.selection.single_track() else { return };
        let mut tracks = roster.participants.iter().flat_map(|p| &p.tracks);
        let Some(kind) = tracks.find(|t| t.sid == *track).map(|t| t.kind) else { return };
        match kind {
            TrackKind::Video => self.selection.audio.clear(),
            TrackKind::Audio => self.selection.video = None,
        }
        emit.push(SourceEvent::Only(kind));
    }

    fn on_stream(&mut self, stream: Arc<Stream>, emit: &mut Vec<SourceEvent>) {
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
                self.refuse(&stream.track_id, error, emit);
                return;
            }
        }
        if stream.kind == TrackKind::Video {
            self.video_stream = Some(stream.id);
            self.room.request_keyframe(stream.track_id.clone());
        }
        let codec = stream.codec.name().to_owned();
        if self.codecs.insert(stream.track_id.clone(), codec.clone()).as_ref() != Some(&codec) {
            emit.push(SourceEvent::Track(TrackFacts {
                track_id: stream.track_id.clone(),
                kind: stream.kind,
                source: track.source,
                codec,
                publisher_identity: track.identity,
            }));
        }
        if stream.kind == TrackKind::Audio {
            self.sound_stream(&stream, emit);
        }
    }

    /// Lets a stream that has ended come out whole; it is forgotten when it has.
    fn on_stream_end(&mut self, id: StreamId, emit: &mut Vec<SourceEvent>) {
        let Some(ingest) = self.streams.get_mut(&id) else { return };
        ingest.ended = true;
        ingest.finish();
        if ingest.stream.kind == TrackKind::Audio {
            emit.push(SourceEvent::Quiet(id));
            self.decoders.finish(id);
        }
    }

    /// A stream has come out whole.
    fn on_stream_out(&mut self, id: StreamId, emit: &mut Vec<SourceEvent>) {
        emit.push(SourceEvent::Drained(id));
        if self.streams.get(&id).is_some_and(|ingest| ingest.ended) {
            self.forget(id, emit);
        }
    }

    /// Lets go of a stream.
    fn forget(&mut self, id: StreamId, emit: &mut Vec<SourceEvent>) -> Option<Ingest> {
        let ingest = self.streams.remove(&id)?;
        self.decoders.remove(id);
        let track = &ingest.stream.track_id;
        let track = self.stream_of(Some(track)).is_none().then(|| track.clone());
        emit.push(SourceEvent::Gone { stream: id, track });
        Some(ingest)
    }

    /// Judges whether the source is there, away for a moment, or gone.
    fn watch_source(&mut self, now_ns: i64, emit: &mut Vec<SourceEvent>) {
        let expected = self.connection == ConnectionState::Connected
            && self
                .wanted_tracks()
                .any(|track| !track.muted && self.subscribed.contains_key(&track.track_id));
        if let Some(warning) = self.quiet.look(expected && !self.wants.ending, now_ns) {
            emit.push(SourceEvent::Fact(Fact::Warning { warning }));
        }
        if self.wants.ending || self.connection != ConnectionState::Connected {
            return;
        }
        let sight = Sight {
            gone: self.wanted.source_gone,
            silent: self.wanted_tracks().next().is_none(),
            muted: self.all_muted() && self.wants.first_media,
        };
        match self.watch.look(sight, now_ns) {
            Verdict::AsBefore => {}
            Verdict::Remark(warning) => emit.push(SourceEvent::Fact(Fact::Warning { warning })),
            Verdict::Left => emit.push(SourceEvent::Away(now_ns)),
            Verdict::Back => emit.push(SourceEvent::Back),
            Verdict::Gone => emit.push(SourceEvent::Over(EndReason::SourceClosed)),
            Verdict::NeverCame => {
                emit.push(SourceEvent::Failed(not_found(&self.selection)));
                emit.push(SourceEvent::Over(EndReason::Failure));
            }
        }
    }

    fn refuse(&mut self, track: &TrackId, error: ApiError, emit: &mut Vec<SourceEvent>) {
        if self.health.refuse(track) {
            self.unsubscribe(track);
            emit.push(SourceEvent::Fact(Fact::TrackRefused { track_id: track.clone(), error }));
        }
    }

    fn unsubscribe(&mut self, track: &TrackId) {
        self.room.unsubscribe(track.clone());
        self.subscribed.remove(track);
    }

    /// A stream's media broke: its track is taken anew a few times before it is given up.
    fn drop_stream(&mut self, id: StreamId, error: ApiError, now_ns: i64, emit: &mut Vec<SourceEvent>) {
        let Some(ingest) = self.forget(id, emit) else { return };
        let track = &ingest.stream.track_id;
        if self.health.breaks(track, now_ns) {
            tracing::warn!(%track, %error, "a track broke and is taken anew");
            self.unsubscribe(track);
        } else {
            self.refuse(track, error, emit);
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
}

impl Source for Tracks {
    type Event = RoomEvent;
    const STARTS_PROCESSES: bool = false;

    fn on_event(&mut self, event: RoomEvent, now_ns: i64, emit: &mut Vec<SourceEvent>) {
        match event {
            // The first join is told before there is a source.
            RoomEvent::Connection(ConnectionState::Connecting) => {}
            RoomEvent::Connection(state) => {
                if std::mem::replace(&mut self.connection, state) != state {
                    emit.push(SourceEvent::Fact(Fact::Connection { state }));
                }
            }
            RoomEvent::Roster(roster) => self.on_roster(&roster, now_ns, emit),
            RoomEvent::StreamStarted(stream) => self.on_stream(stream, emit),
            RoomEvent::Packet(packet) => self.on_packet(&packet, emit),
            RoomEvent::StreamEnded(id) => self.on_stream_end(id, emit),
            RoomEvent::SubscriptionFailed { track_id, error } => self.refuse(&track_id, error, emit),
            RoomEvent::Ended(end) => ends::on_room_end(end, emit),
        }
    }

    fn on_media(&mut self, message: FromMedia, now_ns: i64, emit: &mut Vec<SourceEvent>) {
        match message {
            FromMedia::Picture(id, picture) => self.on_picture(id, picture, now_ns, emit),
            FromMedia::Decoded(id, decoded) => self.on_decoded(id, decoded, now_ns, emit),
            _ => {}
        }
    }

    fn on_command(&mut self, command: ToJob, emit: &mut Vec<SourceEvent>) {
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
            emit.push(SourceEvent::Answer(request, Some(error)));
        }
    }

    fn tick(&mut self, now_ns: i64, emit: &mut Vec<SourceEvent>) {
        self.silence(now_ns, emit);
        if let Some(video) = self.wanted.video.as_ref().filter(|video| self.wants_whole_picture(video)) {
            self.room.request_keyframe(video.track_id.clone());
        }
        if self.health.pause_over(now_ns) {
            self.subscribe(now_ns);
        }
        self.watch_source(now_ns, emit);
    }

    fn want(&mut self, wants: Wants) {
        let before = std::mem::replace(&mut self.wants, wants);
        self.published_anew(before);
        if (before.pictures, before.coded_pictures) != (wants.pictures, wants.coded_pictures) {
            // A track that rests is not begun with by this.
            self.subscribe(i64::MIN);
        }
    }

    fn published(&self) -> Published {
        let camera = match &self.wanted.video {
            _ if self.selection.video.is_none() => Camera::None,
            None => Camera::Unpublished,
            Some(video) if video.muted => Camera::Muted,
            Some(_) => Camera::On,
        };
        Published {
            camera,
            shared_screen: self.wanted.video.as_ref().is_some_and(|v| v.source == TrackSource::ScreenShare),
            sound: !self.wanted.audio.is_empty(),
            sound_muted: self.wanted.audio.iter().all(|(track, _)| track.muted),
            all_muted: self.all_muted(),
            starts_empty: false,
        }
    }

    fn known(&self, attached_ns: i64, now_ns: i64) -> Option<Known> {
        self.source_facts(attached_ns, now_ns)
    }

    fn awaits_picture(&self, attached_ns: i64, now_ns: i64) -> bool {
        !self.wants.coded_pictures || self.first_picture.awaited(attached_ns, now_ns)
    }

    fn request_keyframe(&self) {
        if let Some(video) = &self.wanted.video {
            self.room.request_keyframe(video.track_id.clone());
        }
    }

    fn away_since_ns(&self) -> Option<i64> {
        self.watch.away_since_ns()
    }

    fn flush(&self) {
        self.room.flush();
    }

    fn drain(&mut self, _end_ns: i64) -> HashSet<StreamId> {
        let mut pending = HashSet::new();
        for (&id, ingest) in &self.streams {
            if ingest.stream.kind == TrackKind::Video {
                pending.insert(id);
                ingest.finish();
            } else if self.decoders.has(id) {
                pending.insert(id);
                self.decoders.finish(id);
            }
        }
        pending
    }

    fn uses(&mut self, memory_bytes: u64, now_ns: i64, emit: &mut Vec<SourceEvent>) {
        let decoded = self.video_stream.filter(|id| self.decoders.has(*id));
        if let Some(id) = decoded
            && self.memory.look(memory_bytes, now_ns)
            && let Some(ingest) = self.forget(id, emit)
        {
            self.refuse(&ingest.stream.track_id, too_much(memory_bytes), emit);
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
