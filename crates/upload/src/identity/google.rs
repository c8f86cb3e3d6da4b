//! Who this computer, or a user, is to Google Cloud: "application default credentials".

use std::path::Path;

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use object_store::RetryConfig;
use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::held::{Source, Taken};
use super::machine::{Machine, form, request, sendable, text};
use crate::fault::StoreError;

const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_write";
/// Where users' refresh tokens are changed, unless their file names another address.
const TOKEN_URL: &str = "https://oauth2.googleapis.com/token";
/// Of Google's own SDKs: the address, since the name is not known everywhere.
const METADATA: &str = "169.254.169.254";
/// A token of a service account lasts so long.
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Tokens of Google.
#[derive(Debug)]
pub(crate) struct Google {
    machine: Machine,
    /// Credentials that came with the storage, instead of the machine's own.
    given: Option<SecretString>,
}

type Token = (String, Timestamp);

impl Google {
    pub(crate) fn of_machine(machine: Machine) -> Self {
        Self { machine, given: None }
    }

    pub(crate) fn of_user(machine: Machine, given: SecretString) -> Self {
        Self { machine, given: Some(given) }
    }

    async fn of_metadata(&self) -> Result<Token, StoreError> {
        let host = self.machine.environment.first(&["GCE_METADATA_HOST", "GCE_METADATA_IP"]);
        let host = host.as_deref().unwrap_or(METADATA);
        let url = format!("http://{host}/computeMetadata/v1/instance/service-accounts/default/token");
        let flavor = [("metadata-flavor", "Google")];
        match self.machine.near(request(Method::GET, &url, &flavor, String::new())?).await {
            Ok((_, body)) => OAuth::token(&body),
            Err(error) if error.is(404) => Err(StoreError::Odd("the instance has no service account".into())),
            Err(error) => Err(error),
        }
    }

    /// What a file with credentials stands for.
    fn of_file<'a>(&'a self, credentials: &'a Value) -> BoxFuture<'a, Result<Token, StoreError>> {
        async move {
            let text =
                |name: &str| credentials.get(name).and_then(Value::as_str).ok_or_else(|| missing(name));
            match text("type")? {
                "service_account" => self.of_service_account(credentials).await,
                "authorized_user" => {
                    let url = text("token_uri").unwrap_or(TOKEN_URL);
                    let fields = [
                        ("grant_type", "refresh_token"),
                        ("client_id", text("client_id")?),
                        ("client_secret", text("client_secret")?),
                        ("refresh_token", text("refresh_token")?),
                    ];
                    OAuth::token(&self.machine.far(form(url, &fields)?).await?.1)
                }
                "external_account" => self.of_external(credentials).await,
                "impersonated_service_account" => {
                    let source =
                        credentials.get("source_credentials").ok_or_else(|| missing("source_credentials"))?;
                    let (token, _) = self.of_file(source).await?;
                    self.impersonated(text("service_account_impersonation_url")?, &token).await
                }
                other => Err(StoreError::Odd(format!("credentials of the kind {other} are not known"))),
            }
        }
        .boxed()
    }

    /// By a key: the library signs.
    async fn of_service_account(&self, credentials: &Value) -> Result<Token, StoreError> {
        let store = GoogleCloudStorageBuilder::new()
            .with_bucket_name("any")
            .with_service_account_key(credentials.to_string())
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
            .with_http_connector(self.machine.line().clone())
            .build()
            // Its text may hold a part of the credentials.
            .map_err(|_| StoreError::Odd("the private key in it cannot be read".into()))?;
        let token = store.credentials().get_credential().await?;
        Ok((token.bearer.clone(), Timestamp::now() + HOUR))
    }

    /// Another identity provider vouches for this computer, and Google changes its token for one of its own.
    async fn of_external(&self, credentials: &Value) -> Result<Token, StoreError> {
        let text = |name: &str| credentials.get(name).and_then(Value::as_str).ok_or_else(|| missing(name));
        let source = credentials.get("credential_source").ok_or_else(|| missing("credential_source"))?;
        let subject = self.subject(source).await?;
        let url = text("token_url")?;
        let fields = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("audience", text("audience")?),
            ("scope", SCOPE),
            ("subject_token_type", text("subject_token_type")?),
            ("subject_token", &subject),
        ];
        let mut exchange = form(url, &fields)?;
        if let (Ok(id), Ok(secret)) = (text("client_id"), text("client_secret")) {
            let login = format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}")));
            let mut value = http::HeaderValue::from_str(&login)
                .map_err(|_| StoreError::Odd("its client cannot be sent".into()))?;
            value.set_sensitive(true);
            exchange.headers_mut().insert(http::header::AUTHORIZATION, value);
        }
        let token = OAuth::token(&self.machine.far(exchange).await?.1)?;
        match text("service_account_impersonation_url") {
            Ok(url) => self.impersonated(url, &token.0).await,
            Err(_) => Ok(token),
        }
    }

    /// The token of the other identity provider.
    async fn subject(&self, source: &Value) -> Result<String, StoreError> {
        let text_of = |name: &str| source.get(name).and_then(Value::as_str);
        let raw = if let Some(file) = text_of("file") {
            text(Path::new(file)).await?
        } else if let Some(url) = text_of("url") {
            let headers: Vec<(&str, &str)> = source
                .get("headers")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
                .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
                .collect();
            let asked = request(Method::GET, url, &headers, String::new())?;
            let (_, body) = self.machine.near(asked).await?;
            String::from_utf8_lossy(&body).trim().to_owned()
        } else {
            return Err(StoreError::Odd(
                "its credential_source is neither a file nor an address, which is what is known here".into(),
            ));
        };
        let format = source.get("format");
        match format.and_then(|format| format.get("subject_token_field_name")).and_then(Value::as_str) {
            None => Ok(raw),
            Some(field) => serde_json::from_str::<Value>(&raw)
                .ok()
                .and_then(|fields| Some(fields.get(field)?.as_str()?.to_owned()))
                .ok_or_else(|| StoreError::Odd(format!("its credential_source holds no {field}"))),
        }
    }

    /// A token of a service account, for one who may speak for it.
    async fn impersonated(&self, url: &str, token: &str) -> Result<Token, StoreError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Answer {
            access_token: String,
            expire_time: String,
        }
        if !sendable(token) {
            return Err(StoreError::Odd("the token to be changed cannot be sent".into()));
        }
        let login = format!("Bearer {token}");
        let headers = [("authorization", login.as_str()), ("content-type", "application/json")];
        let body = json!({ "scope": [SCOPE], "lifetime": "3600s" }).to_string();
        let (_, body) = self.machine.far(request(Method::POST, url, &headers, body)?).await?;
        let answer: Answer = serde_json::from_slice(&body)
            .map_err(|_| StoreError::Odd("Google's answer is none of an impersonation".into()))?;
        let ends = answer.expire_time.parse().unwrap_or_else(|_| Timestamp::now() + HOUR);
        Ok((answer.access_token, ends))
    }
}

fn missing(name: &str) -> StoreError {
    StoreError::Odd(format!("the field {name} is missing"))
}

fn parsed(text: &str) -> Result<Value, StoreError> {
    // An error of the parser would show a piece of it.
    serde_json::from_str(text).map_err(|_| StoreError::Odd("it is not JSON".into()))
}

#[async_trait]
impl Source for Google {
    type Credential = GcpCredential;

    async fn take(&self) -> Result<Taken<GcpCredential>, StoreError> {
        const TO_DO: &str = "Name a file with credentials in GOOGLE_APPLICATION_CREDENTIALS, run \
                             gcloud auth application-default login, or give the instance a service account; or give \
                             the storage a key.";
        let environment = &self.machine.environment;
        let (from, asked) = if let Some(given) = &self.given {
            let asked = async { self.of_file(&parsed(given.expose_secret())?).await };
            ("the user's credentials".to_owned(), asked.await)
        } else {
            let named = environment.var("GOOGLE_APPLICATION_CREDENTIALS");
            let usual = environment
                .var("CLOUDSDK_CONFIG")
                .map(|folder| Path::new(&folder).join("application_default_credentials.json"))
                .or_else(|| environment.at_home(".config/gcloud/application_default_credentials.json"))
                .filter(|path| path.is_file());
            match named.clone().map(Into::into).or(usual) {
                Some(path) => {
                    let asked = async { self.of_file(&parsed(&text(path.clone()).await?)?).await };
                    let from = match named {
                        Some(_) => "GOOGLE_APPLICATION_CREDENTIALS".to_owned(),
                        None => "gcloud's default credentials".to_owned(),
                    };
                    (from, asked.await)
                }
                None => ("the instance's service account".to_owned(), self.of_metadata().await),
            }
        };
        let (bearer, ends) = match asked {
            Ok((bearer, _)) if !sendable(&bearer) => {
                Err(StoreError::Odd("its token cannot be sent".into()).of_identity(&from, TO_DO))
            }
            Err(error @ StoreError::Unreachable(..)) if from.starts_with("the instance") => Err(error
                .of_identity(
                    "no file with credentials is there, and the instance's metadata service",
                    TO_DO,
                )),
            asked => asked.map_err(|error| error.of_identity(&from, TO_DO)),
        }?;
        Ok(Taken { credential: GcpCredential { bearer }, ends: Some(ends), from })
    }
}

/// What an OAuth server answers.
#[derive(Deserialize)]
struct OAuth {
    access_token: String,
    expires_in: Option<i64>,
}

impl OAuth {
    fn token(body: &[u8]) -> Result<Token, StoreError> {
        let answer: Self = serde_json::from_slice(body)
            .map_err(|_| StoreError::Odd("it answers something else than a token".into()))?;
        let lasts = SignedDuration::from_secs(answer.expires_in.unwrap_or(3600).clamp(0, 24 * 3600));
        Ok((answer.access_token, Timestamp::now() + lasts))
    }
}
