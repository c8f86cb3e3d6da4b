//! LiveKit's egress service, as a client of it: jobs that run elsewhere.

use egress::error::{ApiError, ErrorCode, Fault};
use egress::id::EgressId;
use egress::validate::EgressRequest;
use livekit_protocol as proto;
use secrecy::{ExposeSecret, SecretString};

use super::{Server, WORKERS_WITHIN, call_within};

/// What a server says that has no egress service.
const ABSENT: &str = "egress not connected";

/// Jobs, newest first. None: the server has no egress service.
///
/// # Errors
/// As [`super::check`].
pub async fn list(server: &Server, active: bool) -> Result<Option<Vec<proto::EgressInfo>>, ApiError> {
    let request = proto::ListEgressRequest { active, ..Default::default() };
    let answer: Result<proto::ListEgressResponse, ApiError> = call(server, "ListEgress", &request).await;
    match answer {
        Ok(answer) => {
            let mut items = answer.items;
            items.sort_by_key(|info| std::cmp::Reverse(info.started_at.max(info.updated_at)));
            Ok(Some(items))
        }
        Err(error) if error.detail.contains(ABSENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Starts a job.
///
/// # Errors
/// As [`super::check`]; the server has no egress service ([`ErrorCode::FailedPrecondition`]), none of its workers takes
/// the job ([`ErrorCode::Exhausted`]), or it refuses the request.
pub async fn start(server: &Server, request: &EgressRequest) -> Result<proto::EgressInfo, ApiError> {
    match request {
        EgressRequest::RoomComposite(request) => call(server, "StartRoomCompositeEgress", request).await,
        EgressRequest::Web(request) => call(server, "StartWebEgress", request).await,
        EgressRequest::Participant(request) => call(server, "StartParticipantEgress", request).await,
        EgressRequest::TrackComposite(request) => call(server, "StartTrackCompositeEgress", request).await,
        EgressRequest::Track(request) => call(server, "StartTrackEgress", request).await,
        EgressRequest::Egress(request) => call(server, "StartEgress", request).await,
        EgressRequest::Replay(_) => Err(ApiError::new(
            ErrorCode::Unsupported,
            Fault::Input,
            "A replay cannot be asked for from here.",
            "Ask for it with LiveKit's own tools.",
        )),
    }
}

/// Ends a job.
///
/// # Errors
/// As [`start`], and there is no such job, or it is over.
pub async fn stop(server: &Server, id: &EgressId) -> Result<proto::EgressInfo, ApiError> {
    call(server, "StopEgress", &proto::StopEgressRequest { egress_id: id.0.clone() }).await
}

/// Changes the layout of a room composite.
///
/// # Errors
/// As [`stop`].
pub async fn update_layout(
    server: &Server,
    id: &EgressId,
    layout: &str,
) -> Result<proto::EgressInfo, ApiError> {
    let request = proto::UpdateLayoutRequest { egress_id: id.0.clone(), layout: layout.to_owned() };
    call(server, "UpdateLayout", &request).await
}

/// Streams a job to some addresses more, and to some no longer.
///
/// # Errors
/// As [`stop`], and an address is none or is not streamed to.
pub async fn update_stream(
    server: &Server,
    id: &EgressId,
    add: &[SecretString],
    remove: &[SecretString],
) -> Result<proto::EgressInfo, ApiError> {
    let text = |urls: &[SecretString]| urls.iter().map(|url| url.expose_secret().to_owned()).collect();
    let request = proto::UpdateStreamRequest {
        egress_id: id.0.clone(),
        add_output_urls: text(add),
        remove_output_urls: text(remove),
    };
    let answer = call(server, "UpdateStream", &request).await;
    // Its errors repeat the address they are about.
    answer.map_err(|mut error: ApiError| {
        for url in add.iter().chain(remove) {
            error.message = error.message.replace(url.expose_secret(), "…");
            error.detail = error.detail.replace(url.expose_secret(), "…");
        }
        error
    })
}

/// The server has no egress service.
pub fn absent() -> ApiError {
    ApiError::new(
        ErrorCode::FailedPrecondition,
        Fault::Server,
        "This server has no egress service: it is not connected to Redis.",
        "Record on this computer, or ask whoever runs the server.",
    )
}

async fn call<A: prost::Message + Default>(
    server: &Server,
    method: &str,
    request: &impl prost::Message,
) -> Result<A, ApiError> {
    call_within(server, None, &format!("Egress/{method}"), WORKERS_WITHIN, request).await.map_err(in_words)
}

/// What the errors of a service mean that answers from behind the server. Those of the server itself stay.
pub(super) fn in_words(error: ApiError) -> ApiError {
    let answered = error.detail.get(..3).is_some_and(|status| status.bytes().all(|b| b.is_ascii_digit()));
    let said = error.detail.split_once(": ").filter(|_| answered).map_or("", |(_, said)| said).to_owned();
    let told = if said.contains(ABSENT) {
        absent()
    } else if said.contains("no response from servers") || said.contains("resource exhausted") {
        ApiError::new(
            ErrorCode::Exhausted,
            Fault::Server,
            "No worker of LiveKit's egress service is there, or all of them are busy.",
            "Wait for one, or record on this computer.",
        )
        .retryable()
    } else if said.contains("room does not exist") {
        ApiError::new(
            ErrorCode::NotFound,
            Fault::Input,
            "This room is not open, and LiveKit's egress service records open rooms only.",
            "Wait until somebody is in it, or create it.",
        )
    } else if error.code == ErrorCode::NotFound {
        ApiError::new(
            ErrorCode::NotFound,
            Fault::Input,
            "LiveKit's egress service does not have that job (any more).",
            "Look at the list again.",
        )
    } else if matches!(error.code, ErrorCode::InvalidArgument | ErrorCode::Unreachable) && !said.is_empty() {
        // Its own words name the field or the reason.
        ApiError::new(
            ErrorCode::FailedPrecondition,
            Fault::Input,
            format!("LiveKit's egress service refuses this: {said}."),
            "Change what is asked for, or record on this computer.",
        )
    } else {
        return error;
    };
    told.with_detail(error.detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_said(code: ErrorCode, detail: &str) -> ApiError {
        ApiError::new(code, Fault::Server, "The LiveKit server cannot do this now.", "").with_detail(detail)
    }

    #[test]
    fn a_service_that_is_not_there_and_one_that_is_busy_are_told_apart() {
        let absent = "500 Internal Server Error: egress not connected (redis required)";
        assert_eq!(in_words(server_said(ErrorCode::Unreachable, absent)).code, ErrorCode::FailedPrecondition);
        let busy = in_words(server_said(ErrorCode::Unreachable, "503: no response from servers"));
        assert_eq!((busy.code, busy.retryable), (ErrorCode::Exhausted, true));
    }

    #[test]
    fn what_the_service_says_is_passed_on_and_what_the_server_says_stays() {
        let refused = in_words(server_said(ErrorCode::InvalidArgument, "400 Bad Request: bad layout"));
        assert!(refused.message.contains("bad layout"), "{}", refused.message);
        let wrong =
            ApiError::new(ErrorCode::WrongSecret, Fault::Input, "m", "r").with_detail("401: nonsense");
        assert_eq!(in_words(wrong).code, ErrorCode::WrongSecret);
        let gone = server_said(ErrorCode::Unreachable, "error sending request: connection refused");
        assert_eq!(in_words(gone.clone()), gone);
    }
}
