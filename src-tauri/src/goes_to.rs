//! What the page can ask for of where recordings go: live destinations, storages and uploads. As in [`crate::commands`],
//! one to one.

use egress::id::{DestinationId, EgressId, OutputId, StorageId};
use egress::request::UploadRequest;
use studio::surface::{DestinationInput, StorageInput, StreamInput};
use tauri::State;
use upload::{Checked, UploadId};

use crate::commands::Answer;
use crate::opened::Opened;

/// See [`studio::Studio::add_stream`].
#[tauri::command]
pub async fn add_stream(
    opened: State<'_, Opened>,
    egress_id: EgressId,
    stream: StreamInput,
) -> Answer<OutputId> {
    opened.studio().await?.add_stream(egress_id, stream).await
}

/// See [`studio::Studio::remove_output`].
#[tauri::command]
pub async fn remove_output(opened: State<'_, Opened>, egress_id: EgressId, output: OutputId) -> Answer<()> {
    opened.studio().await?.remove_output(egress_id, output).await
}

/// See [`studio::Studio::retry_output`].
#[tauri::command]
pub async fn retry_output(opened: State<'_, Opened>, egress_id: EgressId, output: OutputId) -> Answer<()> {
    opened.studio().await?.retry_output(egress_id, output).await
}

/// See [`studio::Studio::save_destination`].
#[tauri::command]
pub async fn save_destination(opened: State<'_, Opened>, input: DestinationInput) -> Answer<DestinationId> {
    opened.studio().await?.save_destination(input).await
}

/// See [`studio::Studio::edit_destination`].
#[tauri::command]
pub async fn edit_destination(
    opened: State<'_, Opened>,
    id: DestinationId,
    input: DestinationInput,
) -> Answer<()> {
    opened.studio().await?.edit_destination(id, input).await
}

/// See [`studio::Studio::forget_destination`].
#[tauri::command]
pub async fn forget_destination(opened: State<'_, Opened>, id: DestinationId) -> Answer<()> {
    opened.studio().await?.forget_destination(id).await
}

/// See [`studio::Studio::check_storage`].
#[tauri::command]
pub async fn check_storage(
    opened: State<'_, Opened>,
    input: StorageInput,
    saved: Option<StorageId>,
) -> Answer<Checked> {
    opened.studio().await?.check_storage(input, saved).await
}

/// See [`studio::Studio::save_storage`].
#[tauri::command]
pub async fn save_storage(opened: State<'_, Opened>, input: StorageInput) -> Answer<StorageId> {
    opened.studio().await?.save_storage(input).await
}

/// See [`studio::Studio::edit_storage`].
#[tauri::command]
pub async fn edit_storage(opened: State<'_, Opened>, id: StorageId, input: StorageInput) -> Answer<()> {
    opened.studio().await?.edit_storage(id, input).await
}

/// See [`studio::Studio::forget_storage`].
#[tauri::command]
pub async fn forget_storage(opened: State<'_, Opened>, id: StorageId) -> Answer<()> {
    opened.studio().await?.forget_storage(id).await
}

/// See [`studio::Studio::upload_recording`].
#[tauri::command]
pub async fn upload_recording(
    opened: State<'_, Opened>,
    egress_id: EgressId,
    to: UploadRequest,
) -> Answer<()> {
    opened.studio().await?.upload_recording(egress_id, to).await
}

/// See [`studio::Studio::retry_upload`].
#[tauri::command]
pub async fn retry_upload(opened: State<'_, Opened>, id: Option<UploadId>) -> Answer<()> {
    opened.studio().await?.retry_upload(id).await
}

/// See [`studio::Studio::pause_upload`].
#[tauri::command]
pub async fn pause_upload(opened: State<'_, Opened>, id: UploadId, paused: bool) -> Answer<()> {
    opened.studio().await?.pause_upload(id, paused).await
}

/// See [`studio::Studio::cancel_upload`].
#[tauri::command]
pub async fn cancel_upload(opened: State<'_, Opened>, id: UploadId) -> Answer<()> {
    opened.studio().await?.cancel_upload(id).await
}

/// See [`studio::Studio::retry_set`].
#[tauri::command]
pub async fn retry_set(opened: State<'_, Opened>, egress_id: EgressId, output: OutputId) -> Answer<()> {
    opened.studio().await?.retry_set(egress_id, output).await
}

/// See [`studio::Studio::pause_set`].
#[tauri::command]
pub async fn pause_set(
    opened: State<'_, Opened>,
    egress_id: EgressId,
    output: OutputId,
    paused: bool,
) -> Answer<()> {
    opened.studio().await?.pause_set(egress_id, output, paused).await
}

/// See [`studio::Studio::cancel_set`].
#[tauri::command]
pub async fn cancel_set(opened: State<'_, Opened>, egress_id: EgressId, output: OutputId) -> Answer<()> {
    opened.studio().await?.cancel_set(egress_id, output).await
}
