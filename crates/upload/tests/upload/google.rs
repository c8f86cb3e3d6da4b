//! Google's XML interface before MinIO.
//!
//! No server that can be had here speaks the part of it that uploads in parts (fake-gcs-server has Google's
//! JSON interface, and of the XML one only reading). But its requests and answers are those of S3, with
//! another login and other checksums: so they are signed here and handed on, and what Google adds to an
//! object's headers is computed from what MinIO holds.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::client::HttpRequestBody;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub struct Google {
    pub url: String,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Shared {
    minio: String,
    client: reqwest::Client,
    credential: Arc<AwsCredential>,
    /// The only login that is taken; none: any.
    login: Option<&'static str>,
}

impl Google {
    pub async fn before(minio: &str, key: &str, secret: &str) -> Self {
        Self::asking_for(minio, key, secret, None).await
    }

    /// Takes one login alone.
    pub async fn asking_for(minio: &str, key: &str, secret: &str, login: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let credential = AwsCredential { key_id: key.into(), secret_key: secret.into(), token: None };
        let shared = Shared {
            minio: minio.to_owned(),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            credential: Arc::new(credential),
            login,
        };
        let app = Router::new().fallback(answer).with_state(shared);
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, task }
    }
}

impl Drop for Google {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    async fn ask(
        &self,
        method: http::Method,
        path: &str,
        kind: Option<http::HeaderValue>,
        body: Bytes,
    ) -> (u16, HeaderMap, Bytes) {
        let mut request = http::Request::builder().method(method).uri(format!("{}{path}", self.minio));
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let mut request = request.body(HttpRequestBody::from(body.clone())).unwrap();
        AwsAuthorizer::new(&self.credential, "s3", "us-east-1").try_authorize(&mut request, None).unwrap();
        let (head, _) = request.into_parts();
        let sent = self.client.request(head.method, head.uri.to_string()).headers(head.headers).body(body);
        let answer = sent.send().await.unwrap();
        (answer.status().as_u16(), answer.headers().clone(), answer.bytes().await.unwrap())
    }
}

async fn answer(State(shared): State<Shared>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let login = head.headers.get("authorization").map(|value| value.to_str().unwrap());
    if shared.login.is_some() && login != shared.login {
        return Response::builder().status(401).body(Body::empty()).unwrap();
    }
    // The library encodes more of a name than S3's signatures allow for.
    let query = head.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let path = format!("{}{query}", encoded_as_s3_does(head.uri.path()));
    let kind = head.headers.get("content-type").cloned();
    let (status, headers, bytes) = shared.ask(head.method.clone(), &path, kind, body).await;
    let mut out = Response::builder().status(status);
    for name in ["etag", "content-type", "last-modified"] {
        if let Some(value) = headers.get(name) {
            out = out.header(name, value);
        }
    }
    if head.method == "HEAD" {
        if status == 200 {
            let (_, _, object) = shared.ask(http::Method::GET, &path, None, Bytes::new()).await;
            let crc = crc_fast::crc32_iscsi(&object).to_be_bytes();
            out = out
                .header("x-goog-hash", format!("crc32c={}", BASE64_STANDARD.encode(crc)))
                .header("x-goog-stored-content-length", object.len())
                .header("content-length", object.len());
        }
        return out.body(Body::empty()).unwrap();
    }
    out.body(Body::from(bytes)).unwrap()
}

fn encoded_as_s3_does(path: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), path.bytes());
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            byte => byte,
        });
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let encode = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    bytes.into_iter().map(encode).collect()
}
