//! S3 and what speaks its protocol.
//!
//! Every request's payload is signed, so that a store which checks signatures refuses a part that was
//! damaged on the way (SHA-256). What it holds in the end is told by the ETag: the MD5 of an object, or of
//! the MD5s of its parts. With encryption by a key service it is no MD5; then AWS is trusted to have checked
//! the signature, and from any other store the object is read back.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use egress::storage::{AliOss, DEFAULT_CONTENT_DISPOSITION, S3, StorageKeys, StorageSecret, tags};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use http::Method;
use object_store::aws::{
    AmazonS3, AmazonS3Builder, AwsAuthorizer, AwsCredential, AwsCredentialProvider as Credentials,
};
use object_store::multipart::{MultipartStore, PartId};
use object_store::{
    Attribute, Attributes, ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload,
    StaticCredentialProvider, TagSet,
};
use secrecy::ExposeSecret;

use super::address::{Address, DEFAULT_REGION, ali_oss_region};
use super::{
    Expected, Part, Parts, Remote, Verdict, client_options, header, list_parts, no_retries, path, request,
};
use crate::digest::{PartSum, etag, same_etag};
use crate::fault::StoreError;
use crate::identity::aws::{self, Aws};
use crate::identity::role::{AssumedRole, Role};
use crate::identity::{Held, Machine, SourceName};
use crate::line::{Line, object_url};
use crate::surface::Verified;

/// A bucket.
pub(super) struct Bucket {
    store: AmazonS3,
    line: Line,
    credentials: Credentials,
    region: String,
    address: Address,
    attributes: Attributes,
    tags: TagSet,
    /// Whether this is AWS itself.
    is_aws: bool,
    /// Where the credentials of this computer are from.
    identity: Option<SourceName>,
}

// The credentials would show the name of the key.
impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bucket").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Bucket {
    pub(super) async fn s3(
        settings: &S3,
        secret: &StorageSecret,
        line: Line,
        machine: Machine,
    ) -> Result<Self, StoreError> {
        let known = async || aws::region(&machine.environment).await;
        let region = match (settings.region.as_str(), settings.endpoint.as_str()) {
            ("", "") => match region_of(&line, &settings.bucket).await {
                Ok(region) => region,
                // A machine may be let out to its own region alone, which it then knows.
                Err(error) if !error.lasts() => known().await.ok_or(error)?,
                Err(error) => return Err(error),
            },
            ("", _) if settings.machine_identity => {
                known().await.unwrap_or_else(|| DEFAULT_REGION.to_owned())
            }
            ("", _) => DEFAULT_REGION.to_owned(),
            (region, _) => region.to_owned(),
        };
        let address = Address::s3(settings, &region);
        let (mut credentials, mut identity): (Credentials, _) = if settings.machine_identity {
            let held = Held::new(Aws::new(machine, &region));
            let name = held.name();
            (Arc::new(held), Some(name))
        } else {
            let own = given(&secret.keys).ok_or_else(|| StoreError::Odd("no keys".into()))?;
            (Arc::new(StaticCredentialProvider::new(own)), None)
        };
        if !settings.assume_role_arn.is_empty() {
            let external_id = match &secret.keys {
                StorageKeys::S3 { assume_role_external_id, .. } => assume_role_external_id.clone(),
                _ => None,
            };
            let role = Role {
                arn: settings.assume_role_arn.clone(),
                session: None,
                external_id,
                endpoint: address.sts.clone(),
                region: region.clone(),
            };
            let held = Held::new(AssumedRole { line: line.clone(), role, own: credentials });
            identity = identity.map(|_| held.name());
            credentials = Arc::new(held);
        }
        let mut attributes = Attributes::new();
        let disposition = match settings.content_disposition.as_str() {
            "" => DEFAULT_CONTENT_DISPOSITION,
            given => given,
        };
        attributes.insert(Attribute::ContentDisposition, disposition.to_owned().into());
        for (name, value) in &settings.metadata {
            attributes.insert(Attribute::Metadata(name.clone().into()), value.clone().into());
        }
        let mut set = TagSet::default();
        for (name, value) in tags(&settings.tagging).map_err(|error| StoreError::Told(error.into()))? {
            set.push(&name, &value);
        }
        let is_aws = address.base.contains(".amazonaws.com");
        let opened =
            Self::open(&settings.bucket, line, credentials, region, address, (attributes, set), is_aws)?;
        Ok(Self { identity, ..opened })
    }

    pub(super) fn ali_oss(settings: &AliOss, secret: &StorageSecret, line: Line) -> Result<Self, StoreError> {
        let own = given(&secret.keys).ok_or_else(|| StoreError::Odd("no keys".into()))?;
        let credentials: Credentials = Arc::new(StaticCredentialProvider::new(own));
        let (region, address) = (ali_oss_region(settings), Address::ali_oss(settings));
        let plain = (Attributes::new(), TagSet::default());
        Self::open(&settings.bucket, line, credentials, region, address, plain, false)
    }

    fn open(
        bucket: &str,
        line: Line,
        credentials: Credentials,
        region: String,
        address: Address,
        (attributes, tags): (Attributes, TagSet),
        is_aws: bool,
    ) -> Result<Self, StoreError> {
        let store = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(&region)
            .with_endpoint(&address.endpoint)
            .with_virtual_hosted_style_request(address.virtual_hosted)
            .with_allow_http(true)
            .with_credentials(credentials.clone())
            .with_retry(no_retries())
            .with_client_options(client_options())
            .with_http_connector(line.clone())
            .build()?;
        let identity = None;
        Ok(Self { store, line, credentials, region, address, attributes, tags, is_aws, identity })
    }

    fn url(&self, key: &str) -> String {
        object_url(&self.address.base, key)
    }

    /// Sends a signed request without a body.
    async fn ask(&self, method: Method, url: &str) -> Result<(http::HeaderMap, Bytes), StoreError> {
        let mut request = request(method, url)?;
        let credential = self.credentials.get_credential().await?;
        AwsAuthorizer::new(&credential, "s3", &self.region).try_authorize(&mut request, None)?;
        self.line.ask(request).await
    }
}

/// The given keys.
fn given(keys: &StorageKeys) -> Option<AwsCredential> {
    let (access_key, secret, token) = match keys {
        StorageKeys::S3 { access_key, secret, session_token, .. } => {
            (access_key, secret, session_token.as_ref())
        }
        StorageKeys::AliOss { access_key, secret } => (access_key, secret, None),
        _ => return None,
    };
    Some(AwsCredential {
        key_id: access_key.expose_secret().to_owned(),
        secret_key: secret.expose_secret().to_owned(),
        token: token.map(|token| token.expose_secret().to_owned()),
    })
}

/// Where AWS has a bucket. It says so to anybody, also where it refuses everything else.
async fn region_of(line: &Line, bucket: &str) -> Result<String, StoreError> {
    let url = format!("https://s3.amazonaws.com/{bucket}");
    let region = match line.ask(request(Method::HEAD, &url)?).await {
        Ok((headers, _)) => header(&headers, "x-amz-bucket-region"),
        Err(error) => match error.answer() {
            Some(answer) if answer.region.is_some() => answer.region.clone(),
            _ => return Err(error),
        },
    };
    Ok(region.unwrap_or_else(|| DEFAULT_REGION.to_owned()))
}

#[async_trait]
impl Remote for Bucket {
    fn location(&self, key: &str) -> String {
        self.url(key)
    }

    fn identity(&self) -> Option<String> {
        self.identity.as_ref().and_then(|name| name.lock().clone())
    }

    async fn put(&self, key: &str, bytes: Bytes, _: PartSum) -> Result<Option<String>, StoreError> {
        let options = PutOptions {
            attributes: self.attributes.clone(),
            tags: self.tags.clone(),
            ..PutOptions::default()
        };
        Ok(self.store.put_opts(&path(key)?, PutPayload::from(bytes), options).await?.e_tag)
    }

    async fn begin(&self, key: &str) -> Result<String, StoreError> {
        let options = PutMultipartOptions {
            attributes: self.attributes.clone(),
            tags: self.tags.clone(),
            ..PutMultipartOptions::default()
        };
        Ok(self.store.create_multipart_opts(&path(key)?, options).await?)
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
            let mut url = url::Url::parse(&self.url(key)).map_err(|e| StoreError::Odd(e.to_string()))?;
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
        let ours = etag(&expected.sums(), expected.multipart);
        let headers = match self.ask(Method::HEAD, &self.url(key)).await {
            Ok((headers, _)) => headers,
            // A key that may only write. The answer to the last request told the checksum, too.
            Err(error)
                if error.is(403) && expected.receipt.is_some_and(|theirs| same_etag(theirs, &ours)) =>
            {
                return Ok(Verdict::Same(Verified::Md5));
            }
            Err(error) => return Err(error),
        };
        let size = header(&headers, "content-length").and_then(|size| size.parse().ok());
        expected.check_size(size.unwrap_or_default())?;
        let theirs = header(&headers, "etag").unwrap_or_default();
        if same_etag(&theirs, &ours) {
            return Ok(Verdict::Same(Verified::Md5));
        }
        let by_key_service =
            header(&headers, "x-amz-server-side-encryption").is_some_and(|how| how.contains("kms"));
        if by_key_service && self.is_aws {
            return Ok(Verdict::Same(Verified::OnReceipt));
        }
        Ok(Verdict::ReadIt)
    }

    async fn read(&self, key: &str) -> Result<BoxStream<'static, Result<Bytes, StoreError>>, StoreError> {
        let stream = self.store.get(&path(key)?).await?.into_stream();
        Ok(stream.map(|chunk| chunk.map_err(StoreError::from)).boxed())
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.ask(Method::DELETE, &self.url(key)).await.map(drop)
    }
}
