//! What of a page's console, and of the messages that its room sends it, concerns a recording. Everything else that a
//! page says stays with the browser.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chromiumoxide::cdp::browser_protocol::network::{
    EventWebSocketCreated, EventWebSocketFrameReceived, RequestId, WebSocketFrame,
};
use chromiumoxide::cdp::js_protocol::runtime::RemoteObject;
use room::event::RoomEnd;

/// What is heard of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageEvent {
    /// It says that what it shows is to be recorded.
    StartSignal,
    /// It says that it is over.
    EndSignal,
    /// It shows the layout of this name.
    Layout(String),
    /// Its room has ended, or it was put out of it.
    RoomEnded,
    /// The LiveKit server has removed its participant: another one joined under the same identity.
    Evicted,
    /// Something has loaded: the page, or what its server sends with a refusal.
    Loaded,
    /// The page is there. Noted by who has looked.
    There,
    /// It cannot be loaded: Chromium's word for why.
    Unreachable(String),
    /// Its server answered with an HTTP error.
    Refused(i64),
    /// Its process has crashed.
    Crashed,
    /// Chromium has ended.
    Ended,
}

/// What a template says on its console, as LiveKit's contract has it.
const START: &str = "START_RECORDING";
const END: &str = "END_RECORDING";
/// What our template says when it was told of another layout by its server (`UpdateLayout` of LiveKit's own API, where
/// a server has taken the job on).
const LAYOUT: &str = "LAYOUT_CHANGED ";
/// Longest name of a layout that a page is believed, bytes.
const LONGEST_NAME: usize = 256;
/// Longest message of a room that is looked at, bytes of base64: one that ends the room is far shorter.
const LONGEST_MESSAGE: usize = 4096;
/// A binary message of a WebSocket (RFC 6455, section 5.2).
const BINARY: f64 = 2.0;

/// The signals in one call of the console. As LiveKit has it: whichever of its functions was called, any argument that
/// is the word and nothing but the word counts, and so do several.
pub(super) fn on_console(args: &[RemoteObject]) -> impl Iterator<Item = PageEvent> {
    args.iter().filter_map(|arg| signal(arg.value.as_ref()?.as_str()?))
}

fn signal(said: &str) -> Option<PageEvent> {
    match said {
        START => Some(PageEvent::StartSignal),
        END => Some(PageEvent::EndSignal),
        _ => {
            let name = said.strip_prefix(LAYOUT).filter(|name| name.len() < LONGEST_NAME)?;
            Some(PageEvent::Layout(name.trim().to_owned()))
        }
    }
}

/// What LiveKit servers say to the page, on its connections for signalling. A template need not say anything when its
/// room ends, and none says that another participant took its place.
#[derive(Debug, Default)]
pub(super) struct Signalling {
    newest: Option<RequestId>,
}

impl Signalling {
    /// The page has opened a connection.
    pub(super) fn opened(&mut self, event: &EventWebSocketCreated) {
        if event.url.contains("/rtc") {
            self.newest = Some(event.request_id.clone());
        }
    }

    /// The page was sent a message.
    pub(super) fn received(&self, event: &EventWebSocketFrameReceived) -> Option<PageEvent> {
        match end_of_room(&event.response)? {
            RoomEnd::RoomClosed | RoomEnd::Removed => Some(PageEvent::RoomEnded),
            // A page that joins anew takes the place of its own connection before.
            RoomEnd::DuplicateIdentity => self
                .newest
                .as_ref()
                .is_none_or(|newest| *newest == event.request_id)
                .then_some(PageEvent::Evicted),
            _ => None,
        }
    }
}

fn end_of_room(frame: &WebSocketFrame) -> Option<RoomEnd> {
    if frame.opcode != BINARY || frame.payload_data.len() > LONGEST_MESSAGE {
        return None;
    }
    RoomEnd::from_signal(&STANDARD.decode(&frame.payload_data).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chromiumoxide::cdp::browser_protocol::network::MonotonicTime;
    use serde_json::{Value, json};

    fn said(args: Value) -> Vec<PageEvent> {
        let args: Vec<RemoteObject> = serde_json::from_value(args).unwrap();
        on_console(&args).collect()
    }

    fn text(value: &str) -> Value {
        json!({ "type": "string", "value": value })
    }

    #[test]
    fn any_one_argument_of_a_call_is_a_signal() {
        assert_eq!(said(json!([text(START)])), [PageEvent::StartSignal]);
        assert_eq!(said(json!([text("recorder:"), text(START)])), [PageEvent::StartSignal]);
        let object = json!({ "type": "object", "className": "Object", "description": "Object" });
        assert_eq!(said(json!([text(END), object, { "type": "undefined" }])), [PageEvent::EndSignal]);
        assert_eq!(said(json!([text(START), text(END)])), [PageEvent::StartSignal, PageEvent::EndSignal]);
    }

    #[test]
    fn a_word_within_an_argument_is_none() {
        for other in
            ["recorder: START_RECORDING", "START_RECORDING ", "start_recording", "%cSTART_RECORDING", ""]
        {
            assert_eq!(said(json!([text(other)])), [], "{other:?}");
        }
        let list = json!({ "type": "object", "subtype": "array", "description": "START_RECORDING" });
        assert_eq!(said(json!([list, { "type": "number", "value": 1 }])), []);
    }

    #[test]
    fn a_layout_has_a_name_of_bounded_length() {
        assert_eq!(
            said(json!([text("LAYOUT_CHANGED grid-light")])),
            [PageEvent::Layout("grid-light".into())]
        );
        assert_eq!(said(json!([text(&format!("{LAYOUT}{}", "x".repeat(LONGEST_NAME)))])), []);
    }

    fn frame(opcode: f64, bytes: &[u8]) -> WebSocketFrame {
        WebSocketFrame::new(opcode, false, STANDARD.encode(bytes))
    }

    /// `SignalResponse { leave (8): LeaveRequest { reason (2): … } }`.
    fn leave(reason: u8) -> [u8; 4] {
        [0x42, 2, 0x10, reason]
    }

    const DUPLICATE_IDENTITY: u8 = 2;
    const ROOM_DELETED: u8 = 5;

    #[test]
    fn the_end_of_a_room_is_told_by_a_message_of_livekits() {
        let deleted = leave(ROOM_DELETED);
        assert_eq!(end_of_room(&frame(BINARY, &deleted)), Some(RoomEnd::RoomClosed));
        assert_eq!(end_of_room(&frame(1.0, &deleted)), None, "text is not LiveKit's");
        assert_eq!(end_of_room(&frame(BINARY, b"anything else")), None);
        assert_eq!(end_of_room(&frame(BINARY, &[deleted.as_slice(), &[0; LONGEST_MESSAGE]].concat())), None);
        assert_eq!(end_of_room(&WebSocketFrame::new(BINARY, false, "no base64!")), None);
    }

    #[test]
    fn a_page_that_joins_anew_does_not_evict_itself() {
        let opened = |id: &str, url: &str| -> EventWebSocketCreated {
            serde_json::from_value(json!({ "requestId": id, "url": url })).unwrap()
        };
        let told = |id: &str, reason| {
            let response = frame(BINARY, &leave(reason));
            EventWebSocketFrameReceived {
                request_id: RequestId::new(id),
                timestamp: MonotonicTime::new(0.0),
                response,
            }
        };
        let mut room = Signalling::default();
        room.opened(&opened("1", "wss://livekit.example/rtc?access_token=t"));
        room.opened(&opened("2", "wss://chat.example/socket"));
        assert_eq!(room.received(&told("1", DUPLICATE_IDENTITY)), Some(PageEvent::Evicted));
        room.opened(&opened("3", "wss://livekit.example/rtc/v1?access_token=t"));
        assert_eq!(room.received(&told("1", DUPLICATE_IDENTITY)), None);
        assert_eq!(room.received(&told("3", ROOM_DELETED)), Some(PageEvent::RoomEnded));
        assert_eq!(room.received(&told("3", DUPLICATE_IDENTITY)), Some(PageEvent::Evicted));
    }
}
