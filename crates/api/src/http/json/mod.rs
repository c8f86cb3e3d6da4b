//! The protocol's messages as JSON, in the form in which LiveKit's server takes and gives them. Its JSON is that of
//! Go's `protojson`: the generated code of the protocol's crate takes less and writes other names.
//!
//! Both directions follow the protocol's own description (`protocol.binpb`, made from the `.proto` files in the
//! protocol's crate), so that a new field needs no code here.

mod read;
mod write;

use std::sync::LazyLock;

use livekit_protocol as proto;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};

pub use read::Unreadable;

/// What messages there are, and what fields they have.
static PROTOCOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(include_bytes!("protocol.binpb").as_slice())
        .expect("a test makes it from the protocol's files")
});

/// A message that is read or written here.
pub trait Described: Message + Default {
    /// Its name in the protocol.
    const NAME: &'static str;
}

macro_rules! described {
    ($($name:ident),* $(,)?) => {
        $(impl Described for proto::$name {
            const NAME: &'static str = concat!("livekit.", stringify!($name));
        })*
    };
}

described!(
    StartEgressRequest,
    RoomCompositeEgressRequest,
    WebEgressRequest,
    ParticipantEgressRequest,
    TrackCompositeEgressRequest,
    TrackEgressRequest,
    UpdateLayoutRequest,
    UpdateStreamRequest,
    ListEgressRequest,
    ListEgressResponse,
    StopEgressRequest,
    EgressInfo,
    RoomConfiguration,
);

fn descriptor<M: Described>() -> MessageDescriptor {
    PROTOCOL.get_message_by_name(M::NAME).expect("the protocol describes it")
}

/// Reads a message.
///
/// # Errors
/// It is no JSON, or a value does not fit its field.
pub fn read<M: Described>(body: &[u8]) -> Result<M, Unreadable> {
    let message = read::message(&descriptor::<M>(), body)?;
    Ok(message.transcode_to().expect("both are of one protocol"))
}

/// Writes a message, with the protocol's own field names and with fields that hold nothing.
///
/// # Errors
/// A defect: a message is made of what JSON has.
pub fn write<M: Described>(message: &M) -> serde_json::Result<Vec<u8>> {
    let mut described = DynamicMessage::new(descriptor::<M>());
    described.transcode_from(message).expect("both are of one protocol");
    serde_json::to_vec(&write::message(&described))
}

#[cfg(test)]
mod tests;
