//! Google Cloud Storage, by its XML interface, which has uploads in parts as S3 does.
//!
//! It keeps a CRC-32C of every object, however it came; an MD5 only of those that came in one piece.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use egress::storage::{Gcp, StorageKeys, StorageSecret};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use http::Method;
use http::header::AUTHORIZATION;
use object_store::gcp::{GoogleCloudStorage, GoogleCloudStorageBuilder};
use object_store::multipart::{MultipartStore, PartId};
use object_store::{ObjectStore, ObjectStoreExt, PutOptions, PutPayload};
use secrecy::ExposeSecret;

use super::{
    Expected, Part, Parts, Remote, Verdict, client_options, header, list_parts, no_retries, path, request,
};
use crate::digest::{PartSum, crc32c};
use crate::fault::StoreError;
use crate::identity::google::Google;
use crate::identity::{Held, Machine, SourceName};
use crate::line::{Line, object_url};
use crate::surface::Verified;

const PUBLIC: &str = "https://storage.googleapis.com";

/// A bucket of Google's.
#[derive(Debug)]
pub(super) struct Gcs {
    store: GoogleCloudStorage,
    line: Line,
    base: String,
    /// Where the credentials of this computer are from.
    identity: Option<SourceName>,
}

impl Gcs {
    pub(super) fn new(
        settings: &Gcp,
        secret: &StorageSecret,
        line: Line,
        machine: Machine,
    ) -> Result<Self, StoreError> {
        if settings.machine_identity {
            // What Google's own SDKs take for an emulator's address.
            let emulator = machine
                .environment
                .var("STORAGE_EMULATOR_HOST")
                .map(|host| if host.contains("://") { host } else { format!("http://{host}") });
            let held = Held::new(Google::of_machine(machine));
            let (name, server) = (held.name(), emulator.unwrap_or_else(|| PUBLIC.to_owned()));
            let gcs = Self::open(settings, &server, line, |store| store.with_credentials(Arc::new(held)))?;
            return Ok(Self { identity: Some(name), ..gcs });
        }
        let StorageKeys::Gcp { credentials } = &secret.keys else {
            return Err(StoreError::Odd("no keys".into()));
        };
        let fields: serde_json::Value = serde_json::from_str(credentials.expose_secret()).unwrap_or_default();
        // The credentials may name another server that speaks the same: an emulator, a private endpoint.
        let named = fields
            .get("gcs_base_url")
            .and_then(|url| Some(url.as_str()?.trim_end_matches('/').to_owned()))
            .filter(|url| url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https")));
        let server = named.unwrap_or_else(|| PUBLIC.to_owned());
        if fields.get("type").and_then(serde_json::Value::as_str) == Some("authorized_user") {
            let held = Held::new(Google::of_user(machine, credentials.clone()));
            return Self::open(settings, &server, line, |store| store.with_credentials(Arc::new(held)));
        }
        Self::open(settings, &server, line, |store| {
            store.with_service_account_key(credentials.expose_secret())
        })
    }

    fn open(
        settings: &Gcp,
        server: &str,
        line: Line,
        keys: impl FnOnce(GoogleCloudStorageBuilder) -> GoogleCloudStorageBuilder,
    ) -> Result<Self, StoreError> {
        let builder = GoogleCloudStorageBuilder::new()
            .with_bucket_name(&settings.bucket)
            .with_base_url(server)
            .with_retry(no_retries())
            .with_client_options(client_options())
            .with_http_connector(line.clone());
        let store = keys(builder)
            .build()
            // Its text may hold a part of the credentials.
            .map_err(|_| StoreError::Odd("the private key in the credentials cannot be read".into()))?;
        let base = format!("{server}/{}", settings.bucket);
        Ok(Self { store, line, base, identity: None })
    }

    async fn ask(&self, method: Method, url: &str) -> Result<(http::HeaderMap, Bytes), StoreError> {
        let mut request = request(method, url)?;
        let credential = self.store.credentials().get_credential().await?;
        if !credential.bearer.is_empty() {
            let value = format!("Bearer {}", credential.bearer);
            let mut value = http::HeaderValue::from_str(&value)
                .map_err(|_| StoreError::Odd("Google's token cannot be sent".into()))?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        self.line.ask(request).await
    }
}

#[async_trait]
impl Remote for Gcs {
    fn location(&self, key: &str) -> String {
        object_url(&self.base, key)
    }

    fn identity(&self) -> Option<String> {
        self.identity.as_ref().and_then(|name| name.lock().clone())
    }

    async fn put(&self, key: &str, bytes: Bytes, _: PartSum) -> Result<Option<String>, StoreError> {
        Ok(self.store.put_opts(&path(key)?, PutPayload::from(bytes), PutOptions::default()).await?.e_tag)
    }

    async fn begin(&self, key: &str) -> Result<String, StoreError> {
        Ok(self.store.create_multipart(&path(key)?).await?)
    }

    async fn put_part(
        &self,
        key: &str,
        id: &str,
        index: u32,
        _: u64,
        bytes: Bytes,
        _: PartSum,
    ) -> Result<String, StoreError> {
        let id = id.to_owned();
        Ok(self.store.put_part(&path(key)?, &id, index as usize, PutPayload::from(bytes)).await?.content_id)
    }

    async fn parts(&self, key: &str, id: &str) -> Result<Parts, StoreError> {
        list_parts(id, |query| async move {
            let mut url = url::Url::parse(&self.location(key)).map_err(|e| StoreError::Odd(e.to_string()))?;
            url.query_pairs_mut().extend_pairs(query);
            Ok(self.ask(Method::GET, url.as_str()).await?.1)
        })
        .await
    }

    async fn complete(&self, key: &str, id: &str, parts: &[Part]) -> Result<Option<String>, StoreError> {
        let parts = parts.iter().map(|part| PartId { content_id: part.content_id.clone() }).collect();
        Ok(self.store.complete_multipart(&path(key)?, &id.to_owned(), parts).await?.e_tag)
    }

    async fn abort(&self, key: &str, id: &str) -> Result<(), StoreError> {
        Ok(self.store.abort_multipart(&path(key)?, &id.to_owned()).await?)
    }

    async fn verify(&self, key: &str, expected: Expected<'_>) -> Result<Verdict, StoreError> {
        let (headers, _) = self.ask(Method::HEAD, &self.location(key)).await?;
        let size =
            header(&headers, "x-goog-stored-content-length").or_else(|| header(&headers, "content-length"));
        expected.check_size(size.and_then(|size| size.parse().ok()).unwrap_or_default())?;
        let ours = BASE64_STANDARD.encode(crc32c(&expected.sums()).to_be_bytes());
        let hashes: Vec<String> = headers
            .get_all("x-goog-hash")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(|value| value.trim().to_owned())
            .collect();
        match hashes.iter().find_map(|hash| hash.strip_prefix("crc32c=")) {
            Some(theirs) if theirs == ours => Ok(Verdict::Same(Verified::Crc32c)),
            Some(_) => Err(StoreError::Differs("another CRC-32C".into())),
            None => Ok(Verdict::ReadIt),
        }
    }

    async fn read(&self, key: &str) -> Result<BoxStream<'static, Result<Bytes, StoreError>>, StoreError> {
        let stream = self.store.get(&path(key)?).await?.into_stream();
        Ok(stream.map(|chunk| chunk.map_err(StoreError::from)).boxed())
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        Ok(self.store.delete(&path(key)?).await?)
    }
}
