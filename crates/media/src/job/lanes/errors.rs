//! What the operator is told where media cannot be decoded or encoded.

use egress::error::{ApiError, ErrorCode, Fault};
use room::event::Codec;

use crate::chain::ChainError;

pub(super) fn no_decoder(codec: Codec, error: &ChainError) -> ApiError {
    ApiError::new(
        ErrorCode::Unsupported,
        Fault::Environment,
        format!("{} cannot be decoded on this computer.", codec.name()),
        "Install the missing GStreamer plugins, or record as published.",
    )
    .with_detail(error)
}

pub(in crate::job) fn encoder_failed(error: &ChainError) -> ApiError {
    ApiError::new(
        ErrorCode::Internal,
        Fault::Environment,
        "The encoder stopped working.",
        "Record again; if it happens again, choose another preset and report this with the job's log.",
    )
    .with_detail(error)
}
