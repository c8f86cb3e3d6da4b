//! The Egress API of the studio with a window: for scripts on this computer, while the operator has it switched on.

use std::net::Ipv4Addr;
use std::time::Duration;

use egress::error::{ApiError, ErrorCode, Fault};
use secrecy::{ExposeSecret, SecretString};
use studio::Studio;
use studio::surface::{ApiState, Change};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::admission::{Admission, CpuCost};
use crate::http::{Api, Endpoint, Server};
use crate::keys::ApiKeys;
use crate::webhook::{Configured, Patience, Webhooks};

/// From a failure to the next try: a port that another program has may come free.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// How long calls and webhooks that are under way may take when it is switched off.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// Serves the API as the settings of a studio have it, and shows there how it is, until the studio is gone.
///
/// It listens on 127.0.0.1 alone. Tokens are checked with the key of the project that is open: in that project is what
/// they ask for carried out.
pub async fn follow(studio: Studio) {
    let mut changes = studio.changes();
    let mut served: Option<Served> = None;
    loop {
        let wanted = Wanted::of(&studio).await;
        let same = matches!((&served, &wanted), (Some(served), Ok(Some(wanted))) if served.wanted == *wanted);
        if !same {
            if let Some(before) = served.take() {
                before.close().await;
            }
            let state = match wanted {
                Ok(None) => ApiState::Off,
                Ok(Some(wanted)) => match Served::open(&studio, wanted).await {
                    Ok(now) => ApiState::On { url: served.insert(now).url.clone() },
                    Err(error) => ApiState::Failed { error },
                },
                Err(error) => ApiState::Failed { error },
            };
            studio.show_api(state);
        }
        let failed = served.is_none() && studio.snapshot().settings.api.on;
        let patience = if failed { AGAIN_AFTER } else { Duration::MAX };
        if let Ok(false) = tokio::time::timeout(patience, next(&mut changes)).await {
            break;
        }
    }
    if let Some(served) = served {
        served.close().await;
    }
}

/// Waits for a change that may concern the API. False: there will be none.
async fn next(changes: &mut Receiver<std::sync::Arc<studio::surface::Numbered>>) -> bool {
    loop {
        match changes.recv().await {
            Ok(numbered) => {
                if matches!(numbered.change, Change::Settings { .. } | Change::Projects { .. }) {
                    return true;
                }
            }
            Err(RecvError::Lagged(_)) => return true,
            Err(RecvError::Closed) => return false,
        }
    }
}

/// What is to be served.
struct Wanted {
    port: u16,
    key: String,
    secret: SecretString,
}

impl PartialEq for Wanted {
    fn eq(&self, other: &Self) -> bool {
        (self.port, &self.key, self.secret.expose_secret())
            == (other.port, &other.key, other.secret.expose_secret())
    }
}

impl Wanted {
    async fn of(studio: &Studio) -> Result<Option<Self>, ApiError> {
        let settings = studio.snapshot().settings.api;
        if !settings.on {
            return Ok(None);
        }
        let (key, secret) = studio.egress_key().await?.ok_or_else(|| {
            ApiError::new(
                ErrorCode::FailedPrecondition,
                Fault::Input,
                "The Egress API waits for a project: its calls are checked with that project's key.",
                "Open a project.",
            )
        })?;
        Ok(Some(Self { port: settings.port, key, secret }))
    }
}

/// The API, being served.
struct Served {
    wanted: Wanted,
    url: String,
    closing: watch::Sender<bool>,
    tasks: JoinSet<()>,
    hooks: Webhooks,
    admission: Admission,
}

impl Served {
    async fn open(studio: &Studio, wanted: Wanted) -> Result<Self, ApiError> {
        let endpoint = Endpoint { bind: Ipv4Addr::LOCALHOST.into(), port: wanted.port, tls: None };
        let server = Server::for_calls(&endpoint).await?;
        let address = server.address().map_err(|error| {
            ApiError::new(
                ErrorCode::Internal,
                Fault::Environment,
                "The system does not say the API's port.",
                "",
            )
            .with_detail(error)
        })?;
        let keys = ApiKeys::new(&wanted.key, wanted.secret.clone());
        let admission = Admission::open(studio.clone(), CpuCost::default(), studio.data_dir()).await;
        let hooks = Webhooks::new(Configured::default(), keys.clone(), Patience::default())?;
        hooks.begin(studio);
        let (closing, closed) = watch::channel(false);
        let api = Api::new(studio.clone(), keys, admission.clone());
        api.open();
        let mut tasks = JoinSet::new();
        tasks.spawn(server.run(api.router(), closed.clone()));
        tasks.spawn(hooks.clone().follow(studio.clone(), closed));
        Ok(Self { wanted, url: format!("http://{address}"), closing, tasks, hooks, admission })
    }

    async fn close(mut self) {
        self.closing.send_replace(true);
        self.admission.close().await;
        self.hooks.finish(CLOSE_WITHIN).await;
        let over = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(CLOSE_WITHIN, over).await;
    }
}
