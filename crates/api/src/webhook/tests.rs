//! Against real listeners.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use livekit_protocol::{EgressStatus, WebhookEvent};
use livekit_token::TokenVerifier;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

use super::*;

const SECRET: &str = "a secret of thirty-two characters";

fn keys() -> ApiKeys {
    let mut keys = ApiKeys::new("key", SECRET.into());
    keys.insert("other", "another secret, also long enough".into());
    keys
}

fn patience() -> Patience {
    Patience {
        answer_within: Duration::from_millis(300),
        first_wait: Duration::from_millis(5),
        longest_wait: Duration::from_millis(20),
        in_all: Duration::from_secs(20),
    }
}

#[derive(Clone, Default)]
struct Listener {
    got: Arc<Mutex<Vec<(String, WebhookEvent)>>>,
    answers: Arc<Mutex<Vec<StatusCode>>>,
    calls: Arc<Mutex<usize>>,
}

impl Listener {
    /// Verifies, and answers with what `answers` holds, last first; then with OK.
    async fn open(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let this = self.clone();
        let take = move |headers: HeaderMap, body: Bytes| {
            let this = this.clone();
            async move { this.take(&headers, &body) }
        };
        let router = Router::new().route("/hook", post(take));
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    fn take(&self, headers: &HeaderMap, body: &Bytes) -> StatusCode {
        *self.calls.lock() += 1;
        if let Some(status) = self.answers.lock().pop() {
            return status;
        }
        assert_eq!(headers["content-type"], "application/webhook+json");
        let token = headers["authorization"].to_str().unwrap();
        let key = livekit_token::Claims::from_unverified(token).unwrap().iss;
        let secret = keys();
        let secret = secrecy::ExposeSecret::expose_secret(secret.secret(&key).unwrap()).to_owned();
        let claims = TokenVerifier::with_api_key(&key, &secret).verify(token).unwrap();
        assert_eq!(claims.sha256, STANDARD.encode(Sha256::digest(body)));
        self.got.lock().push((key, serde_json::from_slice(body).unwrap()));
        StatusCode::OK
    }

    fn events(&self) -> Vec<String> {
        self.got.lock().iter().map(|(_, event)| event.event.clone()).collect()
    }
}

fn info(id: &str, status: EgressStatus) -> EgressInfo {
    EgressInfo { egress_id: id.into(), status: status.into(), ..Default::default() }
}

fn asking(id: &str, status: EgressStatus, hook: proto::WebhookConfig) -> EgressInfo {
    let request = proto::TrackEgressRequest { webhooks: vec![hook], ..Default::default() };
    EgressInfo { request: Some(EgressRequest::Track(request)), ..info(id, status) }
}

fn configured(url: &str) -> Configured {
    Configured { urls: vec![url.to_owned()], ..Configured::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_life_is_told_in_order_through_faults() {
    let listener = Listener::default();
    *listener.answers.lock() = vec![StatusCode::SERVICE_UNAVAILABLE; 3];
    let hooks = Webhooks::new(configured(&listener.open().await), keys(), patience()).unwrap();
    hooks.tell(&info("EG_1", EgressStatus::EgressStarting));
    hooks.tell(&info("EG_1", EgressStatus::EgressActive));
    hooks.tell(&info("EG_1", EgressStatus::EgressComplete));
    hooks.finish(Duration::from_secs(10)).await;
    assert_eq!(listener.events(), ["egress_started", "egress_updated", "egress_ended"]);
    assert_eq!(*listener.calls.lock(), 6, "three tries were in vain");
    assert!(listener.got.lock().iter().all(|(key, _)| key == "key"));
    assert_eq!(hooks.lanes.held(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_has_its_own_address_key_and_filter() {
    let listener = Listener::default();
    let hook = proto::WebhookConfig {
        url: listener.open().await,
        signing_key: "other".into(),
        filter_params: Some(proto::FilterParams {
            exclude_events: vec!["egress_updated".into()],
            ..Default::default()
        }),
    };
    let hooks = Webhooks::new(Configured::default(), keys(), patience()).unwrap();
    for status in [EgressStatus::EgressStarting, EgressStatus::EgressActive, EgressStatus::EgressFailed] {
        hooks.tell(&asking("EG_1", status, hook.clone()));
    }
    hooks.finish(Duration::from_secs(10)).await;
    assert_eq!(listener.events(), ["egress_started", "egress_ended"]);
    assert!(listener.got.lock().iter().all(|(key, _)| key == "other"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_says_nothing_holds_nothing_up_and_is_held_within_bounds() {
    // It accepts and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead = format!("http://{}/hook", silent.local_addr().unwrap());
    let listener = Listener::default();
    let urls = vec![dead, listener.open().await];
    let hooks = Webhooks::new(Configured { urls, ..Configured::default() }, keys(), patience()).unwrap();
    for number in 0..40 {
        let id = format!("EG_{number}");
        hooks.tell(&info(&id, EgressStatus::EgressStarting));
        for retry_count in 0..200 {
            hooks.tell(&EgressInfo { retry_count, ..info(&id, EgressStatus::EgressActive) });
        }
    }
    let (lanes, events) = hooks.lanes.held();
    assert!(lanes <= 80 && events <= 160, "{lanes} lanes, {events} events");
    for number in 0..40 {
        hooks.tell(&info(&format!("EG_{number}"), EgressStatus::EgressComplete));
    }
    let all = async {
        while listener.events().iter().filter(|event| *event == "egress_ended").count() < 40 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), all).await.expect("the good address is told all");
    for number in 0..40 {
        let id = format!("EG_{number}");
        let got = listener.got.lock();
        let of = got.iter().filter(|(_, event)| event.egress_info.as_ref().unwrap().egress_id == id);
        let names: Vec<&str> = of.map(|(_, event)| event.event.as_str()).collect();
        assert_eq!((names[0], names[names.len() - 1]), ("egress_started", "egress_ended"), "{names:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_or_never_taken_is_given_up() {
    let listener = Listener::default();
    *listener.answers.lock() = vec![StatusCode::NOT_FOUND];
    let hooks = Webhooks::new(configured(&listener.open().await), keys(), patience()).unwrap();
    hooks.tell(&info("EG_1", EgressStatus::EgressStarting));
    hooks.tell(&info("EG_1", EgressStatus::EgressComplete));
    hooks.finish(Duration::from_secs(10)).await;
    assert_eq!(listener.events(), ["egress_ended"], "the first was refused, and not tried again");

    let nobody = Patience { in_all: Duration::from_millis(50), ..patience() };
    let hooks = Webhooks::new(configured("http://127.0.0.1:9/"), keys(), nobody).unwrap();
    hooks.tell(&info("EG_1", EgressStatus::EgressStarting));
    tokio::time::timeout(Duration::from_secs(10), hooks.lanes.empty()).await.expect("it is given up");
}

#[test]
fn what_cannot_be_called_is_refused_beforehand() {
    let check = |url: &str, key: &str| {
        let hook = proto::WebhookConfig { url: url.into(), signing_key: key.into(), filter_params: None };
        check(&[hook], &keys()).map_err(|error| error.detail)
    };
    assert_eq!(check("https://example.com/hook", ""), Ok(()));
    assert_eq!(check("https://example.com/hook", "other"), Ok(()));
    assert_eq!(
        check("https://example.com/hook", "stranger"),
        Err("no secret for provided signing key".to_owned())
    );
    for url in ["", "example.com", "ftp://example.com", "file:///etc/passwd", "http://"] {
        assert!(check(url, "").is_err(), "{url}");
    }
    let configured = Configured { api_key: "stranger".into(), ..configured("https://example.com") };
    assert!(Webhooks::new(configured, keys(), patience()).is_err());
}
