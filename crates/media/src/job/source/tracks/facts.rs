//! What is known of the tracks, as far as files are named and chosen by it.

use egress::fact::TrackFacts;
use egress::roster::TrackKind;

use super::{PUBLISH_NS, Tracks};
use crate::job::shape::Known;
use crate::job::source::Source;
use crate::source::select::WantedTrack;

impl Tracks {
    /// The codec that a track is published in, as far as it is known.
    fn codec_of(&self, track: &WantedTrack) -> Option<String> {
        let received = self.codecs.get(&track.track_id).cloned();
        received.or_else(|| match track.codec.as_str() {
            "" => None,
            "red" => Some("opus".to_owned()),
            known => Some(known.to_owned()),
        })
    }

    /// Codecs as published of picture and sound, as far as they are there; none while a file cannot begin. A medium that
    /// is not published is waited for a little: what it will be decides which file carries both.
    fn received_codecs(&self, attached_ns: i64, now_ns: i64) -> Option<(Option<String>, Option<String>)> {
        let picture = self.wanted.video.as_ref().and_then(|video| self.codec_of(video));
        let sound = self.wanted.audio.first().and_then(|(track, _)| self.codec_of(track));
        if self.selection.video.is_some() && picture.is_none() {
            let heard = self.heard_since_ns?;
            if self.awaits_picture(attached_ns, now_ns) || now_ns - heard <= PUBLISH_NS {
                return None;
            }
        }
        (picture.is_some() || sound.is_some()).then_some((picture, sound))
    }

    /// What is known of the source; none while a file cannot begin.
    pub(super) fn source_facts(&self, attached_ns: i64, now_ns: i64) -> Option<Known> {
        let codecs = self.received_codecs(attached_ns, now_ns);
        let there = self.watch.seen() || self.wanted_tracks().next().is_some();
        if codecs.is_none() && (self.as_published || !there) {
            return None;
        }
        let settled = codecs.is_some();
        let (picture, sound) = codecs.unwrap_or_default();
        let known = |track: &WantedTrack, kind| TrackFacts {
            track_id: track.track_id.clone(),
            kind,
            source: track.source,
            codec: track.codec.clone(),
            publisher_identity: track.identity.clone(),
        };
        let pictures = self.wanted.video.iter().map(|t| known(t, TrackKind::Video));
        let sounds = self.wanted.audio.iter().map(|(t, _)| known(t, TrackKind::Audio));
        Some(Known {
            tracks: pictures.chain(sounds).collect(),
            has: (self.selection.video.is_some(), !self.selection.audio.is_empty()),
            picture,
            sound,
            settled,
        })
    }
}
