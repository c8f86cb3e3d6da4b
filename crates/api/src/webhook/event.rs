//! What is told, and when.

use std::collections::{HashMap, VecDeque};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use egress::id::EgressId;
use livekit_protocol as proto;
use livekit_protocol::{EgressInfo, EgressStatus};

/// Egresses whose end was told and is remembered, so that it is not told twice.
const REMEMBERED: usize = 1024;

/// What happened to an egress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It is there.
    Started,
    /// Something of it is different.
    Updated,
    /// It is over.
    Ended,
}

impl Kind {
    /// LiveKit's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Started => "egress_started",
            Self::Updated => "egress_updated",
            Self::Ended => "egress_ended",
        }
    }
}

/// Whether a filter lets an event through. LiveKit's rule: what is included decides alone.
pub fn wants(filter: &proto::FilterParams, kind: Kind) -> bool {
    let named = |list: &[String]| list.iter().any(|name| name == kind.name());
    if filter.include_events.is_empty() {
        !named(&filter.exclude_events)
    } else {
        named(&filter.include_events)
    }
}

/// An event as it is sent.
#[derive(Debug, Clone)]
pub struct Event {
    /// What happened.
    pub kind: Kind,
    /// `livekit.WebhookEvent` as JSON. A retry sends the same bytes, so that a receiver can tell it by its id.
    pub body: Bytes,
}

impl Event {
    /// Writes an event.
    ///
    /// # Errors
    /// The info holds an enum value that the protocol does not know.
    pub fn new(kind: Kind, info: &EgressInfo) -> serde_json::Result<Self> {
        let random = EgressId::random();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let event = proto::WebhookEvent {
            event: kind.name().to_owned(),
            egress_info: Some(info.clone()),
            id: format!("EV_{}", random.as_str().trim_start_matches("EG_")),
            created_at: now.as_secs().try_into().unwrap_or_default(),
            ..Default::default()
        };
        Ok(Self { kind, body: serde_json::to_vec(&event)?.into() })
    }
}

/// What was told of which egress.
#[derive(Debug, Default)]
pub struct Told {
    /// The last of each that runs.
    running: HashMap<String, EgressInfo>,
    /// The last of each that is over. An upload may still become of it.
    ended: HashMap<String, EgressInfo>,
    oldest: VecDeque<String>,
}

impl Told {
    /// Takes note of an egress of which others know.
    pub fn known(&mut self, info: &EgressInfo) {
        if over(info) {
            self.end(info);
        } else {
            self.running.insert(info.egress_id.clone(), info.clone());
        }
    }

    /// Takes note of an egress of whose end others may not have heard.
    pub fn begun(&mut self, info: &EgressInfo) {
        let egress_id = info.egress_id.clone();
        self.running.insert(egress_id.clone(), EgressInfo { egress_id, ..EgressInfo::default() });
    }

    /// Whether an egress runs, or did when it was last told of.
    pub fn is_open(&self, info: &EgressInfo) -> bool {
        !over(info) || self.running.contains_key(&info.egress_id)
    }

    /// What is to be told of an egress that is so now; none if that was told.
    pub fn event(&mut self, info: &EgressInfo) -> Option<Kind> {
        let id = &info.egress_id;
        let last = self.ended.get(id).or_else(|| self.running.get(id));
        let kind = match last {
            Some(last) if news(last) == news(info) => return None,
            None if !over(info) => Kind::Started,
            _ if over(info) && !self.ended.contains_key(id) => Kind::Ended,
            _ => Kind::Updated,
        };
        self.known(info);
        Some(kind)
    }

    fn end(&mut self, info: &EgressInfo) {
        self.running.remove(&info.egress_id);
        if self.ended.insert(info.egress_id.clone(), info.clone()).is_none() {
            self.oldest.push_back(info.egress_id.clone());
        }
        while self.oldest.len() > REMEMBERED {
            if let Some(id) = self.oldest.pop_front() {
                self.ended.remove(&id);
            }
        }
    }
}

/// An info without what moves by itself.
fn news(info: &EgressInfo) -> EgressInfo {
    EgressInfo { updated_at: 0, ..info.clone() }
}

fn over(info: &EgressInfo) -> bool {
    use EgressStatus::{EgressAborted, EgressComplete, EgressFailed, EgressLimitReached};
    matches!(info.status(), EgressComplete | EgressFailed | EgressAborted | EgressLimitReached)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(status: EgressStatus, updated_at: i64) -> EgressInfo {
        EgressInfo { egress_id: "EG_1".into(), status: status.into(), updated_at, ..Default::default() }
    }

    #[test]
    fn each_is_told_once() {
        let mut told = Told::default();
        assert_eq!(told.event(&info(EgressStatus::EgressStarting, 1)), Some(Kind::Started));
        assert_eq!(told.event(&info(EgressStatus::EgressStarting, 2)), None);
        assert_eq!(told.event(&info(EgressStatus::EgressActive, 3)), Some(Kind::Updated));
        assert_eq!(told.event(&info(EgressStatus::EgressEnding, 4)), Some(Kind::Updated));
        assert_eq!(told.event(&info(EgressStatus::EgressComplete, 5)), Some(Kind::Ended));
        assert_eq!(told.event(&info(EgressStatus::EgressComplete, 6)), None);
        let stored = EgressInfo { backup_storage_used: true, ..info(EgressStatus::EgressComplete, 7) };
        assert_eq!(told.event(&stored), Some(Kind::Updated), "an upload was late");
        assert_eq!(told.event(&stored), None);
    }

    #[test]
    fn one_that_was_there_before_is_not_started_again() {
        let mut told = Told::default();
        told.known(&info(EgressStatus::EgressActive, 1));
        assert_eq!(told.event(&info(EgressStatus::EgressActive, 2)), None);
        assert_eq!(told.event(&info(EgressStatus::EgressFailed, 3)), Some(Kind::Ended));
    }

    #[test]
    fn an_end_that_nobody_may_have_heard_of_is_told() {
        let mut told = Told::default();
        let ended = info(EgressStatus::EgressComplete, 1);
        told.begun(&ended);
        assert!(told.is_open(&ended));
        assert_eq!(told.event(&ended), Some(Kind::Ended));
        assert_eq!(told.event(&ended), None);
    }

    #[test]
    fn the_ends_that_are_remembered_are_bounded() {
        let mut told = Told::default();
        for number in 0..REMEMBERED * 2 {
            let info = EgressInfo { egress_id: number.to_string(), ..info(EgressStatus::EgressComplete, 1) };
            assert_eq!(told.event(&info), Some(Kind::Ended));
        }
        assert_eq!((told.ended.len(), told.oldest.len(), told.running.len()), (REMEMBERED, REMEMBERED, 0));
    }

    #[test]
    fn filters_are_livekits() {
        let filter = |include: &[&str], exclude: &[&str]| proto::FilterParams {
            include_events: include.iter().map(ToString::to_string).collect(),
            exclude_events: exclude.iter().map(ToString::to_string).collect(),
        };
        assert!(wants(&filter(&[], &[]), Kind::Updated));
        assert!(!wants(&filter(&[], &["egress_updated"]), Kind::Updated));
        assert!(wants(&filter(&[], &["egress_updated"]), Kind::Ended));
        assert!(wants(&filter(&["egress_ended"], &["egress_ended"]), Kind::Ended));
        assert!(!wants(&filter(&["egress_ended"], &[]), Kind::Started));
    }

    #[test]
    fn an_event_is_livekits() {
        let event = Event::new(Kind::Ended, &info(EgressStatus::EgressComplete, 1)).unwrap();
        let read: proto::WebhookEvent = serde_json::from_slice(&event.body).unwrap();
        assert_eq!(read.event, "egress_ended");
        assert_eq!(read.egress_info.unwrap().egress_id, "EG_1");
        assert!(read.id.starts_with("EV_") && read.created_at > 1_700_000_000);
    }
}
