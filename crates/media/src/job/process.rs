//! What a `tallylight-job` process does from its start to its exit.

use std::time::Duration;

use egress::error::ApiError;
use egress::fact::{ConnectionState, EgressStatus, Fact};
use egress::spec::Task;
use egress::wire::Launch;
use room::session::{RoomOptions, join};

use crate::job::Facts;
use crate::job::link::{FromStudio, Link};
use crate::job::log::EventLog;
use crate::job::signal::EndSignal;
use crate::job::{Joined, monitor, recording};

/// How long the process stays after its last fact, for the studio to read it.
const FAREWELL: Duration = Duration::from_millis(500);

/// Does what `launch` says.
///
/// # Errors
/// If the job's folder cannot be used. Everything else is told as facts.
pub async fn run(launch: Launch) -> std::io::Result<()> {
    let mut facts = Facts::new(EventLog::open(&launch.folder)?);
    let mut link = Link::listen(&launch.folder)?;
    facts.record(Fact::Started { pid: std::process::id() });
    facts.record(Fact::Connection { state: ConnectionState::Connecting });

    let options = RoomOptions::new(launch.spec.url.clone(), launch.token.clone());
    match joined(options, &mut facts, &mut link).await {
        Ok(None) => facts.record(Fact::Ended { status: EgressStatus::Aborted, error: None }),
        Ok(Some((room, events))) => {
            let leaving = room.clone();
            match launch.spec.task.clone() {
                Task::Egress(spec) => {
                    recording::run(&launch.spec, spec, (room, events), &mut facts, &mut link).await;
                }
                Task::Monitor(spec) => monitor::run(spec, (room, events), &mut facts, &mut link).await,
            }
            leaving.leave().await;
        }
        Err(error) => {
            facts.record(Fact::Connection { state: ConnectionState::Disconnected });
            facts.record(Fact::Ended { status: EgressStatus::Failed, error: Some(error) });
        }
    }
    facts.tell(&link);
    if link.connected() {
        // Until the studio has taken the last facts and gone, or a moment.
        let gone = async { while !matches!(link.next().await, FromStudio::Gone) {} };
        let _ = tokio::time::timeout(FAREWELL, gone).await;
    }
    Ok(())
}

/// Joins; none: told to stop meanwhile.
async fn joined(
    options: RoomOptions,
    facts: &mut Facts,
    link: &mut Link,
) -> Result<Option<Joined>, ApiError> {
    let joining = join(options);
    tokio::pin!(joining);
    let mut end = EndSignal::new();
    loop {
        tokio::select! {
            joined = &mut joining => {
                let (room, events) = joined?;
                facts.record(Fact::RoomJoined { room_sid: room.roster().room_sid.clone() });
                facts.record(Fact::Connection { state: ConnectionState::Connected });
                facts.tell(link);
                link.release();
                return Ok(Some((room, events)));
            }
            from = link.next() => match from {
                FromStudio::Connected { after } => facts.tell_after(after, link),
                FromStudio::Command(egress::wire::ToJob::Stop { request }) => {
                    link.reply(request, None);
                    return Ok(None);
                }
                // Commands before the join are for a job that knows its room: answered as soon as it does.
                FromStudio::Command(command) => link.put_back(command),
                FromStudio::Gone => {}
            },
            () = end.wait() => return Ok(None),
        }
    }
}
