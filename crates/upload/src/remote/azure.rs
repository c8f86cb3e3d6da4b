//! Azure Blob Storage, as block blobs.
//!
//! Each block is sent with its MD5, which Azure checks on receipt; the library does not send one, so blocks
//! are sent from here, signed by its signer. Names of blocks say which upload and which part they are, so
//! that an upload that broke off is found again in the list of blocks. There is no upload to be thrown away:
//! blocks that belong to nothing go by themselves after a week.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use egress::storage::{Azure, StorageKeys, StorageSecret};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use http::Method;
use object_store::azure::{
    AzureAccessKey, AzureAuthorizer, AzureCredential, AzureCredentialProvider, MicrosoftAzure,
    MicrosoftAzureBuilder,
};
use object_store::client::{HttpRequest, HttpRequestBody};
use object_store::multipart::{MultipartStore, PartId};
use object_store::{ObjectStore, ObjectStoreExt, PutOptions, PutPayload, StaticCredentialProvider};
use rand::Rng;
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::{
    Expected, HeldPart, Part, Parts, Remote, Verdict, client_options, header, no_retries, path, request,
};
use crate::digest::{PartSum, hex};
use crate::fault::StoreError;
use crate::identity::{Held, Machine, SourceName, azure as identity};
use crate::line::{Line, object_url};
use crate::surface::Verified;

/// A container.
#[derive(Debug)]
pub(super) struct Container {
    store: Arc<MicrosoftAzure>,
    line: Line,
    account: String,
    base: String,
    /// Where the credentials of this computer are from.
    identity: Option<SourceName>,
}

impl Container {
    pub(super) fn new(
        settings: &Azure,
        secret: &StorageSecret,
        line: Line,
        machine: Machine,
    ) -> Result<Self, StoreError> {
        let (credentials, identity): (AzureCredentialProvider, _) = match &secret.keys {
            _ if settings.machine_identity => {
                let held = Held::new(identity::Azure::new(machine, &settings.account_name));
                let name = held.name();
                (Arc::new(held), Some(name))
            }
            StorageKeys::Azure { account_key } => {
                let key = match account_key.expose_secret() {
                    sas if secret.is_sas() => identity::signature(sas),
                    key => AzureAccessKey::try_new(key)
                        .map(AzureCredential::AccessKey)
                        .map_err(|_| StoreError::Odd("the account key cannot be read".into()))?,
                };
                (Arc::new(StaticCredentialProvider::new(key)), None)
            }
            _ => return Err(StoreError::Odd("no keys".into())),
        };
        let endpoint = if settings.endpoint.is_empty() {
            format!("https://{}.blob.core.windows.net", settings.account_name)
        } else {
            settings.endpoint.clone()
        };
        let store = MicrosoftAzureBuilder::new()
            .with_account(&settings.account_name)
            .with_credentials(credentials)
            .with_container_name(&settings.container_name)
            .with_endpoint(endpoint.clone())
            .with_allow_http(true)
            .with_retry(no_retries())
            .with_client_options(client_options())
            .with_http_connector(line.clone())
            .build()?;
        Ok(Self {
            store: Arc::new(store),
            line,
            account: settings.account_name.clone(),
            base: format!("{endpoint}/{}", settings.container_name),
            identity,
        })
    }

    async fn ask(&self, mut request: HttpRequest) -> Result<(http::HeaderMap, Bytes), StoreError> {
        let credential = self.store.credentials().get_credential().await?;
        AzureAuthorizer::new(&credential, &self.account).try_authorize(&mut request)?;
        self.line.ask(request).await
    }

    async fn blocks(&self, key: &str, which: &str) -> Result<Option<BlockList>, StoreError> {
        let url = format!("{}?comp=blocklist&blocklisttype={which}", self.location(key));
        let body = match self.ask(request(Method::GET, &url)?).await {
            Ok((_, body)) => body,
            Err(error)
                if error.answer().is_some_and(|a| a.status == 404 && a.code != "ContainerNotFound") =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        // A byte order mark comes before the XML.
        let text = String::from_utf8_lossy(&body);
        let list = quick_xml::de::from_str(text.trim_start_matches('\u{feff}'))
            .map_err(|_| StoreError::Odd("the list of blocks is not one".into()))?;
        Ok(Some(list))
    }
}

/// All names of a blob's blocks must be of one length.
fn block_name(id: &str, index: u32) -> String {
    format!("{id}{index:08}")
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct BlockList {
    committed_blocks: Blocks,
    uncommitted_blocks: Blocks,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Blocks {
    block: Vec<Block>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Block {
    name: String,
    size: u64,
}

impl Block {
    /// The name as it was given.
    fn plain(&self) -> String {
        let name = BASE64_STANDARD.decode(&self.name).unwrap_or_default();
        String::from_utf8(name).unwrap_or_default()
    }
}

#[async_trait]
impl Remote for Container {
    fn location(&self, key: &str) -> String {
        object_url(&self.base, key)
    }

    fn identity(&self) -> Option<String> {
        self.identity.as_ref().and_then(|name| name.lock().clone())
    }

    fn always_parts(&self) -> bool {
        true
    }

    /// Of an empty file only: a block must not be empty.
    async fn put(&self, key: &str, bytes: Bytes, _: PartSum) -> Result<Option<String>, StoreError> {
        Ok(self.store.put_opts(&path(key)?, PutPayload::from(bytes), PutOptions::default()).await?.e_tag)
    }

    async fn begin(&self, _: &str) -> Result<String, StoreError> {
        Ok(hex(&rand::rng().random::<[u8; 8]>()))
    }

    async fn put_part(
        &self,
        key: &str,
        id: &str,
        index: u32,
        _: u64,
        bytes: Bytes,
        sum: PartSum,
    ) -> Result<String, StoreError> {
        let name = block_name(id, index);
        let block_id: String =
            url::form_urlencoded::byte_serialize(BASE64_STANDARD.encode(&name).as_bytes()).collect();
        let request = http::Request::builder()
            .method(Method::PUT)
            .uri(format!("{}?comp=block&blockid={block_id}", self.location(key)))
            .header("content-length", bytes.len())
            .header("content-md5", BASE64_STANDARD.encode(sum.md5))
            .body(HttpRequestBody::from(bytes))
            .map_err(|error| StoreError::Odd(error.to_string()))?;
        self.ask(request).await?;
        Ok(name)
    }

    async fn parts(&self, key: &str, id: &str) -> Result<Parts, StoreError> {
        let list = self.blocks(key, "all").await?.unwrap_or_default();
        if list.committed_blocks.block.iter().any(|block| block.plain().starts_with(id)) {
            // The blob is made of it: complete, and the answer was lost.
            return Ok(Parts::Gone);
        }
        let ours = |block: &Block| {
            let content_id = block.plain();
            let index = content_id.strip_prefix(id)?.parse().ok()?;
            Some(HeldPart { index, size: block.size, content_id })
        };
        Ok(Parts::Held(list.uncommitted_blocks.block.iter().filter_map(ours).collect()))
    }

    async fn complete(&self, key: &str, id: &str, parts: &[Part]) -> Result<Option<String>, StoreError> {
        let parts = parts.iter().map(|part| PartId { content_id: part.content_id.clone() }).collect();
        Ok(self.store.complete_multipart(&path(key)?, &id.to_owned(), parts).await?.e_tag)
    }

    async fn abort(&self, _: &str, _: &str) -> Result<(), StoreError> {
        Ok(())
    }

    /// Every block was checked when it came; which blocks the blob is made of, and how long they are, is
    /// asked here.
    async fn verify(&self, key: &str, expected: Expected<'_>) -> Result<Verdict, StoreError> {
        let (headers, _) = self.ask(request(Method::HEAD, &self.location(key))?).await?;
        let size = header(&headers, "content-length").and_then(|size| size.parse().ok());
        expected.check_size(size.unwrap_or_default())?;
        if expected.size == 0 {
            return Ok(Verdict::Same(Verified::Md5));
        }
        let list = self.blocks(key, "committed").await?.unwrap_or_default();
        let theirs: Vec<(String, u64)> =
            list.committed_blocks.block.iter().map(|block| (block.plain(), block.size)).collect();
        let ours: Vec<(String, u64)> =
            expected.parts.iter().map(|part| (part.content_id.clone(), part.sum.size)).collect();
        if theirs == ours {
            return Ok(Verdict::Same(Verified::Md5));
        }
        Err(StoreError::Differs("it is made of other blocks".into()))
    }

    async fn read(&self, key: &str) -> Result<BoxStream<'static, Result<Bytes, StoreError>>, StoreError> {
        let stream = self.store.get(&path(key)?).await?.into_stream();
        Ok(stream.map(|chunk| chunk.map_err(StoreError::from)).boxed())
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        Ok(self.store.delete(&path(key)?).await?)
    }
}
