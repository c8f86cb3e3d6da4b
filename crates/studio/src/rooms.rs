//! The rooms of the open project, asked for while somebody looks.

use std::sync::Arc;
use std::time::Duration;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::id::ProjectId;
use egress::roster::RoomSummary;
use futures_util::future::BoxFuture;
use room::service::Server;

use crate::studio::{Inner, Studio};
use crate::surface::{Change, Rooms};

/// Between two lists.
const EVERY: Duration = Duration::from_secs(1);
/// Longest wait after errors.
const LONGEST: Duration = Duration::from_secs(15);
/// How long a list may take.
const WITHIN: Duration = Duration::from_secs(10);

/// Asks for the rooms for ever: for whoever looks, and for the rules.
pub(crate) async fn poll(inner: Arc<Inner>) {
    let mut wait = EVERY;
    loop {
        let current = inner.board.read(|snapshot| snapshot.projects.current.clone());
        let wanted = |id: &ProjectId| inner.board.watched() || !inner.rules_in_force(id).is_empty();
        if let Some(current) = current.filter(wanted) {
            let listed = list(&inner).await;
            wait = match &listed {
                Ok(_) => EVERY,
                Err(_) => (wait * 2).min(LONGEST),
            };
            if let Ok((server, rooms)) = &listed {
                inner.follow_rules(&current, server, rooms).await;
            }
            publish(&inner, &current, listed.map(|(_, rooms)| rooms));
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = inner.rooms_nudge.notified() => wait = EVERY,
        }
    }
}

impl Studio {
    /// The sid of a room on the server of the open project; none if no such room is open.
    ///
    /// # Errors
    /// No project is open, or its server does not say.
    pub fn room_sid<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<String>, ApiError>> {
        Box::pin(async move {
            let (_, server) = self.inner.current_server().await?;
            let found = tokio::time::timeout(WITHIN, room::service::find_room(&server, name)).await;
            Ok(found.map_err(|_| silent(WITHIN))??.map(|room| room.sid))
        })
    }
}

async fn list(inner: &Inner) -> Result<(Server, Vec<RoomSummary>), ApiError> {
    let (_, server) = inner.current_server().await?;
    match tokio::time::timeout(WITHIN, room::service::list_rooms(&server)).await {
        Ok(listed) => Ok((server, listed?)),
        Err(_) => Err(silent(WITHIN)),
    }
}

/// Puts a list on the board; an error leaves the last list there.
fn publish(inner: &Inner, project: &ProjectId, listed: Result<Vec<RoomSummary>, ApiError>) {
    inner.board.edit(|snapshot| {
        // Another project may have been opened while this one's server was asked.
        if snapshot.projects.current.as_ref() != Some(project) {
            return None;
        }
        let rooms = match listed {
            Ok(mut list) => {
                list.sort_by(|a, b| a.name.cmp(&b.name));
                Rooms { list, loading: false, error: None }
            }
            Err(error) => Rooms { list: snapshot.rooms.list.clone(), loading: false, error: Some(error) },
        };
        (rooms != snapshot.rooms).then_some(Change::Rooms { rooms })
    });
}

/// The server took the call and never answered.
pub(crate) fn silent(within: Duration) -> ApiError {
    ApiError::new(
        ErrorCode::Unreachable,
        Fault::Server,
        format!("The server does not answer within {} seconds.", within.as_secs()),
        "Check the URL and the network, then try again.",
    )
    .retryable()
}
