//! The calls, one by one.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::response::Response;
use bytes::Bytes;
use egress::error::{ApiError, ErrorCode};
use egress::id::EgressId;
use egress::validate::EgressRequest;
use livekit_protocol as proto;
use livekit_protocol::EgressInfo;
use secrecy::SecretString;
use studio::surface::Origin;
use studio::{EgressFilter, StartEgress};

use super::Api;
use super::listing::{NoSuchPage, PAGE, page};
use super::twirp::{Code, Encoding, TwirpError};
use crate::admission::Kind;
use crate::webhook;

/// Every call there is.
pub const NAMES: [&str; 10] = [
    "StartEgress",
    "StartRoomCompositeEgress",
    "StartWebEgress",
    "StartParticipantEgress",
    "StartTrackCompositeEgress",
    "StartTrackEgress",
    "UpdateLayout",
    "UpdateStream",
    "ListEgress",
    "StopEgress",
];

/// Answers a call.
pub async fn answer(
    api: &Arc<Api>,
    name: &str,
    encoding: Encoding,
    body: &Bytes,
) -> Result<Response, TwirpError> {
    let request = match name {
        "StartEgress" => EgressRequest::Egress(encoding.read(body)?),
        "StartRoomCompositeEgress" => EgressRequest::RoomComposite(encoding.read(body)?),
        "StartWebEgress" => EgressRequest::Web(encoding.read(body)?),
        "StartParticipantEgress" => EgressRequest::Participant(encoding.read(body)?),
        "StartTrackCompositeEgress" => EgressRequest::TrackComposite(encoding.read(body)?),
        "StartTrackEgress" => EgressRequest::Track(encoding.read(body)?),
        "ListEgress" => return list(api, &encoding.read(body)?).map(|list| encoding.write(&list)),
        "UpdateLayout" => return layout(api, encoding.read(body)?).await.map(|info| encoding.write(&info)),
        "UpdateStream" => return stream(api, encoding.read(body)?).await.map(|info| encoding.write(&info)),
        "StopEgress" => return stop(api, encoding.read(body)?).await.map(|info| encoding.write(&info)),
        _ => return Err(TwirpError::new(Code::BadRoute, "no such call")),
    };
    start(api, request).await.map(|info| encoding.write(&info))
}

async fn start(api: &Api, request: EgressRequest) -> Result<EgressInfo, TwirpError> {
    if *api.draining.borrow() {
        return Err(TwirpError::new(Code::Unavailable, "server is shutting down"));
    }
    if !api.open.load(Ordering::Relaxed) {
        // LiveKit's words for a service that is not there.
        let words =
            "no response from servers: The LiveKit server has not been reached yet. Try again in a moment.";
        return Err(TwirpError::new(Code::Unavailable, words));
    }
    let room_id = room_id(api, room_name(&request)).await?;
    webhook::check(webhook::of_request(&request), &api.keys)?;
    let id = EgressId::random();
    let place = api.admission.reserve(id.as_str(), Kind::of(&request)).map_err(ApiError::from)?;
    let egress_id = Some(id);
    let start = StartEgress { egress_id, room_id, request, retry: 0, origin: Origin::Api };
    let info = api.studio.start_egress(start).await?;
    place.taken();
    Ok(info)
}

/// The sid of the room that a request names; empty where it names none.
///
/// # Errors
/// No such room is open: LiveKit's server refuses each request for it at once, whatever else it holds. Where our own
/// server cannot be asked the job finds out.
async fn room_id(api: &Api, name: &str) -> Result<String, TwirpError> {
    if name.is_empty() {
        return Ok(String::new());
    }
    match api.studio.room_sid(name).await {
        Ok(Some(sid)) => Ok(sid),
        Ok(None) => {
            let words =
                "requested room does not exist: Nobody is in it. Create it first, or start when somebody is.";
            Err(TwirpError::new(Code::NotFound, words))
        }
        Err(error) => {
            tracing::warn!(%error, "whether there is such a room could not be asked");
            Ok(String::new())
        }
    }
}

fn room_name(request: &EgressRequest) -> &str {
    match request {
        EgressRequest::Egress(request) => &request.room_name,
        EgressRequest::RoomComposite(request) => &request.room_name,
        EgressRequest::Participant(request) => &request.room_name,
        EgressRequest::TrackComposite(request) => &request.room_name,
        EgressRequest::Track(request) => &request.room_name,
        EgressRequest::Web(_) | EgressRequest::Replay(_) => "",
    }
}

fn list(api: &Api, request: &proto::ListEgressRequest) -> Result<proto::ListEgressResponse, TwirpError> {
    if !request.egress_id.is_empty() {
        // One that is named is found or it is not, whatever else is asked; so LiveKit's server has it.
        let info = find(api, &request.egress_id)?;
        return Ok(proto::ListEgressResponse { items: vec![info], next_page_token: None });
    }
    let filter = EgressFilter {
        room_name: request.room_name.clone(),
        egress_id: String::new(),
        active: request.active,
    };
    page(api.studio.list_egress(&filter), request.page_token.as_ref(), PAGE)
        .map_err(|NoSuchPage| TwirpError::new(Code::InvalidArgument, "invalid page token"))
}

async fn stop(api: &Api, request: proto::StopEgressRequest) -> Result<EgressInfo, TwirpError> {
    let id = named(api, &request.egress_id)?;
    let stopped = api.studio.stop_egress(id.clone()).await;
    stopped.map_err(|error| unfit(api, &id, error, "stopped"))
}

async fn layout(api: &Api, request: proto::UpdateLayoutRequest) -> Result<EgressInfo, TwirpError> {
    let id = named(api, &request.egress_id)?;
    let updated = api.studio.update_egress_layout(id.clone(), request.layout).await;
    updated.map_err(|error| unfit(api, &id, error, "updated"))
}

async fn stream(api: &Api, request: proto::UpdateStreamRequest) -> Result<EgressInfo, TwirpError> {
    let id = named(api, &request.egress_id)?;
    let secret = |urls: Vec<String>| urls.into_iter().map(SecretString::from).collect();
    let (add, remove) = (secret(request.add_output_urls), secret(request.remove_output_urls));
    let updated = api.studio.update_egress_stream(id.clone(), add, remove).await;
    updated.map_err(|error| unfit(api, &id, error, "updated"))
}

/// The egress that a call is about.
fn named(api: &Api, id: &str) -> Result<EgressId, TwirpError> {
    find(api, id).map(|info| info.egress_id.into())
}

fn find(api: &Api, id: &str) -> Result<EgressInfo, TwirpError> {
    api.studio.egress(&id.into()).map_err(|error| match error.code {
        ErrorCode::NotFound => TwirpError::new(Code::NotFound, "egress does not exist"),
        _ => error.into(),
    })
}

/// What does not fit the present state, in the words of LiveKit's server, which names the state.
fn unfit(api: &Api, id: &EgressId, error: ApiError, what: &str) -> TwirpError {
    use livekit_protocol::EgressStatus::{EgressActive, EgressStarting};
    let status = api.studio.egress(id).map(|info| info.status());
    match status {
        Ok(status)
            if error.code == ErrorCode::FailedPrecondition
                && !matches!(status, EgressStarting | EgressActive) =>
        {
            let words = format!("egress with status {} cannot be {what}", status.as_str_name());
            TwirpError::new(Code::FailedPrecondition, words)
        }
        _ => error.into(),
    }
}
