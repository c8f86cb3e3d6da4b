//! The people of a room, kept up to date from the server's messages.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use egress::id::TrackId;
use egress::roster::{
    ConnectionQuality, Layer, LayerQuality, Participant, ParticipantKind, Roster, Track, TrackKind,
    TrackSource,
};
use livekit_protocol as proto;
use proto::participant_info::{Kind, State};

/// Everybody we know of, by server-side id.
#[derive(Debug, Default)]
pub(crate) struct People {
    room_sid: String,
    room_name: String,
    active_recording: bool,
    own_identity: String,
    infos: HashMap<String, proto::ParticipantInfo>,
    speaking: HashSet<String>,
    quality: HashMap<String, ConnectionQuality>,
}

impl People {
    /// Takes the state of a fresh join, forgetting everything before.
    pub(crate) fn joined(&mut self, join: &proto::JoinResponse) {
        *self = Self {
            own_identity: join.participant.as_ref().map(|own| own.identity.clone()).unwrap_or_default(),
            ..Self::default()
        };
        if let Some(room) = &join.room {
            self.room(room);
        }
        self.update(&join.other_participants);
    }

    /// Takes news of the room itself.
    pub(crate) fn room(&mut self, room: &proto::Room) {
        self.room_sid.clone_from(&room.sid);
        self.room_name.clone_from(&room.name);
        self.active_recording = room.active_recording;
    }

    /// Takes news of people.
    pub(crate) fn update(&mut self, infos: &[proto::ParticipantInfo]) {
        for info in infos {
            if info.identity == self.own_identity {
                continue;
            }
            if info.state() == State::Disconnected {
                self.infos.remove(&info.sid);
                self.speaking.remove(&info.sid);
                self.quality.remove(&info.sid);
                continue;
            }
            // Messages can overtake each other across the server's nodes.
            let stale = self
                .infos
                .get(&info.sid)
                .is_some_and(|known| info.version > 0 && known.version > info.version);
            if stale {
                continue;
            }
            // A new session of the same identity replaces the old one, whose end may come later.
            self.infos.retain(|sid, known| *sid == info.sid || known.identity != info.identity);
            self.infos.insert(info.sid.clone(), info.clone());
        }
    }

    /// Takes news of who speaks.
    pub(crate) fn speakers(&mut self, speakers: &[proto::SpeakerInfo]) {
        for speaker in speakers {
            if speaker.active {
                self.speaking.insert(speaker.sid.clone());
            } else {
                self.speaking.remove(&speaker.sid);
            }
        }
    }

    /// Takes news of people's connections.
    pub(crate) fn connection_quality(&mut self, updates: &[proto::ConnectionQualityInfo]) {
        for update in updates {
            let quality = match update.quality() {
                proto::ConnectionQuality::Poor => ConnectionQuality::Poor,
                proto::ConnectionQuality::Good => ConnectionQuality::Good,
                proto::ConnectionQuality::Excellent => ConnectionQuality::Excellent,
                proto::ConnectionQuality::Lost => ConnectionQuality::Lost,
            };
            self.quality.insert(update.participant_sid.clone(), quality);
        }
    }

    /// Whether a track is published.
    pub(crate) fn has_track(&self, id: &TrackId) -> bool {
        self.infos.values().any(|info| info.tracks.iter().any(|track| track.sid == id.0))
    }

    /// The roster as others see it.
    pub(crate) fn roster(&self) -> Arc<Roster> {
        let mut participants: Vec<Participant> = self
            .infos
            .values()
            .filter(|info| !info.permission.as_ref().is_some_and(|permission| permission.hidden))
            .map(|info| Participant {
                speaking: self.speaking.contains(&info.sid),
                connection: self.quality.get(&info.sid).copied().unwrap_or(ConnectionQuality::Unknown),
                ..participant(info)
            })
            .collect();
        participants.sort_by(|a, b| (a.joined_at_ms, &a.identity).cmp(&(b.joined_at_ms, &b.identity)));
        Arc::new(Roster {
            room_sid: self.room_sid.clone(),
            room_name: self.room_name.clone(),
            active_recording: self.active_recording,
            participants,
        })
    }
}

/// A participant as the server describes them; speaking and connection are told apart from it.
pub(crate) fn participant(info: &proto::ParticipantInfo) -> Participant {
    Participant {
        sid: info.sid.clone(),
        identity: info.identity.clone(),
        name: info.name.clone(),
        kind: match info.kind() {
            Kind::Standard => ParticipantKind::Standard,
            Kind::Ingress => ParticipantKind::Ingress,
            Kind::Egress => ParticipantKind::Egress,
            Kind::Sip => ParticipantKind::Sip,
            Kind::Agent => ParticipantKind::Agent,
            Kind::Connector => ParticipantKind::Connector,
            Kind::Bridge => ParticipantKind::Bridge,
        },
        joined_at_ms: match info.joined_at_ms {
            0 => info.joined_at * 1000,
            ms => ms,
        },
        speaking: false,
        connection: ConnectionQuality::Unknown,
        tracks: info.tracks.iter().filter_map(track).collect(),
    }
}

/// A track as the server describes it; none if it is neither sound nor picture.
fn track(info: &proto::TrackInfo) -> Option<Track> {
    let kind = match info.r#type() {
        proto::TrackType::Audio => TrackKind::Audio,
        proto::TrackType::Video => TrackKind::Video,
        proto::TrackType::Data => return None,
    };
    let mut layers = layers(info);
    layers.sort_by_key(|layer| layer.quality);
    layers.dedup_by_key(|layer| layer.quality);
    let largest = layers.iter().max_by_key(|layer| u64::from(layer.width) * u64::from(layer.height));
    let (width, height) = match (kind, largest) {
        (TrackKind::Audio, _) => (0, 0),
        (TrackKind::Video, Some(layer)) if info.width == 0 => (layer.width, layer.height),
        (TrackKind::Video, _) => (info.width, info.height),
    };
    Some(Track {
        sid: TrackId(info.sid.clone()),
        name: info.name.clone(),
        kind,
        source: match info.source() {
            proto::TrackSource::Unknown => TrackSource::Unknown,
            proto::TrackSource::Camera => TrackSource::Camera,
            proto::TrackSource::Microphone => TrackSource::Microphone,
            proto::TrackSource::ScreenShare => TrackSource::ScreenShare,
            proto::TrackSource::ScreenShareAudio => TrackSource::ScreenShareAudio,
        },
        codec: codec_name(info),
        width,
        height,
        layers,
        muted: info.muted,
        encrypted: info.encryption() != proto::encryption::Type::None,
    })
}

/// `video/H264` → `h264`.
fn codec_name(info: &proto::TrackInfo) -> String {
    let first = info.codecs.first().map_or("", |codec| codec.mime_type.as_str());
    let mime = if info.mime_type.is_empty() { first } else { &info.mime_type };
    mime.rsplit('/').next().unwrap_or_default().to_ascii_lowercase()
}

fn layers(info: &proto::TrackInfo) -> Vec<Layer> {
    // Older servers and publishers only fill the field that newer ones call deprecated.
    #[allow(deprecated)]
    let old = &info.layers;
    let new = info.codecs.first().map(|codec| &codec.layers).filter(|layers| !layers.is_empty());
    new.unwrap_or(old)
        .iter()
        .filter_map(|layer| {
            let quality = match layer.quality() {
                proto::VideoQuality::Low => LayerQuality::Low,
                proto::VideoQuality::Medium => LayerQuality::Medium,
                proto::VideoQuality::High => LayerQuality::High,
                proto::VideoQuality::Off => return None,
            };
            Some(Layer { quality, width: layer.width, height: layer.height, bitrate_bps: layer.bitrate })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(sid: &str, identity: &str, version: u32) -> proto::ParticipantInfo {
        proto::ParticipantInfo {
            sid: sid.into(),
            identity: identity.into(),
            version,
            state: State::Active as i32,
            joined_at_ms: 1_000,
            tracks: vec![proto::TrackInfo {
                sid: format!("TR_{sid}"),
                mime_type: "video/H264".into(),
                r#type: proto::TrackType::Video as i32,
                codecs: vec![proto::SimulcastCodecInfo {
                    mime_type: "video/H264".into(),
                    layers: vec![
                        proto::VideoLayer {
                            quality: 2,
                            width: 1280,
                            height: 720,
                            bitrate: 9,
                            ..Default::default()
                        },
                        proto::VideoLayer {
                            quality: 0,
                            width: 320,
                            height: 180,
                            bitrate: 3,
                            ..Default::default()
                        },
                    ],
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    fn joined(others: Vec<proto::ParticipantInfo>) -> People {
        let mut people = People::default();
        people.joined(&proto::JoinResponse {
            room: Some(proto::Room { sid: "RM_1".into(), name: "show".into(), ..Default::default() }),
            participant: Some(person("PA_me", "EG_me", 1)),
            other_participants: others,
            ..Default::default()
        });
        people
    }

    #[test]
    fn we_and_the_hidden_are_not_listed() {
        let mut hidden = person("PA_h", "ghost", 1);
        hidden.permission = Some(proto::ParticipantPermission { hidden: true, ..Default::default() });
        let mut people = joined(vec![person("PA_1", "ada", 1), hidden]);
        people.update(&[person("PA_me", "EG_me", 2)]);
        let roster = people.roster();
        assert_eq!(roster.room_sid, "RM_1");
        assert_eq!(roster.participants.len(), 1);
        let track = &roster.participants[0].tracks[0];
        assert_eq!((track.codec.as_str(), track.width, track.height), ("h264", 1280, 720));
        assert_eq!(track.layers[0].quality, LayerQuality::Low);
        assert!(people.has_track(&TrackId::from("TR_PA_1")));
    }

    #[test]
    fn a_new_session_replaces_the_old_one_and_old_news_is_ignored() {
        let mut people = joined(vec![person("PA_1", "ada", 5)]);
        let mut stale = person("PA_1", "ada", 4);
        stale.name = "old".into();
        people.update(&[stale]);
        assert_eq!(people.roster().participants[0].name, "");
        people.update(&[person("PA_2", "ada", 1)]);
        let mut gone = person("PA_1", "ada", 6);
        gone.state = State::Disconnected as i32;
        people.update(&[gone]);
        let roster = people.roster();
        assert_eq!(roster.participants.len(), 1);
        assert_eq!(roster.participants[0].sid, "PA_2");
    }

    #[test]
    fn speaking_and_connection_follow_the_person() {
        let mut people = joined(vec![person("PA_1", "ada", 1)]);
        people.speakers(&[proto::SpeakerInfo { sid: "PA_1".into(), active: true, level: 0.5 }]);
        people.connection_quality(&[proto::ConnectionQualityInfo {
            participant_sid: "PA_1".into(),
            quality: proto::ConnectionQuality::Poor as i32,
            score: 1.0,
        }]);
        let ada = people.roster().participants[0].clone();
        assert!(ada.speaking);
        assert_eq!(ada.connection, ConnectionQuality::Poor);
        people.speakers(&[proto::SpeakerInfo { sid: "PA_1".into(), ..Default::default() }]);
        assert!(!people.roster().participants[0].speaking);
    }
}
