//! What GStreamer says of a connection, in a producer's words.

use std::time::Duration;

use egress::destination::Happening;
use egress::error::{ApiError, ErrorCode, Fault};
use egress::stream::{StreamTarget, StreamUrl};

/// libsrt gives up on a listener that does not answer after three seconds. What fails sooner was answered.
const SRT_SILENCE: Duration = Duration::from_millis(2500);

/// An error of the pipeline. Its texts may hold a key.
#[derive(Debug)]
pub(super) struct Trouble {
    pub denied: bool,
    pub text: String,
}

/// What an error of a connection means. `up`: the server had taken the stream.
pub(super) fn broken(url: &StreamUrl, trouble: &Trouble, after: Duration, up: bool) -> Happening {
    let detail = url.scrub(&trouble.text);
    let text = trouble.text.to_lowercase();
    let has = |part: &str| text.contains(part);
    match url.target() {
        _ if has("resolv") => Happening::Lost(away(
            "The server's name is not known.",
            "Check the address; if it is right, check this computer's network.",
            detail,
        )),
        StreamTarget::Rtmp(_) if has("certificate") => Happening::Denied(no(
            "The server's certificate is not to be trusted.",
            "Check the address. If the server is your own, allow any certificate for this destination.",
            detail,
        )),
        StreamTarget::Rtmp(_) if has("already exists") || has("already publishing") => Happening::Taken(no(
            "Somebody streams with this key already.",
            "End the other stream, or use another key; then try again.",
            detail,
        )),
        StreamTarget::Rtmp(_) if trouble.denied || has("'publish' cmd") || has("publish denied") => {
            Happening::Denied(no(
                "The server refuses this stream key.",
                "Check the key at the service, and whether somebody else streams with it; then try again.",
                detail,
            ))
        }
        StreamTarget::Rtmp(_) if has("'connect' cmd") => Happening::HungUp(no(
            "The server does not take streams at this address.",
            "Check the part of the address between the server's name and the key.",
            detail,
        )),
        StreamTarget::Rtmp(_) if has("closed") && up => Happening::HungUp(no(
            "The server hung up.",
            "It is tried again. If it happens at once each time, check the stream key and the service's limits.",
            detail,
        )),
        StreamTarget::Srt(_) if !up && has("authenticate") => Happening::Denied(no(
            "The receiver refuses this passphrase.",
            "Check the passphrase, which has to be the receiver's; then try again.",
            detail,
        )),
        StreamTarget::Srt(_) if !up && after < SRT_SILENCE && has("failed to write") => {
            Happening::Denied(no(
                "The receiver refuses this stream.",
                "Check passphrase and stream id, and whether the receiver is taken already; then try again.",
                detail,
            ))
        }
        _ if has("timed out") => Happening::Lost(if up { wedged() } else { no_answer(url) }),
        _ if has("refused") => Happening::Lost(away(
            "Nobody takes streams at this address.",
            "Check address and port, and whether the server runs.",
            detail,
        )),
        _ if up => Happening::Lost(away("The connection was lost.", "It is tried again by itself.", detail)),
        _ => Happening::Lost(away(
            "The server cannot be reached.",
            "Check the address and the network; it is tried again by itself.",
            detail,
        )),
    }
}

/// Nothing came back.
pub(super) fn no_answer(url: &StreamUrl) -> ApiError {
    away(
        "The server does not answer.",
        "Check address and port; it is tried again by itself.",
        format!("no answer from {}", url.shown()),
    )
}

/// The connection is there and takes nothing.
pub(super) fn wedged() -> ApiError {
    away(
        "The server has stopped taking the stream.",
        "It is connected to anew by itself.",
        "no outbound progress",
    )
}

fn away(message: &str, remedy: &str, detail: impl std::fmt::Display) -> ApiError {
    ApiError::new(ErrorCode::Unreachable, Fault::Destination, message, remedy).retryable().with_detail(detail)
}

fn no(message: &str, remedy: &str, detail: impl std::fmt::Display) -> ApiError {
    ApiError::new(ErrorCode::PermissionDenied, Fault::Destination, message, remedy).with_detail(detail)
}
