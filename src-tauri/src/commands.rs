//! What the page can ask for: the studio's surface, one to one. Arguments and answers are the studio's
//! own types, and nothing is decided here.

use std::path::PathBuf;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::id::{EgressId, OutputId, ProjectId, TrackId};
use egress::request::RecordRequest;
use parking_lot::Mutex;
use studio::surface::{Numbered, ProjectInput, Settings, Snapshot};
use tauri::async_runtime::JoinHandle;
use tauri::ipc::Channel;
use tauri::{AppHandle, State};
use tauri_plugin_dialog::DialogExt;
use tauri_plugin_opener::OpenerExt;
use tokio::sync::broadcast::error::RecvError;

use crate::opened::Opened;
use crate::{leaving, window};

pub type Answer<T> = Result<T, ApiError>;

/// Everything the page shows.
#[tauri::command]
pub async fn snapshot(opened: State<'_, Opened>) -> Answer<Snapshot> {
    Ok(opened.studio().await?.snapshot())
}

/// The stream of changes that the page listens to. There is one page: when it reloads, the stream to the
/// one before would go on into nothing.
#[derive(Default)]
pub struct Subscription(Mutex<Option<JoinHandle<()>>>);

/// Streams changes from now on. Where some are lost to a page that is too slow, the numbers have a gap,
/// and the page takes a new snapshot.
#[tauri::command]
pub async fn subscribe(
    opened: State<'_, Opened>,
    subscription: State<'_, Subscription>,
    channel: Channel<Numbered>,
) -> Answer<()> {
    let mut changes = opened.studio().await?.changes();
    let stream = tauri::async_runtime::spawn(async move {
        loop {
            match changes.recv().await {
                Ok(change) => {
                    if channel.send(Numbered::clone(&change)).is_err() {
                        return;
                    }
                }
                Err(RecvError::Lagged(missed)) => tracing::debug!(missed, "the page is slow"),
                Err(RecvError::Closed) => return,
            }
        }
    });
    if let Some(before) = subscription.0.lock().replace(stream) {
        before.abort();
    }
    Ok(())
}

/// See [`studio::Studio::check_project`].
#[tauri::command]
pub async fn check_project(
    opened: State<'_, Opened>,
    input: ProjectInput,
    id: Option<ProjectId>,
) -> Answer<()> {
    opened.studio().await?.check_project(input, id).await
}

/// See [`studio::Studio::add_project`].
#[tauri::command]
pub async fn add_project(opened: State<'_, Opened>, input: ProjectInput) -> Answer<ProjectId> {
    opened.studio().await?.add_project(input).await
}

/// See [`studio::Studio::edit_project`].
#[tauri::command]
pub async fn edit_project(opened: State<'_, Opened>, id: ProjectId, input: ProjectInput) -> Answer<()> {
    opened.studio().await?.edit_project(id, input).await
}

/// See [`studio::Studio::forget_project`].
#[tauri::command]
pub async fn forget_project(opened: State<'_, Opened>, id: ProjectId) -> Answer<()> {
    opened.studio().await?.forget_project(id).await
}

/// See [`studio::Studio::select_project`].
#[tauri::command]
pub async fn select_project(opened: State<'_, Opened>, id: Option<ProjectId>) -> Answer<()> {
    opened.studio().await?.select_project(id).await
}

/// See [`studio::Studio::open_room`].
#[tauri::command]
pub async fn open_room(opened: State<'_, Opened>, name: String) -> Answer<()> {
    opened.studio().await?.open_room(name).await
}

/// See [`studio::Studio::close_room`].
#[tauri::command]
pub async fn close_room(opened: State<'_, Opened>) -> Answer<()> {
    opened.studio().await?.close_room().await
}

/// See [`studio::Studio::watch`].
#[tauri::command]
pub async fn watch(opened: State<'_, Opened>, tracks: Vec<TrackId>) -> Answer<()> {
    opened.studio().await?.watch(tracks).await
}

/// See [`studio::Studio::arm`].
#[tauri::command]
pub async fn arm(opened: State<'_, Opened>, request: RecordRequest) -> Answer<EgressId> {
    opened.studio().await?.arm(request).await
}

/// See [`studio::Studio::start`].
#[tauri::command]
pub async fn start(opened: State<'_, Opened>, request: RecordRequest) -> Answer<EgressId> {
    opened.studio().await?.start(request).await
}

/// See [`studio::Studio::record`].
#[tauri::command]
pub async fn record(opened: State<'_, Opened>, egress_id: EgressId) -> Answer<()> {
    opened.studio().await?.record(egress_id).await
}

/// See [`studio::Studio::stop`].
#[tauri::command]
pub async fn stop(opened: State<'_, Opened>, egress_id: EgressId) -> Answer<()> {
    opened.studio().await?.stop(egress_id).await
}

/// See [`studio::Studio::disarm`].
#[tauri::command]
pub async fn disarm(opened: State<'_, Opened>, egress_id: EgressId) -> Answer<()> {
    opened.studio().await?.disarm(egress_id).await
}

/// See [`studio::Studio::update_layout`].
#[tauri::command]
pub async fn update_layout(opened: State<'_, Opened>, egress_id: EgressId, layout: String) -> Answer<()> {
    opened.studio().await?.update_layout(egress_id, layout).await
}

/// See [`studio::Studio::start_anyway`].
#[tauri::command]
pub async fn start_anyway(opened: State<'_, Opened>, egress_id: EgressId) -> Answer<()> {
    opened.studio().await?.start_anyway(egress_id).await
}

/// See [`studio::Studio::copy_layout`].
#[tauri::command]
pub async fn copy_layout(opened: State<'_, Opened>, name: String) -> Answer<String> {
    opened.studio().await?.copy_layout(name).await
}

/// Shows the folder of the operator's own layouts in the file manager. It is made where there is none yet.
#[tauri::command]
pub async fn open_layouts_folder(app: AppHandle, opened: State<'_, Opened>) -> Answer<()> {
    let folder = opened.studio().await?.layouts_folder();
    off_thread(move || {
        std::fs::create_dir_all(&folder).map_err(|error| no_folder(&error))?;
        app.opener().open_path(folder.to_string_lossy(), None::<&str>).map_err(|error| no_program(&error))
    })
    .await
}

/// See [`studio::Studio::forget_job`].
#[tauri::command]
pub async fn forget_job(opened: State<'_, Opened>, egress_id: EgressId) -> Answer<()> {
    opened.studio().await?.forget_job(egress_id).await
}

/// See [`studio::Studio::output_path`].
#[tauri::command]
pub async fn output_path(
    opened: State<'_, Opened>,
    egress_id: EgressId,
    output_id: OutputId,
) -> Answer<PathBuf> {
    opened.studio().await?.output_path(egress_id, output_id).await
}

/// See [`studio::Studio::set_settings`].
#[tauri::command]
pub async fn set_settings(opened: State<'_, Opened>, settings: Settings) -> Answer<()> {
    opened.studio().await?.set_settings(settings).await
}

/// See [`studio::Studio::running`].
#[tauri::command]
pub async fn running(opened: State<'_, Opened>) -> Answer<Vec<EgressId>> {
    Ok(opened.studio().await?.running())
}

/// Lets the operator choose a folder; none if they think better of it.
#[tauri::command]
pub async fn choose_folder(app: AppHandle) -> Answer<Option<PathBuf>> {
    let (chosen, choice) = tokio::sync::oneshot::channel();
    let mut dialog = app.dialog().file().set_title("Record into");
    if let Some(window) = window::main(&app) {
        dialog = dialog.set_parent(&window);
    }
    dialog.pick_folder(move |folder| {
        // The page may be gone by the time the operator has chosen.
        let _ = chosen.send(folder);
    });
    let folder = choice.await.ok().flatten();
    folder.map(|folder| folder.into_path().map_err(|error| no_folder(&error))).transpose()
}

/// Shows a recording in the file manager.
#[tauri::command]
pub async fn open_folder(
    app: AppHandle,
    opened: State<'_, Opened>,
    egress_id: EgressId,
    output_id: OutputId,
) -> Answer<()> {
    let path = opened.studio().await?.output_path(egress_id, output_id).await?;
    off_thread(move || {
        let opener = app.opener();
        if path.exists() && opener.reveal_item_in_dir(&path).is_ok() {
            return Ok(());
        }
        // No file manager that can point at a file, or the file was moved: its folder is the next best.
        let folder = path.parent().unwrap_or(&path);
        opener.open_path(folder.to_string_lossy(), None::<&str>).map_err(|error| no_program(&error))
    })
    .await
}

/// Plays a recording in the program that the system has for it.
#[tauri::command]
pub async fn play(
    app: AppHandle,
    opened: State<'_, Opened>,
    egress_id: EgressId,
    output_id: OutputId,
) -> Answer<()> {
    let path = opened.studio().await?.output_path(egress_id, output_id).await?;
    if !path.exists() {
        return Err(ApiError::new(
            ErrorCode::NotFound,
            Fault::Environment,
            "The file is no longer where it was recorded",
            "It was moved or deleted. Look for it in the folder you moved it to.",
        )
        .with_detail(path.display()));
    }
    off_thread(move || {
        app.opener().open_path(path.to_string_lossy(), None::<&str>).map_err(|error| no_program(&error))
    })
    .await
}

/// Ends Tallylight: finishes every recording first, or leaves them running for the next start.
#[tauri::command]
pub async fn quit(app: AppHandle, finish: bool) {
    leaving::leave(&app, finish).await;
}

/// Takes the window out of the way without ending anything.
#[tauri::command]
pub async fn hide(app: AppHandle) {
    window::put_away(&app).await;
}

/// The page has heard what the shell asked.
#[tauri::command]
pub fn heard(page: State<'_, leaving::Page>) {
    page.hears();
}

/// Runs what may block for a moment away from the threads that answer the page.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> Answer<T> + Send + 'static) -> Answer<T> {
    tauri::async_runtime::spawn_blocking(work).await.unwrap_or_else(|error| Err(no_program(&error)))
}

fn no_program(error: &dyn std::error::Error) -> ApiError {
    ApiError::new(
        ErrorCode::Unsupported,
        Fault::Environment,
        "This computer has no program that opens it",
        "Install a video player or file manager, or open the file by hand.",
    )
    .with_detail(error)
}

fn no_folder(error: &dyn std::error::Error) -> ApiError {
    ApiError::new(
        ErrorCode::Storage,
        Fault::Input,
        "This place is not a folder on this computer",
        "Choose a folder on a local disk.",
    )
    .with_detail(error)
}
