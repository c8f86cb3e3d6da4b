//! Which tracks of a room a job takes, as a pure function of its selection and the roster.

use egress::id::TrackId;
use egress::roster::{Layer, LayerQuality, Participant, Roster, Track, TrackKind, TrackSource};
use egress::spec::{AudioChannel, AudioSelect, EndRule, Selection, VideoPreference, VideoSelect};

/// What a job takes of the room as it is now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wanted {
    /// The picture.
    pub video: Option<WantedTrack>,
    /// The sound, each with its side.
    pub audio: Vec<(WantedTrack, AudioChannel)>,
    /// Whether the source counts as over by the selection's own rule (judged only once it was there).
    pub source_gone: bool,
}

/// A track that a job takes.
#[derive(Debug, Clone, PartialEq)]
pub struct WantedTrack {
    /// Its id.
    pub track_id: TrackId,
    /// Who publishes it.
    pub identity: String,
    /// What it shows.
    pub source: TrackSource,
    /// Whether it is muted now.
    pub muted: bool,
    /// Codec as published.
    pub codec: String,
    /// Pixels of the largest layer; 0 while unknown.
    pub width: u32,
    /// Its simulcast layers, smallest first.
    pub layers: Vec<Layer>,
}

/// The layer to take of a track whose picture is fitted into this width and height, pixels; none: it is wanted as it is.
/// One twice as large will do: what of it is left out would not be seen.
pub fn layer_for(track: &WantedTrack, fitted: Option<(u32, u32)>) -> LayerQuality {
    let enough = |layer: &&Layer| {
        fitted.is_some_and(|(width, height)| layer.width >= 2 * width || layer.height >= 2 * height)
    };
    track.layers.iter().find(enough).map_or(LayerQuality::High, |layer| layer.quality)
}

/// Chooses.
pub fn select(selection: &Selection, roster: &Roster) -> Wanted {
    let video = selection.video.as_ref().and_then(|select| match select {
        VideoSelect::Track(id) => {
            all(roster).find(|(_, t)| t.sid == *id && t.kind == TrackKind::Video).map(|(p, t)| wanted(p, t))
        }
        VideoSelect::Participant { identity, prefer } => {
            roster.participants.iter().find(|p| p.identity == *identity).and_then(|p| picture(p, *prefer))
        }
    });
    let audio = all(roster)
        .filter(|(_, t)| t.kind == TrackKind::Audio)
        .filter_map(|(p, t)| {
            let route = selection.audio.iter().find(|route| match &route.from {
                AudioSelect::All => true,
                AudioSelect::Track(id) => t.sid == *id,
                AudioSelect::Participant(identity) => p.identity == *identity,
                AudioSelect::Voice(identity) => {
                    p.identity == *identity && t.source != TrackSource::ScreenShareAudio
                }
                AudioSelect::Kind(kind) => p.kind == *kind,
            })?;
            Some((wanted(p, t), route.channel))
        })
        .collect::<Vec<_>>();
    let source_gone = match &selection.ends {
        EndRule::TracksGone => video.is_none() && audio.is_empty(),
        EndRule::ParticipantLeaves(identity) => !roster.participants.iter().any(|p| p.identity == *identity),
        EndRule::RoomEnds => false,
    };
    Wanted { video, audio, source_gone }
}

/// A person's picture by preference: of several, the newest; one that is on before one that is muted.
fn picture(person: &Participant, prefer: VideoPreference) -> Option<WantedTrack> {
    let screen_counts = prefer == VideoPreference::ScreenShare;
    person
        .tracks
        .iter()
        .enumerate()
        .filter(|(_, t)| t.kind == TrackKind::Video)
        .filter(|(_, t)| screen_counts || t.source != TrackSource::ScreenShare)
        .max_by_key(|(n, t)| {
            let screen = screen_counts && t.source == TrackSource::ScreenShare && !t.muted;
            (screen, !t.muted, t.source == TrackSource::Camera, *n)
        })
        .map(|(_, t)| wanted(person, t))
}

fn all(roster: &Roster) -> impl Iterator<Item = (&Participant, &Track)> {
    roster.participants.iter().flat_map(|p| p.tracks.iter().map(move |t| (p, t)))
}

fn wanted(person: &Participant, track: &Track) -> WantedTrack {
    WantedTrack {
        track_id: track.sid.clone(),
        identity: person.identity.clone(),
        source: track.source,
        muted: track.muted,
        codec: track.codec.clone(),
        width: track.width,
        layers: track.layers.clone(),
    }
}

#[cfg(test)]
mod tests {
    use egress::roster::{ConnectionQuality, ParticipantKind};
    use egress::spec::AudioRoute;

    use super::*;

    fn track(sid: &str, kind: TrackKind, source: TrackSource, muted: bool) -> Track {
        Track {
            sid: sid.into(),
            name: String::new(),
            kind,
            source,
            codec: String::new(),
            width: 0,
            height: 0,
            layers: vec![],
            muted,
            encrypted: false,
        }
    }

    #[test]
    fn as_large_a_layer_as_is_seen_is_taken() {
        let layer = |quality, height| Layer { quality, width: height * 16 / 9, height, bitrate_bps: 0 };
        let mut camera = track("TR_1", TrackKind::Video, TrackSource::Camera, false);
        camera.layers = vec![
            layer(LayerQuality::Low, 180),
            layer(LayerQuality::Medium, 360),
            layer(LayerQuality::High, 720),
        ];
        let ada = person("ada", ParticipantKind::Standard, vec![camera.clone()]);
        let taken = |fitted| layer_for(&wanted(&ada, &camera), fitted);
        assert_eq!(taken(None), LayerQuality::High, "as published");
        assert_eq!(taken(Some((1280, 720))), LayerQuality::High);
        assert_eq!(taken(Some((640, 360))), LayerQuality::High);
        assert_eq!(taken(Some((320, 180))), LayerQuality::Medium);
        assert_eq!(taken(Some((320, 90))), LayerQuality::Low, "its height is what fits");
        assert_eq!(taken(Some((100, 56))), LayerQuality::Low);
        let upright = Track { layers: vec![layer(LayerQuality::Low, 180)], ..camera.clone() };
        assert_eq!(
            layer_for(&wanted(&ada, &upright), Some((640, 360))),
            LayerQuality::High,
            "no other is there"
        );
    }

    fn person(identity: &str, kind: ParticipantKind, tracks: Vec<Track>) -> Participant {
        Participant {
            sid: format!("PA_{identity}"),
            identity: identity.into(),
            name: String::new(),
            kind,
            joined_at_ms: 0,
            speaking: false,
            connection: ConnectionQuality::Good,
            tracks,
        }
    }

    fn room() -> Roster {
        use ParticipantKind::*;
        use TrackKind::*;
        use TrackSource::*;
        Roster {
            participants: vec![
                person(
                    "ada",
                    Standard,
                    vec![
                        track("cam", Video, Camera, false),
                        track("mic", Audio, Microphone, false),
                        track("screen", Video, ScreenShare, false),
                        track("tab", Audio, ScreenShareAudio, false),
                    ],
                ),
                person("bot", Agent, vec![track("voice", Audio, Microphone, false)]),
            ],
            ..Roster::default()
        }
    }

    fn person_selection(prefer: VideoPreference) -> Selection {
        Selection {
            video: Some(VideoSelect::Participant { identity: "ada".into(), prefer }),
            audio: vec![AudioRoute {
                from: AudioSelect::Participant("ada".into()),
                channel: AudioChannel::Both,
            }],
            ends: EndRule::ParticipantLeaves("ada".into()),
        }
    }

    fn video_of(selection: &Selection, roster: &Roster) -> Option<String> {
        select(selection, roster).video.map(|v| v.track_id.0)
    }

    #[test]
    fn a_shared_screen_is_followed_while_it_is_on() {
        let follow = person_selection(VideoPreference::ScreenShare);
        let mut roster = room();
        assert_eq!(video_of(&follow, &roster).as_deref(), Some("screen"));
        roster.participants[0].tracks[2].muted = true;
        assert_eq!(video_of(&follow, &roster).as_deref(), Some("cam"));
        roster.participants[0].tracks.remove(2);
        assert_eq!(video_of(&follow, &roster).as_deref(), Some("cam"));
        assert_eq!(video_of(&person_selection(VideoPreference::Camera), &room()).as_deref(), Some("cam"));
    }

    #[test]
    fn the_first_fitting_route_takes_a_track() {
        let selection = Selection {
            video: None,
            audio: vec![
                AudioRoute { from: AudioSelect::Kind(ParticipantKind::Agent), channel: AudioChannel::Left },
                AudioRoute { from: AudioSelect::All, channel: AudioChannel::Right },
            ],
            ends: EndRule::RoomEnds,
        };
        let sides: Vec<_> =
            select(&selection, &room()).audio.into_iter().map(|(t, c)| (t.track_id.0, c)).collect();
        assert_eq!(
            sides,
            [
                ("mic".to_owned(), AudioChannel::Right),
                ("tab".to_owned(), AudioChannel::Right),
                ("voice".to_owned(), AudioChannel::Left)
            ]
        );
    }

    #[test]
    fn each_rule_knows_when_its_source_is_gone() {
        let person = person_selection(VideoPreference::Camera);
        let mut roster = room();
        roster.participants[0].tracks.clear();
        assert!(!select(&person, &roster).source_gone, "there without tracks is still there");
        roster.participants.remove(0);
        assert!(select(&person, &roster).source_gone);

        let track = Selection {
            video: Some(VideoSelect::Track("cam".into())),
            audio: vec![],
            ends: EndRule::TracksGone,
        };
        assert!(!select(&track, &room()).source_gone);
        assert!(select(&track, &roster).source_gone);
    }
}
