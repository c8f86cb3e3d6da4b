//! What goes over the wire: a `Msg` that says what is in it, and in it a request, a bid, a grant or an answer.
//!
//! Fields that nobody needs here (metadata for tracing, error details, the `Any` of before 2023) are left out of the
//! types, and so are skipped while they are read: however many a message claims to have, they take no memory.

use std::io::Read;

use bytes::Bytes;
use prost::Message;

/// Longest message that is read, bytes, packed or not. A request with all its keys has a few thousand.
pub const MAX_BYTES: usize = 1 << 20;
/// Longest id that is taken: ours and LiveKit's have 16 characters.
const MAX_ID: usize = 128;
const TYPE_URL: &str = "type.googleapis.com/internal.";

/// Why a message is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Longer than [`MAX_BYTES`].
    #[error("a message of more than {MAX_BYTES} bytes")]
    TooLong,
    /// Not protobuf, or not this.
    #[error("a message that is not one: {0}")]
    Malformed(String),
    /// Something else than was expected here.
    #[error("a message of another kind")]
    OtherKind,
    /// Packed in a way that is not known.
    #[error("a message packed in the way {0}, which is not known")]
    Packing(i32),
    /// An id is missing or of absurd length.
    #[error("a message without a usable id")]
    Id,
}

/// The outer message.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Msg {
    /// Says what `value` is.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// The message itself.
    #[prost(bytes = "bytes", tag = "2")]
    pub value: Bytes,
    /// How `value` is packed: 0 not at all, 1 gzip.
    #[prost(int32, tag = "4")]
    pub compression: i32,
}

/// A call.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Request {
    /// New with each call.
    #[prost(string, tag = "1")]
    pub request_id: String,
    /// Whose call it is: bids and answers go there.
    #[prost(string, tag = "2")]
    pub client_id: String,
    /// Unix time, ns.
    #[prost(int64, tag = "3")]
    pub sent_at: i64,
    /// From when on nobody waits for an answer any more, unix time, ns.
    #[prost(int64, tag = "4")]
    pub expiry: i64,
    /// Whether several answers are waited for.
    #[prost(bool, tag = "5")]
    pub multi: bool,
    /// The request of the method.
    #[prost(bytes = "bytes", tag = "8")]
    pub raw_request: Bytes,
    /// Whether the caller would do without bids. One that says so grants them all the same.
    #[prost(bool, tag = "10")]
    pub skip_claim: bool,
}

/// An answer. An empty `error` is success.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Response {
    /// To which call.
    #[prost(string, tag = "1")]
    pub request_id: String,
    /// Whose answer it is.
    #[prost(string, tag = "2")]
    pub server_id: String,
    /// Unix time, ns.
    #[prost(int64, tag = "3")]
    pub sent_at: i64,
    /// What went wrong, in words.
    #[prost(string, tag = "5")]
    pub error: String,
    /// What went wrong, as a code.
    #[prost(string, tag = "6")]
    pub code: String,
    /// The response of the method.
    #[prost(bytes = "bytes", tag = "7")]
    pub raw_response: Bytes,
}

/// A bid.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ClaimRequest {
    /// For which call.
    #[prost(string, tag = "1")]
    pub request_id: String,
    /// Whose bid it is.
    #[prost(string, tag = "2")]
    pub server_id: String,
    /// The highest gets the call.
    #[prost(float, tag = "3")]
    pub affinity: f32,
    /// Whether the server is at it already and waits for no grant.
    #[prost(bool, tag = "4")]
    pub handling: bool,
}

/// A grant.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ClaimResponse {
    /// Of which call.
    #[prost(string, tag = "1")]
    pub request_id: String,
    /// Who is to answer.
    #[prost(string, tag = "2")]
    pub server_id: String,
}

/// What may be in a [`Msg`].
pub trait Enveloped: Message + Default {
    /// Its name.
    const NAME: &'static str;

    /// The ids that have to be there.
    fn ids(&self) -> [&str; 2];
}

impl Enveloped for Request {
    const NAME: &'static str = "Request";

    fn ids(&self) -> [&str; 2] {
        [&self.request_id, &self.client_id]
    }
}

impl Enveloped for Response {
    const NAME: &'static str = "Response";

    fn ids(&self) -> [&str; 2] {
        [&self.request_id, &self.server_id]
    }
}

impl Enveloped for ClaimRequest {
    const NAME: &'static str = "ClaimRequest";

    fn ids(&self) -> [&str; 2] {
        [&self.request_id, &self.server_id]
    }
}

impl Enveloped for ClaimResponse {
    const NAME: &'static str = "ClaimResponse";

    fn ids(&self) -> [&str; 2] {
        [&self.request_id, &self.server_id]
    }
}

/// A message, ready to be published. Never packed: older peers cannot read that.
pub fn seal<T: Enveloped>(message: &T) -> Vec<u8> {
    let value = Bytes::from(message.encode_to_vec());
    Msg { type_url: format!("{TYPE_URL}{}", T::NAME), value, compression: 0 }.encode_to_vec()
}

/// Reads a message that was received.
///
/// # Errors
/// It is none, one of another kind, too long, or has no ids.
pub fn open<T: Enveloped>(payload: Bytes) -> Result<T, EnvelopeError> {
    if payload.len() > MAX_BYTES {
        return Err(EnvelopeError::TooLong);
    }
    let malformed = |error: prost::DecodeError| EnvelopeError::Malformed(error.to_string());
    let msg = Msg::decode(payload).map_err(malformed)?;
    if msg.type_url.strip_prefix(TYPE_URL) != Some(T::NAME) {
        return Err(EnvelopeError::OtherKind);
    }
    let value = match msg.compression {
        0 => msg.value,
        1 => unpack(&msg.value)?,
        other => return Err(EnvelopeError::Packing(other)),
    };
    let message = T::decode(value).map_err(malformed)?;
    if message.ids().iter().any(|id| id.is_empty() || id.len() > MAX_ID) {
        return Err(EnvelopeError::Id);
    }
    Ok(message)
}

/// A few bytes of gzip may stand for any number: no more than may be is unpacked.
fn unpack(packed: &[u8]) -> Result<Bytes, EnvelopeError> {
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(packed)
        .take(MAX_BYTES as u64 + 1)
        .read_to_end(&mut unpacked)
        .map_err(|error| EnvelopeError::Malformed(error.to_string()))?;
    if unpacked.len() > MAX_BYTES { Err(EnvelopeError::TooLong) } else { Ok(unpacked.into()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn request() -> Request {
        Request {
            request_id: "REQ_1".into(),
            client_id: "CLI_1".into(),
            sent_at: 1,
            expiry: 2,
            raw_request: Bytes::from_static(b"what"),
            ..Request::default()
        }
    }

    fn gzip(bytes: &[u8]) -> Bytes {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap().into()
    }

    fn packed(value: Bytes, compression: i32) -> Bytes {
        Msg { type_url: format!("{TYPE_URL}Request"), value, compression }.encode_to_vec().into()
    }

    #[test]
    fn the_bytes_are_those_of_the_protocol() {
        // Field by field, as protobuf lays it out: psrpc promises nothing, so that what changes here breaks it.
        let grant = ClaimResponse { request_id: "REQ_1".into(), server_id: "SRV_1".into() };
        let inner = [b"\x0a\x05REQ_1".as_slice(), b"\x12\x05SRV_1"].concat();
        let name = "type.googleapis.com/internal.ClaimResponse";
        let outer = [[0x0a, 42].as_slice(), name.as_bytes(), &[0x12, 14], &inner].concat();
        assert_eq!(seal(&grant), outer);
        let bid = ClaimRequest { affinity: 1.0, ..ClaimRequest::default() };
        assert_eq!(bid.encode_to_vec(), b"\x1d\x00\x00\x80\x3f");
    }

    #[test]
    fn packed_messages_are_read_and_bombs_are_not() {
        let sealed = request().encode_to_vec();
        assert_eq!(open::<Request>(packed(gzip(&sealed), 1)), Ok(request()));
        assert_eq!(open::<Request>(packed(sealed.into(), 7)), Err(EnvelopeError::Packing(7)));
        let bomb = gzip(&vec![0; 64 << 20]);
        assert!(bomb.len() < MAX_BYTES);
        assert_eq!(open::<Request>(packed(bomb, 1)), Err(EnvelopeError::TooLong));
        assert!(matches!(
            open::<Request>(packed(Bytes::from_static(b"not gzip"), 1)),
            Err(EnvelopeError::Malformed(_))
        ));
    }

    #[test]
    fn what_is_not_expected_is_refused() {
        assert_eq!(open::<Response>(seal(&request()).into()), Err(EnvelopeError::OtherKind));
        assert_eq!(open::<Request>(vec![0; MAX_BYTES + 1].into()), Err(EnvelopeError::TooLong));
        let nameless = Request { client_id: String::new(), ..request() };
        assert_eq!(open::<Request>(seal(&nameless).into()), Err(EnvelopeError::Id));
        let endless = Request { request_id: "R".repeat(MAX_ID + 1), ..request() };
        assert_eq!(open::<Request>(seal(&endless).into()), Err(EnvelopeError::Id));
    }

    #[test]
    fn fields_that_are_not_known_are_skipped() {
        let mut inner = request().encode_to_vec();
        // Field 7, metadata, a hundred thousand times; field 99.
        for _ in 0..100_000 {
            inner.extend_from_slice(b"\x3a\x00");
        }
        inner.extend_from_slice(b"\x98\x06\x05");
        assert_eq!(open::<Request>(packed(inner.into(), 0)), Ok(request()));
    }

    proptest! {
        #[test]
        fn a_message_comes_out_as_it_went_in(
            request_id in "[A-Za-z0-9_]{1,128}",
            client_id in "[A-Za-z0-9_]{1,128}",
            expiry: i64,
            raw: Vec<u8>,
            skip_claim: bool,
        ) {
            let request = Request { request_id, client_id, expiry, raw_request: raw.into(), skip_claim, ..request() };
            prop_assert_eq!(open::<Request>(seal(&request).into()), Ok(request));
        }

        #[test]
        fn no_bytes_break_it(bytes: Vec<u8>) {
            let _ = open::<Request>(bytes.clone().into());
            let _ = open::<Response>(bytes.clone().into());
            let _ = open::<ClaimRequest>(packed(bytes.clone().into(), 1));
            let _ = open::<ClaimResponse>(packed(bytes.into(), 0));
        }

        #[test]
        fn no_damage_breaks_it(at: prop::sample::Index, with: u8, cut: prop::sample::Index, zip: bool) {
            let inner = request().encode_to_vec();
            let mut bytes = packed(if zip { gzip(&inner) } else { inner.into() }, zip.into()).to_vec();
            let at = at.index(bytes.len());
            bytes[at] = with;
            bytes.truncate(cut.index(bytes.len()) + 1);
            let _ = open::<Request>(bytes.into());
        }
    }
}
