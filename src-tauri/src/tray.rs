//! The lamp in the tray: red while something records, and a menu to show the window, stop, or quit.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use egress::fact::EgressStatus;
use egress::id::EgressId;
use studio::Studio;
use studio::surface::{Change, Job, Snapshot};
use tauri::image::Image;
use tauri::menu::{Menu, MenuBuilder, MenuEvent, MenuItem, MenuItemBuilder, Submenu, SubmenuBuilder};
use tauri::tray::{MouseButton, MouseButtonState, TrayIconBuilder, TrayIconEvent};
use tauri::{AppHandle, Manager, Theme, Wry};
use tokio::sync::broadcast::error::RecvError;

use crate::opened::Opened;
use crate::{leaving, window};

const ID: &str = "lamp";
const SHOW: &str = "show";
const QUIT: &str = "quit";
/// What precedes the job's id in the id of its Stop entry.
const STOP: &str = "stop:";

/// The jobs that record now, with the words for each.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Recording(BTreeMap<EgressId, String>);

impl Recording {
    fn of(snapshot: &Snapshot) -> Self {
        let mut recording = Self::default();
        snapshot.jobs.iter().for_each(|job| recording.take(job));
        recording
    }

    fn fold(&mut self, change: &Change) {
        match change {
            Change::Job { job } => self.take(job),
            Change::JobRemoved { egress_id } => {
                self.0.remove(egress_id);
            }
            _ => {}
        }
    }

    fn take(&mut self, job: &Job) {
        let at_work =
            matches!(job.status, EgressStatus::Starting | EgressStatus::Active | EgressStatus::Ending);
        if at_work && !job.preview {
            self.0.insert(job.egress_id.clone(), job.title.clone());
        } else {
            self.0.remove(&job.egress_id);
        }
    }
}

/// What changes in the menu. The menu itself stays: one that is replaced closes under the operator's hand.
struct Entries {
    words: MenuItem<Wry>,
    stop: Submenu<Wry>,
}

/// Puts the lamp into the tray. A desktop that cannot have one goes without.
pub fn build(app: &AppHandle) {
    // The library behind it is loaded when it is first used, and a missing one panics.
    let built = catch_unwind(AssertUnwindSafe(|| -> tauri::Result<()> {
        let idle = Recording::default();
        TrayIconBuilder::with_id(ID)
            .icon(icon(app, &idle))
            .icon_as_template(true)
            .tooltip(words(&idle))
            .menu(&menu(app)?)
            .show_menu_on_left_click(cfg!(target_os = "linux"))
            .on_menu_event(chosen)
            .on_tray_icon_event(|tray, event| {
                if let TrayIconEvent::Click { button, button_state, .. } = event
                    && button == MouseButton::Left
                    && button_state == MouseButtonState::Up
                {
                    window::show(tray.app_handle());
                }
            })
            .build(app)?;
        Ok(())
    }));
    match built {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "no lamp in the tray"),
        Err(_) => tracing::warn!("no lamp in the tray: the tray library is not installed"),
    }
}

/// Keeps the lamp true to the studio, as long as that lives.
pub async fn follow(app: AppHandle, studio: Studio) {
    let mut changes = studio.changes();
    let mut recording = Recording::of(&studio.snapshot());
    draw(&app, &recording);
    loop {
        let mut new = recording.clone();
        match changes.recv().await {
            Ok(change) => new.fold(&change.change),
            Err(RecvError::Lagged(_)) => new = Recording::of(&studio.snapshot()),
            Err(RecvError::Closed) => return,
        }
        if new != recording {
            recording = new;
            draw(&app, &recording);
        }
    }
}

/// Draws the lamp anew, for another colour of the panel.
pub fn redraw(app: &AppHandle) {
    if let Some(studio) = app.state::<Opened>().now() {
        draw(app, &Recording::of(&studio.snapshot()));
    }
}

fn draw(app: &AppHandle, recording: &Recording) {
    let Some(tray) = app.tray_by_id(ID) else { return };
    let drawn = write_entries(&app.state::<Entries>(), app, recording)
        .and_then(|()| tray.set_icon_with_as_template(Some(icon(app, recording)), recording.0.is_empty()))
        .and_then(|()| tray.set_tooltip(Some(words(recording))));
    if let Err(error) = drawn {
        tracing::warn!(%error, "the lamp in the tray is not up to date");
    }
}

fn menu(app: &AppHandle) -> tauri::Result<Menu<Wry>> {
    let words = MenuItemBuilder::new(words(&Recording::default())).enabled(false).build(app)?;
    let stop = SubmenuBuilder::new(app, "Stop").enabled(false).build()?;
    let menu = MenuBuilder::new(app)
        .item(&words)
        .separator()
        .text(SHOW, "Show Tallylight")
        .item(&stop)
        .separator()
        .text(QUIT, "Quit")
        .build()?;
    app.manage(Entries { words, stop });
    Ok(menu)
}

/// Makes the entries say what records, and touches only those that change.
fn write_entries(entries: &Entries, app: &AppHandle, recording: &Recording) -> tauri::Result<()> {
    entries.words.set_text(words(recording))?;
    let mut missing = recording.0.clone();
    for item in entries.stop.items()? {
        let job = item.id().as_ref().strip_prefix(STOP).map(EgressId::from);
        match (job.and_then(|job| missing.remove(&job)), item.as_menuitem()) {
            (Some(title), Some(item)) => item.set_text(title)?,
            _ => entries.stop.remove(&item)?,
        }
    }
    for (egress_id, title) in missing {
        entries.stop.append(&MenuItemBuilder::with_id(format!("{STOP}{egress_id}"), title).build(app)?)?;
    }
    entries.stop.set_enabled(!recording.0.is_empty())
}

fn words(recording: &Recording) -> String {
    match recording.0.len() {
        0 => "Tallylight: not recording".to_owned(),
        1 => "Tallylight: recording".to_owned(),
        jobs => format!("Tallylight: {jobs} recordings"),
    }
}

fn icon(app: &AppHandle, recording: &Recording) -> Image<'static> {
    // On macOS the idle lamp is a template that the system colours. Elsewhere panels follow the theme,
    // and those of Linux desktops are dark but for few.
    let light = cfg!(not(target_os = "linux"))
        && window::main(app).and_then(|window| window.theme().ok()) == Some(Theme::Light);
    match (recording.0.is_empty(), light) {
        (true, false) => tauri::include_image!("../icons/tray-idle-dark.png"),
        (true, true) => tauri::include_image!("../icons/tray-idle-light.png"),
        (false, false) => tauri::include_image!("../icons/tray-recording-dark.png"),
        (false, true) => tauri::include_image!("../icons/tray-recording-light.png"),
    }
}

fn chosen(app: &AppHandle, event: MenuEvent) {
    let app = app.clone();
    match event.id().as_ref() {
        SHOW => window::show(&app),
        QUIT => {
            tauri::async_runtime::spawn(async move { leaving::quit_requested(&app).await });
        }
        other => {
            let Some(egress_id) = other.strip_prefix(STOP).map(EgressId::from) else { return };
            tauri::async_runtime::spawn(async move {
                let stopped = match app.state::<Opened>().studio().await {
                    Ok(studio) => studio.stop(egress_id).await,
                    Err(error) => Err(error),
                };
                if let Err(error) = stopped {
                    tracing::warn!(%error, detail = error.detail, "stop from the tray");
                    window::show(&app);
                }
            });
        }
    }
}

/// Whether the operator can see the lamp, so that a hidden window can be found again.
#[cfg(target_os = "linux")]
pub async fn is_visible(app: &AppHandle) -> bool {
    app.tray_by_id(ID).is_some() && has_host().await.unwrap_or(false)
}

/// Whether the desktop draws status icons: GNOME without its extension, for one, does not, and says so
/// nowhere else. Trays of the old X11 kind are not counted; the window is then minimised, which is
/// never wrong.
#[cfg(target_os = "linux")]
async fn has_host() -> zbus::Result<bool> {
    let bus = zbus::Connection::session().await?;
    let watcher = zbus::Proxy::new(
        &bus,
        "org.kde.StatusNotifierWatcher",
        "/StatusNotifierWatcher",
        "org.kde.StatusNotifierWatcher",
    )
    .await?;
    watcher.get_property("IsStatusNotifierHostRegistered").await
}

/// Windows and macOS always have a tray.
#[cfg(not(target_os = "linux"))]
pub async fn is_visible(app: &AppHandle) -> bool {
    app.tray_by_id(ID).is_some()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use egress::fact::ConnectionState;
    use egress::request::{RecordFormat, RecordRequest, RecordSource};
    use studio::surface::Origin;

    /// A job of these words.
    pub(crate) fn job(id: &str, title: &str, status: EgressStatus, preview: bool) -> Job {
        let source = RecordSource::Participant { identity: title.to_owned(), follow_screen_share: false };
        let format = RecordFormat::AsPublished { container: None };
        let request = RecordRequest {
            room_name: "room".to_owned(),
            source,
            format,
            folder: String::new(),
            name: String::new(),
            manifest: false,
            segments: None,
            images: None,
            copy_folder: None,
            proxy: None,
            upload: None,
        };
        Job {
            egress_id: id.into(),
            project_id: None,
            origin: Origin::Window,
            auto: None,
            stores: Vec::new(),
            request,
            title: title.to_owned(),
            status,
            armed: false,
            preview,
            connection: ConnectionState::Connected,
            page: None,
            layout: None,
            created_at_ms: 0,
            started_at_ms: None,
            ended_at_ms: None,
            end_reason: None,
            error: None,
            warnings: Vec::new(),
            tracks: Vec::new(),
            outputs: Vec::new(),
            recovered: false,
            figures: None,
        }
    }

    fn change(id: &str, title: &str, status: EgressStatus, preview: bool) -> Change {
        Change::Job { job: job(id, title, status, preview) }
    }

    fn after(changes: &[Change]) -> Recording {
        let mut recording = Recording::default();
        changes.iter().for_each(|change| recording.fold(change));
        recording
    }

    #[test]
    fn the_lamp_is_red_from_record_until_the_file_is_finished() {
        use EgressStatus::{Active, Complete, Ending, Starting};
        let armed = change("EG_1", "Ada", Starting, true);
        assert_eq!(words(&after(std::slice::from_ref(&armed))), "Tallylight: not recording");
        let mut changes = vec![armed];
        for status in [Starting, Active, Ending] {
            changes.push(change("EG_1", "Ada", status, false));
            assert_eq!(words(&after(&changes)), "Tallylight: recording", "{status:?}");
        }
        changes.push(change("EG_1", "Ada", Complete, false));
        assert_eq!(after(&changes), Recording::default());
    }

    #[test]
    fn every_recording_can_be_stopped_by_its_name() {
        let one = change("EG_1", "Ada", EgressStatus::Active, false);
        let two = change("EG_2", "Ben", EgressStatus::Active, false);
        let both = after(&[one, two]);
        assert_eq!(both.0.values().collect::<Vec<_>>(), ["Ada", "Ben"]);
        assert_eq!(words(&both), "Tallylight: 2 recordings");
        let mut rest = both;
        rest.fold(&Change::JobRemoved { egress_id: "EG_1".into() });
        assert_eq!(rest.0.values().collect::<Vec<_>>(), ["Ben"]);
    }
}
