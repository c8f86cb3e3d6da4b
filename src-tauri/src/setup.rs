//! Puts the shell together.

use std::path::PathBuf;

use anyhow::Context;
use tauri::{AppHandle, Manager, RunEvent, WindowEvent};
use tauri_plugin_window_state::StateFlags;

use crate::commands::{self, Subscription};
use crate::demo::{self, DemoProject};
use crate::leaving::{self, Leaving, Page};
use crate::opened::{Opened, Opening};
use crate::{elsewhere, frames, goes_to, logs, notices, store, tray, window};

/// Keeps everything of a run in another folder than the user's: for tests and demos. Such a run stands
/// beside an ordinary one instead of giving way to it.
const DATA_DIR: &str = "TALLYLIGHT_DATA_DIR";

/// Where the window stood last time, within another data folder.
const WINDOW_FILE: &str = "window.json";

/// Runs the shell until it is quit.
pub fn run() -> anyhow::Result<()> {
    let (opening, opened) = Opening::new();
    let app = tauri::Builder::default()
        // First, so that a second start does nothing but show the window of the first.
        .plugin(single_instance())
        .plugin(tauri_plugin_store::Builder::new().build())
        .plugin(tauri_plugin_dialog::init())
        .plugin(tauri_plugin_notification::init())
        .plugin(tauri_plugin_opener::init())
        .plugin(window_state())
        .register_asynchronous_uri_scheme_protocol(frames::SCHEME, |context, request, responder| {
            let opened = context.app_handle().state::<Opened>().inner().clone();
            tauri::async_runtime::spawn(
                async move { responder.respond(frames::answer(&opened, &request).await) },
            );
        })
        .manage(opened)
        .manage(Leaving::default())
        .manage(Page::default())
        .manage(DemoProject::default())
        .manage(Subscription::default())
        .invoke_handler(tauri::generate_handler![
            commands::snapshot,
            commands::subscribe,
            commands::check_project,
            commands::add_project,
            commands::edit_project,
            commands::forget_project,
            commands::select_project,
            commands::open_room,
            commands::close_room,
            commands::watch,
            commands::arm,
            commands::start,
            commands::record,
            commands::stop,
            commands::disarm,
            commands::update_layout,
            commands::start_anyway,
            commands::copy_layout,
            commands::open_layouts_folder,
            commands::forget_job,
            commands::output_path,
            commands::set_settings,
            goes_to::add_stream,
            goes_to::remove_output,
            goes_to::retry_output,
            goes_to::save_destination,
            goes_to::edit_destination,
            goes_to::forget_destination,
            goes_to::check_storage,
            goes_to::save_storage,
            goes_to::edit_storage,
            goes_to::forget_storage,
            goes_to::upload_recording,
            goes_to::retry_upload,
            goes_to::pause_upload,
            goes_to::cancel_upload,
            goes_to::retry_set,
            goes_to::pause_set,
            goes_to::cancel_set,
            elsewhere::save_rule,
            elsewhere::edit_rule,
            elsewhere::forget_rule,
            elsewhere::create_room,
            elsewhere::start_elsewhere,
            elsewhere::stop_elsewhere,
            elsewhere::update_layout_elsewhere,
            elsewhere::add_stream_elsewhere,
            elsewhere::remove_stream_elsewhere,
            commands::running,
            commands::choose_folder,
            commands::open_folder,
            commands::play,
            commands::quit,
            commands::hide,
            commands::heard,
        ])
        .on_window_event(|window, event| on_window_event(window.app_handle(), event))
        .setup(move |app| {
            set_up(app.handle(), opening)?;
            Ok(())
        })
        .build(tauri::generate_context!())
        .context("the window cannot be opened")?;
    app.run(on_event);
    Ok(())
}

fn set_up(app: &AppHandle, opening: Opening) -> anyhow::Result<()> {
    let data_dir = data_dir(app)?;
    logs::start(&data_dir);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), data_dir = %data_dir.display(), "Tallylight starts");
    app.manage(store::Remembered::open(app, &data_dir)?);
    tray::build(app);
    window::open(app, &data_dir)?;
    tauri::async_runtime::spawn(leaving::on_signals(app.clone()));
    tauri::async_runtime::spawn(open_studio(app.clone(), data_dir, opening));
    Ok(())
}

/// Opens the studio behind the window, then keeps the tray true to it and logs the demo in.
async fn open_studio(app: AppHandle, data_dir: PathBuf, opening: Opening) {
    let opened = store::open_studio(&app, data_dir).await;
    if let Err(error) = &opened {
        tracing::error!(%error, remedy = error.remedy, detail = error.detail, "the studio does not open");
    }
    opening.done(opened.clone());
    if let Ok(studio) = opened {
        tauri::async_runtime::spawn(tray::follow(app.clone(), studio.clone()));
        tauri::async_runtime::spawn(notices::follow(app.clone(), studio.clone()));
        tauri::async_runtime::spawn(api::local::follow(studio.clone()));
        demo::log_in(&app, &studio).await;
    }
}

fn data_dir(app: &AppHandle) -> anyhow::Result<PathBuf> {
    match other_data_dir() {
        Some(folder) => Ok(folder),
        None => app.path().app_data_dir().context("this computer has no folder for the data of programs"),
    }
}

fn other_data_dir() -> Option<PathBuf> {
    std::env::var_os(DATA_DIR).filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

fn single_instance() -> tauri::plugin::TauriPlugin<tauri::Wry> {
    let plugin =
        tauri_plugin_single_instance::Builder::new().callback(|app, _args, _folder| window::show(app));
    match other_data_dir() {
        Some(folder) => plugin.dbus_id(instance_name(&folder.to_string_lossy())),
        None => plugin,
    }
    .build()
}

/// Where the window stood last time, in the folder for settings or with the other data.
fn window_state() -> tauri::plugin::TauriPlugin<tauri::Wry> {
    let mut plugin = tauri_plugin_window_state::Builder::new()
        .with_state_flags(StateFlags::SIZE | StateFlags::POSITION | StateFlags::MAXIMIZED);
    if let Some(folder) = other_data_dir() {
        plugin = plugin.with_filename(folder.join(WINDOW_FILE).to_string_lossy());
    }
    plugin.build()
}

/// A bus name of its own for each data folder: letters and digits after a dot, as the bus wants them.
fn instance_name(folder: &str) -> String {
    let mut name = "studio.tallylight.In".to_owned();
    for byte in folder.bytes() {
        if byte.is_ascii_alphanumeric() {
            name.push(char::from(byte));
        } else {
            name.push('_');
        }
    }
    // The bus takes 255 bytes; the end of a path tells more than its beginning.
    let cut = name.len().saturating_sub(200);
    if cut > 0 { format!("studio.tallylight.In{}", &name[cut + 20..]) } else { name }
}

fn on_window_event(app: &AppHandle, event: &WindowEvent) {
    match event {
        WindowEvent::CloseRequested { api, .. } if !app.state::<Leaving>().has_begun() => {
            api.prevent_close();
            let app = app.clone();
            tauri::async_runtime::spawn(async move { leaving::close_requested(&app).await });
        }
        WindowEvent::ThemeChanged(_) => tray::redraw(app),
        _ => {}
    }
}

fn on_event(app: &AppHandle, event: RunEvent) {
    match event {
        // The system's own Quit, where there is one. An exit that we ask for has a code.
        RunEvent::ExitRequested { code: None, api, .. } if !app.state::<Leaving>().has_begun() => {
            api.prevent_exit();
            let app = app.clone();
            tauri::async_runtime::spawn(async move { leaving::quit_requested(&app).await });
        }
        #[cfg(target_os = "macos")]
        RunEvent::Reopen { .. } => window::show(app),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::instance_name;

    #[test]
    fn each_data_folder_has_a_bus_name_that_the_bus_takes() {
        let long = format!("/tmp/{}/x", "a".repeat(400));
        for folder in ["/tmp/tl-a/data", "relative", "/tmp/ünï/x", long.as_str()] {
            let name = instance_name(folder);
            assert!(name.len() < 230, "{name}");
            assert!(name.starts_with("studio.tallylight.In"));
            assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._".contains(&byte)), "{name}");
        }
        assert_ne!(instance_name("/tmp/a"), instance_name("/tmp/b"));
        assert_ne!(instance_name(&long), instance_name(&long.replace("/x", "/y")));
    }
}
