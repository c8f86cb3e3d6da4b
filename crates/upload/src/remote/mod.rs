//! The stores: one trait, so that the queue knows none of them.

mod address;
mod azure;
mod folder;
mod gcs;
mod s3;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use egress::storage::{Storage, StorageSecret};
use futures_util::stream::BoxStream;
use object_store::{ClientOptions, RetryConfig};

use crate::digest::PartSum;
use crate::fault::StoreError;
use crate::identity::{Environment, Machine};
use crate::line::Line;
use crate::pace::Pace;
use crate::surface::Verified;

/// A part that the store has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) sum: PartSum,
    /// By what the store knows it: an ETag, the name of a block.
    pub(crate) content_id: String,
}

/// A part that a store says it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeldPart {
    /// From 0.
    pub(crate) index: u32,
    pub(crate) size: u64,
    pub(crate) content_id: String,
}

/// What a store says of an upload that is not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Parts {
    /// These parts are there.
    Held(Vec<HeldPart>),
    /// It has no such upload: ended, thrown away, or complete.
    Gone,
    /// It cannot say. What is remembered here has to do; completing would fail if it were wrong.
    Unknown,
}

/// What an object should be.
#[derive(Debug, Clone)]
pub(crate) struct Expected<'a> {
    pub(crate) size: u64,
    pub(crate) parts: &'a [Part],
    pub(crate) multipart: bool,
    /// The ETag that came with the answer to the last request of the upload.
    pub(crate) receipt: Option<&'a str>,
}

impl Expected<'_> {
    pub(crate) fn sums(&self) -> Vec<PartSum> {
        self.parts.iter().map(|part| part.sum).collect()
    }

    /// # Errors
    /// The store has another size.
    fn check_size(&self, size: u64) -> Result<(), StoreError> {
        if size == self.size {
            return Ok(());
        }
        Err(StoreError::Differs(format!("{size} bytes instead of {}", self.size)))
    }
}

/// What looking at an object showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is what was sent.
    Same(Verified),
    /// It has the right size. Its checksum is of a kind that says nothing: it has to be read.
    ReadIt,
}

/// A store, as far as the queue needs it.
#[async_trait]
pub(crate) trait Remote: Send + Sync + std::fmt::Debug {
    /// Address of an object.
    fn location(&self, key: &str) -> String;

    /// By which of this computer's identities it is spoken to, in words; none with keys of the storage's own.
    fn identity(&self) -> Option<String> {
        None
    }

    /// Whether files of one part go up as a multipart upload, too.
    fn always_parts(&self) -> bool {
        false
    }

    /// Uploads in one request. Returns an ETag, if there is one.
    async fn put(&self, key: &str, bytes: Bytes, sum: PartSum) -> Result<Option<String>, StoreError>;

    /// Begins an upload in parts.
    async fn begin(&self, key: &str) -> Result<String, StoreError>;

    /// Uploads the part that begins `offset` bytes into the file. Returns by what the store knows it.
    async fn put_part(
        &self,
        key: &str,
        id: &str,
        index: u32,
        offset: u64,
        bytes: Bytes,
        sum: PartSum,
    ) -> Result<String, StoreError>;

    /// What the store has of an upload.
    async fn parts(&self, key: &str, id: &str) -> Result<Parts, StoreError>;

    /// Makes the object of its parts. Returns an ETag, if there is one.
    async fn complete(&self, key: &str, id: &str, parts: &[Part]) -> Result<Option<String>, StoreError>;

    /// Throws an upload in parts away.
    async fn abort(&self, key: &str, id: &str) -> Result<(), StoreError>;

    /// Looks at an object, without reading it if that can be.
    async fn verify(&self, key: &str, expected: Expected<'_>) -> Result<Verdict, StoreError>;

    /// Reads an object.
    async fn read(&self, key: &str) -> Result<BoxStream<'static, Result<Bytes, StoreError>>, StoreError>;

    /// Removes an object.
    async fn delete(&self, key: &str) -> Result<(), StoreError>;
}

/// Opens a storage. Of AWS it is asked where the bucket is, if the settings do not say.
pub(crate) async fn connect(
    storage: &Storage,
    secret: &StorageSecret,
    pace: &Arc<Pace>,
    stall: Duration,
    environment: &Environment,
) -> Result<Arc<dyn Remote>, StoreError> {
    // Both may come out of a file that somebody else has written.
    let storage = storage.clone().check().map_err(|error| StoreError::Told(error.into()))?;
    let secret = secret.clone().check(&storage).map_err(|error| StoreError::Told(error.into()))?;
    let proxy_url = match &storage {
        Storage::S3(s3) => s3.proxy_url.as_str(),
        Storage::Gcp(gcp) => gcp.proxy_url.as_str(),
        Storage::Azure(_) | Storage::AliOss(_) | Storage::Local(_) => "",
    };
    if let Storage::Local(local) = &storage {
        return Ok(Arc::new(folder::Folder::new(local.folder.clone())));
    }
    let line = Line::new(proxy_url, secret.proxy.as_ref(), pace.clone(), stall)?;
    let machine = Machine::new(environment.clone(), line.clone())?;
    Ok(match &storage {
        Storage::S3(settings) => Arc::new(s3::Bucket::s3(settings, &secret, line, machine).await?),
        Storage::AliOss(settings) => Arc::new(s3::Bucket::ali_oss(settings, &secret, line)?),
        Storage::Gcp(settings) => Arc::new(gcs::Gcs::new(settings, &secret, line, machine)?),
        Storage::Azure(settings) => Arc::new(azure::Container::new(settings, &secret, line, machine)?),
        Storage::Local(local) => Arc::new(folder::Folder::new(local.folder.clone())),
    })
}

/// Where a bucket of S3 goes into the host of an endpoint that the settings name: the name with the bucket, that of the
/// endpoint, and its port.
pub(crate) fn bucket_in_host(storage: &Storage) -> Option<(String, String, u16)> {
    let Storage::S3(s3) = storage else { return None };
    let plain = url::Url::parse(&s3.endpoint).ok()?;
    let with_bucket = url::Url::parse(&address::Address::s3(s3, address::DEFAULT_REGION).endpoint).ok()?;
    let (host, with_bucket) = (plain.host_str()?, with_bucket.host_str()?);
    let port = plain.port_or_known_default()?;
    (host != with_bucket).then(|| (with_bucket.to_owned(), host.to_owned(), port))
}

/// The queue has its own patience, on the disk.
fn no_retries() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}

fn client_options() -> ClientOptions {
    let mut options =
        ClientOptions::new().with_allow_http(true).with_default_content_type("application/octet-stream");
    for (suffix, kind) in CONTENT_TYPES {
        options = options.with_content_type_for_suffix(suffix, kind);
    }
    options
}

const CONTENT_TYPES: [(&str, &str); 11] = [
    ("mp4", "video/mp4"),
    ("m4s", "video/iso.segment"),
    ("webm", "video/webm"),
    ("ogg", "audio/ogg"),
    ("mp3", "audio/mpeg"),
    ("ts", "video/mp2t"),
    ("m3u8", "application/x-mpegurl"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("json", "application/json"),
    ("txt", "text/plain"),
];

/// The key as the library takes it: as it is.
fn path(key: &str) -> Result<object_store::path::Path, StoreError> {
    object_store::path::Path::parse(key).map_err(|error| StoreError::Odd(error.to_string()))
}

fn header(headers: &http::HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn request(method: http::Method, url: &str) -> Result<object_store::client::HttpRequest, StoreError> {
    http::Request::builder()
        .method(method)
        .uri(url)
        .body(object_store::client::HttpRequestBody::empty())
        .map_err(|error| StoreError::Odd(error.to_string()))
}

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListParts {
    #[serde(default)]
    is_truncated: bool,
    next_part_number_marker: Option<u32>,
    #[serde(default)]
    part: Vec<ListedPart>,
}

#[derive(Debug, serde::Deserialize)]
struct ListedPart {
    #[serde(rename = "PartNumber")]
    number: u32,
    #[serde(rename = "ETag")]
    etag: String,
    #[serde(rename = "Size")]
    size: u64,
}

/// The parts of an upload over the XML interface that S3 and Google Cloud Storage share. `ask`: sends a
/// signed GET with these pairs as its query.
async fn list_parts<F, A>(id: &str, ask: F) -> Result<Parts, StoreError>
where
    F: Fn(Vec<(&'static str, String)>) -> A,
    A: Future<Output = Result<Bytes, StoreError>>,
{
    let mut held = Vec::new();
    let mut marker = None;
    loop {
        let mut query = vec![("uploadId", id.to_owned())];
        query.extend(marker.map(|marker: u32| ("part-number-marker", marker.to_string())));
        let body = match ask(query).await {
            Ok(body) => body,
            Err(error) if error.is(404) => return Ok(Parts::Gone),
            // Not everything that speaks the protocol speaks all of it, and not every key may list.
            Err(error) if error.answer().is_some_and(|a| matches!(a.status, 400 | 403 | 405 | 501)) => {
                return Ok(Parts::Unknown);
            }
            Err(error) => return Err(error),
        };
        let Ok(page) = quick_xml::de::from_reader::<_, ListParts>(body.as_ref()) else {
            return Ok(Parts::Unknown);
        };
        held.extend(page.part.into_iter().filter(|part| part.number > 0).map(|part| HeldPart {
            index: part.number - 1,
            size: part.size,
            content_id: part.etag,
        }));
        match page.next_part_number_marker.filter(|next| page.is_truncated && Some(*next) > marker) {
            Some(next) => marker = Some(next),
            None => return Ok(Parts::Held(held)),
        }
    }
}
