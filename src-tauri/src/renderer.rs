//! How WebKitGTK draws, chosen before it is loaded.

/// Set by a WebDriver session.
#[cfg(target_os = "linux")]
const AUTOMATION: &str = "TAURI_WEBVIEW_AUTOMATION";
/// Turns off WebKitGTK's way of handing pictures over as GPU buffers.
#[cfg(target_os = "linux")]
const DMABUF_OFF: &str = "WEBKIT_DISABLE_DMABUF_RENDERER";

/// On a computer without a GPU, starts this program again (in the same process) with the renderer that
/// needs a quarter of the CPU for moving pictures there. Returns where nothing needs to change.
///
/// A new start, because changing the environment of a running process is unsound once there may be
/// threads. Under WebDriver the choice is left alone: its screenshot call hangs with that renderer.
#[cfg(target_os = "linux")]
pub fn choose() {
    use std::os::unix::process::CommandExt;

    let automated = std::env::var_os(AUTOMATION).is_some();
    if automated || std::env::var_os(DMABUF_OFF).is_some() || has_gpu(std::path::Path::new("/dev/dri")) {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let error =
        std::process::Command::new(program).args(std::env::args_os().skip(1)).env(DMABUF_OFF, "1").exec();
    // Only reached when the new start failed; drawing slowly is better than not at all.
    eprintln!("the renderer for a computer without a GPU could not be chosen: {error}");
}

/// Whether the kernel offers a device that pictures can be drawn with.
#[cfg(target_os = "linux")]
fn has_gpu(devices: &std::path::Path) -> bool {
    std::fs::read_dir(devices)
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().starts_with("renderD"))
}

/// Nothing to choose: the system's own web view knows its machine.
#[cfg(not(target_os = "linux"))]
pub fn choose() {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::has_gpu;

    #[test]
    fn a_render_node_is_a_gpu_and_a_bare_display_card_is_not() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!has_gpu(&folder.path().join("absent")));
        std::fs::write(folder.path().join("card0"), "").unwrap();
        assert!(!has_gpu(folder.path()));
        std::fs::write(folder.path().join("renderD128"), "").unwrap();
        assert!(has_gpu(folder.path()));
    }
}
