//! The one window: made, shown, put away.

use std::path::Path;

use tauri::utils::config::Color;
use tauri::webview::WebviewWindow;
use tauri::{AppHandle, Manager, Url, WebviewUrl, WebviewWindowBuilder};
use tauri_plugin_notification::NotificationExt;

use crate::store::Remembered;
use crate::tray;

/// The label that permissions and remembered positions go by.
pub const LABEL: &str = "main";
/// The page's darkest surface, so that the window does not flash white before the page is there.
const BACKGROUND: Color = Color(0x09, 0x0b, 0x0e, 0xff);
/// Logical pixels; the page is laid out for this size and up from the smallest.
const SIZE: (f64, f64) = (1280.0, 800.0);
const SMALLEST: (f64, f64) = (1024.0, 700.0);

/// What the web view keeps, in the data folder.
const WEBVIEW_FOLDER: &str = "webview";

/// Makes the window. It can show Tallylight's own page and nothing else, whatever a link says.
pub fn open(app: &AppHandle, data_dir: &Path) -> tauri::Result<()> {
    let dev = app.config().build.dev_url.clone().filter(|_| tauri::is_dev());
    WebviewWindowBuilder::new(app, LABEL, WebviewUrl::default())
        .title("Tallylight")
        .inner_size(SIZE.0, SIZE.1)
        .min_inner_size(SMALLEST.0, SMALLEST.1)
        .center()
        .background_color(BACKGROUND)
        .data_directory(data_dir.join(WEBVIEW_FOLDER))
        .on_navigation(move |url| is_ours(url, dev.as_ref()))
        .build()?;
    Ok(())
}

/// Whether an address is the page that Tallylight carries (or its development server).
fn is_ours(url: &Url, dev: Option<&Url>) -> bool {
    let carried = match url.scheme() {
        "tauri" => url.host_str() == Some("localhost"),
        "http" | "https" => url.host_str() == Some("tauri.localhost"),
        _ => false,
    };
    carried || dev.is_some_and(|dev| dev.origin() == url.origin())
}

/// The window, unless it is closed for good.
pub fn main(app: &AppHandle) -> Option<WebviewWindow> {
    app.get_webview_window(LABEL)
}

/// Brings the window to the front, from the tray or from under others.
pub fn show(app: &AppHandle) {
    let Some(window) = main(app) else { return };
    let shown = window.unminimize().and_then(|()| window.show()).and_then(|()| window.set_focus());
    if let Err(error) = shown {
        tracing::warn!(%error, "the window does not come to the front");
    }
}

/// Takes the window out of the way while jobs go on: into the tray, or, on a desktop without one, where
/// the operator could never find it again, only down to the task bar.
pub async fn put_away(app: &AppHandle) {
    let Some(window) = main(app) else { return };
    let put_away = if tray::is_visible(app).await {
        let hidden = window.hide();
        tell_once(app);
        hidden
    } else {
        window.minimize()
    };
    if let Err(error) = put_away {
        tracing::warn!(%error, "the window cannot be put away");
    }
}

/// Says where the window went, the first time ever.
fn tell_once(app: &AppHandle) {
    if !app.state::<Remembered>().first_time("told_about_tray") {
        return;
    }
    let told = app
        .notification()
        .builder()
        .title("Tallylight is still recording")
        .body("The window is in the tray: click the lamp there to show it, stop, or quit.")
        .show();
    if let Err(error) = told {
        tracing::warn!(%error, "no notification");
    }
}

#[cfg(test)]
mod tests {
    use super::is_ours;

    #[test]
    fn only_our_own_page_is_shown() {
        let dev = "http://localhost:5173".parse().unwrap();
        for ours in ["tauri://localhost/", "tauri://localhost/index.html", "http://tauri.localhost/"] {
            assert!(is_ours(&ours.parse().unwrap(), None), "{ours}");
        }
        for other in [
            "https://example.com/",
            "file:///etc/passwd",
            "frame://localhost/track/x",
            "http://localhost:5173/",
        ] {
            assert!(!is_ours(&other.parse().unwrap(), None), "{other}");
        }
        assert!(is_ours(&"http://localhost:5173/x".parse().unwrap(), Some(&dev)));
        assert!(!is_ours(&"http://localhost:5174/".parse().unwrap(), Some(&dev)));
    }
}
