//! The calls that concern projects, and where their secrets go.

use std::sync::Arc;
use std::time::Duration;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::id::{EgressId, ProjectId};
use futures_util::future::BoxFuture;
use room::service::Server;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::oneshot;

use crate::error::internal;
use crate::projects::SavedProject;
use crate::secrets::{SecretError, SecretStore};
use crate::studio::{Inner, Studio};
use crate::surface::{Change, Elsewhere, Project, ProjectInput, Projects, Rooms, SecretPlace};

/// How long the keyring may take: a prompt that nobody sees must not hold up the window for ever.
const KEYRING_WITHIN: Duration = Duration::from_secs(10);
/// The same where the operator has just asked for a secret to be kept, and may have to type a password for it.
const KEEP_WITHIN: Duration = Duration::from_secs(60);
/// How long a server may take to answer a check.
const CHECK_WITHIN: Duration = Duration::from_secs(15);

impl Studio {
    /// Asks the server whether it is there and takes the key and the secret. With the id of a saved
    /// project, an absent secret stands for the saved one.
    ///
    /// # Errors
    /// What is wrong: the URL, the server, the key, the secret or the clock.
    pub fn check_project(
        &self,
        input: ProjectInput,
        saved: Option<ProjectId>,
    ) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            self.inner.check_open()?;
            let secret = self.inner.input_secret(&input, saved.as_ref()).await?;
            check(&input, &secret).await
        })
    }

    /// Checks a project and saves it, its secret in the keyring unless it is for this run only.
    ///
    /// # Errors
    /// As [`Studio::check_project`]; the keyring refuses ([`ErrorCode::Keyring`]); the list cannot be saved.
    pub fn add_project(&self, input: ProjectInput) -> BoxFuture<'_, Result<ProjectId, ApiError>> {
        Box::pin(async move {
            let inner = &self.inner;
            inner.check_open()?;
            let secret = inner.input_secret(&input, None).await?;
            check(&input, &secret).await?;
            let id = ProjectId::random();
            if !input.this_run_only {
                let late = id.clone();
                // Nobody would know of a secret that is kept after we have given up.
                let undo = move |secrets: &dyn SecretStore| drop(secrets.remove(late.as_str()));
                inner.keep_in_keyring(id.as_str(), &secret, undo).await?;
            }
            inner.known_secrets.lock().insert(id.clone(), secret);
            {
                let mut saved = inner.saved.lock();
                saved.projects.push(saved_project(id.clone(), &input));
                saved.projects.sort_by_key(|project| project.name.to_lowercase());
            }
            inner.publish_projects(None);
            if let Err(error) = inner.save().await {
                // Nothing half done: a project that would be gone after a restart leaves no secret behind.
                inner.drop_project(&id);
                if !input.this_run_only {
                    let _ = inner.keyring(move |secrets| secrets.remove(id.as_str())).await;
                }
                return Err(error);
            }
            Ok(id)
        })
    }

    /// Checks new values for a project and saves them.
    ///
    /// # Errors
    /// As [`Studio::add_project`], and there is no such project.
    pub fn edit_project(&self, id: ProjectId, input: ProjectInput) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            let inner = &self.inner;
            inner.check_open()?;
            let before = inner.saved_project(&id)?;
            let secret = inner.input_secret(&input, Some(&id)).await?;
            check(&input, &secret).await?;
            match (input.this_run_only, before.in_keyring) {
                (false, true) if input.api_secret.is_none() => {}
                (false, _) => inner.keep_in_keyring(id.as_str(), &secret, |_| {}).await?,
                (true, true) => {
                    let id = id.clone();
                    inner.keyring(move |secrets| secrets.remove(id.as_str())).await?;
                }
                (true, false) => {}
            }
            inner.known_secrets.lock().insert(id.clone(), secret);
            inner.lost_secrets.lock().remove(&id);
            {
                let mut saved = inner.saved.lock();
                saved.projects.retain(|project| project.id != id);
                saved.projects.push(saved_project(id.clone(), &input));
                saved.projects.sort_by_key(|project| project.name.to_lowercase());
            }
            let after = inner.saved_project(&id)?;
            let elsewhere = (&before.url, &before.api_key) != (&after.url, &after.api_key);
            if elsewhere && inner.board.read(|snapshot| snapshot.projects.current.as_ref() == Some(&id)) {
                // The room that is open, and what is held ready there, are on the server of before.
                self.close_room().await?;
                inner.discard_previews(None).await;
            }
            inner.publish_projects(None);
            inner.rooms_nudge.notify_one();
            inner.save().await
        })
    }

    /// Forgets a project and its secret. Jobs that run in it go on.
    ///
    /// # Errors
    /// There is no such project; the keyring refuses to give the secret up, so that the project stays; the
    /// list cannot be saved.
    pub fn forget_project(&self, id: ProjectId) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            let inner = &self.inner;
            let project = inner.saved_project(&id)?;
            if project.in_keyring {
                let id = id.clone();
                inner.keyring(move |secrets| secrets.remove(id.as_str())).await?;
            }
            let current = inner.board.read(|snapshot| snapshot.projects.current == Some(id.clone()));
            if current {
                self.select_project(None).await?;
            }
            inner.drop_project(&id);
            inner.save().await
        })
    }

    /// Opens a project: its rooms are listed from now on. None: no project. The room that was open is
    /// closed.
    ///
    /// # Errors
    /// There is no such project, its secret is not at hand, or the choice cannot be saved. Where the secret
    /// is missing, the project is open all the same, so that its secret can be given.
    pub fn select_project(&self, id: Option<ProjectId>) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move {
            let inner = &self.inner;
            inner.check_open()?;
            if let Some(id) = &id {
                inner.saved_project(id)?;
            }
            if inner.board.read(|snapshot| snapshot.projects.current != id) {
                self.close_room().await?;
                inner.discard_previews(None).await;
                inner.saved.lock().current.clone_from(&id);
                inner.publish_projects(None);
                let rooms = Rooms { loading: id.is_some(), ..Rooms::default() };
                inner.board.publish(Change::Rooms { rooms });
                inner.board.publish(Change::Elsewhere { elsewhere: Elsewhere::default() });
                inner.elsewhere.nudge.notify_one();
            }
            inner.save().await?;
            let secret = match &id {
                Some(id) => inner.secret_asked(id).await.map(drop),
                None => Ok(()),
            };
            inner.rooms_nudge.notify_one();
            secret
        })
    }
}

impl Inner {
    /// The server of the open project, with its secret.
    pub(crate) async fn current_server(&self) -> Result<(ProjectId, Server), ApiError> {
        let id = self
            .board
            .read(|snapshot| snapshot.projects.current.clone())
            .ok_or_else(|| crate::error::precondition("No project is open.", "Open a project first."))?;
        let project = self.saved_project(&id)?;
        let api_secret = self.secret(&id).await?;
        Ok((id, Server { url: project.url, api_key: project.api_key, api_secret }))
    }

    fn saved_project(&self, id: &ProjectId) -> Result<SavedProject, ApiError> {
        self.saved.lock().projects.iter().find(|project| project.id == *id).cloned().ok_or_else(|| {
            ApiError::new(ErrorCode::NotFound, Fault::Input, "There is no such project.", "Add it first.")
        })
    }

    fn drop_project(&self, id: &ProjectId) {
        {
            let mut saved = self.saved.lock();
            saved.projects.retain(|project| project.id != *id);
            saved.rules.retain(|rule| rule.project_id != *id);
            if saved.current.as_ref() == Some(id) {
                saved.current = None;
            }
        }
        self.known_secrets.lock().remove(id);
        self.lost_secrets.lock().remove(id);
        self.publish_projects(None);
        self.publish_rules();
        let of_it: Vec<EgressId> = self.board.read(|snapshot| {
            let jobs = snapshot.jobs.iter().filter(|job| job.project_id.as_ref() == Some(id));
            jobs.map(|job| job.egress_id.clone()).collect()
        });
        for job in of_it {
            self.board.edit_job(&job, |job| job.project_id = None);
        }
    }

    /// As [`Inner::secret`], for an operator who wants it now: the keyring may ask for its password again.
    async fn secret_asked(&self, id: &ProjectId) -> Result<SecretString, ApiError> {
        self.refused_secrets.lock().await.remove(id);
        self.secret(id).await
    }

    /// The secret of a project: as given or read in this run, else from the keyring.
    pub(crate) async fn secret(&self, id: &ProjectId) -> Result<SecretString, ApiError> {
        let known = || self.known_secrets.lock().get(id).cloned();
        if let Some(secret) = known() {
            return Ok(secret);
        }
        // One question of the keyring at a time; who is known does not wait for it.
        let mut refused = self.refused_secrets.lock().await;
        if let Some(secret) = known() {
            return Ok(secret);
        }
        if let Some(error) = refused.get(id) {
            return Err(error.clone());
        }
        if self.saved_project(id)?.in_keyring && !self.lost_secrets.lock().contains(id) {
            let of = id.clone();
            let asked = self.keyring(move |secrets| secrets.get(of.as_str())).await;
            // One that is missing asks nothing, and may come.
            if let Some(error) = asked.as_ref().err().filter(|error| error.retryable) {
                refused.insert(id.clone(), error.clone());
            }
            if let Some(secret) = asked? {
                self.known_secrets.lock().insert(id.clone(), secret.clone());
                return Ok(secret);
            }
            self.lost_secrets.lock().insert(id.clone());
            self.publish_projects(None);
        }
        Err(ApiError::new(
            ErrorCode::Keyring,
            Fault::Environment,
            "The API secret of this project is not at hand: it was kept for an earlier run only, or the \
             keyring has lost it.",
            "Edit the project and give its secret again.",
        ))
    }

    /// The secret that an input means.
    async fn input_secret(
        &self,
        input: &ProjectInput,
        saved: Option<&ProjectId>,
    ) -> Result<SecretString, ApiError> {
        match (&input.api_secret, saved) {
            (Some(secret), _) => Ok(trimmed(secret)),
            (None, Some(id)) => self.secret_asked(id).await,
            (None, None) => Err(ApiError::new(
                ErrorCode::InvalidArgument,
                Fault::Input,
                "The API secret is missing.",
                "Copy the secret that belongs to the API key from the project's settings.",
            )),
        }
    }

    pub(crate) async fn keep_in_keyring(
        &self,
        owner: &str,
        secret: &SecretString,
        late: impl FnOnce(&dyn SecretStore) + Send + 'static,
    ) -> Result<(), ApiError> {
        let (owner, secret) = (owner.to_owned(), secret.clone());
        let keep = move |secrets: &dyn SecretStore| secrets.set(&owner, &secret);
        self.told(ask_keyring(self.secrets.clone(), KEEP_WITHIN, keep, late).await)
    }

    /// Asks the keyring, and remembers for the front ends whether it could be used.
    pub(crate) async fn keyring<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&dyn SecretStore) -> Result<T, SecretError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.told(ask_keyring(self.secrets.clone(), KEYRING_WITHIN, ask, |_| {}).await)
    }

    fn told<T>(&self, answer: Result<T, ApiError>) -> Result<T, ApiError> {
        let error = answer.as_ref().err().cloned();
        if self.board.read(|snapshot| snapshot.projects.keyring_error != error) {
            self.publish_projects(Some(error));
            self.machine_nudge.notify_one();
        }
        answer
    }

    /// Tells front ends how the projects stand; with `keyring`, what the keyring's state is from now on.
    pub(crate) fn publish_projects(&self, keyring: Option<Option<ApiError>>) {
        let saved = self.saved.lock().clone();
        let known: Vec<ProjectId> = self.known_secrets.lock().keys().cloned().collect();
        let lost = self.lost_secrets.lock().clone();
        let list = saved.projects.into_iter().map(|project| Project {
            secret: match project.in_keyring {
                true if !lost.contains(&project.id) => SecretPlace::Keyring,
                false if known.contains(&project.id) => SecretPlace::ThisRun,
                _ => SecretPlace::Missing,
            },
            id: project.id,
            name: project.name,
            url: project.url,
            api_key: project.api_key,
        });
        let list: Vec<Project> = list.collect();
        self.board.edit(|snapshot| {
            let keyring_error = keyring.unwrap_or_else(|| snapshot.projects.keyring_error.clone());
            let projects = Projects { list, current: saved.current, keyring_error };
            (projects != snapshot.projects).then_some(Change::Projects { projects })
        });
    }

    /// Saves the projects and settings as they are now.
    pub(crate) async fn save(self: &Arc<Self>) -> Result<(), ApiError> {
        let inner = self.clone();
        let saved = tokio::task::spawn_blocking(move || {
            let _turn = inner.save_turn.lock();
            let newest = inner.saved.lock().clone();
            inner.store.save(&newest)
        });
        Ok(saved.await.map_err(internal)??)
    }
}

/// Asks on a thread of its own: the call may wait for the user without end, and a thread of the runtime
/// that does would keep the program from closing. `late` is done after an answer that came too late.
async fn ask_keyring<T: Send + 'static>(
    secrets: Arc<dyn SecretStore>,
    within: Duration,
    ask: impl FnOnce(&dyn SecretStore) -> Result<T, SecretError> + Send + 'static,
    late: impl FnOnce(&dyn SecretStore) + Send + 'static,
) -> Result<T, ApiError> {
    let (answer, answered) = oneshot::channel();
    std::thread::Builder::new()
        .name("keyring".into())
        .spawn(move || {
            if answer.send(ask(&*secrets)).is_err() {
                late(&*secrets);
            }
        })
        .map_err(internal)?;
    match tokio::time::timeout(within, answered).await {
        Ok(Ok(answer)) => Ok(answer?),
        Ok(Err(error)) => Err(internal(error)),
        Err(_) => Err(SecretError::NoAnswer(within.as_secs()).into()),
    }
}

async fn check(input: &ProjectInput, secret: &SecretString) -> Result<(), ApiError> {
    let missing = |what: &str, remedy: &str| {
        Err(ApiError::new(ErrorCode::InvalidArgument, Fault::Input, what.to_owned(), remedy.to_owned()))
    };
    if input.url.trim().is_empty() {
        return missing("The server's URL is missing.", "Copy it from the project's settings.");
    }
    if input.api_key.trim().is_empty() {
        return missing("The API key is missing.", "Copy it from the project's settings.");
    }
    if secret.expose_secret().is_empty() {
        return missing(
            "The API secret is missing.",
            "Copy the secret that belongs to the API key from the project's settings.",
        );
    }
    let server = Server {
        url: input.url.trim().to_owned(),
        api_key: input.api_key.trim().to_owned(),
        api_secret: secret.clone(),
    };
    match tokio::time::timeout(CHECK_WITHIN, room::service::check(&server)).await {
        Ok(checked) => checked,
        Err(_) => Err(crate::rooms::silent(CHECK_WITHIN)),
    }
}

fn saved_project(id: ProjectId, input: &ProjectInput) -> SavedProject {
    let url = input.url.trim().to_owned();
    let name = match input.name.trim() {
        "" => host(&url).to_owned(),
        name => name.to_owned(),
    };
    SavedProject { id, name, url, api_key: input.api_key.trim().to_owned(), in_keyring: !input.this_run_only }
}

/// The host and port of an address.
pub(crate) fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or(rest)
}

/// A secret without the blanks that come along when it is copied.
fn trimmed(secret: &SecretString) -> SecretString {
    secret.expose_secret().trim().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A keyring whose prompt nobody answers.
    struct Silent(std::sync::Mutex<std::sync::mpsc::Receiver<()>>);

    impl SecretStore for Silent {
        fn check(&self) -> Result<(), SecretError> {
            let _ = self.0.lock().unwrap().recv();
            Ok(())
        }
        fn get(&self, _: &str) -> Result<Option<SecretString>, SecretError> {
            unreachable!("only check is asked")
        }
        fn set(&self, _: &str, _: &SecretString) -> Result<(), SecretError> {
            unreachable!("only check is asked")
        }
        fn remove(&self, _: &str) -> Result<(), SecretError> {
            unreachable!("only check is asked")
        }
    }

    #[tokio::test]
    async fn a_keyring_that_waits_for_its_password_is_given_up() {
        let (_open, waits) = std::sync::mpsc::channel();
        let silent = Arc::new(Silent(waits.into()));
        let error = ask_keyring(silent, Duration::from_millis(20), |s| s.check(), |_| {}).await;
        let error = error.unwrap_err();
        assert_eq!(error.code, ErrorCode::Keyring);
        assert!(error.remedy.contains("Unlock your keyring"), "{}", error.remedy);
    }

    #[tokio::test]
    async fn what_the_keyring_does_too_late_is_undone() {
        let (open, waits) = std::sync::mpsc::channel();
        let silent = Arc::new(Silent(waits.into()));
        let (undone, told) = oneshot::channel();
        let late = move |_: &dyn SecretStore| assert!(undone.send(()).is_ok());
        let answer = ask_keyring(silent, Duration::from_millis(20), |s| s.check(), late).await;
        assert!(answer.is_err());
        drop(open);
        told.await.unwrap();
    }

    #[test]
    fn a_project_without_a_name_is_called_by_its_host() {
        assert_eq!(host("wss://studio.example.com/x?y"), "studio.example.com");
        assert_eq!(host("ws://127.0.0.1:7880"), "127.0.0.1:7880");
        assert_eq!(host("nonsense"), "nonsense");
    }
}
