//! Who this computer is to Azure.

use async_trait::async_trait;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use object_store::azure::{AzureAccessKey, AzureCredential};
use serde::Deserialize;
use serde_json::Value;

use super::held::{Source, Taken};
use super::machine::{Machine, form, request, sendable, text};
use crate::fault::StoreError;

const LOGIN: &str = "https://login.microsoftonline.com";
const SCOPE: &str = "https://storage.azure.com/.default";
const RESOURCE: &str = "https://storage.azure.com/";
/// The instance metadata service of a virtual machine.
const INSTANCE: &str = "http://169.254.169.254";
const TO_DO: &str = "Give the machine a managed identity, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and \
                     AZURE_CLIENT_SECRET or AZURE_FEDERATED_TOKEN_FILE, or AZURE_STORAGE_SAS_TOKEN; or give the \
                     storage a key.";

/// Keys, signatures and tokens of Azure.
#[derive(Debug)]
pub(crate) struct Azure {
    machine: Machine,
    account: String,
}

/// The pairs of a shared access signature.
pub(crate) fn signature(text: &str) -> AzureCredential {
    let pairs = url::form_urlencoded::parse(text.trim_start_matches('?').as_bytes());
    AzureCredential::SASToken(pairs.into_owned().collect())
}

impl Azure {
    pub(crate) fn new(machine: Machine, account: &str) -> Self {
        Self { machine, account: account.to_owned() }
    }

    /// A key or a signature in the environment, unless it is of another account.
    fn of_environment(&self) -> Option<Result<AzureCredential, StoreError>> {
        let environment = &self.machine.environment;
        let account = environment.first(&["AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME"]);
        if account.is_some_and(|account| account != self.account) {
            return None;
        }
        if let Some(key) = environment.first(&["AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY"]) {
            let key = AzureAccessKey::try_new(&key).map(AzureCredential::AccessKey);
            return Some(key.map_err(|_| StoreError::Odd("its key is not base64".into())));
        }
        let sas = environment.first(&["AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY"])?;
        Some(match sas.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Ok(signature(&sas)),
            false => Err(StoreError::Odd("its signature cannot be sent".into())),
        })
    }

    /// An application, by its secret or by a token of somebody who vouches for it. None: none is named.
    async fn of_application(&self) -> Option<(&'static str, Result<Token, StoreError>)> {
        let environment = &self.machine.environment;
        let tenant = environment.var("AZURE_TENANT_ID")?;
        let client = environment.var("AZURE_CLIENT_ID")?;
        let host = environment.var("AZURE_AUTHORITY_HOST");
        let host = host.as_deref().unwrap_or(LOGIN).trim_end_matches('/');
        let url = format!("{host}/{tenant}/oauth2/v2.0/token");
        let ask = async |more: &[(&str, &str)]| {
            let mut fields =
                vec![("client_id", client.as_str()), ("scope", SCOPE), ("grant_type", "client_credentials")];
            fields.extend(more);
            Token::of(&self.machine.far(form(&url, &fields)?).await?.1)
        };
        if let Some(secret) = environment.var("AZURE_CLIENT_SECRET") {
            let asked = ask(&[("client_secret", secret.as_str())]).await;
            return Some(("the application of AZURE_CLIENT_ID", asked));
        }
        let file = environment.var("AZURE_FEDERATED_TOKEN_FILE")?;
        let asked = async {
            let token = text(file).await?;
            let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            ask(&[("client_assertion_type", kind), ("client_assertion", &token)]).await
        };
        Some(("the workload identity", asked.await))
    }

    /// The identity that Azure gives to what runs there.
    async fn of_managed(&self) -> (&'static str, Result<Token, StoreError>) {
        let environment = &self.machine.environment;
        let client = environment.var("AZURE_CLIENT_ID");
        // App Service, Functions and Container Apps have one of their own, an instance has another.
        let service = environment.var("IDENTITY_ENDPOINT").zip(environment.var("IDENTITY_HEADER"));
        let asked = async {
            let (service, version, header) = match &service {
                Some((service, header)) => (service.clone(), "2019-08-01", ("x-identity-header", &**header)),
                None => {
                    let host = environment.var("AZURE_POD_IDENTITY_AUTHORITY_HOST");
                    let host = host.as_deref().unwrap_or(INSTANCE).trim_end_matches('/');
                    let service = format!("{host}/metadata/identity/oauth2/token");
                    (service, "2018-02-01", ("metadata", "true"))
                }
            };
            let mut fields = vec![("api-version", version), ("resource", RESOURCE)];
            fields.extend(client.as_deref().map(|client| ("client_id", client)));
            let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
            let url = format!("{service}?{query}");
            let asked = request(Method::GET, &url, &[header], String::new())?;
            Token::of(&self.machine.near(asked).await?.1)
        };
        ("the managed identity", asked.await)
    }
}

#[async_trait]
impl Source for Azure {
    type Credential = AzureCredential;

    async fn take(&self) -> Result<Taken<AzureCredential>, StoreError> {
        if let Some(found) = self.of_environment() {
            let from = "the environment".to_owned();
            let credential = found.map_err(|error| error.of_identity(&from, TO_DO))?;
            return Ok(Taken { credential, ends: None, from });
        }
        let (from, token) = match self.of_application().await {
            Some(found) => found,
            None => self.of_managed().await,
        };
        let Token { bearer, ends } = token.map_err(|error| match &error {
            StoreError::Unreachable(..) if from == "the managed identity" => error.of_identity(
                "neither key, signature nor application is in the environment, and the managed identity's service",
                TO_DO,
            ),
            _ => error.of_identity(from, TO_DO),
        })?;
        let credential = AzureCredential::BearerToken(bearer);
        Ok(Taken { credential, ends: Some(ends), from: from.to_owned() })
    }
}

struct Token {
    bearer: String,
    ends: Timestamp,
}

impl Token {
    /// Of an answer. Its numbers come as numbers and as text.
    fn of(body: &[u8]) -> Result<Self, StoreError> {
        #[derive(Deserialize)]
        struct Answer {
            access_token: String,
            #[serde(default)]
            expires_in: Value,
            #[serde(default)]
            expires_on: Value,
        }
        let answer: Answer = serde_json::from_slice(body)
            .map_err(|_| StoreError::Odd("it answers something else than a token".into()))?;
        // The library puts it into a header and takes for granted that it fits.
        if !sendable(&answer.access_token) {
            return Err(StoreError::Odd("its token cannot be sent".into()));
        }
        let number = |value: &Value| value.as_i64().or_else(|| value.as_str()?.parse().ok());
        let on = number(&answer.expires_on).and_then(|at| Timestamp::from_second(at).ok());
        let lasts = number(&answer.expires_in).unwrap_or(600).clamp(0, 48 * 3600);
        let ends = on.unwrap_or_else(|| Timestamp::now() + SignedDuration::from_secs(lasts));
        Ok(Self { bearer: answer.access_token, ends })
    }
}
