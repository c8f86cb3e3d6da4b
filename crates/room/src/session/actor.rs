//! The task that owns a room's connection.

use egress::error::{ApiError, ErrorCode, Fault};
use tokio::sync::mpsc;

use super::{Room, RoomOptions};
use crate::event::RoomEvent;

/// Joins and starts the task.
pub(super) async fn start(_options: RoomOptions) -> Result<(Room, mpsc::Receiver<RoomEvent>), ApiError> {
    Err(ApiError::new(ErrorCode::Internal, Fault::Ours, "Joining rooms is not built yet.", ""))
}
