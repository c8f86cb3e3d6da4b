//! What goes wrong with a store, and how it is told.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

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
    /// This computer's own identity cannot be had.
    #[error("{}", .0.detail)]
    Identity(Arc<NoIdentity>),
    /// Already in words: the keyring, the journal.
    #[error("{0}")]
    Told(ApiError),
    /// An answer that makes no sense, or settings that cannot be used.
    #[error("{0}")]
    Odd(String),
}

/// Why this computer's own identity cannot be had.
#[derive(Debug)]
pub(crate) struct NoIdentity {
    message: String,
    remedy: String,
    detail: String,
    lasts: bool,
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
                Some(Self::Identity(why)) => return Self::Identity(why.clone()),
                Some(Self::Odd(text)) => return Self::Odd(text.clone()),
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

    /// As an error of this computer's identity. `from`: where it was looked for, as the subject of a sentence.
    pub(crate) fn of_identity(self, from: &str, remedy: &str) -> Self {
        if matches!(self, Self::Identity(_)) {
            return self;
        }
        let what = match &self {
            Self::Answered(answer) if answer.words.is_empty() => format!("refuses (HTTP {})", answer.status),
            Self::Answered(answer) => format!("refuses ({})", answer.words.trim_end_matches('.')),
            Self::Unreachable(..) => "does not answer".to_owned(),
            other => format!("cannot be used ({other})"),
        };
        Self::Identity(Arc::new(NoIdentity {
            message: format!("This computer's own identity cannot be used: {from} {what}."),
            remedy: remedy.to_owned(),
            detail: format!("{from}: {self}"),
            lasts: self.lasts(),
        }))
    }

    /// Whether the credentials have ended: new ones may be there already.
    pub(crate) fn stale(&self) -> bool {
        self.answer().is_some_and(|answer| {
            answer.status == 401
                || matches!(
                    answer.code.as_str(),
                    "ExpiredToken"
                        | "ExpiredTokenException"
                        | "InvalidToken"
                        | "TokenRefreshRequired"
                        | "RequestExpired"
                )
        })
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
            Self::Identity(why) => why.lasts,
            Self::Io(_) | Self::Changed | Self::Differs(_) | Self::Forgotten => false,
        }
    }

    /// In a producer's words. `secret`: its texts are taken out of what the server said.
    pub(crate) fn told(&self, storage: &Storage, secret: Option<&StorageSecret>) -> ApiError {
        let mut detail = match self {
            Self::Told(error) => return error.clone(),
            error => error.to_string(),
        };
        for text in secret.iter().flat_map(|secret| secret.texts()) {
            // A signature of Azure's is repeated by its pieces.
            let pieces = text.expose_secret().split('&').filter_map(|pair| pair.split_once("sig="));
            for text in pieces.map(|(_, signature)| signature).chain([text.expose_secret()]) {
                if !text.is_empty() {
                    detail = detail.replace(text, "{secret}");
                }
            }
        }
        let (code, fault, message, remedy) = self.words(storage);
        let error = ApiError::new(code, fault, message, remedy).with_detail(detail);
        if self.lasts() { error } else { error.retryable() }
    }

    fn words(&self, storage: &Storage) -> (ErrorCode, Fault, String, &str) {
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
        if storage.machine_identity()
            && let Some(words) = self.words_of_identity(answer, &place)
        {
            return words;
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

    /// What is said of keys, where there are none of the storage's own.
    fn words_of_identity(
        &self,
        answer: &Answer,
        place: &str,
    ) -> Option<(ErrorCode, Fault, String, &'static str)> {
        let code = answer.code.as_str();
        let not_of_keys = matches!(code, "NoSuchBucket" | "ContainerNotFound" | "ContainerBeingDeleted");
        let (message, remedy) = match answer.status {
            _ if self.stale() => (
                "What this computer's identity rests on has ended, or is not accepted.".to_owned(),
                "Nothing to do where it is renewed by itself; else renew it. The upload is tried again.",
            ),
            _ if matches!(
                code,
                "invalid_grant"
                    | "invalid_client"
                    | "InvalidAccessKeyId"
                    | "SignatureDoesNotMatch"
                    | "AuthenticationFailed"
            ) =>
            {
                (
                    "The storage does not accept this computer's own identity.".to_owned(),
                    "Check where it comes from, which the details name; or give the storage keys.",
                )
            }
            403 if !not_of_keys => (
                format!("This computer's own identity may not do this in {place}."),
                "Give it the right to write, read and delete objects there, or give the storage keys.",
            ),
            _ => return None,
        };
        Some((ErrorCode::PermissionDenied, Fault::Environment, message, remedy))
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

    fn words_without_answer(&self, place: &str) -> (ErrorCode, Fault, String, &str) {
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
            Self::Identity(why) => {
                (E::PermissionDenied, Fault::Environment, why.message.clone(), why.remedy.as_str())
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
#[path = "fault_tests.rs"]
mod tests;
