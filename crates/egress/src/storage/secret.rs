//! What opens a storage. Never written anywhere but into the keyring.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use ts_rs::TS;

use super::Storage;
use crate::validate::RequestError;

/// AWS says that session tokens have no fixed length; those seen are below 3 KB.
const MAX_SECRET_BYTES: usize = 16 << 10;
/// Credentials of Google hold a private key in PEM.
const MAX_CREDENTIALS_BYTES: usize = 64 << 10;

/// Keys of a storage, and the login of the proxy on the way to it. `Debug` shows neither.
#[derive(Debug, Clone, Default, Deserialize, TS)]
pub struct StorageSecret {
    /// What the storage itself asks for.
    pub keys: StorageKeys,
    /// What the proxy asks for, if there is one and it does.
    pub proxy: Option<ProxyLogin>,
}

/// Keys, by kind of storage.
#[derive(Debug, Clone, Default, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StorageKeys {
    /// None: a folder, or the computer's own identity.
    #[default]
    None,
    /// S3. Key and secret are empty where the computer's own identity assumes a role.
    S3 {
        /// Name of the key. Not shown either: LiveKit holds it for a secret.
        #[ts(type = "string")]
        access_key: SecretString,
        /// The key itself.
        #[ts(type = "string")]
        secret: SecretString,
        /// Where the keys are temporary ones.
        #[ts(type = "string | null")]
        session_token: Option<SecretString>,
        /// What the owner of a role wants to hear from those who assume it.
        #[ts(type = "string | null")]
        assume_role_external_id: Option<SecretString>,
    },
    /// Google Cloud Storage: the JSON file of a service account, or of a user as `gcloud` leaves it.
    Gcp {
        /// Its text.
        #[ts(type = "string")]
        credentials: SecretString,
    },
    /// Azure.
    Azure {
        /// In base64, as the portal shows it; or a shared access signature (`sv=…&sig=…`).
        #[ts(type = "string")]
        account_key: SecretString,
    },
    /// Alibaba OSS.
    AliOss {
        /// Name of the key.
        #[ts(type = "string")]
        access_key: SecretString,
        /// The key itself.
        #[ts(type = "string")]
        secret: SecretString,
    },
}

/// User name and password for a proxy.
#[derive(Debug, Clone, Deserialize, TS)]
pub struct ProxyLogin {
    /// User name.
    #[ts(type = "string")]
    pub username: SecretString,
    /// Password.
    #[ts(type = "string")]
    pub password: SecretString,
}

impl StorageSecret {
    /// Checks that the keys are those of `storage`, and can be sent.
    ///
    /// # Errors
    /// One is missing, or holds what no key holds. The message never says what.
    pub fn check(self, storage: &Storage) -> Result<Self, RequestError> {
        match (&self.keys, storage) {
            (StorageKeys::None, storage) if storage.machine_identity() => {}
            (
                StorageKeys::S3 { access_key, secret, session_token: None, assume_role_external_id },
                Storage::S3(s3),
            ) if s3.machine_identity && [access_key, secret].iter().all(|key| is_empty(key)) => {
                if let Some(id) = assume_role_external_id {
                    sendable("assume_role_external_id", id, "external id of the role")?;
                }
            }
            (_, storage) if storage.machine_identity() => {
                return Err(RequestError::field(
                    "storage",
                    "The storage has keys, and is to use the computer's own identity.",
                    "Leave one of them out.",
                ));
            }
            (
                StorageKeys::S3 { access_key, secret, session_token, assume_role_external_id },
                Storage::S3(_),
            ) => {
                sendable("access_key", access_key, "access key")?;
                sendable("secret", secret, "secret key")?;
                if let Some(token) = session_token {
                    sendable("session_token", token, "session token")?;
                }
                if let Some(id) = assume_role_external_id {
                    sendable("assume_role_external_id", id, "external id of the role")?;
                }
            }
            (StorageKeys::AliOss { access_key, secret }, Storage::AliOss(_)) => {
                sendable("access_key", access_key, "access key")?;
                sendable("secret", secret, "secret key")?;
            }
            (StorageKeys::Azure { account_key }, Storage::Azure(_)) => {
                sendable("account_key", account_key, "account key")?;
                if !is_base64(account_key.expose_secret()) && !self.is_sas() {
                    return Err(RequestError::field(
                        "account_key",
                        "The account key is not one: it is neither base64 nor a shared access signature.",
                        "Copy the key or the signature from the storage account, without the connection string or the \
                         address around it.",
                    ));
                }
            }
            (StorageKeys::Gcp { credentials }, Storage::Gcp(_)) => google(credentials)?,
            (StorageKeys::None, Storage::Local(_)) => {}
            _ => {
                return Err(RequestError::field(
                    "storage",
                    "The keys of the storage are missing, or are those of another kind of storage.",
                    "Enter the keys of the storage again.",
                ));
            }
        }
        if let Some(login) = &self.proxy {
            for (text, what) in [(&login.username, "user name"), (&login.password, "password")] {
                let text = text.expose_secret();
                if text.len() > MAX_SECRET_BYTES || text.chars().any(char::is_control) {
                    return Err(RequestError::field(
                        "proxy",
                        format!("The {what} for the proxy holds control characters or is too long."),
                        "Enter it again.",
                    ));
                }
            }
        }
        Ok(self)
    }

    /// Whether there is nothing in it that would have to be kept.
    pub fn is_empty(&self) -> bool {
        self.texts().into_iter().all(is_empty)
    }

    /// Whether the key of Azure is a shared access signature.
    pub fn is_sas(&self) -> bool {
        let StorageKeys::Azure { account_key } = &self.keys else { return false };
        let text = account_key.expose_secret();
        text.trim_start_matches('?').split('&').any(|pair| pair.starts_with("sig="))
    }

    /// All secret texts, for taking them out of what a server answered.
    pub fn texts(&self) -> Vec<&SecretString> {
        let mut texts: Vec<&SecretString> = match &self.keys {
            StorageKeys::None => Vec::new(),
            StorageKeys::S3 { access_key, secret, session_token, assume_role_external_id } => {
                let mut texts = vec![access_key, secret];
                texts.extend(session_token);
                texts.extend(assume_role_external_id);
                texts
            }
            StorageKeys::Gcp { credentials } => vec![credentials],
            StorageKeys::Azure { account_key } => vec![account_key],
            StorageKeys::AliOss { access_key, secret } => vec![access_key, secret],
        };
        if let Some(login) = &self.proxy {
            texts.extend([&login.username, &login.password]);
        }
        texts
    }

    /// One text for one entry of the keyring.
    pub fn to_keyring(&self) -> SecretString {
        let open = |text: &SecretString| Value::from(text.expose_secret());
        let open_some = |text: &Option<SecretString>| text.as_ref().map(&open);
        let keys = match &self.keys {
            StorageKeys::None => json!({ "kind": "none" }),
            StorageKeys::S3 { access_key, secret, session_token, assume_role_external_id } => json!({
                "kind": "s3",
                "access_key": open(access_key),
                "secret": open(secret),
                "session_token": open_some(session_token),
                "assume_role_external_id": open_some(assume_role_external_id),
            }),
            StorageKeys::Gcp { credentials } => json!({ "kind": "gcp", "credentials": open(credentials) }),
            StorageKeys::Azure { account_key } => {
                json!({ "kind": "azure", "account_key": open(account_key) })
            }
            StorageKeys::AliOss { access_key, secret } => {
                json!({ "kind": "ali_oss", "access_key": open(access_key), "secret": open(secret) })
            }
        };
        let proxy = self
            .proxy
            .as_ref()
            .map(|login| json!({ "username": open(&login.username), "password": open(&login.password) }));
        json!({ "keys": keys, "proxy": proxy }).to_string().into()
    }

    /// What [`to_keyring`](Self::to_keyring) made; none of anything else.
    pub fn from_keyring(text: &SecretString) -> Option<Self> {
        serde_json::from_str(text.expose_secret()).ok()
    }
}

fn is_empty(text: &SecretString) -> bool {
    text.expose_secret().is_empty()
}

/// Visible ASCII: it goes into a header or a signature.
fn sendable(field: &'static str, text: &SecretString, what: &str) -> Result<(), RequestError> {
    let text = text.expose_secret();
    if text.is_empty() {
        return Err(RequestError::field(field, format!("The {what} is missing."), "Enter it."));
    }
    if text.len() > MAX_SECRET_BYTES || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(RequestError::field(
            field,
            format!("The {what} holds spaces or other characters that no key holds."),
            "Copy it again, without spaces and line breaks.",
        ));
    }
    Ok(())
}

fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    text.len().is_multiple_of(4)
        && text.len() - body.len() <= 2
        && body.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
}

fn google(credentials: &SecretString) -> Result<(), RequestError> {
    const REMEDY: &str = "Create a key for a service account, in JSON, and paste the whole file.";
    let refuse = |message: &str| Err(RequestError::field("credentials", message, REMEDY));
    let text = credentials.expose_secret();
    if text.len() > MAX_CREDENTIALS_BYTES {
        return refuse("The credentials for Google Cloud are longer than any are.");
    }
    let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(text) else {
        return refuse("The credentials for Google Cloud are not a JSON file.");
    };
    let kind = fields.get("type").and_then(Value::as_str).unwrap_or("service_account");
    let needed: &[&str] = match kind {
        "service_account" => &["private_key", "client_email"],
        "authorized_user" => &["client_id", "client_secret", "refresh_token"],
        // It names files and addresses that are read where the upload is made: whoever sends a request would read
        // that computer's files.
        "external_account" | "impersonated_service_account" => {
            return Err(RequestError::field(
                "credentials",
                "These credentials for Google Cloud say where to look on a computer, and hold no key themselves.",
                "Name their file in GOOGLE_APPLICATION_CREDENTIALS on the computer that uploads, and use its own \
                 identity.",
            ));
        }
        _ => {
            return refuse(
                "The credentials for Google Cloud are neither those of a service account nor of a user.",
            );
        }
    };
    if !needed.iter().all(|name| fields.get(*name).is_some_and(Value::is_string)) {
        return refuse(match kind {
            "authorized_user" => "The credentials for Google Cloud lack their refresh token or their client.",
            _ => "The credentials for Google Cloud lack their private key or their e-mail address.",
        });
    }
    Ok(())
}
