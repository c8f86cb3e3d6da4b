//! Outputs that take the program before any encoder: images, and sound over a WebSocket.

use std::path::{Path, PathBuf};

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{Fact, OutputSet};
use egress::filename::ImageNames;
use egress::id::OutputId;
use egress::spec::{ImagesOutput, WebSocketOutput};
use egress::websocket::WebSocketUrl;
use egress::wire::Secret;
use room::clock::Clock;
use secrecy::ExposeSecret;

use crate::job::Recorder;
use crate::job::outputs::file::no_file_in;
use crate::job::outputs::stream::{Lanes, no_address};
use crate::output::images::{Images, ImagesPlan, size};
use crate::output::websocket::{Socket, SocketPlan};
use crate::output::{Output, OutputReport};

/// How many names are tried.
const MAX_NAMES: u32 = 10_000;

/// Makes the folder of images and starts to take them. `program`: width, height and pictures a second.
///
/// # Errors
/// If there is no picture, or nothing can be written there.
pub(super) fn images(
    id: &OutputId,
    spec: &ImagesOutput,
    wanted: ImageNames,
    program: Option<(u32, u32, u32)>,
    facts: &Recorder,
    report: impl Fn(OutputReport) + Send + 'static,
) -> Result<Box<dyn Output>, ApiError> {
    let unsupported = |message, remedy| ApiError::new(ErrorCode::Unsupported, Fault::Input, message, remedy);
    let program = program.ok_or_else(|| {
        unsupported("There is no picture to take images of.", "Choose something that has one.")
    })?;
    let free = (1..MAX_NAMES).map(|n| wanted.numbered(n)).find(|names| !names.taken(&spec.folder));
    let names = free.unwrap_or(wanted);
    let folder = below(&spec.folder, &names.folder);
    let prefix = names.prefix_path().display().to_string();
    // What it is comes first: a path alone would be a file's.
    facts.record(Fact::Set { output: id.clone(), set: OutputSet::Images { prefix, count: 0 } });
    facts.record_first(Fact::OutputOpening { output: id.clone(), path: folder.clone() });
    std::fs::create_dir_all(&folder).map_err(|cause| no_file_in(&folder, &cause))?;
    let plan = ImagesPlan {
        id: id.clone(),
        folder: spec.folder.clone(),
        holds: folder,
        names,
        interval_ns: i64::from(spec.interval_ms.max(1)) * 1_000_000,
        program,
        size: size((spec.width, spec.height), (program.0, program.1)),
    };
    let started = Images::start(plan, report).map_err(|cause| {
        unsupported("Images cannot be made on this computer.", "Install the missing GStreamer plugins.")
            .with_detail(cause)
    })?;
    Ok(Box::new(started))
}

/// A folder below another, or the other itself: joined with nothing, a path would get a slash at its end.
pub(super) fn below(folder: &Path, names: &Path) -> PathBuf {
    if names.as_os_str().is_empty() { folder.to_owned() } else { folder.join(names) }
}

/// Starts to send sound.
///
/// # Errors
/// If the address is missing or none, or there is no sound.
pub(super) fn websocket(
    id: &OutputId,
    spec: &WebSocketOutput,
    secret: Option<&Secret>,
    lanes: Lanes,
    clock: Clock,
    report: impl Fn(OutputReport) + Send + 'static,
) -> Result<Box<dyn Output>, ApiError> {
    let secret = secret.ok_or_else(no_address)?;
    let url = WebSocketUrl::parse(secret.0.expose_secret())?;
    if !lanes.audio {
        return Err(ApiError::new(
            ErrorCode::Unsupported,
            Fault::Input,
            "There is no sound to send.",
            "Choose something that has some.",
        )
        .with_detail("format websocket incompatible with codec video"));
    }
    let plan = SocketPlan { id: id.clone(), clock, url, address: secret.clone(), format: spec.format };
    Ok(Box::new(Socket::start(plan, report)))
}
