//! Uses the OS keyring from a process of its own, whose session a test chooses: `set SECRET`, `get`,
//! `remove` and `check`, in the order of the arguments. Prints a line for each.

#![allow(clippy::unwrap_used, reason = "a test peer fails by panicking")]

use egress::error::ApiError;
use secrecy::{ExposeSecret, SecretString};
use studio::secrets::{KeyringSecrets, SecretError, SecretStore};

fn main() {
    let secrets = KeyringSecrets::new("Tallylight test");
    let project = "PJ_keyring";
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let answer = match word.as_str() {
            "check" => secrets.check().map(|()| "ok".to_owned()),
            "set" => {
                let secret = SecretString::from(words.next().unwrap());
                secrets.set(project, &secret).map(|()| "ok".to_owned())
            }
            "get" => secrets.get(project).map(|found| match found {
                Some(secret) => format!("found {}", secret.expose_secret()),
                None => "none".to_owned(),
            }),
            "remove" => secrets.remove(project).map(|()| "ok".to_owned()),
            _ => panic!("unknown word {word}"),
        };
        println!("{}", answer.unwrap_or_else(told));
    }
}

fn told(error: SecretError) -> String {
    let api = ApiError::from(error);
    format!("{} ({})", api.message, api.detail)
}
