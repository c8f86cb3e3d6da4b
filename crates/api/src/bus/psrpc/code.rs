//! Errors as psrpc words them, and what they are to us.

use egress::error::{ApiError, ErrorCode};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// psrpc's codes. The server turns them into Twirp's.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The code as it is sent.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// What was sent. A code that is not known is unknown.
            pub fn parse(word: &str) -> Self {
                match word { $($word => Self::$name,)* _ => Self::Unknown }
            }
        }
    };
}

codes! {
    /// The caller went away.
    Canceled = "canceled",
    /// The request cannot be read.
    MalformedRequest = "malformed_request",
    /// The answer cannot be read.
    MalformedResult = "malformed_result",
    /// Nobody answered in time.
    DeadlineExceeded = "deadline_exceeded",
    /// Nobody is there, or nobody can at the moment. Callers try again.
    Unavailable = "unavailable",
    /// Whatever is none of the others.
    Unknown = "unknown",
    /// The request asks for what cannot be.
    InvalidArgument = "invalid_argument",
    /// There is no such thing.
    NotFound = "not_found",
    /// Not in that form.
    NotAcceptable = "not_acceptable",
    /// It is there already.
    AlreadyExists = "already_exists",
    /// Not allowed.
    PermissionDenied = "permission_denied",
    /// Full. Callers try again.
    ResourceExhausted = "resource_exhausted",
    /// Not in this state.
    FailedPrecondition = "failed_precondition",
    /// Broken off.
    Aborted = "aborted",
    /// Beyond what there is.
    OutOfRange = "out_of_range",
    /// Not known how.
    Unimplemented = "unimplemented",
    /// A defect.
    Internal = "internal",
    /// Lost.
    DataLoss = "data_loss",
    /// Who is it?
    Unauthenticated = "unauthenticated",
    /// Read, and of no sense.
    UnprocessableEntity = "unprocessable_entity",
    /// Somebody further on failed.
    UpstreamServerError = "upstream_server_error",
    /// Somebody further on refused.
    UpstreamClientError = "upstream_client_error",
}

impl Code {
    /// Whether the same call may succeed later, unchanged.
    pub fn passes(self) -> bool {
        !matches!(
            self,
            Self::MalformedRequest
                | Self::InvalidArgument
                | Self::NotAcceptable
                | Self::AlreadyExists
                | Self::OutOfRange
                | Self::Unimplemented
                | Self::UnprocessableEntity
        )
    }
}

/// An error of a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", code.as_str())]
pub struct RpcError {
    /// Which kind.
    pub code: Code,
    /// In words. Never empty when it is sent: that would be success.
    pub message: String,
}

impl RpcError {
    /// An error.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl From<ApiError> for RpcError {
    /// Permanent refusals get codes that no caller tries again; what another worker may do better, those that it
    /// does. LiveKit's own words come first, where there are any: scripts look for them.
    fn from(error: ApiError) -> Self {
        let code = match error.code {
            ErrorCode::InvalidArgument | ErrorCode::Unsupported => Code::InvalidArgument,
            ErrorCode::NotFound => Code::NotFound,
            ErrorCode::AlreadyExists => Code::AlreadyExists,
            ErrorCode::FailedPrecondition
            | ErrorCode::UnknownKey
            | ErrorCode::WrongSecret
            | ErrorCode::ClockOff => Code::FailedPrecondition,
            ErrorCode::PermissionDenied | ErrorCode::Keyring => Code::PermissionDenied,
            ErrorCode::DiskFull | ErrorCode::LimitReached | ErrorCode::Exhausted => Code::ResourceExhausted,
            ErrorCode::NotLiveKit
            | ErrorCode::Unreachable
            | ErrorCode::RoomLost
            | ErrorCode::Storage
            | ErrorCode::JobDied => Code::Unavailable,
            ErrorCode::Aborted => Code::Aborted,
            ErrorCode::Internal if error.retryable => Code::Unavailable,
            ErrorCode::Internal => Code::Internal,
        };
        let mut message = error.message;
        if !error.remedy.is_empty() {
            message = format!("{message} {}", error.remedy);
        }
        // The cause of anything else may name files of this computer.
        let of_the_request = matches!(
            code,
            Code::InvalidArgument | Code::NotFound | Code::FailedPrecondition | Code::AlreadyExists
        );
        if of_the_request && !error.detail.is_empty() {
            message = format!("{}: {message}", error.detail);
        }
        if message.is_empty() {
            message = code.as_str().to_owned();
        }
        Self { code, message }
    }
}

#[cfg(test)]
mod tests {
    use egress::error::Fault;

    use super::*;

    #[test]
    fn codes_are_read_as_they_are_written() {
        for code in Code::ALL {
            assert_eq!(Code::parse(code.as_str()), *code);
        }
        assert_eq!(Code::parse(""), Code::Unknown);
        assert_eq!(Code::parse("teapot"), Code::Unknown);
    }

    #[test]
    fn livekits_words_come_first_and_causes_of_this_computer_stay_here() {
        let refused =
            ApiError::new(ErrorCode::InvalidArgument, Fault::Input, "No track is named.", "Choose a track.")
                .with_detail("request has missing or invalid field: track_id");
        assert_eq!(
            RpcError::from(refused),
            RpcError::new(
                Code::InvalidArgument,
                "request has missing or invalid field: track_id: No track is named. Choose a track."
            )
        );
        let broken =
            ApiError::new(ErrorCode::Internal, Fault::Ours, "It broke.", "").with_detail("/home/ada/x");
        assert_eq!(RpcError::from(broken), RpcError::new(Code::Internal, "It broke."));
    }

    #[test]
    fn a_job_that_is_known_already_exists() {
        let known = ApiError::new(ErrorCode::AlreadyExists, Fault::Input, "There is one.", "");
        assert_eq!(RpcError::from(known).code, Code::AlreadyExists);
    }
}
