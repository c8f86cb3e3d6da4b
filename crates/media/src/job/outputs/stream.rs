//! A live stream as an output of a job.

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{DestinationResult, DestinationState};
use egress::id::OutputId;
use egress::spec::StreamOutput as StreamSpec;
use egress::stream::{StreamTarget, StreamUrl};
use egress::wire::Secret;
use room::clock::Clock;
use secrecy::ExposeSecret;

use crate::output::stream::{Stream, StreamPlan};
use crate::output::{Ended, Output, OutputReport};

/// Which lanes the rendition for servers has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lanes {
    /// Pictures.
    pub video: bool,
    /// Sound.
    pub audio: bool,
}

/// Starts a stream.
///
/// # Errors
/// If its address is missing or none, or there is nothing to send.
pub(super) fn open(
    id: &OutputId,
    spec: &StreamSpec,
    secret: Option<&Secret>,
    lanes: Lanes,
    clock: Clock,
    report: impl Fn(OutputReport) + Send + 'static,
) -> Result<Box<dyn Output>, ApiError> {
    let secret = secret.ok_or_else(no_address)?;
    let url = StreamUrl::parse(secret.0.expose_secret())?;
    if let StreamTarget::Srt(target) = url.target()
        && !target.without_effect.is_empty()
    {
        let names = target.without_effect.join(", ");
        tracing::warn!(output = %id, "parameters of the SRT address that have no effect: {names}");
    }
    if !lanes.video && !lanes.audio {
        return Err(ApiError::new(
            ErrorCode::Unsupported,
            Fault::Input,
            "There is neither picture nor sound to stream.",
            "Choose something that has one.",
        ));
    }
    let plan = StreamPlan {
        id: id.clone(),
        clock,
        url,
        any_certificate: spec.any_certificate,
        video: lanes.video,
        audio: lanes.audio,
    };
    Ok(Box::new(Stream::start(plan, report)))
}

/// Its specification came, and its address did not.
pub(super) fn no_address() -> ApiError {
    ApiError::new(
        ErrorCode::InvalidArgument,
        Fault::Ours,
        "The address of this stream did not come along.",
        "Add the destination again.",
    )
}

/// What came of a stream that could not be started.
pub(super) fn not_started(error: ApiError) -> Ended {
    Ended::Destination(DestinationState::Failed { error, result: DestinationResult::default() })
}
