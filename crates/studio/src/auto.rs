//! Auto egress by rules of the operator's: for a server that has no Redis, so that nobody but us sees its rooms appear.
//!
//! As with LiveKit's own, a room is recorded from when it appears, a person from when they first publish, a track from
//! when it is published; and what the operator stops stays stopped. Unlike there, a recording that failed is begun
//! anew while what it was of is still there.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::EgressStatus;
use egress::id::{ProjectId, RuleId};
use egress::request::{Mixing, PageParts, Preset, RecordFormat, RecordRequest, RecordSource};
use egress::roster::{Participant, ParticipantKind, RoomSummary, Roster};
use egress::spec::AfterCrash;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use room::service::Server;
use wildmatch::WildMatch;

use crate::fold::ended;
use crate::jobs::ByRule;
use crate::projects::SavedRule;
use crate::studio::{Inner, Studio};
use crate::surface::{AutoEgress, AutoParts, AutoRule, AutoStart, Change, Job};

/// Longest pattern, characters: a room's name is hardly ever longer.
const LONGEST_PATTERN: usize = 256;
/// How long the list of a room's people may take.
const WITHIN: Duration = Duration::from_secs(10);
/// From a start to the next one of the same, where the first has failed; doubled with each.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// At most.
const AGAIN_AT_MOST: Duration = Duration::from_secs(300);

/// What rules have started in this run, and what came of it.
#[derive(Default)]
pub(crate) struct Auto {
    starts: Mutex<HashMap<AutoStart, Tries>>,
    troubles: Mutex<HashMap<RuleId, ApiError>>,
}

struct Tries {
    count: u32,
    last: Instant,
    /// No job came of the last one.
    failed: bool,
}

impl Tries {
    fn due(&self) -> bool {
        let doubled = AGAIN_AFTER.saturating_mul(1 << self.count.saturating_sub(1).min(16));
        self.last.elapsed() >= doubled.min(AGAIN_AT_MOST)
    }
}

impl Studio {
    /// Adds a rule for rooms of the open project.
    ///
    /// # Errors
    /// No project is open, the rule makes no sense, or the list cannot be saved.
    pub fn save_rule(&self, input: AutoEgress) -> BoxFuture<'_, Result<RuleId, ApiError>> {
        Box::pin(async move {
            let inner = &self.inner;
            let project_id = inner.board.read(|snapshot| snapshot.projects.current.clone());
            let project_id = project_id
                .ok_or_else(|| crate::error::precondition("No project is open.", "Open a project first."))?;
            let what = inner.check_rule(input)?;
            let id = RuleId::random();
            inner.saved.lock().rules.push(SavedRule { id: id.clone(), project_id, what });
            inner.keep_rules().await?;
            Ok(id)
        })
    }

    /// Changes a rule. What it has started goes on as it is.
    ///
    /// # Errors
    /// As [`Studio::save_rule`], and there is no such rule.
    pub fn edit_rule(&self, id: RuleId, input: AutoEgress) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            let inner = &self.inner;
            let what = inner.check_rule(input)?;
            {
                let mut saved = inner.saved.lock();
                let rule = saved.rules.iter_mut().find(|rule| rule.id == id).ok_or_else(no_such_rule)?;
                rule.what = what;
            }
            // Whatever was in the way may be gone with the change.
            inner.auto.troubles.lock().remove(&id);
            inner.auto.starts.lock().retain(|start, _| start.rule != id || inner.job_of(start).is_some());
            inner.keep_rules().await
        })
    }

    /// Forgets a rule. What it has started goes on.
    ///
    /// # Errors
    /// There is no such rule, or the list cannot be saved.
    pub fn forget_rule(&self, id: RuleId) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            let inner = &self.inner;
            {
                let mut saved = inner.saved.lock();
                let at = saved.rules.iter().position(|rule| rule.id == id).ok_or_else(no_such_rule)?;
                saved.rules.remove(at);
            }
            inner.auto.troubles.lock().remove(&id);
            inner.keep_rules().await
        })
    }
}

impl Inner {
    fn check_rule(&self, mut what: AutoEgress) -> Result<AutoEgress, ApiError> {
        self.check_open()?;
        what.rooms = what.rooms.trim().to_owned();
        let invalid = |message: &str, remedy: &str| {
            Err(ApiError::new(ErrorCode::InvalidArgument, Fault::Input, message, remedy))
        };
        if what.rooms.is_empty() {
            return invalid(
                "The rule does not say for which rooms it is.",
                "Write a room's name, the part that all of them begin with and *, or * alone for every room.",
            );
        }
        if what.rooms.chars().count() > LONGEST_PATTERN || what.rooms.chars().any(char::is_control) {
            return invalid(
                "No room has such a name.",
                "Write a room's name, or the part that all of them begin with and *.",
            );
        }
        if let AutoParts::RoomComposite { layout } = &what.parts
            && self.board.read(|snapshot| snapshot.layouts.iter().all(|known| known.name != *layout))
        {
            return invalid("There is no such layout.", "Choose a layout from the list.");
        }
        self.check_upload(what.upload.as_ref())?;
        Ok(what)
    }

    /// Saves the rules, shows them, and looks at once what they are about.
    async fn keep_rules(self: &Arc<Self>) -> Result<(), ApiError> {
        self.publish_rules();
        self.rooms_nudge.notify_one();
        self.save().await
    }

    pub(crate) fn publish_rules(&self) {
        let troubles = self.auto.troubles.lock().clone();
        let rules: Vec<AutoRule> = self
            .saved
            .lock()
            .rules
            .iter()
            .map(|SavedRule { id, project_id, what }| AutoRule {
                id: id.clone(),
                project_id: project_id.clone(),
                what: what.clone(),
                trouble: troubles.get(id).cloned(),
            })
            .collect();
        self.board.edit(|snapshot| (rules != snapshot.rules).then_some(Change::Rules { rules }));
    }

    /// The rules of a project that are switched on.
    pub(crate) fn rules_in_force(&self, project: &ProjectId) -> Vec<SavedRule> {
        let saved = self.saved.lock();
        let of_it = saved.rules.iter().filter(|rule| rule.what.on && rule.project_id == *project);
        of_it.cloned().collect()
    }

    /// Starts what the rules want and does not run yet.
    pub(crate) async fn follow_rules(
        self: &Arc<Self>,
        project: &ProjectId,
        server: &Server,
        rooms: &[RoomSummary],
    ) {
        let rules: Vec<(WildMatch, SavedRule)> = self
            .rules_in_force(project)
            .into_iter()
            .map(|rule| (WildMatch::new(&rule.what.rooms), rule))
            .collect();
        if rules.is_empty() {
            return;
        }
        self.auto.starts.lock().retain(|start, _| rooms.iter().any(|room| room.sid == start.room_sid));
        // A room that everybody has left stays for some minutes: there is nothing to begin with.
        for room in rooms.iter().filter(|room| room.num_participants > 0) {
            let fit: Vec<&SavedRule> = rules
                .iter()
                .filter(|(pattern, _)| pattern.matches(&room.name))
                .map(|(_, rule)| rule)
                .collect();
            // One whose job runs already needs nobody's list of people.
            if !fit.iter().any(|rule| self.looks_for_more(rule, room)) {
                continue;
            }
            let asked = tokio::time::timeout(WITHIN, room::service::list_participants(server, &room.name));
            let people = match asked.await {
                Ok(Ok(people)) => people,
                Ok(Err(error)) => {
                    tracing::warn!(room = room.name, %error, "who is in a room cannot be asked");
                    continue;
                }
                Err(_) => continue,
            };
            let roster = Roster {
                room_sid: room.sid.clone(),
                room_name: room.name.clone(),
                active_recording: room.active_recording,
                participants: people,
            };
            for rule in fit {
                self.follow_rule(rule, &roster).await;
            }
        }
    }

    /// Whether a rule may want something of a room that it has not started yet.
    fn looks_for_more(&self, rule: &SavedRule, room: &RoomSummary) -> bool {
        match &rule.what.parts {
            AutoParts::RoomComposite { .. } => self.is_due(&whole(rule, &room.sid)),
            AutoParts::Participants | AutoParts::Tracks => room.num_publishers > 0,
        }
    }

    async fn follow_rule(self: &Arc<Self>, rule: &SavedRule, roster: &Roster) {
        for (of, source) in wanted(&rule.what.parts, &roster.participants) {
            let start = AutoStart { rule: rule.id.clone(), room_sid: roster.room_sid.clone(), of };
            // Who was gone for a moment is somebody new to the server, and still the same to their recording.
            if !self.is_due(&start) || self.runs(&rule.id, &roster.room_sid, &source) {
                continue;
            }
            let upload = rule.what.upload.clone();
            let request = request(&roster.room_name, source, rule.what.preset);
            let request = self.with_defaults(RecordRequest { upload, ..request });
            let by = ByRule { start: start.clone(), roster: roster.clone() };
            let trouble = match self.launch_record(request, false, Some(by)).await {
                Ok(egress_id) => {
                    tracing::info!(%egress_id, rule = %rule.id, room = roster.room_name, "started by a rule");
                    None
                }
                Err(error) => {
                    tracing::warn!(rule = %rule.id, room = roster.room_name, %error, "a rule cannot start its job");
                    Some(error)
                }
            };
            let failed = trouble.is_some();
            {
                let mut starts = self.auto.starts.lock();
                let count = starts.get(&start).map_or(0, |tries| tries.count) + 1;
                starts.insert(start, Tries { count, last: Instant::now(), failed });
            }
            {
                let mut troubles = self.auto.troubles.lock();
                match trouble {
                    Some(error) => troubles.insert(rule.id.clone(), error),
                    None => troubles.remove(&rule.id),
                };
            }
            self.publish_rules();
        }
    }

    /// The newest job of a start.
    fn job_of(&self, start: &AutoStart) -> Option<Job> {
        self.board.read(|snapshot| snapshot.jobs.iter().find(|job| job.auto.as_ref() == Some(start)).cloned())
    }

    /// Whether it is to be started now: for the first time, or anew after it has failed.
    fn is_due(&self, start: &AutoStart) -> bool {
        let job = self.job_of(start);
        let starts = self.auto.starts.lock();
        let tries = starts.get(start);
        let due = tries.is_none_or(Tries::due);
        match job {
            Some(job) => job.status == EgressStatus::Failed && due,
            // One whose job was taken off the history has been started all the same.
            None => due && tries.is_none_or(|tries| tries.failed),
        }
    }

    /// Whether a job of the rule for the same source is still under way.
    fn runs(&self, rule: &RuleId, room_sid: &str, source: &RecordSource) -> bool {
        self.board.read(|snapshot| {
            snapshot.jobs.iter().any(|job| {
                let same = |start: &AutoStart| start.rule == *rule && start.room_sid == room_sid;
                !ended(job.status) && job.auto.as_ref().is_some_and(same) && job.request.source == *source
            })
        })
    }
}

fn whole(rule: &SavedRule, room_sid: &str) -> AutoStart {
    AutoStart { rule: rule.id.clone(), room_sid: room_sid.to_owned(), of: String::new() }
}

/// What there is to record of a room, each with what tells it from the same of another time.
fn wanted(parts: &AutoParts, people: &[Participant]) -> Vec<(String, RecordSource)> {
    // Another recorder has nothing of its own to show.
    let publishers =
        || people.iter().filter(|person| person.kind != ParticipantKind::Egress && !person.tracks.is_empty());
    match parts {
        AutoParts::RoomComposite { layout } => vec![(String::new(), whole_room(layout.clone()))],
        AutoParts::Participants => publishers()
            .map(|person| {
                let identity = person.identity.clone();
                (person.sid.clone(), RecordSource::Participant { identity, follow_screen_share: false })
            })
            .collect(),
        AutoParts::Tracks => publishers()
            .flat_map(|person| &person.tracks)
            // Of what is end-to-end encrypted nothing could be read back.
            .filter(|track| !track.encrypted)
            .map(|track| (track.sid.to_string(), RecordSource::Track { track_id: track.sid.clone() }))
            .collect(),
    }
}

/// The whole room in a layout.
pub(crate) fn whole_room(layout: String) -> RecordSource {
    RecordSource::RoomComposite {
        layout,
        base_url: None,
        parts: PageParts::Both,
        mixing: Mixing::Together,
        after_crash: AfterCrash::default(),
    }
}

/// What nobody has set anything else of: encoded by a preset, a single track as it is published.
pub(crate) fn request(room_name: &str, source: RecordSource, preset: Preset) -> RecordRequest {
    let format = match source {
        RecordSource::Track { .. } => RecordFormat::AsPublished { container: None },
        _ => RecordFormat::Preset { container: None, preset },
    };
    RecordRequest {
        room_name: room_name.to_owned(),
        source,
        format,
        folder: String::new(),
        name: String::new(),
        manifest: true,
        segments: None,
        images: None,
        copy_folder: None,
        proxy: None,
        upload: None,
    }
}

fn no_such_rule() -> ApiError {
    ApiError::new(ErrorCode::NotFound, Fault::Input, "There is no such rule.", "Look at the list again.")
}
