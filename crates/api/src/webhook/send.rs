//! One event on its way, as often as it takes.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use egress::error::{ApiError, ErrorCode, Fault};
use egress::redact::redact_url;
use livekit_token::AccessToken;
use rand::Rng;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Client, StatusCode, redirect};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use super::Target;
use super::event::Event;
use crate::keys::ApiKeys;

/// How long a signature is good for: LiveKit's.
const SIGNED_FOR: Duration = Duration::from_secs(300);

/// How often, and for how long, an event is tried.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How long one try may take.
    pub answer_within: Duration,
    /// The first wait; each further one is twice as long.
    pub first_wait: Duration,
    /// The longest wait.
    pub longest_wait: Duration,
    /// When the event is given up.
    pub in_all: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            answer_within: Duration::from_secs(10),
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
            in_all: Duration::from_secs(600),
        }
    }
}

/// What became of a try.
enum Tried {
    Delivered,
    /// It may be different next time.
    Failed(String),
    /// It will not be.
    Refused(StatusCode),
}

/// Sends events.
pub struct Sender {
    client: Client,
    keys: ApiKeys,
    patience: Patience,
}

impl Sender {
    /// Ready to send.
    ///
    /// # Errors
    /// This computer has nothing to check certificates with.
    pub fn new(keys: ApiKeys, patience: Patience) -> Result<Self, ApiError> {
        let client = Client::builder()
            .timeout(patience.answer_within)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("tallylight/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| {
                ApiError::new(
                    ErrorCode::Internal,
                    Fault::Environment,
                    "Webhooks cannot be called from this computer.",
                    "Install the certificates of the system (ca-certificates).",
                )
                .with_detail(error)
            })?;
        Ok(Self { client, keys, patience })
    }

    /// Sends an event until it is taken, refused for good, or too old.
    pub async fn deliver(&self, target: &Target, egress_id: &str, event: &Event, places: &Semaphore) {
        let (began, mut wait) = (Instant::now(), self.patience.first_wait);
        let (url, name) = (redact_url(&target.url), event.kind.name());
        loop {
            let tried = {
                let _place = places.acquire().await.expect("it is never closed");
                self.attempt(target, event).await
            };
            match tried {
                Tried::Delivered => {
                    return tracing::debug!(egress_id, url, event = name, "a webhook was called");
                }
                Tried::Refused(status) => {
                    let status = status.as_u16();
                    return tracing::warn!(egress_id, url, event = name, status, "a webhook was refused");
                }
                Tried::Failed(why) if began.elapsed() + wait > self.patience.in_all => {
                    return tracing::warn!(egress_id, url, event = name, why, "a webhook is given up");
                }
                Tried::Failed(why) => {
                    tracing::debug!(egress_id, url, event = name, why, "a webhook is tried again");
                    let part = rand::rng().random_range(0.5..1.0);
                    sleep(wait.mul_f64(part)).await;
                    wait = (wait * 2).min(self.patience.longest_wait);
                }
            }
        }
    }

    async fn attempt(&self, target: &Target, event: &Event) -> Tried {
        let Some(secret) = self.keys.secret(&target.key) else {
            return Tried::Refused(StatusCode::UNAUTHORIZED);
        };
        // Anew for each try: a signature gets old.
        let token = AccessToken::with_api_key(&target.key, secret.expose_secret())
            .with_ttl(SIGNED_FOR)
            .with_sha256(&STANDARD.encode(Sha256::digest(&event.body)))
            .to_jwt();
        let Ok(token) = token else { return Tried::Refused(StatusCode::UNAUTHORIZED) };
        let sent = self
            .client
            .post(&target.url)
            .header(AUTHORIZATION, token)
            .header(CONTENT_TYPE, "application/webhook+json")
            .body(event.body.clone())
            .send()
            .await;
        match sent {
            Ok(answer) if answer.status().is_success() => Tried::Delivered,
            Ok(answer) => match answer.status() {
                status @ (StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS) => {
                    Tried::Failed(status.to_string())
                }
                status if status.is_server_error() => Tried::Failed(status.to_string()),
                status => Tried::Refused(status),
            },
            // The address may hold a key.
            Err(error) => Tried::Failed(error.without_url().to_string()),
        }
    }
}
