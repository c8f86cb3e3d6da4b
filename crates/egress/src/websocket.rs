//! Addresses that sound is sent to over a WebSocket.

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::error::{ApiError, ErrorCode, Fault};
use crate::id::OutputId;
use crate::redact::{redact_url, scrub};
use crate::spec::{OutputKind, OutputSpec, SoundFormat, WebSocketOutput};
use crate::wire::Secret;

/// Longest address; tokens of services are some hundred bytes.
const MAX_URL_BYTES: usize = 4096;

/// The address of a WebSocket.
#[derive(Debug, Clone)]
pub struct WebSocketUrl {
    raw: SecretString,
    shown: String,
}

/// Why an address is none. Displays as LiveKit's Egress API words it, without the address: nobody knows what in it is
/// secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid url {{...}}: {reason}")]
pub struct WebSocketUrlError {
    reason: &'static str,
    message: &'static str,
}

impl From<WebSocketUrlError> for ApiError {
    fn from(error: WebSocketUrlError) -> Self {
        let remedy =
            "Give an address that begins with wss:// or ws://, with the name of the server behind it.";
        Self::new(ErrorCode::InvalidArgument, Fault::Input, error.message, remedy).with_detail(error)
    }
}

impl WebSocketUrl {
    /// Whether an address means to be one.
    pub fn is_one(raw: &str) -> bool {
        let scheme = raw.trim_start().split_once("://").map_or("", |(scheme, _)| scheme);
        scheme.eq_ignore_ascii_case("ws") || scheme.eq_ignore_ascii_case("wss")
    }

    /// Checks an address.
    ///
    /// # Errors
    /// If it is none of a WebSocket.
    pub fn parse(raw: &str) -> Result<Self, WebSocketUrlError> {
        let raw = raw.trim();
        let fail = |reason, message| Err(WebSocketUrlError { reason, message });
        if !Self::is_one(raw) {
            return fail("invalid scheme", "This is no address of a WebSocket.");
        }
        if raw.len() > MAX_URL_BYTES {
            return fail("too long", "This address is too long.");
        }
        match Url::parse(raw) {
            Ok(url) if url.host_str().is_some_and(|host| !host.is_empty()) => {
                Ok(Self { raw: raw.into(), shown: redact_url(raw) })
            }
            _ => fail("malformed", "This address of a WebSocket is not complete."),
        }
    }

    /// The address as it may be shown.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// The address itself, to travel to the job.
    pub fn secret(&self) -> Secret {
        Secret(self.raw.clone())
    }

    /// Whether this is the same address.
    pub fn is(&self, other: &str) -> bool {
        self.raw.expose_secret() == other.trim()
    }

    /// A text of somebody else's without what is secret in this address: user, password and the values of the query,
    /// as they stand in it and as they are meant. A text from which that cannot be taken out is not told at all.
    pub fn scrub(&self, text: &str) -> String {
        let raw = self.raw.expose_secret();
        let Ok(url) = Url::parse(raw) else { return String::new() };
        let meant: Vec<String> = url.query_pairs().map(|(_, value)| value.into_owned()).collect();
        let query = url.query().unwrap_or_default();
        let written = query.split('&').map(|part| part.split_once('=').map_or(part, |(_, value)| value));
        let login = [url.username(), url.password().unwrap_or_default()];
        let all = written.chain(login).chain(meant.iter().map(String::as_str));
        scrub(text, all.chain([raw, query]).collect())
    }

    /// Sound that is sent there, as an output of a job.
    pub fn output(&self, id: OutputId, format: SoundFormat) -> OutputSpec {
        OutputSpec {
            id,
            kind: OutputKind::WebSocket(WebSocketOutput { address: self.shown.clone(), format }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses() {
        for good in ["ws://127.0.0.1:8080/a?token=abcdefghi", "WSS://example.com", " wss://[::1]:1/x "] {
            assert!(WebSocketUrl::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "http://a", "ws://", "ws://?x", "wss//a", "rtmp://a/b/c", "ws://a:99999"] {
            assert!(WebSocketUrl::parse(bad).is_err(), "{bad}");
        }
        let url = WebSocketUrl::parse("ws://me:word@h/a?token=abcdefghi").unwrap();
        assert!(!url.shown().contains("abcdefghi") && !url.shown().contains("word"), "{}", url.shown());
        assert_eq!(url.scrub("no abcdefghi for me:word"), "");
        let url = WebSocketUrl::parse("ws://someone:password@h/a?token=abc%20defghi&lang=en").unwrap();
        assert_eq!(url.scrub("not abc defghi, abc%20defghi or password"), "not {...}, {...} or {...}");
        assert_eq!(url.scrub("wrong language: en"), "");
        let url = WebSocketUrl::parse("ws://me:word@h/a?token=abcdefghi").unwrap();
        assert!(url.is("ws://me:word@h/a?token=abcdefghi") && !url.is("ws://h/a"));
    }

    proptest! {
        #[test]
        fn nothing_of_an_address_that_is_none_is_told(raw in ".{0,200}") {
            if let Err(error) = WebSocketUrl::parse(&raw) {
                let told = ApiError::from(error);
                let text = [told.message, told.detail].concat();
                prop_assert!(raw.len() < 12 || !text.contains(&raw));
            }
        }
    }
}
