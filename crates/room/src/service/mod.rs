//! The server's room service: whether it is there and ours to use, which rooms it has, who is in them. And its egress
//! service ([`egress`]), which runs jobs elsewhere.

pub mod egress;
mod twirp;

use std::time::Duration;

use ::egress::error::{ApiError, ErrorCode, Fault};
use ::egress::roster::{Participant, RoomSummary};
use livekit_protocol as proto;
use secrecy::SecretString;
use url::Url;

use crate::roster::participant;
use crate::token::service_token;

/// How long the server may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// The same where it asks its egress workers first: where there is none, it takes 23 s to say so (1.13.3).
const WORKERS_WITHIN: Duration = Duration::from_secs(40);

/// A LiveKit server and the right to use it.
#[derive(Debug, Clone)]
pub struct Server {
    /// `ws(s)://` or `http(s)://`, with or without a slash at the end.
    pub url: String,
    /// API key.
    pub api_key: String,
    /// API secret.
    pub api_secret: SecretString,
}

impl Server {
    /// The address in its `http(s)` form, without a slash at the end.
    ///
    /// # Errors
    /// When it is not an address of a server.
    pub fn http_url(&self) -> Result<String, ApiError> {
        address(&self.url, false)
    }

    /// The address in its `ws(s)` form, without a slash at the end.
    ///
    /// # Errors
    /// When it is not an address of a server.
    pub fn ws_url(&self) -> Result<String, ApiError> {
        address(&self.url, true)
    }
}

/// Asks the server for nothing much, to see whether it is there and accepts the key and the secret.
///
/// # Errors
/// The URL is malformed ([`ErrorCode::InvalidArgument`]), nothing answers ([`ErrorCode::Unreachable`]),
/// something else answers ([`ErrorCode::NotLiveKit`]), [`ErrorCode::UnknownKey`],
/// [`ErrorCode::WrongSecret`], [`ErrorCode::ClockOff`], [`ErrorCode::PermissionDenied`].
pub async fn check(server: &Server) -> Result<(), ApiError> {
    list_rooms(server).await.map(|_| ())
}

/// The rooms that are open, by name.
///
/// # Errors
/// As [`check`].
pub async fn list_rooms(server: &Server) -> Result<Vec<RoomSummary>, ApiError> {
    let answer: proto::ListRoomsResponse =
        call(server, None, "ListRooms", &proto::ListRoomsRequest::default()).await?;
    let mut rooms: Vec<_> = answer.rooms.into_iter().map(summary).collect();
    rooms.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(rooms)
}

/// The room of a name; none if it is not open.
///
/// # Errors
/// As [`check`].
pub async fn find_room(server: &Server, name: &str) -> Result<Option<RoomSummary>, ApiError> {
    let request = proto::ListRoomsRequest { names: vec![name.to_owned()] };
    let answer: proto::ListRoomsResponse = call(server, None, "ListRooms", &request).await?;
    Ok(answer.rooms.into_iter().map(summary).find(|room| room.name == name))
}

/// The people in a room that others can see, by join time; nobody if there is no such room.
///
/// # Errors
/// As [`check`].
pub async fn list_participants(server: &Server, room: &str) -> Result<Vec<Participant>, ApiError> {
    let request = proto::ListParticipantsRequest { room: room.to_owned() };
    let answer: proto::ListParticipantsResponse =
        match call(server, Some(room), "ListParticipants", &request).await {
            Err(error) if error.code == ErrorCode::NotFound => return Ok(Vec::new()),
            other => other?,
        };
    let hidden =
        |info: &proto::ParticipantInfo| info.permission.as_ref().is_some_and(|permission| permission.hidden);
    let mut people: Vec<_> =
        answer.participants.iter().filter(|info| !hidden(info)).map(participant).collect();
    people.sort_by(|a, b| (a.joined_at_ms, &a.identity).cmp(&(b.joined_at_ms, &b.identity)));
    Ok(people)
}

/// Closes a room; everybody in it is disconnected.
///
/// # Errors
/// As [`check`], and [`ErrorCode::NotFound`].
pub async fn delete_room(server: &Server, room: &str) -> Result<(), ApiError> {
    let request = proto::DeleteRoomRequest { room: room.to_owned() };
    let _: proto::DeleteRoomResponse = call(server, Some(room), "DeleteRoom", &request).await?;
    Ok(())
}

/// Disconnects one participant.
///
/// # Errors
/// As [`check`], and [`ErrorCode::NotFound`].
pub async fn remove_participant(server: &Server, room: &str, identity: &str) -> Result<(), ApiError> {
    let request = proto::RoomParticipantIdentity {
        room: room.to_owned(),
        identity: identity.to_owned(),
        ..Default::default()
    };
    let _: proto::RemoveParticipantResponse = call(server, Some(room), "RemoveParticipant", &request).await?;
    Ok(())
}

/// Sets a participant's metadata. A template changes its layout by that of the recorder: `{"layout":"…"}`.
///
/// # Errors
/// As [`check`], and [`ErrorCode::NotFound`].
pub async fn update_metadata(
    server: &Server,
    room: &str,
    identity: &str,
    metadata: &str,
) -> Result<(), ApiError> {
    let request = proto::UpdateParticipantRequest {
        room: room.to_owned(),
        identity: identity.to_owned(),
        metadata: metadata.to_owned(),
        ..Default::default()
    };
    let _: proto::ParticipantInfo = call(server, Some(room), "UpdateParticipant", &request).await?;
    Ok(())
}

/// Creates a room, with whatever the server is to record of it by itself. One that is there already stays as it is.
///
/// # Errors
/// As [`check`]; the server has no egress service and the room asks for it.
pub async fn create_room(server: &Server, request: &proto::CreateRoomRequest) -> Result<(), ApiError> {
    if request.egress.is_none() {
        return call::<proto::Room>(server, None, "CreateRoom", request).await.map(drop);
    }
    let path = "RoomService/CreateRoom";
    let created: Result<proto::Room, ApiError> =
        call_within(server, None, path, WORKERS_WITHIN, request).await;
    created.map(drop).map_err(egress::in_words)
}

async fn call<A: prost::Message + Default>(
    server: &Server,
    room: Option<&str>,
    method: &str,
    request: &impl prost::Message,
) -> Result<A, ApiError> {
    let path = format!("RoomService/{method}");
    call_within(server, room, &path, ANSWERS_WITHIN, request).await
}

async fn call_within<A: prost::Message + Default>(
    server: &Server,
    room: Option<&str>,
    path: &str,
    within: Duration,
    request: &impl prost::Message,
) -> Result<A, ApiError> {
    let url = format!("{}/twirp/livekit.{path}", server.http_url()?);
    let token = service_token(&server.api_key, &server.api_secret, room)?;
    twirp::call(&url, &token, within, request).await
}

fn summary(room: proto::Room) -> RoomSummary {
    RoomSummary {
        sid: room.sid,
        name: room.name,
        num_participants: room.num_participants,
        num_publishers: room.num_publishers,
        created_at_ms: match room.creation_time_ms {
            0 => room.creation_time * 1000,
            ms => ms,
        },
        active_recording: room.active_recording,
    }
}

/// Brings an address into one of its two forms.
pub(crate) fn address(text: &str, websocket: bool) -> Result<String, ApiError> {
    let text = text.trim();
    let refuse = |message: &str, remedy: &str| {
        Err(ApiError::new(ErrorCode::InvalidArgument, Fault::Input, message, remedy))
    };
    const EXAMPLE: &str = "Write it like wss://my-project.livekit.cloud, or ws://192.168.1.10:7880 for a \
                           server without TLS.";
    let Some((scheme, rest)) = text.split_once("://") else {
        return refuse("The server's URL does not say how to connect: wss:// is missing.", EXAMPLE);
    };
    let scheme = match (scheme.to_ascii_lowercase().as_str(), websocket) {
        ("ws" | "http", true) => "ws",
        ("wss" | "https", true) => "wss",
        ("ws" | "http", false) => "http",
        ("wss" | "https", false) => "https",
        _ => return refuse("The server's URL must begin with wss:// or ws://.", EXAMPLE),
    };
    match Url::parse(&format!("{scheme}://{rest}")) {
        Ok(url) if url.has_host() && url.username().is_empty() && url.password().is_none() => {
            Ok(format!("{}{}", &url[..url::Position::BeforePath], url.path().trim_end_matches('/')))
        }
        Ok(_) => refuse("The server's URL must be a plain address, without a name or password.", EXAMPLE),
        Err(error) => refuse("The server's URL is not an address.", EXAMPLE)
            .map_err(|refused| refused.with_detail(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_accepted_in_every_usual_form() {
        for (text, expected) in [
            ("ws://127.0.0.1:7880", "http://127.0.0.1:7880"),
            ("wss://example.livekit.cloud/", "https://example.livekit.cloud"),
            ("  HTTPS://example.com//  ", "https://example.com"),
            ("http://example.com:80", "http://example.com"),
            ("wss://example.com/livekit/", "https://example.com/livekit"),
            ("ws://[::1]:7880/", "http://[::1]:7880"),
            ("wss://example.com?x=1#y", "https://example.com"),
        ] {
            assert_eq!(address(text, false).unwrap(), expected, "{text}");
        }
        assert_eq!(address("https://example.com/a/", true).unwrap(), "wss://example.com/a");
    }

    #[test]
    fn what_is_no_address_is_refused_with_an_example() {
        for text in
            ["", "example.com", "localhost:7880", "ftp://example.com", "ws://", "ws://a b", "wss://u:p@x"]
        {
            let error = address(text, false).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidArgument, "{text}");
            assert!(error.remedy.contains("wss://"), "{text}");
        }
    }
}
