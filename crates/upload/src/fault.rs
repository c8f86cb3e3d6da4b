//! What goes wrong with a store, and how it is told.

use std::error::Error as StdError;
use std::io;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::storage::{Storage, StorageSecret};
use http::HeaderMap;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use secrecy::ExposeSecret;

/// Signatures are refused beyond 15 minutes; from here on the clock is the likelier cause than the key.
const CLOCK_OFF_S: i64 = 5 * 60;
/// What is kept of a server's own words.
const MAX_WORDS: usize = 400;

/// Why a store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// It answered, and refuses.
    #[error("{0}")]
    Answered(Box<Answer>),
    /// No answer.
    #[error("{1}")]
    Unreachable(Cause, String),
    /// A file of this computer, or of the folder that is the store.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The file is not what it was when its upload began.
    #[error("the file changed while it was being uploaded")]
    Changed,
    /// The file is not there.
    #[error("the file is gone")]
    FileGone,
    /// What the store holds is not what was sent.
    #[error("what the store holds is not what was sent: {0}")]
    Differs(String),
    /// An upload in parts that the store knows no more.
    #[error("the store has forgotten the parts that were uploaded")]
    Forgotten,
    /// Already in words: the keyring, the journal.
    #[error("{0}")]
    Told(ApiError),
    /// An answer that makes no sense, or settings that cannot be used.
    #[error("{0}")]
    Odd(String),
}

/// Why there was no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The name of the server is not known.
    Name,
    /// Nobody listens there.
    Refused,
    /// Encryption could not be agreed on, or the certificate is not trusted.
    Tls,
    /// The proxy on the way refuses.
    Proxy,
    /// Connected, and then nothing moved.
    Stalled,
    /// Cut off.
    Broken,
}

/// An answer that is no success.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The store's name for what is wrong. Empty where it gives none.
    pub(crate) code: String,
    /// The store's words.
    pub(crate) words: String,
    /// Where the bucket is, if the store says so.
    pub(crate) region: Option<String>,
    /// The server's clock minus ours, seconds.
    pub(crate) clock_ahead_s: Option<i64>,
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HTTP {}", self.status)?;
        for part in [&self.code, &self.words] {
            if !part.is_empty() {
                write!(f, ", {part}")?;
            }
        }
        Ok(())
    }
}

impl Answer {
    pub(crate) fn new(status: u16, headers: &HeaderMap, body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let json = serde_json::from_str::<serde_json::Value>(&text).unwrap_or_default();
        let json =
            |pointers: [&str; 2]| pointers.iter().find_map(|at| Some(json.pointer(at)?.as_str()?.to_owned()));
        let code = header("x-ms-error-code")
            .or_else(|| element(&text, "Code"))
            .or_else(|| json(["/error/status", "/error"]));
        let words = element(&text, "Message")
            .or_else(|| element(&text, "Details"))
            .or_else(|| json(["/error/message", "/error_description"]));
        let clock_ahead_s = header("date")
            .and_then(|date| rfc2822::parse(&date).ok())
            .map(|date| date.timestamp().as_second() - Timestamp::now().as_second());
        Self {
            status,
            code: shortened(code.unwrap_or_default()),
            words: shortened(words.unwrap_or_default()),
            region: header("x-amz-bucket-region").or_else(|| element(&text, "Region")),
            clock_ahead_s,
        }
    }
}

fn shortened(text: String) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_WORDS).collect()
}

/// The text of the first element of this name.
fn element(xml: &str, name: &str) -> Option<String> {
    let from = xml.find(&format!("<{name}>"))? + name.len() + 2;
    let text = &xml[from..];
    let text = text[..text.find("</")?].trim();
    let plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
    (!plain.is_empty()).then_some(plain)
}

impl From<object_store::Error> for StoreError {
    fn from(error: object_store::Error) -> Self {
        Self::of(&error)
    }
}

impl StoreError {
    /// What [`Line`](crate::line::Line) put at the bottom of an error of the library; else its text.
    pub(crate) fn of(error: &(dyn StdError + 'static)) -> Self {
        let mut at = Some(error);
        while let Some(inner) = at {
            match inner.downcast_ref::<Self>() {
                Some(Self::Answered(answer)) => return Self::Answered(answer.clone()),
                Some(Self::Unreachable(cause, text)) => return Self::Unreachable(*cause, text.clone()),
                _ => at = inner.source(),
            }
        }
        let text = error.to_string();
        // S3 may answer 200 and say in the body that it failed after all.
        match element(&text, "Code") {
            Some(code) => Self::Answered(Box::new(Answer {
                status: 500,
                code: shortened(code),
                words: shortened(element(&text, "Message").unwrap_or_default()),
                ..Answer::default()
            })),
            None => Self::Odd(shortened(text)),
        }
    }

    pub(crate) fn answer(&self) -> Option<&Answer> {
        match self {
            Self::Answered(answer) => Some(answer),
            _ => None,
        }
    }

    pub(crate) fn is(&self, status: u16) -> bool {
        self.answer().is_some_and(|answer| answer.status == status)
    }

    /// Whether trying again without somebody's help is of no use. The upload waits all the same; it asks
    /// less often, and goes to the backup at once if there is one.
    pub(crate) fn lasts(&self) -> bool {
        match self {
            Self::Answered(answer) => match answer.status {
                408 | 409 | 425 | 429 => false,
                400 => !matches!(
                    answer.code.as_str(),
                    "RequestTimeout"
                        | "XAmzContentSHA256Mismatch"
                        | "BadDigest"
                        | "IncompleteBody"
                        | "Md5Mismatch"
                ),
                // A full disk of a server of one's own is somebody's work, too.
                507 => true,
                status => status < 500,
            },
            Self::FileGone | Self::Odd(_) => true,
            Self::Unreachable(cause, _) => *cause == Cause::Tls,
            Self::Told(error) => !error.retryable,
            Self::Io(_) | Self::Changed | Self::Differs(_) | Self::Forgotten => false,
        }
    }

    /// In a producer's words. `secret`: its texts are taken out of what the server said.
    pub(crate) fn told(&self, storage: &Storage, secret: Option<&StorageSecret>) -> ApiError {
        let mut detail = match self {
            Self::Told(error) => return error.clone(),
            error => error.to_string(),
        };
        if let Some(secret) = secret {
            for text in secret.texts() {
                let text = text.expose_secret();
                if !text.is_empty() {
                    detail = detail.replace(text, "{secret}");
                }
            }
        }
        let (code, fault, message, remedy) = self.words(storage);
        let error = ApiError::new(code, fault, message, remedy).with_detail(detail);
        if self.lasts() { error } else { error.retryable() }
    }

    fn words(&self, storage: &Storage) -> (ErrorCode, Fault, String, &'static str) {
        use ErrorCode as E;
        let place = storage.described();
        let Self::Answered(answer) = self else { return self.words_without_answer(&place) };
        let there = Fault::Destination;
        let code = answer.code.as_str();
        let off_s = answer.clock_ahead_s.filter(|ahead| ahead.abs() > CLOCK_OFF_S);
        let refused = matches!(answer.status, 400 | 401 | 403);
        if code == "RequestTimeTooSkewed" || (refused && off_s.is_some()) {
            let by = off_s.map(|s| format!(" by {} minutes", s.abs() / 60)).unwrap_or_default();
            return (
                E::ClockOff,
                Fault::Environment,
                format!("This computer's clock is off{by}, and the storage refuses what it signs."),
                "Set the clock, or let the system set it from the network.",
            );
        }
        match code {
            "NoSuchBucket" | "ContainerNotFound" | "ContainerBeingDeleted" => (
                E::NotFound,
                Fault::Input,
                format!("There is no such place: {place} does not exist."),
                "Check its name and the endpoint, or create it.",
            ),
            "InvalidAccessKeyId" | "InvalidAccessKey" | "InvalidClientTokenId" | "UNAUTHENTICATED" => (
                E::UnknownKey,
                Fault::Input,
                "The storage does not know this access key.".into(),
                "Enter the access key again, or create a new one.",
            ),
            "SignatureDoesNotMatch" | "AuthenticationFailed" | "InvalidAuthenticationInfo" => (
                E::WrongSecret,
                Fault::Input,
                "The storage knows the key, but its secret is wrong.".into(),
                "Enter the secret again; copy it whole.",
            ),
            "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" => (
                E::PermissionDenied,
                Fault::Input,
                "The session token of the key has expired or is not valid.".into(),
                "Enter a new session token, or use a key that lasts.",
            ),
            "invalid_grant" | "invalid_client" => (
                E::UnknownKey,
                Fault::Input,
                "Google does not accept these credentials: the key was deleted, or this computer's clock is off."
                    .into(),
                "Check the clock, then create a new key for the service account.",
            ),
            "AuthorizationHeaderMalformed" | "PermanentRedirect" | "IllegalLocationConstraintException"
            | "AuthorizationQueryParametersError" => self.words_of_region(answer, &place),
            "QuotaExceeded" | "XMinioStorageFull" | "XMinioAdminBucketQuotaExceeded" | "StorageFull" => (
                E::DiskFull,
                there,
                format!("There is no room left in {place}."),
                "Make room there, or choose another storage.",
            ),
            "SlowDown" | "ServerBusy" | "TooManyRequests" => self.words_of_haste(),
            "AccountIsDisabled" | "AllAccessDisabled" | "AccountProblem" | "UserDisable" => (
                E::PermissionDenied,
                there,
                "The account of the storage is disabled.".into(),
                "Ask whoever pays for it.",
            ),
            _ => match answer.status {
                301 | 307 | 308 => self.words_of_region(answer, &place),
                401 => (
                    E::UnknownKey,
                    Fault::Input,
                    "The storage does not accept these keys.".into(),
                    "Enter the keys again.",
                ),
                403 => (
                    E::PermissionDenied,
                    Fault::Input,
                    format!("The key may not do this in {place}."),
                    "Give the key the right to write, read and delete objects there, or use another key.",
                ),
                404 => (
                    E::NotFound,
                    Fault::Input,
                    format!("There is no such place: {place} does not exist."),
                    "Check its name and the endpoint, or create it.",
                ),
                429 => self.words_of_haste(),
                507 => (
                    E::DiskFull,
                    there,
                    format!("There is no room left in {place}."),
                    "Make room there, or choose another storage.",
                ),
                500.. => (
                    E::Storage,
                    there,
                    "The storage has a fault of its own.".into(),
                    "Nothing to do: the upload is tried again.",
                ),
                _ => (
                    E::Storage,
                    there,
                    format!("The storage refuses to take the file into {place}."),
                    "Look at the details, and check the settings of the storage.",
                ),
            },
        }
    }

    fn words_of_haste(&self) -> (ErrorCode, Fault, String, &'static str) {
        (
            ErrorCode::Storage,
            Fault::Destination,
            "The storage asks to go slower.".into(),
            "Nothing to do: the upload goes on by itself.",
        )
    }

    fn words_of_region(&self, answer: &Answer, place: &str) -> (ErrorCode, Fault, String, &'static str) {
        let message = match &answer.region {
            Some(region) => format!("The region is wrong: {place} is in {region}."),
            None => format!("The region or the endpoint is wrong: {place} is elsewhere."),
        };
        (
            ErrorCode::InvalidArgument,
            Fault::Input,
            message,
            "Correct the region of the storage, or leave it empty.",
        )
    }

    fn words_without_answer(&self, place: &str) -> (ErrorCode, Fault, String, &'static str) {
        use ErrorCode as E;
        let there = Fault::Destination;
        let again = "Nothing to do: the upload is tried again.";
        match self {
            Self::Unreachable(cause, _) => {
                let (message, remedy) = match cause {
                    Cause::Name => (
                        "The storage's server is not known by this name.",
                        "Check the endpoint and the network.",
                    ),
                    Cause::Refused => (
                        "Nothing answers at the address of the storage.",
                        "Check the endpoint and the network.",
                    ),
                    Cause::Tls => (
                        "No encrypted connection to the storage comes about: its certificate is not trusted, or it speaks plain HTTP.",
                        "Check the endpoint; write http:// if the server has no encryption.",
                    ),
                    Cause::Proxy => (
                        "The proxy on the way to the storage refuses.",
                        "Check the proxy's address and login.",
                    ),
                    Cause::Stalled => ("The storage stopped answering.", again),
                    Cause::Broken => ("The connection to the storage broke off.", again),
                };
                (E::Unreachable, there, message.into(), remedy)
            }
            Self::Io(error) if error.kind() == io::ErrorKind::StorageFull => (
                E::DiskFull,
                Fault::Environment,
                format!("The disk is full on the way to {place}."),
                "Make room; the upload goes on by itself.",
            ),
            Self::Io(_) => (
                E::Storage,
                Fault::Environment,
                format!("A file cannot be read or written on the way to {place}."),
                "Check that the disk is there and may be read and written.",
            ),
            Self::Changed => (
                E::Storage,
                Fault::Environment,
                "The file changed while it was being uploaded.".into(),
                "Nothing to do: it is uploaded again.",
            ),
            Self::FileGone => (
                E::NotFound,
                Fault::Environment,
                "The file is not there any more.".into(),
                "Put it back where it was and try again, or take it off the list.",
            ),
            Self::Differs(_) => (
                E::Storage,
                there,
                "What arrived in the storage is not what was sent.".into(),
                "Nothing to do: it is uploaded again. The file on this computer stays.",
            ),
            Self::Forgotten => (
                E::Storage,
                there,
                "The storage has thrown away the parts of the file that were already there.".into(),
                "Nothing to do: the upload begins anew.",
            ),
            _ => (
                E::Storage,
                there,
                format!("Uploading to {place} failed in a way that is not understood."),
                "Look at the details, and check the settings of the storage.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use egress::storage::{S3, StorageKeys};

    fn storage() -> Storage {
        Storage::S3(S3 { bucket: "shows".into(), ..S3::default() })
    }

    fn answer(status: u16, body: &str) -> StoreError {
        StoreError::Answered(Box::new(Answer::new(status, &HeaderMap::new(), body.as_bytes())))
    }

    #[test]
    fn what_a_store_answers_is_told_in_words() {
        let xml = |code: &str| {
            format!("<Error><Code>{code}</Code><Message>m</Message><Region>eu-west-1</Region></Error>")
        };
        let cases = [
            (404, "NoSuchBucket", ErrorCode::NotFound, "does not exist", true),
            (403, "InvalidAccessKeyId", ErrorCode::UnknownKey, "does not know", true),
            (403, "SignatureDoesNotMatch", ErrorCode::WrongSecret, "secret is wrong", true),
            (403, "AccessDenied", ErrorCode::PermissionDenied, "may not", true),
            (403, "RequestTimeTooSkewed", ErrorCode::ClockOff, "clock is off", true),
            (400, "AuthorizationHeaderMalformed", ErrorCode::InvalidArgument, "is in eu-west-1", true),
            (400, "BadDigest", ErrorCode::Storage, "refuses", false),
            (503, "SlowDown", ErrorCode::Storage, "slower", false),
            (500, "InternalError", ErrorCode::Storage, "fault of its own", false),
            (507, "XMinioStorageFull", ErrorCode::DiskFull, "no room", true),
        ];
        for (status, code, expected, words, lasts) in cases {
            let error = answer(status, &xml(code));
            let told = error.told(&storage(), None);
            assert_eq!(told.code, expected, "{code}");
            assert!(told.message.contains(words), "{code}: {}", told.message);
            assert_eq!((error.lasts(), told.retryable), (lasts, !lasts), "{code}");
        }
    }

    #[test]
    fn a_clock_that_is_off_is_seen_by_the_servers_own() {
        let mut headers = HeaderMap::new();
        headers.insert("date", "Mon, 06 Jan 2020 08:00:00 GMT".parse().unwrap());
        let error = StoreError::Answered(Box::new(Answer::new(403, &headers, b"")));
        assert_eq!(error.told(&storage(), None).code, ErrorCode::ClockOff);
    }

    #[test]
    fn a_secret_that_a_server_repeats_is_taken_out() {
        let secret = StorageSecret {
            keys: StorageKeys::S3 {
                access_key: "AKIAEXAMPLE".into(),
                secret: "hidden".into(),
                session_token: None,
                assume_role_external_id: None,
            },
            proxy: None,
        };
        let error = answer(403, "<Error><Code>X</Code><Message>key AKIAEXAMPLE is hidden</Message></Error>");
        let told = error.told(&storage(), Some(&secret));
        assert!(told.detail.contains("{secret}"), "{}", told.detail);
        assert!(!told.detail.contains("AKIA") && !told.detail.contains("hidden"));
    }

    #[test]
    fn no_answer_panics() {
        for body in [
            "",
            "<Code>",
            "<Code></Code>",
            "</",
            "{\"error\":1}",
            "{\"error\":{\"message\":\"m\"}}",
            "\u{0}<Message>\u{7}x</",
        ] {
            for status in [100, 302, 400, 403, 418, 500, 599] {
                let told = answer(status, body).told(&storage(), None);
                assert!(!told.message.is_empty() && !told.remedy.is_empty());
            }
        }
    }
}
