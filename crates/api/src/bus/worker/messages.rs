//! The messages of LiveKit's `rpc` package that a worker needs, and its methods. `livekit-protocol` has the rest.

use livekit_protocol as proto;

use crate::bus::psrpc::Method;

/// Starts an egress: every worker hears it, and bids.
pub const START: Method =
    Method { service: "EgressInternal", name: "StartEgress", claim: true, queue: false };
/// Which egresses run where: every worker answers.
pub const LIST_ACTIVE: Method =
    Method { service: "EgressInternal", name: "ListActiveEgress", claim: false, queue: false };
/// Stops the egress that the topic names.
pub const STOP: Method = Method { service: "EgressHandler", name: "StopEgress", claim: true, queue: true };
/// Adds and removes streams of the egress that the topic names.
pub const UPDATE_STREAM: Method =
    Method { service: "EgressHandler", name: "UpdateStream", claim: true, queue: true };
/// Tells the server of a new egress.
pub const CREATE: Method = io("CreateEgress");
/// Tells the server how an egress is.
pub const UPDATE: Method = io("UpdateEgress");
/// What the server knows of an egress.
pub const GET: Method = io("GetEgress");

/// The service that LiveKit's server answers.
pub const IO: &str = "IOInfo";

const fn io(name: &'static str) -> Method {
    Method { service: IO, name, claim: true, queue: true }
}

/// What to start. The fields that only LiveKit's Cloud fills in are left out; so are `token` and `ws_url`, which no
/// server of one's own does: the worker has a key of its own.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StartEgressRequest {
    /// The id that the server has given it.
    #[prost(string, tag = "1")]
    pub egress_id: String,
    /// The room's sid.
    #[prost(string, tag = "3")]
    pub room_id: String,
    /// How often it was tried before.
    #[prost(int32, tag = "15")]
    pub retry_count: i32,
    /// What to record.
    #[prost(oneof = "Asked", tags = "5, 6, 7, 11, 13, 16, 17")]
    pub request: Option<Asked>,
}

/// What to record: the requests of LiveKit's API.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Asked {
    /// A room in a layout.
    #[prost(message, tag = "5")]
    RoomComposite(proto::RoomCompositeEgressRequest),
    /// A picture and a sound.
    #[prost(message, tag = "6")]
    TrackComposite(proto::TrackCompositeEgressRequest),
    /// One track.
    #[prost(message, tag = "7")]
    Track(proto::TrackEgressRequest),
    /// A web page.
    #[prost(message, tag = "11")]
    Web(proto::WebEgressRequest),
    /// A person.
    #[prost(message, tag = "13")]
    Participant(proto::ParticipantEgressRequest),
    /// Any of them, in the form of version 2.
    #[prost(message, tag = "16")]
    Egress(proto::StartEgressRequest),
    /// A replay, of LiveKit's Cloud.
    #[prost(message, tag = "17")]
    Replay(proto::ExportReplayRequest),
}

impl From<Asked> for egress::validate::EgressRequest {
    fn from(asked: Asked) -> Self {
        match asked {
            Asked::RoomComposite(request) => Self::RoomComposite(request),
            Asked::TrackComposite(request) => Self::TrackComposite(request),
            Asked::Track(request) => Self::Track(request),
            Asked::Web(request) => Self::Web(request),
            Asked::Participant(request) => Self::Participant(request),
            Asked::Egress(request) => Self::Egress(request),
            Asked::Replay(request) => Self::Replay(request),
        }
    }
}

/// Asks for an egress.
#[derive(Clone, PartialEq, prost::Message)]
pub struct GetEgressRequest {
    /// Which.
    #[prost(string, tag = "1")]
    pub egress_id: String,
}

/// Asks which egresses run.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct ListActiveEgressRequest {}

/// Which egresses run.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ListActiveEgressResponse {
    /// Their ids.
    #[prost(string, repeated, tag = "1")]
    pub egress_ids: Vec<String>,
}

/// An answer without content.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Empty {}
