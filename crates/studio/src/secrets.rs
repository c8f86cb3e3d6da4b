//! Where secrets are kept, of projects and of what else has one: in the OS keyring, or in memory for this run only. A
//! service without a keyring keeps those that it must finish uploads with in a file of its own. Never anywhere else.

mod file;

use std::collections::HashMap;
use std::sync::Arc;

use egress::error::{ApiError, ErrorCode, Fault};
pub use file::FileSecrets;
use keyring_core::{CredentialStore, Entry, Error as KeyringError};
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};

/// What can go wrong with a secret store.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// There is no session bus, so no Secret Service.
    #[error("no session bus: {0}")]
    NoBus(String),
    /// A session bus, and nobody on it that keeps secrets.
    #[error("no Secret Service: {0}")]
    NoService(String),
    /// The keyring was never set up or unlocked in this session.
    #[error("the keyring has no unlocked collection: {0}")]
    NeverUnlocked(String),
    /// The keyring is locked, and the question for its password was dismissed or cannot be shown.
    #[error("the keyring stays locked: {0}")]
    Dismissed(String),
    /// No answer: most likely it waits for its password.
    #[error("no answer from the keyring in {0} s")]
    NoAnswer(u64),
    /// What is kept there under our name is not a secret of ours.
    #[error("not a secret of ours: {0}")]
    Foreign(String),
    /// Anything else.
    #[error("the keyring refuses: {0}")]
    Refused(String),
}

impl From<SecretError> for ApiError {
    fn from(error: SecretError) -> Self {
        let (message, remedy, retryable) = match &error {
            SecretError::NoBus(_) => (
                "This session has no keyring: there is no session bus to reach one.",
                "Log in to a desktop session, or keep the secret for this run only.",
                false,
            ),
            SecretError::NoService(_) => (
                "No keyring is installed on this computer.",
                "Install one (for instance gnome-keyring or KWallet), or keep the secret for this run only.",
                false,
            ),
            SecretError::NeverUnlocked(_) => (
                "The keyring has not been set up or unlocked in this session.",
                "Unlock your keyring, then try again; or keep the secret for this run only.",
                true,
            ),
            SecretError::Dismissed(_) => (
                "The keyring is locked, and its password was not given.",
                "Unlock your keyring, then try again; or keep the secret for this run only.",
                true,
            ),
            SecretError::NoAnswer(_) => (
                "The keyring does not answer; it may be waiting for its password.",
                "Unlock your keyring, then try again; or keep the secret for this run only.",
                true,
            ),
            SecretError::Foreign(_) => (
                "What the keyring holds under Tallylight's name is not a secret that Tallylight wrote.",
                "Edit the project and give its secret again.",
                false,
            ),
            SecretError::Refused(_) => {
                ("The keyring refused.", "Look at the details, or keep the secret for this run only.", true)
            }
        };
        let mut api =
            ApiError::new(ErrorCode::Keyring, Fault::Environment, message, remedy).with_detail(error);
        api.retryable = retryable;
        api
    }
}

/// Keeps secrets, each under the id of what it belongs to (a project, a destination). Calls may block for as long as the user takes to answer a prompt; the
/// studio makes them on a thread of their own and waits for no longer than a user may need.
pub trait SecretStore: Send + Sync + 'static {
    /// Whether secrets can be kept at all, asked without a prompt.
    fn check(&self) -> Result<(), SecretError>;
    /// A secret, if it is there.
    fn get(&self, owner: &str) -> Result<Option<SecretString>, SecretError>;
    /// Keeps a secret, in place of the one before.
    fn set(&self, owner: &str, secret: &SecretString) -> Result<(), SecretError>;
    /// Forgets a secret. One that is not there is no error.
    fn remove(&self, owner: &str) -> Result<(), SecretError>;
}

/// Secrets in memory, gone with the process.
#[derive(Default)]
pub struct MemorySecrets {
    kept: Mutex<HashMap<String, SecretString>>,
}

impl SecretStore for MemorySecrets {
    fn check(&self) -> Result<(), SecretError> {
        Ok(())
    }

    fn get(&self, owner: &str) -> Result<Option<SecretString>, SecretError> {
        Ok(self.kept.lock().get(owner).cloned())
    }

    fn set(&self, owner: &str, secret: &SecretString) -> Result<(), SecretError> {
        self.kept.lock().insert(owner.to_owned(), secret.clone());
        Ok(())
    }

    fn remove(&self, owner: &str) -> Result<(), SecretError> {
        self.kept.lock().remove(owner);
        Ok(())
    }
}

/// The OS keyring: the Secret Service on Linux, the Keychain on macOS, the Credential Manager on Windows.
pub struct KeyringSecrets {
    service: String,
    store: Mutex<Option<Arc<CredentialStore>>>,
}

impl KeyringSecrets {
    /// Secrets under a service name, by which the user finds them in their keyring program.
    pub fn new(service: impl Into<String>) -> Self {
        Self { service: service.into(), store: Mutex::new(None) }
    }

    fn store(&self) -> Result<Arc<CredentialStore>, SecretError> {
        if let Some(store) = self.store.lock().clone() {
            return Ok(store);
        }
        // Opened outside the lock: with a dead bus this may take its time.
        let store = open_store().map_err(classify)?;
        *self.store.lock() = Some(store.clone());
        Ok(store)
    }

    fn entry(&self, owner: &str) -> Result<Entry, SecretError> {
        self.store()?.build(&self.service, owner, None).map_err(classify)
    }

    /// A store whose service went away is of no use; the next call opens another.
    fn failed(&self, error: KeyringError) -> SecretError {
        if matches!(error, KeyringError::PlatformFailure(_)) {
            *self.store.lock() = None;
        }
        classify(error)
    }
}

impl SecretStore for KeyringSecrets {
    fn check(&self) -> Result<(), SecretError> {
        self.store().map(drop)
    }

    fn get(&self, owner: &str) -> Result<Option<SecretString>, SecretError> {
        match self.entry(owner)?.get_password() {
            Ok(secret) => Ok(Some(secret.into())),
            Err(KeyringError::NoEntry) => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn set(&self, owner: &str, secret: &SecretString) -> Result<(), SecretError> {
        self.entry(owner)?.set_password(secret.expose_secret()).map_err(|error| self.failed(error))
    }

    fn remove(&self, owner: &str) -> Result<(), SecretError> {
        match self.entry(owner)?.delete_credential() {
            Ok(()) | Err(KeyringError::NoEntry) => Ok(()),
            Err(error) => Err(self.failed(error)),
        }
    }
}

#[cfg(target_os = "linux")]
fn open_store() -> Result<Arc<CredentialStore>, KeyringError> {
    Ok(zbus_secret_service_keyring_store::Store::new()?)
}

#[cfg(target_os = "macos")]
fn open_store() -> Result<Arc<CredentialStore>, KeyringError> {
    Ok(apple_native_keyring_store::keychain::Store::new()?)
}

#[cfg(windows)]
fn open_store() -> Result<Arc<CredentialStore>, KeyringError> {
    Ok(windows_native_keyring_store::Store::new()?)
}

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
fn open_store() -> Result<Arc<CredentialStore>, KeyringError> {
    Err(KeyringError::NoDefaultStore)
}

/// Tells the failures apart. The keyring crates keep the cause as an opaque error, so its text has to do;
/// what is not recognised is told as it is.
fn classify(error: KeyringError) -> SecretError {
    match error {
        KeyringError::PlatformFailure(cause) => {
            let text = format!("{cause:?}");
            if ["ServiceUnknown", "NameHasNoOwner", "Spawn."].iter().any(|mark| text.contains(mark)) {
                SecretError::NoService(text)
            } else if ["Connection(", "InputOutput(", "Address(", "NotFound", "Unavailable"]
                .iter()
                .any(|mark| text.contains(mark))
            {
                SecretError::NoBus(text)
            } else {
                SecretError::Refused(text)
            }
        }
        KeyringError::NoStorageAccess(cause) => {
            let text = format!("{cause:?}");
            if text.contains("NoResult") {
                SecretError::NeverUnlocked(text)
            } else if text.contains("Prompt") || text.contains("Locked") {
                SecretError::Dismissed(text)
            } else {
                SecretError::Refused(text)
            }
        }
        // These carry what was found, which might be a secret: the kind alone is told.
        KeyringError::BadEncoding(_) => SecretError::Foreign("it is not text".into()),
        KeyringError::BadDataFormat(..) => SecretError::Foreign("its form is unknown".into()),
        KeyringError::NoDefaultStore => SecretError::NoService("this system has no keyring we know".into()),
        other => SecretError::Refused(other.to_string()),
    }
}
