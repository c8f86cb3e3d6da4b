//! What waits to be sent, and what is left out when a connection is too slow.

use std::collections::VecDeque;

use crate::unit::{Lane, Unit};

/// So much of the pictures may wait, ns: a connection that is further behind will not catch up, and live is late.
const PICTURES_NS: i64 = 3_000_000_000;
/// So much of the sound may wait, ns. Longer: a viewer forgives a picture that stands sooner than a hole in the sound.
const SOUND_NS: i64 = 6_000_000_000;

/// The queue of one destination. What is sent begins with a whole picture, and after something was left out goes on
/// with one.
#[derive(Debug)]
pub struct Queue {
    pictures: VecDeque<Unit>,
    sound: VecDeque<Unit>,
    has_pictures: bool,
    /// Nothing goes out before this moment, unix, ns; none: before a picture that begins it.
    begins_ns: Option<i64>,
    wants_keyframe: bool,
    dropped: u64,
}

impl Queue {
    /// A queue that begins with the next whole picture, or, without pictures, with the next sound.
    pub fn new(has_pictures: bool) -> Self {
        Self {
            pictures: VecDeque::new(),
            sound: VecDeque::new(),
            has_pictures,
            begins_ns: None,
            wants_keyframe: true,
            dropped: 0,
        }
    }

    /// Begins anew: nothing of what waits is wanted any more.
    pub fn begin_anew(&mut self) {
        *self = Self { dropped: self.dropped, ..Self::new(self.has_pictures) };
    }

    /// Adds a unit, or leaves it out.
    pub fn push(&mut self, unit: Unit) {
        match unit.lane {
            Lane::Video => self.push_picture(unit),
            Lane::Audio => self.push_sound(unit),
        }
    }

    fn push_picture(&mut self, unit: Unit) {
        if !self.has_pictures {
            return;
        }
        if self.wants_keyframe && !unit.keyframe {
            // Before the first one nothing is missing yet.
            self.dropped += u64::from(self.begins_ns.is_some());
            return;
        }
        self.wants_keyframe = false;
        if self.begins_ns.is_none() {
            self.begins_ns = Some(unit.time_ns);
            self.sound.retain(|sound| sound.time_ns >= unit.time_ns);
        }
        self.pictures.push_back(unit);
        if span_ns(&self.pictures) <= PICTURES_NS {
            return;
        }
        // The newest whole picture and what follows it stay.
        let keep = self.pictures.iter().rposition(|picture| picture.keyframe).filter(|at| *at > 0);
        self.wants_keyframe = keep.is_none();
        let gone = keep.unwrap_or(self.pictures.len());
        self.dropped += gone as u64;
        self.pictures.drain(..gone);
    }

    fn push_sound(&mut self, unit: Unit) {
        match self.begins_ns {
            Some(begins) if unit.time_ns < begins => return,
            Some(_) => {}
            None if self.has_pictures => {}
            None => self.begins_ns = Some(unit.time_ns),
        }
        self.sound.push_back(unit);
        while span_ns(&self.sound) > SOUND_NS {
            self.sound.pop_front();
        }
    }

    /// When what is sent begins, unix, ns; none while there is nothing to send.
    pub fn begins_ns(&self) -> Option<i64> {
        self.begins_ns
    }

    /// The next unit of a lane.
    pub fn pop(&mut self, lane: Lane) -> Option<Unit> {
        self.begins_ns?;
        match lane {
            Lane::Video => self.pictures.pop_front(),
            Lane::Audio => self.sound.pop_front(),
        }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.pictures.is_empty() && (self.sound.is_empty() || self.begins_ns.is_none())
    }

    /// How much media waits, ns.
    pub fn waiting_ns(&self) -> i64 {
        if self.has_pictures { span_ns(&self.pictures) } else { span_ns(&self.sound) }
    }

    /// Pictures that were left out.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

fn span_ns(units: &VecDeque<Unit>) -> i64 {
    match (units.front(), units.back()) {
        (Some(first), Some(last)) => last.time_ns - first.time_ns,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use gstreamer as gst;

    use super::*;

    const MS: i64 = 1_000_000;

    fn unit(lane: Lane, ms: i64, keyframe: bool) -> Unit {
        gst::init().unwrap();
        Unit {
            lane,
            time_ns: ms * MS,
            duration_ns: 20 * MS,
            keyframe,
            data: gst::Buffer::from_slice([0u8; 10]),
            caps: gst::Caps::new_any(),
        }
    }

    fn feed(queue: &mut Queue, from_ms: i64, to_ms: i64, keyframe_every_ms: i64) {
        for ms in (from_ms..to_ms).step_by(20) {
            queue.push(unit(Lane::Video, ms, ms % keyframe_every_ms == 0));
            queue.push(unit(Lane::Audio, ms, true));
        }
    }

    fn times(queue: &mut Queue, lane: Lane) -> Vec<i64> {
        std::iter::from_fn(|| queue.pop(lane)).map(|unit| unit.time_ns / MS).collect()
    }

    #[test]
    fn it_begins_with_a_whole_picture_and_the_sound_from_there() {
        let mut queue = Queue::new(true);
        feed(&mut queue, 500, 1500, 1000);
        assert_eq!(queue.begins_ns(), Some(1000 * MS));
        assert_eq!(times(&mut queue, Lane::Video), (1000..1500).step_by(20).collect::<Vec<_>>());
        assert_eq!(times(&mut queue, Lane::Audio), (1000..1500).step_by(20).collect::<Vec<_>>());
        assert_eq!(queue.dropped(), 0);
    }

    #[test]
    fn sound_alone_begins_at_once() {
        let mut queue = Queue::new(false);
        queue.push(unit(Lane::Audio, 40, true));
        assert_eq!(times(&mut queue, Lane::Audio), [40]);
    }

    #[test]
    fn a_connection_that_stands_costs_pictures_first_and_no_memory() {
        let mut queue = Queue::new(true);
        feed(&mut queue, 0, 60_000, 2000);
        assert!(queue.waiting_ns() <= PICTURES_NS && queue.pictures.len() <= 151);
        assert!(span_ns(&queue.sound) <= SOUND_NS);
        assert!(queue.pictures[0].keyframe, "what is left begins with a whole picture");
        assert_eq!(queue.dropped() as usize, 3000 - queue.pictures.len());
        // Sound has no hole from where it goes on.
        let sound = times(&mut queue, Lane::Audio);
        assert!(sound.windows(2).all(|w| w[1] - w[0] == 20));
    }

    #[test]
    fn where_keyframes_are_far_apart_the_next_one_is_waited_for() {
        let mut queue = Queue::new(true);
        feed(&mut queue, 0, 4000, 10_000);
        assert!(queue.pictures.is_empty());
        feed(&mut queue, 4000, 10_020, 10_000);
        assert_eq!(times(&mut queue, Lane::Video), [10_000]);
        assert_eq!(queue.dropped(), 500);
    }

    #[test]
    fn a_new_connection_begins_anew() {
        let mut queue = Queue::new(true);
        feed(&mut queue, 0, 1000, 2000);
        queue.begin_anew();
        assert!(queue.is_empty() && queue.begins_ns().is_none());
        feed(&mut queue, 1000, 2040, 2000);
        assert_eq!(times(&mut queue, Lane::Video), [2000, 2020]);
    }
}
