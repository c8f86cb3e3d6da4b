//! Access tokens for our own participants and calls.

use std::time::Duration;

use egress::error::{ApiError, ErrorCode, Fault};
use livekit_token::{AccessToken, VideoGrants};
use secrecy::{ExposeSecret, SecretString};

/// How long a token for a recorder is valid, unless the caller says otherwise: longer than any show,
/// because a full reconnect late in a job needs it. The server hands out fresher ones on the way.
pub const RECORDER_TTL: Duration = Duration::from_secs(24 * 3600);

/// How long a token for one call of the room service is valid.
const CALL_TTL: Duration = Duration::from_secs(10 * 60);

/// A token with which a job joins `room`: hidden, receiving only, and counted as a recorder, so that the
/// people in the room are told that it is being recorded.
///
/// # Errors
/// When the key, the secret, the room or the identity is empty.
pub fn recorder_token(
    key: &str,
    secret: &SecretString,
    room: &str,
    identity: &str,
    ttl: Duration,
) -> Result<SecretString, ApiError> {
    let grants = VideoGrants { recorder: true, ..hidden_subscriber(room) };
    sign(key, secret, identity, "egress", ttl, grants)
}

/// A token with which the studio watches `room`: hidden, receiving only, and not a recorder.
///
/// Its kind is `agent`, because the server lets only recorders and agents depend on the others: such a
/// participant is not counted, does not keep a room open that everybody has left, and makes the server
/// dispatch no agents. A plain hidden participant would do all three.
///
/// # Errors
/// When the key, the secret, the room or the identity is empty.
pub fn monitor_token(
    key: &str,
    secret: &SecretString,
    room: &str,
    identity: &str,
    ttl: Duration,
) -> Result<SecretString, ApiError> {
    sign(key, secret, identity, "agent", ttl, hidden_subscriber(room))
}

/// A token for calls of the room service and of the egress service. `room` names the one room to administer, if any.
pub(crate) fn service_token(
    key: &str,
    secret: &SecretString,
    room: Option<&str>,
) -> Result<SecretString, ApiError> {
    let grants = VideoGrants {
        room_list: true,
        room_record: true,
        // Deleting a room asks for the right to create it.
        room_create: true,
        room_admin: room.is_some(),
        room: room.unwrap_or_default().to_owned(),
        ..VideoGrants::default()
    };
    sign(key, secret, "", "", CALL_TTL, grants)
}

fn hidden_subscriber(room: &str) -> VideoGrants {
    VideoGrants {
        room_join: true,
        room: room.to_owned(),
        can_subscribe: Some(true),
        // Absent would mean true.
        can_publish: Some(false),
        can_publish_data: Some(false),
        hidden: true,
        ..VideoGrants::default()
    }
}

fn sign(
    key: &str,
    secret: &SecretString,
    identity: &str,
    kind: &str,
    ttl: Duration,
    grants: VideoGrants,
) -> Result<SecretString, ApiError> {
    AccessToken::with_api_key(key, secret.expose_secret())
        .with_identity(identity)
        .with_kind(kind)
        .with_ttl(ttl)
        .with_grants(grants)
        .to_jwt()
        .map(SecretString::from)
        .map_err(|error| {
            ApiError::new(
                ErrorCode::InvalidArgument,
                Fault::Input,
                "The API key, its secret, the room name and the identity must not be empty.",
                "Fill in what is missing in the project's settings.",
            )
            .with_detail(error)
        })
}

#[cfg(test)]
mod tests {
    use livekit_token::Claims;

    use super::*;

    fn claims(token: &SecretString) -> Claims {
        Claims::from_unverified(token.expose_secret()).unwrap()
    }

    #[test]
    fn a_recorder_is_hidden_counted_and_cannot_publish() {
        let secret = SecretString::from("s".repeat(32));
        let token = recorder_token("key", &secret, "show", "EG_x", RECORDER_TTL).unwrap();
        let claims = claims(&token);
        assert_eq!(
            (claims.iss.as_str(), claims.sub.as_str(), claims.kind.as_str()),
            ("key", "EG_x", "egress")
        );
        let video = claims.video;
        assert!(video.room_join && video.hidden && video.recorder);
        assert_eq!(video.room, "show");
        assert_eq!(
            (video.can_subscribe, video.can_publish, video.can_publish_data),
            (Some(true), Some(false), Some(false))
        );
        assert_eq!(claims.exp - claims.nbf, 24 * 3600);
    }

    #[test]
    fn a_monitor_is_hidden_and_not_a_recorder() {
        let secret = SecretString::from("s".repeat(32));
        let token = monitor_token("key", &secret, "show", "watch", CALL_TTL).unwrap();
        let claims = claims(&token);
        assert_eq!(claims.kind, "agent");
        assert!(claims.video.hidden && !claims.video.recorder);
        assert_eq!(claims.video.can_publish, Some(false));
    }

    #[test]
    fn empty_names_are_refused() {
        let secret = SecretString::from("s");
        assert!(recorder_token("key", &secret, "", "EG_x", CALL_TTL).is_err());
        assert!(recorder_token("key", &secret, "show", "", CALL_TTL).is_err());
        assert!(recorder_token("", &secret, "show", "EG_x", CALL_TTL).is_err());
        assert!(recorder_token("key", &SecretString::from(""), "show", "EG_x", CALL_TTL).is_err());
    }
}
