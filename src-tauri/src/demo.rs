//! Logs into a LiveKit server named in the environment, for the demo: a project for this run only, in
//! its room from the start.

use egress::error::ApiError;
use egress::id::ProjectId;
use parking_lot::Mutex;
use studio::Studio;
use studio::surface::ProjectInput;
use tauri::{AppHandle, Manager};

/// The demo's project, to be forgotten at the end.
#[derive(Default)]
pub struct DemoProject(Mutex<Option<ProjectId>>);

struct Demo {
    input: ProjectInput,
    room: Option<String>,
}

/// What the environment asks for, if anything. All of address, key and secret, or it is not a demo.
fn asked(variable: impl Fn(&str) -> Option<String>) -> Option<Demo> {
    Some(Demo {
        input: ProjectInput {
            name: "Demo".to_owned(),
            url: variable("TALLYLIGHT_DEMO_URL")?,
            api_key: variable("TALLYLIGHT_DEMO_KEY")?,
            api_secret: Some(variable("TALLYLIGHT_DEMO_SECRET")?.into()),
            this_run_only: true,
        },
        room: variable("TALLYLIGHT_DEMO_ROOM"),
    })
}

/// Logs in as the environment asks.
pub async fn log_in(app: &AppHandle, studio: &Studio) {
    let Some(demo) = asked(|name| std::env::var(name).ok().filter(|value| !value.is_empty())) else { return };
    if let Err(error) = enter(app, studio, demo).await {
        tracing::error!(%error, remedy = error.remedy, detail = error.detail, "the demo cannot log in");
    }
}

async fn enter(app: &AppHandle, studio: &Studio, demo: Demo) -> Result<(), ApiError> {
    let project = studio.add_project(demo.input).await?;
    *app.state::<DemoProject>().0.lock() = Some(project.clone());
    studio.select_project(Some(project)).await?;
    match demo.room {
        Some(room) => studio.open_room(room).await,
        None => Ok(()),
    }
}

/// Forgets the demo's project, which is of no use in another run.
pub async fn leave(app: &AppHandle, studio: &Studio) {
    let project = app.state::<DemoProject>().0.lock().take();
    if let Some(project) = project
        && let Err(error) = studio.forget_project(project).await
    {
        tracing::warn!(%error, "the demo's project stays in the list");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    fn with(names: &'static [&str]) -> Option<Demo> {
        asked(move |name| names.contains(&name).then(|| format!("value of {name}")))
    }

    #[test]
    fn a_demo_needs_address_key_and_secret() {
        assert!(with(&[]).is_none());
        assert!(with(&["TALLYLIGHT_DEMO_URL", "TALLYLIGHT_DEMO_KEY"]).is_none());
        let demo = with(&["TALLYLIGHT_DEMO_URL", "TALLYLIGHT_DEMO_KEY", "TALLYLIGHT_DEMO_SECRET"]).unwrap();
        assert_eq!(demo.input.url, "value of TALLYLIGHT_DEMO_URL");
        assert_eq!(demo.input.api_secret.unwrap().expose_secret(), "value of TALLYLIGHT_DEMO_SECRET");
        assert!(demo.input.this_run_only, "the demo's secret has no place in a keyring");
        assert!(demo.room.is_none());
    }
}
