//! The API keys that this service knows.

use std::collections::BTreeMap;

use secrecy::SecretString;

/// API keys and their secrets. Whoever holds one may call this service, and what it sends is signed with one.
#[derive(Debug, Clone, Default)]
pub struct ApiKeys {
    secrets: BTreeMap<String, SecretString>,
    first: String,
}

impl ApiKeys {
    /// One key and its secret.
    pub fn new(key: impl Into<String>, secret: SecretString) -> Self {
        let key = key.into();
        Self { secrets: BTreeMap::from([(key.clone(), secret)]), first: key }
    }

    /// Adds a key, or gives it another secret.
    pub fn insert(&mut self, key: impl Into<String>, secret: SecretString) {
        let key = key.into();
        if self.first.is_empty() {
            self.first.clone_from(&key);
        }
        self.secrets.insert(key, secret);
    }

    /// The secret of a key; none if it is not one of ours.
    pub fn secret(&self, key: &str) -> Option<&SecretString> {
        self.secrets.get(key)
    }

    /// The key that is used where none is named: the first that was given.
    pub fn first(&self) -> &str {
        &self.first
    }
}
