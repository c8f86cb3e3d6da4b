//! Roles of AWS, assumed with other credentials or with a token of somebody who vouches for this computer.

use async_trait::async_trait;
use jiff::Timestamp;
use object_store::aws::{AwsAuthorizer, AwsCredential, AwsCredentialProvider};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::held::{Source, Taken};
use super::machine::{form, sendable};
use crate::fault::StoreError;
use crate::line::Line;

/// The name of the session in the owner's logs.
pub(super) const SESSION_NAME: &str = "tallylight";
const VERSION: (&str, &str) = ("Version", "2011-06-15");
const DURATION: (&str, &str) = ("DurationSeconds", "3600");

/// A role, and where it is assumed.
#[derive(Debug, Clone)]
pub(crate) struct Role {
    pub(crate) arn: String,
    pub(crate) session: Option<String>,
    /// What the owner of the role wants to hear.
    pub(crate) external_id: Option<SecretString>,
    /// Address of STS.
    pub(crate) endpoint: String,
    pub(crate) region: String,
}

impl Role {
    fn session(&self) -> &str {
        self.session.as_deref().unwrap_or(SESSION_NAME)
    }

    /// Assumes it with other credentials.
    pub(super) async fn assume(
        &self,
        line: &Line,
        own: &AwsCredential,
    ) -> Result<Taken<AwsCredential>, StoreError> {
        let mut fields = vec![
            ("Action", "AssumeRole"),
            VERSION,
            ("RoleArn", &*self.arn),
            ("RoleSessionName", self.session()),
            DURATION,
        ];
        if let Some(id) = &self.external_id {
            fields.push(("ExternalId", id.expose_secret()));
        }
        let mut request = form(&format!("{}/", self.endpoint), &fields)?;
        request.headers_mut().remove("accept");
        AwsAuthorizer::new(own, "sts", &self.region).try_authorize(&mut request, None)?;
        self.granted(line, request).await
    }

    /// Assumes it with the token of an identity provider.
    pub(super) async fn assume_with_token(
        &self,
        line: &Line,
        token: &str,
    ) -> Result<Taken<AwsCredential>, StoreError> {
        let fields = [
            ("Action", "AssumeRoleWithWebIdentity"),
            VERSION,
            ("RoleArn", &*self.arn),
            ("RoleSessionName", self.session()),
            DURATION,
            ("WebIdentityToken", token),
        ];
        let mut request = form(&format!("{}/", self.endpoint), &fields)?;
        request.headers_mut().remove("accept");
        self.granted(line, request).await
    }

    async fn granted(
        &self,
        line: &Line,
        request: object_store::client::HttpRequest,
    ) -> Result<Taken<AwsCredential>, StoreError> {
        let asked = async {
            let (_, body) = line.ask(request).await?;
            let answer: Response = quick_xml::de::from_reader(body.as_ref())
                .map_err(|_| StoreError::Odd("the answer of STS is not one".into()))?;
            let Granted { access_key_id, secret_access_key, session_token, expiration } =
                answer.result.credentials;
            let ends = expiration.parse().ok();
            let ends = ends.or_else(|| Some(Timestamp::now() + jiff::SignedDuration::from_mins(15)));
            let from = format!("the role {}", self.arn);
            taken(access_key_id, secret_access_key, session_token, ends, from)
        };
        asked.await.map_err(|error: StoreError| {
            error.of_identity(
                &format!("the role {}, asked of {},", self.arn, self.endpoint),
                "Check the name of the role, and that it trusts who is to assume it.",
            )
        })
    }
}

/// Credentials that can be sent.
pub(super) fn taken(
    key_id: String,
    secret_key: String,
    token: Option<String>,
    ends: Option<Timestamp>,
    from: String,
) -> Result<Taken<AwsCredential>, StoreError> {
    let token = token.filter(|token| !token.is_empty());
    // The library puts them into headers and takes for granted that they fit.
    if ![Some(&key_id), Some(&secret_key), token.as_ref()].into_iter().flatten().all(|text| sendable(text)) {
        return Err(StoreError::Odd(format!("the keys of {from} cannot be sent")));
    }
    Ok(Taken { credential: AwsCredential { key_id, secret_key, token }, ends, from })
}

/// Credentials of a role that is assumed with others.
#[derive(Debug)]
pub(crate) struct AssumedRole {
    pub(crate) line: Line,
    pub(crate) role: Role,
    pub(crate) own: AwsCredentialProvider,
}

#[async_trait]
impl Source for AssumedRole {
    type Credential = AwsCredential;

    async fn take(&self) -> Result<Taken<AwsCredential>, StoreError> {
        let own = self.own.get_credential().await?;
        self.role.assume(&self.line, &own).await
    }
}

#[derive(Deserialize)]
struct Response {
    #[serde(rename = "AssumeRoleResult", alias = "AssumeRoleWithWebIdentityResult")]
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
