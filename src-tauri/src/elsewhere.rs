//! What the page can ask for of what runs by itself or elsewhere: rules, rooms, and jobs of LiveKit's own egress service.
//! As in [`crate::commands`], one to one.

use egress::id::{EgressId, RuleId};
use egress::request::RecordRequest;
use studio::surface::{AutoEgress, RoomInput, StreamInput};
use tauri::State;

use crate::commands::Answer;
use crate::opened::Opened;

/// See [`studio::Studio::save_rule`].
#[tauri::command]
pub async fn save_rule(opened: State<'_, Opened>, input: AutoEgress) -> Answer<RuleId> {
    opened.studio().await?.save_rule(input).await
}

/// See [`studio::Studio::edit_rule`].
#[tauri::command]
pub async fn edit_rule(opened: State<'_, Opened>, id: RuleId, input: AutoEgress) -> Answer<()> {
    opened.studio().await?.edit_rule(id, input).await
}

/// See [`studio::Studio::forget_rule`].
#[tauri::command]
pub async fn forget_rule(opened: State<'_, Opened>, id: RuleId) -> Answer<()> {
    opened.studio().await?.forget_rule(id).await
}

/// See [`studio::Studio::create_room`].
#[tauri::command]
pub async fn create_room(opened: State<'_, Opened>, input: RoomInput) -> Answer<()> {
    opened.studio().await?.create_room(input).await
}

/// See [`studio::Studio::start_elsewhere`].
#[tauri::command]
pub async fn start_elsewhere(opened: State<'_, Opened>, request: RecordRequest) -> Answer<EgressId> {
    opened.studio().await?.start_elsewhere(request).await
}

/// See [`studio::Studio::stop_elsewhere`].
#[tauri::command]
pub async fn stop_elsewhere(opened: State<'_, Opened>, egress_id: EgressId) -> Answer<()> {
    opened.studio().await?.stop_elsewhere(egress_id).await
}

/// See [`studio::Studio::update_layout_elsewhere`].
#[tauri::command]
pub async fn update_layout_elsewhere(
    opened: State<'_, Opened>,
    egress_id: EgressId,
    layout: String,
) -> Answer<()> {
    opened.studio().await?.update_layout_elsewhere(egress_id, layout).await
}

/// See [`studio::Studio::add_stream_elsewhere`].
#[tauri::command]
pub async fn add_stream_elsewhere(
    opened: State<'_, Opened>,
    egress_id: EgressId,
    stream: StreamInput,
) -> Answer<()> {
    opened.studio().await?.add_stream_elsewhere(egress_id, stream).await
}

/// See [`studio::Studio::remove_stream_elsewhere`].
#[tauri::command]
pub async fn remove_stream_elsewhere(
    opened: State<'_, Opened>,
    egress_id: EgressId,
    address: String,
) -> Answer<()> {
    opened.studio().await?.remove_stream_elsewhere(egress_id, address).await
}
