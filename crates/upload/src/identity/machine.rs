//! This computer, as far as it can be asked who it is.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use object_store::client::{HttpRequest, HttpRequestBody};

use crate::fault::StoreError;
use crate::line::{Line, within};

/// How long a service of the machine's own may take: it is next door, or it is not there.
const NEAR_WITHIN: Duration = Duration::from_secs(5);

type Variables = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Environment variables and the home folder, in which it is looked for this computer's own identity.
#[derive(Clone)]
pub struct Environment {
    variable: Arc<Variables>,
    home: Option<PathBuf>,
}

// A variable may be a key.
impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment").field("home", &self.home).finish_non_exhaustive()
    }
}

impl Default for Environment {
    fn default() -> Self {
        Self::of_process()
    }
}

impl Environment {
    /// That of this process.
    pub fn of_process() -> Self {
        Self { variable: Arc::new(|name| std::env::var(name).ok()), home: std::env::home_dir() }
    }

    /// These variables and this home folder, and nothing of the process's.
    pub fn of(variables: HashMap<String, String>, home: PathBuf) -> Self {
        Self { variable: Arc::new(move |name| variables.get(name).cloned()), home: Some(home) }
    }

    /// A variable. One that is empty is not set.
    pub(crate) fn var(&self, name: &str) -> Option<String> {
        (self.variable)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// The first of these that is set.
    pub(crate) fn first(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.var(name))
    }

    /// A file below the home folder, unless a variable names another.
    pub(crate) fn file(&self, variable: &str, below_home: &str) -> Option<PathBuf> {
        self.var(variable).map(PathBuf::from).or_else(|| self.at_home(below_home))
    }

    pub(crate) fn at_home(&self, path: &str) -> Option<PathBuf> {
        Some(self.home.as_ref()?.join(path))
    }
}

/// This computer, and the ways to who can tell who it is.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) environment: Environment,
    /// To services of the machine itself, which no proxy leads to.
    near: Line,
    /// To services of the cloud, by the way that the storage is reached.
    far: Line,
}

impl Machine {
    pub(crate) fn new(environment: Environment, far: Line) -> Result<Self, StoreError> {
        Ok(Self { environment, near: far.near()?, far })
    }

    /// Asks a service of the machine's own.
    pub(crate) async fn near(&self, request: HttpRequest) -> Result<(HeaderMap, Bytes), StoreError> {
        within(NEAR_WITHIN, self.near.ask(request)).await
    }

    /// Asks a service of the cloud.
    pub(crate) async fn far(&self, request: HttpRequest) -> Result<(HeaderMap, Bytes), StoreError> {
        self.far.ask(request).await
    }

    pub(crate) fn line(&self) -> &Line {
        &self.far
    }
}

/// A request with headers and a body.
pub(crate) fn request(
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    body: String,
) -> Result<HttpRequest, StoreError> {
    let mut request = http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        let mut value = http::HeaderValue::from_str(value)
            .map_err(|_| StoreError::Odd(format!("the header {name} cannot be sent")))?;
        value.set_sensitive(true);
        request = request.header(*name, value);
    }
    if !body.is_empty() {
        request = request.header("content-length", body.len());
    }
    request.body(HttpRequestBody::from(body)).map_err(|error| StoreError::Odd(error.to_string()))
}

/// A form, posted.
pub(crate) fn form(url: &str, fields: &[(&str, &str)]) -> Result<HttpRequest, StoreError> {
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(fields);
    let kind = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
    request(Method::POST, url, &[kind, ("accept", "application/json")], body.finish())
}

/// The text of a file, without the line break at its end.
pub(crate) async fn text(path: impl Into<PathBuf>) -> Result<String, StoreError> {
    let path = path.into();
    let read = tokio::fs::read_to_string(&path).await;
    read.map(|text| text.trim().to_owned())
        .map_err(|error| StoreError::Odd(format!("{} cannot be read: {error}", path.display())))
}

/// Visible ASCII: it goes into a header or a signature.
pub(crate) fn sendable(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}
