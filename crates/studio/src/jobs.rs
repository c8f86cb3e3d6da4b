//! Starting, arming, recording and stopping jobs.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{ConnectionState, EgressStatus, Fact};
use egress::id::{EgressId, OutputId};
use egress::names::LaunchNames;
use egress::request::{RecordRequest, RecordSource};
use egress::roster::{Roster, TrackSource};
use egress::spec::{EgressSpec, JobSpec, PageAddress, Source, Task};
use egress::state::JobState;
use egress::validate::Accepted;
use egress::wire::{Launch, Tuning};
use futures_util::future::BoxFuture;

use crate::conversation::Conversation;
use crate::egress_api::{Asked, known_already};
use crate::error::{no_such_job, precondition};
use crate::fold::{ended, starting};
use crate::journal::Row;
use crate::process::{JobFolder, Process};
use crate::project_calls::host;
use crate::recovery;
use crate::studio::{Inner, Studio, make_recordings_folder};
use crate::supervisor::{Command, JobHandle, Supervisor, call};
use crate::surface::{AutoStart, Change, Job, JobStore, Origin};

/// How long a room token is good for. The server hands out fresh ones while the job is connected.
const TOKEN_TTL: Duration = room::token::RECORDER_TTL;

/// A job that is about to be started.
pub(crate) struct Launching {
    pub(crate) id: EgressId,
    /// What it does.
    pub(crate) accepted: Accepted,
    /// What was asked, as the window shows it.
    pub(crate) record: RecordRequest,
    /// What was asked, in LiveKit's words.
    pub(crate) asked: Asked,
    /// The room's sid, where it is known. Otherwise empty.
    pub(crate) room_sid: String,
    /// How often the request was tried before.
    pub(crate) retry: u32,
    /// Nobody has pressed Record on it yet.
    pub(crate) preview: bool,
    pub(crate) origin: Origin,
    /// The rule that starts it.
    pub(crate) rule: Option<ByRule>,
    /// Where its files go by its request.
    pub(crate) stores: Vec<JobStore>,
}

/// What a rule starts a job for.
pub(crate) struct ByRule {
    pub(crate) start: AutoStart,
    /// Who is in that room, which need not be the one that is open.
    pub(crate) roster: Roster,
}

impl Studio {
    /// Starts a job that receives and writes nothing, so that Record only has to attach the file. Takes
    /// the place of the job that was armed before; the same request again changes nothing.
    ///
    /// # Errors
    /// The request cannot be met, the project's secret is not at hand, the process cannot be started, or
    /// another `arm` came after this one ([`ErrorCode::Aborted`]).
    pub fn arm(&self, request: RecordRequest) -> BoxFuture<'_, Result<EgressId, ApiError>> {
        Box::pin(async move {
            let inner = &self.inner;
            let request = inner.with_defaults(request);
            inner.check_upload(request.upload.as_ref())?;
            let turn = inner.arming.fetch_add(1, Ordering::SeqCst) + 1;
            if let Some(same) = inner.armed_for(&request) {
                inner.discard_previews(Some(&same)).await;
                inner.board.edit_job(&same, |job| job.request.upload = request.upload);
                return Ok(same);
            }
            if let Some((preview, layout)) = inner.armed_but_for_layout(&request)
                && self.update_layout(preview.clone(), layout).await.is_ok()
            {
                return Ok(preview);
            }
            inner.discard_previews(None).await;
            let id = inner.launch_record(request, true, None).await?;
            if inner.arming.load(Ordering::SeqCst) != turn {
                inner.discard(&id).await;
                return Err(ApiError::new(
                    ErrorCode::Aborted,
                    Fault::Input,
                    "Something else was chosen to record.",
                    "",
                ));
            }
            Ok(id)
        })
    }

    /// Attaches the file to an armed job, or to one that streams and nothing else. One message to a process that
    /// already receives.
    ///
    /// # Errors
    /// There is no such job, it is over or records already, or its process does not take the file.
    pub fn record(&self, egress_id: EgressId) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            let handle = self.inner.handle(&egress_id)?;
            if handle.outputs.is_empty() {
                return Err(precondition("This job has nothing to record into.", "Start a new recording."));
            }
            let mut taken = false;
            self.inner.board.edit_job(&egress_id, |job| {
                let there = |id: &OutputId| job.outputs.iter().any(|output| output.id == *id);
                taken = !ended(job.status) && !handle.outputs.iter().any(|output| there(&output.id));
                if taken {
                    job.preview = false;
                    job.armed = false;
                    job.outputs.extend(handle.outputs.iter().map(|output| starting(output.id.clone())));
                }
            });
            if !taken {
                return Err(precondition(
                    "This is being recorded already.",
                    "Look at the list of recordings.",
                ));
            }
            self.inner.machine_nudge.notify_one();
            let mut outputs = handle.outputs.iter().cloned();
            let Some(output) = outputs.next() else { return Ok(()) };
            let with = outputs.collect();
            let attached = call(&handle, |reply| Command::Attach { output, secret: None, with, reply }).await;
            if attached.is_err() {
                self.inner.board.edit_job(&egress_id, |job| {
                    for output in &handle.outputs {
                        take_back(job, &output.id);
                    }
                });
            }
            attached
        })
    }

    /// Starts to record at once: with the armed job if it is for the same request, else with a new one.
    ///
    /// # Errors
    /// As [`Studio::arm`].
    pub fn start(&self, request: RecordRequest) -> BoxFuture<'_, Result<EgressId, ApiError>> {
        Box::pin(async move {
            let request = self.inner.with_defaults(request);
            self.inner.check_upload(request.upload.as_ref())?;
            if let Some(armed) = self.inner.armed_for(&request) {
                self.inner.board.edit_job(&armed, |job| job.request.upload.clone_from(&request.upload));
                match self.record(armed.clone()).await {
                    Ok(()) => return Ok(armed),
                    // It ended or was taken in this very moment; a new one will do.
                    Err(error) => tracing::info!(egress_id = %armed, %error, "the armed job is not used"),
                }
            }
            // One that is being armed at this moment would receive beside it to no end.
            self.inner.arming.fetch_add(1, Ordering::SeqCst);
            self.inner.launch_record(request, false, None).await
        })
    }

    /// Finishes a job's outputs and ends it. Comes back as soon as the job has begun to.
    ///
    /// # Errors
    /// There is no such job, it is over, or its process does not answer.
    pub fn stop(&self, egress_id: EgressId) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            let job = self.inner.board.job(&egress_id).ok_or_else(no_such_job)?;
            if job.preview {
                return self.disarm(egress_id).await;
            }
            if ended(job.status) {
                return Err(precondition("This recording is over already.", "There is nothing to stop."));
            }
            let handle = self.inner.handle(&egress_id)?;
            call(&handle, |reply| Command::Stop { reply }).await
        })
    }

    /// Ends a job that nobody has pressed Record on. It leaves no history.
    ///
    /// # Errors
    /// There is no such job, or it records.
    pub fn disarm(&self, egress_id: EgressId) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            let job = self.inner.board.job(&egress_id).ok_or_else(no_such_job)?;
            if !job.preview {
                return Err(precondition("This is being recorded.", "Stop it instead."));
            }
            self.inner.discard(&egress_id).await;
            Ok(())
        })
    }
}

/// Undoes what Record did to a job that would not take the file.
fn take_back(job: &mut Job, output: &OutputId) {
    if !ended(job.status) && job.outputs.iter().any(|o| o.id == *output && o.path.is_none()) {
        job.outputs.retain(|o| o.id != *output);
        job.preview = job.outputs.is_empty();
    }
}

impl Inner {
    pub(crate) fn handle(&self, id: &EgressId) -> Result<JobHandle, ApiError> {
        if let Some(handle) = self.jobs.lock().get(id) {
            return Ok(handle.clone());
        }
        Err(match self.board.job(id) {
            Some(_) => precondition("This recording is over already.", "Start a new one."),
            None => no_such_job(),
        })
    }

    /// A request with the operator's folder and file name where it names none.
    pub(crate) fn with_defaults(&self, mut request: RecordRequest) -> RecordRequest {
        self.board.read(|snapshot| {
            if request.folder.is_empty() {
                request.folder.clone_from(&snapshot.settings.folder);
            }
            if request.name.is_empty() {
                request.name.clone_from(&snapshot.settings.name);
            }
        });
        request
    }

    /// The preview for a request. Where the files go afterwards is nothing that it has to be made anew for.
    fn armed_for(&self, request: &RecordRequest) -> Option<EgressId> {
        let elsewhere =
            |asked: &RecordRequest| RecordRequest { upload: request.upload.clone(), ..asked.clone() };
        self.board.read(|snapshot| {
            let fits = |job: &&Job| {
                job.preview
                    && !matches!(job.status, EgressStatus::Ending)
                    && !ended(job.status)
                    && elsewhere(&job.request) == *request
                    && job.project_id == snapshot.projects.current
            };
            snapshot.jobs.iter().find(fits).map(|job| job.egress_id.clone())
        })
    }

    /// The preview that differs from a request in nothing but its layout, and the layout that is asked for.
    fn armed_but_for_layout(&self, request: &RecordRequest) -> Option<(EgressId, String)> {
        let RecordSource::RoomComposite { layout, .. } = &request.source else { return None };
        let shown = self.board.read(|snapshot| {
            let preview = snapshot.jobs.iter().find(|job| job.preview)?;
            match &preview.request.source {
                RecordSource::RoomComposite { layout, .. } => Some(layout.clone()),
                _ => None,
            }
        })?;
        let mut same = request.clone();
        if let RecordSource::RoomComposite { layout, .. } = &mut same.source {
            *layout = shown;
        }
        self.armed_for(&same).map(|preview| (preview, layout.clone()))
    }

    /// Ends every preview but one.
    pub(crate) async fn discard_previews(&self, but: Option<&EgressId>) {
        let previews: Vec<EgressId> = self.board.read(|snapshot| {
            let previews = snapshot.jobs.iter().filter(|job| job.preview && Some(&job.egress_id) != but);
            previews.map(|job| job.egress_id.clone()).collect()
        });
        for id in previews {
            self.discard(&id).await;
        }
    }

    /// Takes a preview off the board at once; its process goes in its own time.
    async fn discard(&self, id: &EgressId) {
        let mut discarded = false;
        self.board.edit(|snapshot| {
            // Whoever pressed Record in the meantime wins.
            discarded = snapshot.jobs.iter().any(|job| job.egress_id == *id && job.preview);
            discarded.then(|| Change::JobRemoved { egress_id: id.clone() })
        });
        if !discarded {
            return;
        }
        let handle = self.jobs.lock().get(id).cloned();
        if let Some(handle) = handle
            && handle.commands.send(Command::Discard).await.is_ok()
        {
            return;
        }
        // It was over before: there is only its trace to remove.
        if let Err(error) = self.forget(id.clone()).await {
            tracing::warn!(egress_id = %id, %error, "a preview could not be forgotten");
        }
    }

    /// Starts what the window asks for, or a rule that was set there.
    pub(crate) async fn launch_record(
        self: &std::sync::Arc<Self>,
        request: RecordRequest,
        preview: bool,
        rule: Option<ByRule>,
    ) -> Result<EgressId, ApiError> {
        self.check_open()?;
        self.check_upload(request.upload.as_ref())?;
        let (asked, accepted) = egress::protocol::accept(&request)?;
        let mut folders = vec![PathBuf::from(&request.folder)];
        folders.extend(request.copy_folder.iter().map(PathBuf::from));
        folders.extend(request.proxy.iter().filter_map(|proxy| proxy.folder.as_ref()).map(PathBuf::from));
        for folder in folders {
            make_recordings_folder(folder).await?;
        }
        let launching = Launching {
            id: EgressId::random(),
            accepted,
            record: request,
            asked: Asked::redacted(asked),
            room_sid: rule.as_ref().map(|rule| rule.start.room_sid.clone()).unwrap_or_default(),
            retry: 0,
            preview,
            origin: if rule.is_some() { Origin::Auto } else { Origin::Window },
            rule,
            stores: Vec::new(),
        };
        self.launch(launching).await
    }

    /// Writes a job into the journal and starts its process.
    pub(crate) async fn launch(
        self: &std::sync::Arc<Self>,
        launching: Launching,
    ) -> Result<EgressId, ApiError> {
        let Launching { id, accepted, record: request, asked: words, preview, origin, rule, stores, .. } =
            launching;
        let secrets = accepted.secrets;
        let mut full = accepted.spec;
        if let Source::Page(page) = &mut full.source
            && let PageAddress::Template { document, .. } = &mut page.address
        {
            *document = self.document_of(&request.source)?;
        }
        let asked = full.outputs.clone();
        let egress = if preview { EgressSpec { outputs: Vec::new(), ..full } } else { full };
        let (project_id, url, token) = if matches!(request.source, RecordSource::Web { .. }) {
            // A page of the web has nothing to do with a room.
            (
                self.board.read(|snapshot| snapshot.projects.current.clone()),
                String::new(),
                String::new().into(),
            )
        } else {
            let (project_id, server) = self.current_server().await?;
            let (key, secret) = (&server.api_key, &server.api_secret);
            let room = &request.room_name;
            let token = room::token::recorder_token(key, secret, room, id.as_str(), TOKEN_TTL)?;
            (Some(project_id), server.url, token)
        };
        let room_sid = match launching.room_sid {
            sid if sid.is_empty() => self.room_sid(&request),
            sid => sid,
        };
        let created_at_ms = crate::history::now_ms();
        let mut spec = JobSpec {
            egress_id: id.clone(),
            url,
            room_name: request.room_name.clone(),
            room_sid,
            retry: launching.retry,
            names: LaunchNames::default(),
            task: Task::Egress(egress.clone()),
        };
        if !preview {
            spec.names = self.name_outputs(&spec, &egress, created_at_ms).await?;
        }
        let title = self.board.read(|snapshot| {
            let room = snapshot.room.as_ref().filter(|room| room.name == request.room_name);
            let there = rule.as_ref().map(|rule| &rule.roster);
            title(&request.source, there.or(room.map(|room| &room.roster)))
        });
        let outputs = if preview {
            Vec::new()
        } else {
            asked.iter().map(|output| starting(output.id.clone())).collect()
        };
        let job = Job {
            egress_id: id.clone(),
            project_id,
            origin,
            auto: rule.map(|rule| rule.start),
            request,
            title,
            status: EgressStatus::Starting,
            armed: false,
            preview,
            connection: ConnectionState::Connecting,
            page: None,
            layout: None,
            created_at_ms,
            started_at_ms: None,
            ended_at_ms: None,
            end_reason: None,
            error: None,
            warnings: Vec::new(),
            tracks: Vec::new(),
            outputs,
            recovered: false,
            figures: None,
            stores,
        };
        let row = Row {
            spec: spec.clone(),
            folder: self.jobs_dir().join(id.as_str()),
            process: None,
            last_seq: 0,
            job: job.clone(),
            asked: words,
        };
        // Two requests of one id may come at once.
        if !self.egresses.begin(&row.spec, &row.job, row.asked.clone()) {
            return Err(known_already(&id));
        }
        let folder = match self.prepare(row).await {
            Ok(folder) => folder,
            Err(error) => {
                self.egresses.forget(&id);
                self.names.release(&id);
                return Err(error);
            }
        };
        self.board.publish(Change::Job { job });
        self.tell_egress(&id, Some(&JobState::default()));
        let launch = Launch {
            spec,
            token,
            secrets,
            tuning: Tuning { encoder: self.encoder.get().copied(), ..self.defaults.tuning.clone() },
            folder: folder.short.clone(),
        };
        match Process::spawn(&self.program, &launch, &folder).await {
            Ok(process) => {
                let conversation = Conversation::new(process, folder.clone());
                Supervisor::start(self, id.clone(), folder, conversation, JobState::default(), asked);
                Ok(id)
            }
            Err(error) => {
                let mut error = ApiError::from(error);
                let words = folder.last_words();
                if !words.is_empty() {
                    error.detail = format!("{}: {words}", error.detail);
                }
                self.not_started(&id, preview, error.clone()).await;
                Err(error)
            }
        }
    }

    /// The sid of a job's room, as far as the list of rooms knows it.
    fn room_sid(&self, request: &RecordRequest) -> String {
        if matches!(request.source, RecordSource::Web { .. }) {
            return String::new();
        }
        self.board.read(|snapshot| {
            let room = snapshot.rooms.list.iter().find(|room| room.name == request.room_name);
            room.map(|room| room.sid.clone()).unwrap_or_default()
        })
    }

    /// Makes a job's folder and its row in the journal, both on the disk when this comes back.
    async fn prepare(&self, mut row: Row) -> Result<JobFolder, ApiError> {
        let path = row.folder.clone();
        let folder = tokio::task::spawn_blocking(move || JobFolder::open(path))
            .await
            .map_err(crate::error::internal)??;
        row.folder.clone_from(&folder.path);
        self.journal.run(move |journal| journal.begin(&row)).await?;
        Ok(folder)
    }

    /// A job whose process could not be started: a preview is as if it never was, anything else is history.
    pub(crate) async fn not_started(&self, id: &EgressId, preview: bool, error: ApiError) {
        let over = if preview {
            self.forget(id.clone()).await
        } else {
            let fact = Fact::Ended { status: EgressStatus::Failed, error: Some(error) };
            let state = JobState::of([&recovery::ours(fact, 0)]);
            match self.show_job(id, &state) {
                Some(job) => {
                    let concluded = self.journal.run(move |journal| journal.concluded(|| Some(job), 0));
                    concluded.await.map_err(ApiError::from)
                }
                None => Ok(()),
            }
        };
        if let Err(error) = over {
            tracing::error!(egress_id = %id, %error, "the journal is behind");
        }
    }
}

/// A few words for what is recorded.
fn title(source: &RecordSource, roster: Option<&Roster>) -> String {
    let people = || roster.into_iter().flat_map(|roster| &roster.participants);
    let shown = |name: &str, identity: &str| {
        if name.trim().is_empty() { identity.to_owned() } else { name.to_owned() }
    };
    let track = |id: &egress::id::TrackId| {
        people()
            .find_map(|person| {
                let track = person.tracks.iter().find(|track| track.sid == *id)?;
                let what = match track.source {
                    TrackSource::Camera => "camera",
                    TrackSource::Microphone => "microphone",
                    TrackSource::ScreenShare => "screen",
                    TrackSource::ScreenShareAudio => "screen sound",
                    TrackSource::Unknown => "track",
                };
                Some(format!("{}, {what}", shown(&person.name, &person.identity)))
            })
            .unwrap_or_else(|| id.to_string())
    };
    match source {
        RecordSource::Participant { identity, .. } => people()
            .find(|person| person.identity == *identity)
            .map_or_else(|| identity.clone(), |person| shown(&person.name, identity)),
        RecordSource::TrackComposite { video_track_id, audio_track_id } => {
            let parts: Vec<String> =
                [video_track_id, audio_track_id].into_iter().flatten().map(track).collect();
            parts.join(" + ")
        }
        RecordSource::Track { track_id } => track(track_id),
        // Its layout may change on air.
        RecordSource::RoomComposite { .. } => "Whole room".to_owned(),
        RecordSource::Web { url, .. } => host(url).to_owned(),
    }
}
