//! Live streams: added to a job that runs, removed, tried again; and the destinations that are saved for it, each with
//! its key in the keyring.

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::DestinationState;
use egress::id::{DestinationId, EgressId, OutputId};
use egress::live_url::LiveUrl;
use egress::spec::{SoundFormat, StreamProtocol};
use egress::wire::Secret;
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};

use crate::error::{no_such_job, precondition};
use crate::fold::{ended, starting};
use crate::keys::Keeping;
use crate::projects::SavedDestination;
use crate::studio::{Inner, Studio};
use crate::supervisor::{Command, call};
use crate::surface::{Change, Destination, DestinationInput, JobDestination, StreamInput};

impl Studio {
    /// Streams a job to one more destination, whatever else it does. A job that is armed goes on air with it. Comes
    /// back as soon as the job has begun to connect; how that goes is told in its outputs.
    ///
    /// # Errors
    /// There is no such job or destination, the job is over, the address is none, or the key is not at hand.
    pub fn add_stream(
        &self,
        egress_id: EgressId,
        stream: StreamInput,
    ) -> BoxFuture<'_, Result<OutputId, ApiError>> {
        Box::pin(async move {
            let (url, any_certificate, sound) = self.inner.stream_input(stream).await?;
            let url = LiveUrl::parse(url.expose_secret())?;
            self.attach_stream(&egress_id, &url, any_certificate, sound).await
        })
    }

    /// Finishes one output of a job. The job goes on with the others; one that streams and nothing else ends with
    /// its last stream.
    ///
    /// # Errors
    /// There is no such job or output, or it is over.
    pub fn remove_output(
        &self,
        egress_id: EgressId,
        output: OutputId,
    ) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            let handle = self.inner.handle(&egress_id)?;
            call(&handle, |reply| Command::Detach { output, reply }).await
        })
    }

    /// Tries a destination again that was refused, or that waits for its next try.
    ///
    /// # Errors
    /// There is no such job or output, or there is nothing to try again.
    pub fn retry_output(&self, egress_id: EgressId, output: OutputId) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            let handle = self.inner.handle(&egress_id)?;
            call(&handle, |reply| Command::Retry { output, reply }).await
        })
    }

    /// LiveKit's `UpdateStream`: streams to some addresses more, and to some no longer. What can be done is done,
    /// whatever else of the request cannot.
    ///
    /// # Errors
    /// There is no such job, or it is over; an address to add is none; an address to remove is not streamed to. Of
    /// several errors the first is told, with the details of all.
    pub fn update_stream(
        &self,
        egress_id: EgressId,
        add: Vec<SecretString>,
        remove: Vec<SecretString>,
    ) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            let job = self.inner.board.job(&egress_id).ok_or_else(no_such_job)?;
            let handle = self.inner.handle(&egress_id)?;
            if add.is_empty() && job.outputs.iter().all(|output| output.destination.is_none()) {
                return Err(precondition("Nothing is streamed by this job.", "Add a destination first.")
                    .with_detail("UpdateStream called on non-streaming egress"));
            }
            let mut errors: Vec<ApiError> = Vec::new();
            for raw in add {
                let added = match LiveUrl::parse(raw.expose_secret()) {
                    Ok(url) => {
                        self.attach_stream(&egress_id, &url, false, SoundFormat::default()).await.map(drop)
                    }
                    Err(error) => Err(error),
                };
                errors.extend(added.err());
            }
            for raw in remove {
                let url = Secret(raw);
                errors.extend(call(&handle, |reply| Command::DetachStream { url, reply }).await.err());
            }
            let details: Vec<&str> = errors.iter().map(|error| error.detail.as_str()).collect();
            let detail = details.join("\n");
            match errors.into_iter().next() {
                Some(first) => Err(first.with_detail(detail)),
                None => Ok(()),
            }
        })
    }

    async fn attach_stream(
        &self,
        egress_id: &EgressId,
        url: &LiveUrl,
        any_certificate: bool,
        sound: SoundFormat,
    ) -> Result<OutputId, ApiError> {
        let inner = &self.inner;
        let handle = inner.handle(egress_id)?;
        let mut taken: Option<(OutputId, bool)> = None;
        inner.board.edit_job(egress_id, |job| {
            if ended(job.status) {
                return;
            }
            let number = |output: &OutputId| output.as_str().strip_prefix("stream-")?.parse::<u32>().ok();
            let last = job.outputs.iter().filter_map(|output| number(&output.id)).max().unwrap_or(0);
            let id = OutputId(format!("stream-{}", last + 1));
            let mut output = starting(id.clone());
            output.destination = Some(JobDestination {
                address: url.shown().to_owned(),
                protocol: url.protocol(),
                sound: (url.protocol() == StreamProtocol::Websocket).then_some(sound),
                state: DestinationState::Connecting,
                since_ms: crate::history::now_ms(),
            });
            job.outputs.push(output);
            taken = Some((id, job.preview));
            job.preview = false;
            job.armed = false;
        });
        let Some((id, was_preview)) = taken else {
            return Err(precondition("This recording is over already.", "Start a new one."));
        };
        let output = url.output(id.clone(), any_certificate, sound);
        let secret = Some(url.secret());
        let with = Vec::new();
        let attached = call(&handle, |reply| Command::Attach { output, secret, with, reply }).await;
        if attached.is_err() {
            inner.board.edit_job(egress_id, |job| {
                if !ended(job.status) {
                    job.outputs.retain(|output| output.id != id);
                    job.preview = was_preview && job.outputs.is_empty();
                }
            });
        }
        attached.map(|()| id)
    }

    /// Saves a destination, its address with the key in the keyring unless it is for this run only.
    ///
    /// # Errors
    /// The address is none, the keyring refuses, or the list cannot be saved.
    pub fn save_destination(
        &self,
        input: DestinationInput,
    ) -> BoxFuture<'_, Result<DestinationId, ApiError>> {
        Box::pin(async move {
            let id = DestinationId::random();
            self.put_destination(id.clone(), input, None).await?;
            Ok(id)
        })
    }

    /// Saves new values for a destination. Jobs that stream to it go on as they are.
    ///
    /// # Errors
    /// As [`Studio::save_destination`], and there is no such destination.
    pub fn edit_destination(
        &self,
        id: DestinationId,
        input: DestinationInput,
    ) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            let before = self.inner.saved_destination(&id)?;
            self.put_destination(id, input, Some(before)).await
        })
    }

    async fn put_destination(
        &self,
        id: DestinationId,
        input: DestinationInput,
        before: Option<SavedDestination>,
    ) -> Result<(), ApiError> {
        let inner = &self.inner;
        inner.check_open()?;
        let given = input.url.is_some();
        let raw = match (input.url, &before) {
            (Some(url), _) => url,
            (None, Some(saved)) => inner.destination_url(saved).await?,
            (None, None) => SecretString::default(),
        };
        let url = LiveUrl::parse(raw.expose_secret())?;
        let kept = before.as_ref().is_some_and(|before| before.in_keyring);
        let keeping = Keeping { given, kept, this_run_only: input.this_run_only };
        inner.keep_key(id.as_str(), raw, keeping).await?;
        let name = input.name.trim();
        let saved = SavedDestination {
            id: id.clone(),
            name: if name.is_empty() { url.shown().to_owned() } else { name.to_owned() },
            address: url.shown().to_owned(),
            protocol: url.protocol(),
            any_certificate: input.any_certificate,
            sound: input.sound,
            in_keyring: !input.this_run_only,
        };
        {
            let mut all = inner.saved.lock();
            all.destinations.retain(|known| known.id != id);
            all.destinations.push(saved);
            all.destinations.sort_by_key(|known| known.name.to_lowercase());
        }
        inner.publish_destinations();
        inner.save().await
    }

    /// Forgets a destination and its key. Jobs that stream to it go on.
    ///
    /// # Errors
    /// There is no such destination; the keyring refuses to give the key up, so that it stays; the list cannot be
    /// saved.
    pub fn forget_destination(&self, id: DestinationId) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            let inner = &self.inner;
            let in_keyring = inner.saved_destination(&id)?.in_keyring;
            inner.forget_key(id.as_str(), in_keyring).await?;
            inner.saved.lock().destinations.retain(|known| known.id != id);
            inner.publish_destinations();
            inner.save().await
        })
    }
}

impl Inner {
    /// The whole address that an input means, whether any certificate is taken there, and what sound.
    pub(crate) async fn stream_input(
        &self,
        stream: StreamInput,
    ) -> Result<(SecretString, bool, SoundFormat), ApiError> {
        match stream {
            StreamInput::Url { url, any_certificate, sound } => Ok((url, any_certificate, sound)),
            StreamInput::Saved { id } => {
                self.ask_again().await;
                let saved = self.saved_destination(&id)?;
                Ok((self.destination_url(&saved).await?, saved.any_certificate, saved.sound))
            }
        }
    }

    fn saved_destination(&self, id: &DestinationId) -> Result<SavedDestination, ApiError> {
        self.saved.lock().destinations.iter().find(|saved| saved.id == *id).cloned().ok_or_else(|| {
            ApiError::new(
                ErrorCode::NotFound,
                Fault::Input,
                "There is no such destination.",
                "Choose from the list, or add it first.",
            )
        })
    }

    /// The address with its key: as given or read in this run, else from the keyring.
    pub(crate) async fn destination_url(&self, saved: &SavedDestination) -> Result<SecretString, ApiError> {
        if let Some(url) = self.key(saved.id.as_str(), saved.in_keyring).await? {
            return Ok(url);
        }
        Err(ApiError::new(
            ErrorCode::Keyring,
            Fault::Environment,
            "The key of this destination is not at hand: it was kept for an earlier run only, or the keyring has \
             lost it.",
            "Edit the destination and give its address again.",
        ))
    }

    /// Tells front ends which destinations are saved.
    pub(crate) fn publish_destinations(&self) {
        let saved = self.saved.lock().destinations.clone();
        let shown = |saved: SavedDestination| Destination {
            key: self.key_place(saved.id.as_str(), saved.in_keyring),
            id: saved.id,
            name: saved.name,
            address: saved.address,
            protocol: saved.protocol,
            any_certificate: saved.any_certificate,
            sound: saved.sound,
        };
        let destinations: Vec<Destination> = saved.into_iter().map(shown).collect();
        self.board.edit(|snapshot| {
            (destinations != snapshot.destinations).then_some(Change::Destinations { destinations })
        });
    }
}
