//! Credentials for S3: those given, or those of a role that is assumed with them.

use std::sync::Arc;

use async_trait::async_trait;
use egress::storage::{S3, StorageKeys};
use http::Method;
use jiff::Timestamp;
use object_store::CredentialProvider;
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::client::{HttpRequest, HttpRequestBody};
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::fault::StoreError;
use crate::line::Line;

/// Taken anew so long before they end, s: a part under way must not outlive them.
const RENEW_BEFORE_S: i64 = 5 * 60;
/// The name of the session in the owner's logs.
const SESSION_NAME: &str = "tallylight";

/// The given keys.
pub(super) fn given(keys: &StorageKeys) -> Option<AwsCredential> {
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

/// Credentials of a role. `object_store` assumes roles of web identities only; this is the call with keys,
/// signed by its signer.
pub(super) struct AssumedRole {
    line: Line,
    own: AwsCredential,
    endpoint: String,
    region: String,
    arn: String,
    external_id: Option<SecretString>,
    held: Mutex<Option<(Arc<AwsCredential>, Timestamp)>>,
}

impl std::fmt::Debug for AssumedRole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AssumedRole").field("arn", &self.arn).finish_non_exhaustive()
    }
}

impl AssumedRole {
    pub(super) fn new(
        line: Line,
        settings: &S3,
        keys: &StorageKeys,
        endpoint: &str,
        region: &str,
    ) -> Option<Self> {
        let external_id = match keys {
            StorageKeys::S3 { assume_role_external_id, .. } => assume_role_external_id.clone(),
            _ => None,
        };
        Some(Self {
            line,
            own: given(keys)?,
            endpoint: endpoint.to_owned(),
            region: region.to_owned(),
            arn: settings.assume_role_arn.clone(),
            external_id,
            held: Mutex::new(None),
        })
    }

    async fn assume(&self) -> Result<(AwsCredential, Timestamp), StoreError> {
        let form = {
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            form.append_pair("Action", "AssumeRole")
                .append_pair("Version", "2011-06-15")
                .append_pair("RoleArn", &self.arn)
                .append_pair("RoleSessionName", SESSION_NAME)
                .append_pair("DurationSeconds", "3600");
            if let Some(id) = &self.external_id {
                form.append_pair("ExternalId", id.expose_secret());
            }
            form.finish()
        };
        let mut request: HttpRequest = http::Request::builder()
            .method(Method::POST)
            .uri(format!("{}/", self.endpoint))
            .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
            .header("content-length", form.len())
            .body(HttpRequestBody::from(form))
            .map_err(|error| StoreError::Odd(error.to_string()))?;
        AwsAuthorizer::new(&self.own, "sts", &self.region).try_authorize(&mut request, None)?;
        let (_, body) = self.line.ask(request).await?;
        let answer: Response = quick_xml::de::from_reader(body.as_ref())
            .map_err(|_| StoreError::Odd("the answer to AssumeRole is not one".into()))?;
        let granted = answer.result.credentials;
        let ends = granted
            .expiration
            .parse()
            .unwrap_or_else(|_| Timestamp::now() + jiff::SignedDuration::from_mins(15));
        let credential = AwsCredential {
            key_id: granted.access_key_id,
            secret_key: granted.secret_access_key,
            token: granted.session_token.filter(|token| !token.is_empty()),
        };
        // The library puts it into a header and takes for granted that it fits.
        if credential.token.as_ref().is_some_and(|token| !token.bytes().all(|b| b.is_ascii_graphic())) {
            return Err(StoreError::Odd("the session token that AssumeRole gives cannot be sent".into()));
        }
        Ok((credential, ends))
    }
}

#[async_trait]
impl CredentialProvider for AssumedRole {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let soon = Timestamp::now() + jiff::SignedDuration::from_secs(RENEW_BEFORE_S);
        if let Some((credential, ends)) = &*self.held.lock()
            && *ends > soon
        {
            return Ok(credential.clone());
        }
        let (credential, ends) = self
            .assume()
            .await
            .map_err(|error| object_store::Error::Generic { store: "STS", source: Box::new(error) })?;
        let credential = Arc::new(credential);
        *self.held.lock() = Some((credential.clone(), ends));
        Ok(credential)
    }
}

#[derive(Deserialize)]
struct Response {
    #[serde(rename = "AssumeRoleResult")]
    result: RoleResult,
}

#[derive(Deserialize)]
struct RoleResult {
    #[serde(rename = "Credentials")]
    credentials: Granted,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Granted {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    expiration: String,
}
