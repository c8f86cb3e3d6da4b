//! Addresses that something is sent to as it happens: a stream, or sound over a WebSocket.

use crate::error::ApiError;
use crate::id::OutputId;
use crate::spec::{OutputSpec, SoundFormat, StreamProtocol};
use crate::stream::StreamUrl;
use crate::validate::stream_output;
use crate::websocket::WebSocketUrl;
use crate::wire::Secret;

/// The address of a destination. Its scheme tells which kind it is.
#[derive(Debug, Clone)]
pub enum LiveUrl {
    /// RTMP or SRT.
    Stream(StreamUrl),
    /// A WebSocket.
    Socket(WebSocketUrl),
}

impl LiveUrl {
    /// Takes an address for what it is.
    ///
    /// # Errors
    /// If it is none; of the address itself at most the scheme is told.
    pub fn parse(raw: &str) -> Result<Self, ApiError> {
        if WebSocketUrl::is_one(raw) {
            return Ok(Self::Socket(WebSocketUrl::parse(raw)?));
        }
        Ok(Self::Stream(StreamUrl::parse(raw)?))
    }

    /// How it is sent.
    pub fn protocol(&self) -> StreamProtocol {
        match self {
            Self::Stream(url) => url.protocol(),
            Self::Socket(_) => StreamProtocol::Websocket,
        }
    }

    /// The address as it may be shown.
    pub fn shown(&self) -> &str {
        match self {
            Self::Stream(url) => url.shown(),
            Self::Socket(url) => url.shown(),
        }
    }

    /// The address itself, to travel to the job.
    pub fn secret(&self) -> Secret {
        match self {
            Self::Stream(url) => url.secret(),
            Self::Socket(url) => url.secret(),
        }
    }

    /// What is sent there as an output of a job. Each kind takes of the rest what concerns it: RTMPS whether any
    /// certificate is taken, a WebSocket the format of its sound.
    pub fn output(&self, id: OutputId, any_certificate: bool, sound: SoundFormat) -> OutputSpec {
        match self {
            Self::Stream(url) => stream_output(id, url, any_certificate),
            Self::Socket(url) => url.output(id, sound),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::OutputKind;

    #[test]
    fn an_address_is_taken_for_what_it_is() {
        let kinds = [
            ("rtmp://h/a/key-of-mine", StreamProtocol::Rtmp),
            ("srt://h:9710?streamid=of-mine", StreamProtocol::Srt),
            (" WSS://h/in?token=key-of-mine", StreamProtocol::Websocket),
        ];
        for (raw, protocol) in kinds {
            let url = LiveUrl::parse(raw).unwrap();
            assert_eq!(url.protocol(), protocol, "{raw}");
            assert!(!url.shown().contains("of-mine"), "{}", url.shown());
            let output = url.output("stream-1".into(), false, SoundFormat::Mono16k);
            let format = match output.kind {
                OutputKind::WebSocket(socket) => Some(socket.format),
                _ => None,
            };
            let socket = protocol == StreamProtocol::Websocket;
            assert_eq!(format, socket.then_some(SoundFormat::Mono16k));
        }
        for none in ["http://h", "ws://", "h/a/key-of-mine"] {
            let error = LiveUrl::parse(none).unwrap_err();
            assert!(!error.detail.contains("of-mine"), "{}", error.detail);
        }
    }
}
