//! What tells a computer who it is: the services of clouds, as far as their protocols go. What they hand out are real
//! keys of the real stores.

use std::process::Stdio;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::request::Parts;
use jiff::Timestamp;
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::client::HttpRequestBody;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinHandle;

use crate::servers::{KEY, SECRET};

/// `METHOD /path` of requests, and their bodies.
type Seen = Arc<Mutex<Vec<(String, String)>>>;
type Answers = Arc<dyn Fn(&Parts, &str) -> (u16, String) + Send + Sync>;

/// A service on loopback.
pub struct Service {
    pub url: String,
    pub seen: Seen,
    task: JoinHandle<()>,
}

impl Service {
    pub async fn start(answers: impl Fn(&Parts, &str) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Seen::default();
        let answers: Answers = Arc::new(answers);
        let app = Router::new().fallback(answer).with_state((answers, seen.clone()));
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, seen, task }
    }

    pub fn count(&self, text: &str) -> usize {
        self.seen.lock().iter().filter(|(line, _)| line.contains(text)).count()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State((answers, seen)): State<(Answers, Seen)>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    seen.lock().push((format!("{} {}", head.method, head.uri), body.clone()));
    let (status, text) = answers(&head, &body);
    Response::builder().status(status).body(Body::from(text)).unwrap()
}

pub fn header<'a>(head: &'a Parts, name: &str) -> Option<&'a str> {
    head.headers.get(name).and_then(|value| value.to_str().ok())
}

/// A field of a form.
pub fn field(form: &str, name: &str) -> Option<String> {
    url::form_urlencoded::parse(form.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// EC2's metadata service, its second version only.
pub fn instance(
    keys: impl Fn() -> Value + Send + Sync + 'static,
) -> impl Fn(&Parts, &str) -> (u16, String) + Send + Sync + 'static {
    move |head, _| {
        const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
        match (head.method.as_str(), head.uri.path()) {
            ("PUT", "/latest/api/token") => match header(head, "x-aws-ec2-metadata-token-ttl-seconds") {
                Some(_) => (200, "a-token".into()),
                None => (400, String::new()),
            },
            _ if header(head, "x-aws-ec2-metadata-token") != Some("a-token") => (401, String::new()),
            ("GET", ROLES) => (200, "recorder\n".into()),
            ("GET", path) if path == format!("{ROLES}recorder") => (200, keys().to_string()),
            _ => (404, String::new()),
        }
    }
}

/// Keys of a session, as MinIO's own STS gives them.
#[derive(Clone, Debug)]
pub struct Session {
    pub key: String,
    pub secret: String,
    pub token: String,
}

impl Session {
    pub async fn of(minio: &str) -> Self {
        let own = AwsCredential { key_id: KEY.into(), secret_key: SECRET.into(), token: None };
        let form = "Action=AssumeRole&Version=2011-06-15&DurationSeconds=900";
        let mut request = http::Request::post(format!("{minio}/"))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("content-length", form.len())
            .body(HttpRequestBody::from(form.to_owned()))
            .unwrap();
        AwsAuthorizer::new(&own, "sts", "us-east-1").try_authorize(&mut request, None).unwrap();
        let (head, _) = request.into_parts();
        let client = reqwest::Client::new();
        let sent = client.post(head.uri.to_string()).headers(head.headers).body(form).send().await.unwrap();
        let xml = sent.text().await.unwrap();
        let text = |name: &str| {
            let (_, rest) = xml.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("{name} in {xml}"));
            rest.split('<').next().unwrap().to_owned()
        };
        Self { key: text("AccessKeyId"), secret: text("SecretAccessKey"), token: text("SessionToken") }
    }

    /// As services of containers and instances answer.
    pub fn json(&self, ends: Timestamp) -> Value {
        json!({
            "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": Timestamp::now().to_string(),
            "AccessKeyId": self.key, "SecretAccessKey": self.secret, "Token": self.token,
            "Expiration": ends.to_string(),
        })
    }
}

/// Runs OpenSSL, which all tests have.
pub async fn openssl(args: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new("openssl");
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).await.unwrap();
    let done = child.wait_with_output().await.unwrap();
    assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}

/// A token with these claims; `key`: the file of an RSA key, or none for a token that nobody has signed.
pub async fn jwt(claims: &Value, key: Option<&str>) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let head = json!({ "alg": if key.is_some() { "RS256" } else { "none" }, "typ": "JWT", "kid": "1" });
    let signed = format!("{}.{}", part(&head), part(claims));
    let signature = match key {
        Some(key) => openssl(&["dgst", "-sha256", "-sign", key], signed.as_bytes()).await,
        None => b"nobody".to_vec(),
    };
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}
