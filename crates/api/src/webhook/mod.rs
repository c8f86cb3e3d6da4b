//! Webhooks: what becomes of an egress, told as LiveKit's server tells it.
//!
//! Each address has a lane of its own for each egress, so that events come in order and one address that does not
//! answer holds up nothing else. A lane holds three events at most, because an update that waits is overtaken by
//! the next: each tells all there is.

mod event;
mod follow;
mod lane;
mod send;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::id::EgressId;
use egress::validate::EgressRequest;
use livekit_protocol as proto;
use livekit_protocol::{EgressInfo, EgressStatus};
use parking_lot::Mutex;
use studio::Studio;
use url::Url;

use crate::keys::ApiKeys;
use event::{Event, Told};
use lane::Lanes;

pub use send::Patience;

/// Where every egress is told of, and how calls are signed: `webhook` in LiveKit's configuration.
#[derive(Debug, Clone, Default)]
pub struct Configured {
    /// The addresses.
    pub urls: Vec<String>,
    /// The key that calls are signed with; empty for the first of ours.
    pub api_key: String,
    /// Which events.
    pub filter: proto::FilterParams,
}

/// Whom to call, signed by which key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Target {
    url: String,
    key: String,
}

/// What tells others of egresses. A cheap handle.
#[derive(Clone)]
pub struct Webhooks {
    configured: Arc<Configured>,
    keys: Arc<ApiKeys>,
    told: Arc<Mutex<Told>>,
    lanes: Lanes,
}

impl Webhooks {
    /// Ready to tell.
    ///
    /// # Errors
    /// An address is none, or calls are to be signed by a key that is not ours.
    pub fn new(configured: Configured, keys: ApiKeys, patience: Patience) -> Result<Self, ApiError> {
        let hooks: Vec<proto::WebhookConfig> = configured
            .urls
            .iter()
            .map(|url| proto::WebhookConfig {
                url: url.clone(),
                signing_key: configured.api_key.clone(),
                filter_params: None,
            })
            .collect();
        check(&hooks, &keys)?;
        let lanes = Lanes::new(keys.clone(), patience)?;
        let (configured, keys) = (Arc::new(configured), Arc::new(keys));
        Ok(Self { configured, keys, told: Arc::default(), lanes })
    }

    /// Takes note of the egresses that a studio knows at its start. Others know of them already, but for those that
    /// were under way when the last studio went: of an end since then nobody has told.
    pub fn begin(&self, studio: &Studio) {
        let mut told = self.told.lock();
        for info in studio.told_egress() {
            let over = info.status() > EgressStatus::EgressEnding;
            if over && studio.was_under_way(&EgressId::from(info.egress_id.as_str())) {
                told.begun(&info);
            } else {
                told.known(&info);
            }
        }
    }

    /// Tells what has become of an egress, if that is news. Comes back at once.
    pub fn tell(&self, info: &EgressInfo) {
        let Some(kind) = self.told.lock().event(info) else { return };
        let event = match Event::new(kind, info) {
            Ok(event) => event,
            Err(error) => {
                tracing::error!(egress_id = info.egress_id, %error, "a webhook's event could not be written");
                return;
            }
        };
        if event::wants(&self.configured.filter, kind) {
            for url in &self.configured.urls {
                self.send(url, &self.configured.api_key, &info.egress_id, &event);
            }
        }
        for hook in info.request.as_ref().map(of_request).unwrap_or_default() {
            if hook.filter_params.as_ref().is_none_or(|filter| event::wants(filter, kind)) {
                let key =
                    if hook.signing_key.is_empty() { &self.configured.api_key } else { &hook.signing_key };
                self.send(&hook.url, key, &info.egress_id, &event);
            }
        }
    }

    fn send(&self, url: &str, key: &str, egress_id: &str, event: &Event) {
        let key = if key.is_empty() { self.keys.first() } else { key };
        let target = Target { url: url.to_owned(), key: key.to_owned() };
        self.lanes.push(target, egress_id, event.clone());
    }

    /// Waits until all is told, but not for ever.
    pub async fn finish(&self, within: Duration) {
        if tokio::time::timeout(within, self.lanes.empty()).await.is_err() {
            tracing::warn!("webhooks: some events could not be delivered in time");
        }
    }
}

/// The webhooks that a request asks for.
pub fn of_request(request: &EgressRequest) -> &[proto::WebhookConfig] {
    match request {
        EgressRequest::Egress(request) => &request.webhooks,
        EgressRequest::Replay(request) => &request.webhooks,
        EgressRequest::RoomComposite(request) => &request.webhooks,
        EgressRequest::Web(request) => &request.webhooks,
        EgressRequest::Participant(request) => &request.webhooks,
        EgressRequest::TrackComposite(request) => &request.webhooks,
        EgressRequest::Track(request) => &request.webhooks,
    }
}

/// Whether these webhooks can be called. LiveKit's server finds out when it has something to tell, and then tells
/// nobody.
///
/// # Errors
/// An address is none, or a call is to be signed by a key that is not ours.
pub fn check(hooks: &[proto::WebhookConfig], keys: &ApiKeys) -> Result<(), ApiError> {
    for hook in hooks {
        let url = Url::parse(&hook.url).ok();
        if !url.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
            return Err(unfit(
                "request has missing or invalid field: webhooks",
                "A webhook's address is none.",
                "Write it as https://host/path.",
            ));
        }
        if !hook.signing_key.is_empty() && keys.secret(&hook.signing_key).is_none() {
            return Err(unfit(
                "no secret for provided signing key",
                "A webhook is to be signed by an API key that this service does not have.",
                "Name the key of this service as signing_key, or leave it out.",
            ));
        }
    }
    Ok(())
}

fn unfit(detail: &str, message: &str, remedy: &str) -> ApiError {
    ApiError::new(ErrorCode::InvalidArgument, Fault::Input, message, remedy).with_detail(detail)
}
