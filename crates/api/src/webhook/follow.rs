//! What is told follows from what the studio says.

use studio::Studio;
use studio::surface::Origin;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::watch;

use super::Webhooks;

impl Webhooks {
    /// Tells of the studio's egresses that came over the HTTP API, until `closing`; what was said before that is told
    /// too. Of those that came over LiveKit's Redis its server tells.
    pub async fn follow(self, studio: Studio, mut closing: watch::Receiver<bool>) {
        let mut changes = studio.egress_changes();
        self.catch_up(&studio);
        loop {
            let change = tokio::select! {
                biased;
                change = changes.recv() => change,
                _ = closing.wait_for(|closing| *closing) => break,
            };
            match change {
                Ok(info) if ours(&studio, &info.egress_id) => self.tell(&info),
                Ok(_) => {}
                Err(RecvError::Closed) => return,
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!(
                        missed,
                        "webhooks: changes of egresses came faster than they could be told"
                    );
                    self.catch_up(&studio);
                }
            }
        }
        loop {
            match changes.try_recv() {
                Ok(info) if ours(&studio, &info.egress_id) => self.tell(&info),
                Ok(_) => {}
                Err(TryRecvError::Lagged(_)) => self.catch_up(&studio),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    /// Tells what is so now of what runs, or was last known to.
    fn catch_up(&self, studio: &Studio) {
        for info in studio.told_egress() {
            let open = self.told.lock().is_open(&info);
            if open && ours(studio, &info.egress_id) {
                self.tell(&info);
            }
        }
    }
}

/// Whether it came over the HTTP API.
fn ours(studio: &Studio, egress_id: &str) -> bool {
    let jobs = studio.snapshot().jobs;
    jobs.iter().any(|job| job.egress_id.as_str() == egress_id && job.origin == Origin::Api)
}
