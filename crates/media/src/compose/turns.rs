//! On which side each track is heard.

use std::collections::HashMap;

use egress::id::TrackId;
use egress::spec::AudioChannel;

use crate::compose::mix::Sides;
use crate::source::select::WantedTrack;

/// Which track is heard where, for as long as the job lives: what is still on its way of one that is gone goes where it
/// was. Where tracks take turns, each new one gets the side that the one before it did not get, as with LiveKit Egress,
/// and one that is published anew is a new one.
#[derive(Debug, Default)]
pub struct Turns {
    sides: HashMap<TrackId, Sides>,
    /// Whether the last that took a turn is.
    on_the_left: bool,
}

impl Turns {
    /// Notes what is to be heard. What is muted from its first moment on takes no turn before it is heard.
    pub fn note(&mut self, wanted: &[(WantedTrack, AudioChannel)]) {
        for (track, channel) in wanted.iter().filter(|(track, _)| !track.muted) {
            self.sides(&track.track_id, Some(*channel));
        }
    }

    /// Where a track is heard, `channel` being where it is to go if that is known.
    pub fn sides(&mut self, track: &TrackId, channel: Option<AudioChannel>) -> Sides {
        if let Some(sides) = self.sides.get(track) {
            return *sides;
        }
        let sides = match channel {
            None => return Sides::BOTH,
            Some(AudioChannel::Both) => Sides::BOTH,
            Some(AudioChannel::Left) => Sides { left: true, right: false },
            Some(AudioChannel::Right) => Sides { left: false, right: true },
            Some(AudioChannel::Alternate) => {
                self.on_the_left = !self.on_the_left;
                Sides { left: self.on_the_left, right: !self.on_the_left }
            }
        };
        self.sides.insert(track.clone(), sides);
        sides
    }
}

#[cfg(test)]
mod tests {
    use egress::roster::TrackSource;

    use super::*;

    const LEFT: Sides = Sides { left: true, right: false };
    const RIGHT: Sides = Sides { left: false, right: true };

    fn wanted(id: &str, muted: bool) -> (WantedTrack, AudioChannel) {
        let track = WantedTrack {
            track_id: id.into(),
            identity: String::new(),
            source: TrackSource::Microphone,
            muted,
            codec: String::new(),
            width: 0,
            layers: Vec::new(),
        };
        (track, AudioChannel::Alternate)
    }

    #[test]
    fn each_new_track_gets_the_other_side_and_keeps_it() {
        let mut turns = Turns::default();
        let mut side = |wanted: &[(WantedTrack, AudioChannel)], id: &str| {
            turns.note(wanted);
            turns.sides(&id.into(), Some(AudioChannel::Alternate))
        };
        let (a, b, c) = (wanted("a", false), wanted("b", false), wanted("c", false));
        assert_eq!(side(&[a.clone(), b.clone()], "b"), RIGHT);
        assert_eq!(side(&[], "a"), LEFT);
        // One goes, one comes late; whoever was there stays where he was, muted or not.
        assert_eq!(side(&[b.clone(), c.clone()], "c"), LEFT);
        assert_eq!(side(&[wanted("b", true), c.clone()], "b"), RIGHT);
        assert_eq!(side(&[wanted("a", false), b, c], "a"), LEFT);
        // Published anew, it is the fourth.
        assert_eq!(side(&[wanted("a2", false)], "a2"), RIGHT);
    }

    #[test]
    fn who_is_muted_at_first_takes_no_turn_before_being_heard() {
        let mut turns = Turns::default();
        turns.note(&[wanted("a", true), wanted("b", false)]);
        assert_eq!(turns.sides(&"b".into(), Some(AudioChannel::Alternate)), LEFT);
        assert_eq!(turns.sides(&"a".into(), Some(AudioChannel::Alternate)), RIGHT);
    }

    #[test]
    fn fixed_sides_take_no_turn() {
        let mut turns = Turns::default();
        assert_eq!(turns.sides(&"a".into(), Some(AudioChannel::Right)), RIGHT);
        assert_eq!(turns.sides(&"c".into(), Some(AudioChannel::Both)), Sides::BOTH);
        // Its last sound comes out after it has gone.
        assert_eq!(turns.sides(&"a".into(), None), RIGHT);
        assert_eq!(turns.sides(&"b".into(), Some(AudioChannel::Alternate)), LEFT);
    }
}
