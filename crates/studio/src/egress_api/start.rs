//! `StartEgress` in all its forms.

use std::path::{Path, PathBuf};

use egress::error::{ApiError, ErrorCode, Fault};
use egress::id::EgressId;
use egress::shown::record_request;
use egress::spec::{OutputKind, OutputSpec};
use egress::storage::check_template;
use egress::validate::{Local, RequestError, validate};
use futures_util::future::BoxFuture;
use livekit_protocol::EgressInfo;

use super::StartEgress;
use super::told::Asked;
use crate::error::closing;
use crate::jobs::Launching;
use crate::studio::{Studio, make_recordings_folder};
use crate::uploads::allowed;

impl Studio {
    /// LiveKit's `StartEgress` and the five older requests.
    ///
    /// # Errors
    /// The request cannot be met, there is a job of that id, or the job's process cannot be started.
    pub fn start_egress(&self, start: StartEgress) -> BoxFuture<'_, Result<EgressInfo, ApiError>> {
        Box::pin(async move {
            let inner = &self.inner;
            inner.check_open()?;
            let id = start.egress_id.unwrap_or_else(EgressId::random);
            if self.egress(&id).is_ok() {
                return Err(known_already(&id));
            }
            let folder = PathBuf::from(inner.board.read(|snapshot| snapshot.settings.folder.clone()));
            let defaults = &inner.defaults;
            let local = Local {
                folder: folder.clone(),
                limits: defaults.limits,
                template_base: defaults.template_base.clone(),
                retry: start.retry,
                storage_required: defaults.disallow_local
                    && defaults.storage.as_ref().is_none_or(|storage| storage.profile.storage.is_local()),
                ..Local::default()
            };
            let mut accepted = validate(&start.request, &local)?;
            for asked in accepted.storages.values_mut() {
                *asked = allowed(defaults, asked.clone())?;
            }
            // What goes to a storage has a folder of its own here, so that its name there is the one that was asked for.
            let own = folder.join(id.as_str());
            let mut files = Vec::new();
            for output in &mut accepted.spec.outputs {
                let asked = accepted.storages.remove(&output.id);
                let elsewhere = asked.is_some() || defaults.storage.is_some();
                let output_id = output.id.clone();
                let Some(at) = names_of(output, &folder, elsewhere)? else { continue };
                if elsewhere {
                    own.clone_into(at);
                    files.push((output_id, asked, own.clone()));
                }
                make_recordings_folder(at.clone()).await?;
            }
            let stores = inner.keep_stores(&id, files).await?;
            let record = record_request(&accepted.spec, &accepted.room_name, &folder);
            let launching = Launching {
                id: id.clone(),
                accepted,
                record,
                asked: Asked::redacted(start.request),
                room_sid: start.room_id,
                retry: start.retry,
                preview: false,
                origin: start.origin,
                rule: None,
                stores: stores.clone(),
            };
            if let Err(error) = inner.launch(launching).await {
                // Of a second request of one id, they are the first one's.
                if error.code != ErrorCode::AlreadyExists {
                    inner.forget_keys(&id, &stores).await;
                }
                return Err(error);
            }
            self.egress(&id).map_err(|_| closing())
        })
    }
}

/// The folder of an output on a disk. A name that begins with that folder, as callers of LiveKit's own service write
/// it, is one below it where the output stays here. `uploaded`: whether it goes to a storage, where the name is kept.
fn names_of<'a>(
    output: &'a mut OutputSpec,
    folder: &Path,
    uploaded: bool,
) -> Result<Option<&'a mut PathBuf>, RequestError> {
    let below = |field: &'static str, name: &mut String| {
        if uploaded {
            return check_template(field, name);
        }
        let rest = folder.to_str().and_then(|folder| name.strip_prefix(folder.trim_end_matches('/')));
        if let Some(rest) = rest.filter(|rest| rest.starts_with('/')) {
            *name = rest.to_owned();
        }
        Ok(())
    };
    Ok(match &mut output.kind {
        OutputKind::File(file) => {
            below("filepath", &mut file.name)?;
            Some(&mut file.folder)
        }
        OutputKind::Segments(set) => {
            below("filename_prefix", &mut set.prefix)?;
            below("playlist_name", &mut set.playlist)?;
            below("live_playlist_name", &mut set.live_playlist)?;
            Some(&mut set.folder)
        }
        OutputKind::Images(set) => {
            below("filename_prefix", &mut set.prefix)?;
            Some(&mut set.folder)
        }
        OutputKind::Stream(_) | OutputKind::WebSocket(_) => None,
    })
}

pub(crate) fn known_already(id: &EgressId) -> ApiError {
    ApiError::new(
        ErrorCode::AlreadyExists,
        Fault::Input,
        format!("There is a job {id} already."),
        "Ask how it is with ListEgress.",
    )
    .with_detail(format!("egress {id} already exists"))
}
