//! What goes wrong with pages, in a producer's words.

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::EndReason;
use egress::info::START_NOT_RECEIVED;

use crate::source::page::StageError;

/// The page's programs do not run.
pub(super) fn stage(error: &StageError) -> ApiError {
    match error {
        StageError::NoBrowser => ApiError::new(
            ErrorCode::Unsupported,
            Fault::Environment,
            "Chromium is not installed on this computer; web pages and layouts are drawn by it.",
            "Install Chromium or Google Chrome, then try again.",
        ),
        StageError::Missing { program, .. } => ApiError::new(
            ErrorCode::Unsupported,
            Fault::Environment,
            format!("{program} cannot be started on this computer; web pages are captured with it."),
            format!("Install {program}, then try again."),
        ),
        StageError::Folder { .. } => ApiError::new(
            ErrorCode::Storage,
            Fault::Environment,
            "The job's own folder cannot be written.",
            "Check that the disk has room and that the folder may be written.",
        ),
        StageError::Died { program } => ApiError::new(
            ErrorCode::Internal,
            Fault::Environment,
            format!("{program}, which shows the page, ended without a word."),
            "If nobody ended it, check this computer's memory.",
        )
        .retryable(),
        StageError::Browser(_) => ApiError::new(
            ErrorCode::Internal,
            Fault::Environment,
            "Chromium does not answer.",
            "Check this computer's load and memory, then try again.",
        )
        .retryable(),
        StageError::Capture(_) => ApiError::new(
            ErrorCode::Internal,
            Fault::Environment,
            "The page's picture and sound cannot be captured.",
            "Try again; if it stays so, copy the details into a report.",
        )
        .retryable(),
    }
    .with_detail(error)
}

/// It cannot be loaded. `cause` is Chromium's word, `net::ERR_…`.
pub(super) fn unreachable(url: &str, cause: &str) -> ApiError {
    let (what, remedy) = match cause.trim_start_matches("net::") {
        "ERR_NAME_NOT_RESOLVED" => {
            ("no host of this name is known", "Check the address and this computer's network.")
        }
        "ERR_CONNECTION_REFUSED" => {
            ("nothing answers there", "Check the address, and that the page's server runs.")
        }
        "ERR_CONNECTION_TIMED_OUT" | "ERR_TIMED_OUT" => {
            ("its server does not answer in time", "Check the address and this computer's network.")
        }
        "ERR_INTERNET_DISCONNECTED" | "ERR_NETWORK_CHANGED" | "ERR_ADDRESS_UNREACHABLE" => {
            ("this computer has no way to it", "Check this computer's network.")
        }
        cert if cert.starts_with("ERR_CERT") || cert.starts_with("ERR_SSL") => (
            "its certificate is not accepted",
            "Give the page's server a certificate that browsers accept, or use an http:// address in your own network.",
        ),
        "ERR_ABORTED" => ("it is a download, or nothing at all", "Give the address of a page."),
        _ => ("it does not load", "Open the address in a browser of your own to see what is wrong."),
    };
    ApiError::new(
        ErrorCode::Unreachable,
        Fault::Input,
        format!("The page {} cannot be shown: {what}.", host(url)),
        remedy,
    )
    .retryable()
    .with_detail(format!("page load error: {cause}"))
}

/// Its server answered with an HTTP error.
pub(super) fn refused(url: &str, status: i64) -> ApiError {
    let remedy = match status {
        401 | 403 => "The page needs a login; only pages that open without one can be recorded.",
        404 | 410 => "Check the address.",
        _ => "Look at what is wrong with the page's server.",
    };
    let message = format!("The server of the page {} answered with HTTP {status}.", host(url));
    ApiError::new(ErrorCode::Unreachable, Fault::Input, message, remedy)
        .retryable()
        .with_detail(format!("page load error: HTTP {status}"))
}

/// It took too long.
pub(super) fn too_slow(url: &str, seconds: u64) -> ApiError {
    ApiError::new(
        ErrorCode::Unreachable,
        Fault::Input,
        format!("The page {} did not load within {seconds} seconds.", host(url)),
        "Open it in a browser of your own to see what it waits for.",
    )
    .retryable()
    .with_detail("page load error: timed out")
}

/// A template said so, in `div.error`. Before its first start it has looked itself, and trying again shows the same; one
/// that was on may find its server again.
pub(super) fn template(said: &str, was_on: bool) -> ApiError {
    let error = ApiError::new(
        ErrorCode::Internal,
        Fault::Input,
        format!("The template reports an error: {said}"),
        "If it is a template of your own, look at its code; otherwise check the connection to the LiveKit server.",
    )
    .with_detail(format!("template error: {said}"));
    if was_on { error.retryable() } else { error }
}

/// The job ended for `reason` before a page that is to say when it begins has said so. `loaded`: it was there and waited;
/// `room`: its room has ended.
pub(super) fn no_start(reason: EndReason, loaded: bool, room: bool) -> ApiError {
    let message = match reason {
        EndReason::SourceClosed if room => "The room ended before the page said START_RECORDING.",
        EndReason::SourceClosed => "The page said END_RECORDING before it said START_RECORDING.",
        EndReason::ProcessKilled => "The computer ended the recording before the page said START_RECORDING.",
        EndReason::StopRequested if loaded => {
            "The recording was stopped before the page said START_RECORDING."
        }
        EndReason::StopRequested => "The recording was stopped while the page was being loaded.",
        _ => "The recording ended before the page said START_RECORDING.",
    };
    let remedy = if loaded {
        "Look at what the page waits for: most templates wait for somebody to publish a camera or a microphone."
    } else {
        "Record again, and wait until the page is there."
    };
    ApiError::new(ErrorCode::Aborted, Fault::Input, message, remedy).with_detail(START_NOT_RECEIVED)
}

/// Its process crashed.
pub(super) fn crashed() -> ApiError {
    ApiError::new(
        ErrorCode::Internal,
        Fault::Input,
        "The page crashed.",
        "A page that uses too much memory is the usual cause; look at it in a browser's task manager.",
    )
    .retryable()
}

/// Chromium itself ended.
pub(super) fn ended() -> ApiError {
    ApiError::new(
        ErrorCode::Internal,
        Fault::Environment,
        "Chromium ended while it showed the page.",
        "If nobody ended it, check this computer's memory.",
    )
    .retryable()
}

/// It uses too much memory.
pub(super) fn too_large() -> ApiError {
    ApiError::new(
        ErrorCode::Internal,
        Fault::Input,
        "The page used more than 5 GB of memory and was ended.",
        "Look at it in a browser's task manager: it keeps what it should let go of.",
    )
    .retryable()
}

/// It answers nothing.
pub(super) fn hung() -> ApiError {
    ApiError::new(
        ErrorCode::Internal,
        Fault::Input,
        "The page hangs: its scripts do not come to an end.",
        "Look at what it does in a browser of your own.",
    )
    .retryable()
}

/// The layout cannot be drawn.
pub(super) fn layout(place: &str, reason: &str) -> ApiError {
    let at = if place.is_empty() { String::new() } else { format!(" at {place}") };
    ApiError::new(
        ErrorCode::InvalidArgument,
        Fault::Input,
        format!("This layout cannot be drawn{at}: {reason}"),
        "Correct the layout; the one that is on stays.",
    )
}

/// The page is none of ours and cannot be told directly.
pub(super) fn no_layouts() -> ApiError {
    ApiError::new(
        ErrorCode::Unsupported,
        Fault::Input,
        "This page does not take layouts directly.",
        "Change the layout through the recorder's metadata, as LiveKit's UpdateLayout does.",
    )
}

/// The page is not there yet.
pub(super) fn not_there() -> ApiError {
    ApiError::new(
        ErrorCode::FailedPrecondition,
        Fault::Input,
        "The page is still being loaded.",
        "Change the layout when it is there.",
    )
    .retryable()
}

/// The host of an address: what comes after may hold secrets.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    host.rsplit_once('@').map_or(host, |(_, host)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_without_its_secrets() {
        assert_eq!(host("https://me:planted@show.example:8443/a?token=planted"), "show.example:8443");
        let error = unreachable("https://x.example/?token=planted", "net::ERR_NAME_NOT_RESOLVED");
        assert!(!format!("{error:?}").contains("planted"));
        assert_eq!(error.message, "The page x.example cannot be shown: no host of this name is known.");
        assert_eq!(error.detail, "page load error: net::ERR_NAME_NOT_RESOLVED");
    }
}
