//! One playlist of HLS as text, and back.
//!
//! The texts and their order are those of LiveKit Egress, tag by tag, since scripts read such lists line by line; what
//! LiveKit does not write (maps, discontinuities) stands where it changes nothing for them.

use std::collections::VecDeque;

use chrono::DateTime;
use egress::spec::SegmentKind;

const BEGINS: &str = "#EXTM3U";
const VERSION: &str = "#EXT-X-VERSION:";
const EVENT: &str = "#EXT-X-PLAYLIST-TYPE:EVENT";
/// What old players look for. Versions of the format from 7 on have no such tag.
const NO_CACHE: &str = "#EXT-X-ALLOW-CACHE:NO";
const INDEPENDENT: &str = "#EXT-X-INDEPENDENT-SEGMENTS";
const LONGEST: &str = "#EXT-X-TARGETDURATION:";
const SEQUENCE: &str = "#EXT-X-MEDIA-SEQUENCE:";
const DISCONTINUITIES: &str = "#EXT-X-DISCONTINUITY-SEQUENCE:";
const DISCONTINUITY: &str = "#EXT-X-DISCONTINUITY";
const MAP: &str = "#EXT-X-MAP:";
const DATE: &str = "#EXT-X-PROGRAM-DATE-TIME:";
const LENGTH: &str = "#EXTINF:";
const END: &str = "#EXT-X-ENDLIST";
/// LiveKit's, and the first that has segments of MP4 in all lists (RFC 8216 §7).
const VERSION_TS: u32 = 4;
const VERSION_FMP4: u32 = 7;

/// A playlist.
#[derive(Debug, Clone, PartialEq)]
pub struct List {
    /// What stands in front and never changes, line by line.
    head: Vec<String>,
    /// How many segments were taken off its front.
    sequence: u64,
    /// How many of those began with a discontinuity.
    discontinuities: u64,
    /// What it lists, the oldest first.
    pub segments: VecDeque<Listed>,
    /// Whether nothing more comes.
    pub ended: bool,
}

/// A segment in it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Listed {
    /// Its address.
    pub uri: String,
    /// Its length, seconds, as text.
    length: String,
    /// When it began, as text; a list of somebody else may not say.
    date: Option<String>,
    /// Whether a player must begin anew with it.
    discontinuity: bool,
    /// The address of what is needed to read it and all behind it, where that is another than before.
    map: Option<String>,
}

impl Listed {
    /// A segment that lasts from `began_ns` to `ended_ns`, unix, ns.
    pub fn new(uri: String, began_ns: i64, ended_ns: i64) -> Self {
        let ms = (ended_ns - began_ns).max(0).saturating_add(500_000) / 1_000_000;
        let date = DateTime::from_timestamp_nanos(began_ns).format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        Self { uri, length: format!("{}.{:03}", ms / 1000, ms % 1000), date: Some(date), ..Self::default() }
    }

    /// With what a player has to know before it reads it.
    pub fn after(self, discontinuity: bool, map: Option<String>) -> Self {
        Self { discontinuity, map, ..self }
    }

    /// Its length, ns.
    pub fn length_ns(&self) -> i64 {
        (self.length.parse::<f64>().unwrap_or(0.0) * 1e9).round() as i64
    }

    /// The address of what is needed to read it and all behind it, where that is another than before.
    pub fn map(&self) -> Option<&str> {
        self.map.as_deref()
    }
}

impl List {
    /// A list of nothing yet. `event`: of all segments, else of the newest; `longest_s`: no segment's length,
    /// rounded, is more.
    pub fn new(kind: SegmentKind, event: bool, longest_s: u64) -> Self {
        let fmp4 = kind == SegmentKind::Fmp4;
        let mut head =
            vec![BEGINS.to_owned(), format!("{VERSION}{}", if fmp4 { VERSION_FMP4 } else { VERSION_TS })];
        if event {
            head.push(EVENT.to_owned());
        }
        // Segments of MPEG-TS are independent too, but LiveKit does not say so.
        head.push(if fmp4 { INDEPENDENT } else { NO_CACHE }.to_owned());
        head.push(format!("{LONGEST}{longest_s}"));
        Self { head, sequence: 0, discontinuities: 0, segments: VecDeque::new(), ended: false }
    }

    /// Adds a segment, and takes the oldest off where there are more than `most`.
    pub fn add(&mut self, segment: Listed, most: usize) {
        self.segments.push_back(segment);
        while self.segments.len() > most {
            let Some(gone) = self.segments.pop_front() else { break };
            self.sequence += 1;
            self.discontinuities += u64::from(gone.discontinuity);
            // What it said of those behind it, the next one says.
            if let Some(next) = self.segments.front_mut() {
                next.map = next.map.take().or(gone.map);
            }
        }
    }

    /// It as text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |line: &str| {
            text.push_str(line);
            text.push('\n');
        };
        self.head.iter().for_each(|head| line(head));
        line(&format!("{SEQUENCE}{}", self.sequence));
        if self.discontinuities > 0 {
            line(&format!("{DISCONTINUITIES}{}", self.discontinuities));
        }
        text + &self.text_behind(0)
    }

    /// What stands behind the first `listed` segments, as text.
    pub fn text_behind(&self, listed: usize) -> String {
        let mut text = String::new();
        let mut line = |line: &str| {
            text.push_str(line);
            text.push('\n');
        };
        for segment in self.segments.iter().skip(listed) {
            if segment.discontinuity {
                line(DISCONTINUITY);
            }
            if let Some(map) = &segment.map {
                line(&format!("{MAP}URI=\"{map}\""));
            }
            if let Some(date) = &segment.date {
                line(&format!("{DATE}{date}"));
            }
            line(&format!("{LENGTH}{},", segment.length));
            line(&segment.uri);
        }
        if self.ended {
            line(END);
        }
        text
    }

    /// Reads a list that this or an older version wrote; none if it is no playlist of HLS.
    pub fn read(text: &str) -> Option<Self> {
        let mut lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
        let mut list = Self {
            head: vec![lines.next().filter(|line| *line == BEGINS)?.to_owned()],
            sequence: 0,
            discontinuities: 0,
            segments: VecDeque::new(),
            ended: false,
        };
        let mut next = Listed::default();
        for line in lines {
            let value = |tag| line.strip_prefix(tag);
            if let Some(sequence) = value(SEQUENCE) {
                list.sequence = sequence.parse().ok()?;
            } else if let Some(discontinuities) = value(DISCONTINUITIES) {
                list.discontinuities = discontinuities.parse().ok()?;
            } else if let Some(map) = value(MAP) {
                next.map = Some(map.strip_prefix("URI=\"")?.split_once('"')?.0.to_owned());
            } else if let Some(date) = value(DATE) {
                next.date = Some(date.to_owned());
            } else if let Some(length) = value(LENGTH) {
                next.length = length.split(',').next().unwrap_or_default().to_owned();
            } else if line == DISCONTINUITY {
                next.discontinuity = true;
            } else if line == END {
                list.ended = true;
            } else if line.starts_with('#') {
                if list.segments.is_empty() {
                    list.head.push(line.to_owned());
                }
            } else {
                list.segments.push_back(Listed { uri: line.to_owned(), ..std::mem::take(&mut next) });
            }
        }
        Some(list)
    }
}
