//! The media connection on str0m, in RTP mode.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Once;
use std::time::{Duration, Instant, UNIX_EPOCH};

use bytes::Bytes;
use egress::roster::TrackKind;
use str0m::change::SdpOffer;
use str0m::media::KeyframeRequestKind;
use str0m::net::{Protocol, Receive, TcpType};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use tracing::debug;

use super::sockets::{SocketEvent, Sockets};
use super::{MediaTransport, Path, TransportError, TransportEvent, TransportOptions};
use crate::sdp::sections;
use crate::stream::receiver::Incoming;

/// How long UDP may try before TCP is opened as well.
const UDP_PATIENCE: Duration = Duration::from_millis(1500);
const STATS_INTERVAL: Duration = Duration::from_secs(1);

/// A receiving peer connection on str0m.
pub(crate) struct RtcTransport {
    rtc: Rtc,
    sockets: Sockets,
    tcp_only: bool,
    connected: bool,
    closed: bool,
    /// The server's passive TCP candidates.
    tcp_remotes: Vec<SocketAddr>,
    /// The server has offered UDP.
    udp_remote: bool,
    /// When to open TCP if there is no path by then.
    tcp_at: Option<Instant>,
    remote_ufrag: String,
    path: Path,
}

impl MediaTransport for RtcTransport {
    fn open(options: &TransportOptions) -> Result<Self, TransportError> {
        static CRYPTO: Once = Once::new();
        CRYPTO.call_once(|| str0m::crypto::from_feature_flags().install_process_default());
        let mut transport = Self {
            rtc: config().build(Instant::now()),
            sockets: Sockets::new(options.impairment.clone()),
            tcp_only: options.tcp_only,
            connected: false,
            closed: false,
            tcp_remotes: Vec::new(),
            udp_remote: false,
            tcp_at: None,
            remote_ufrag: String::new(),
            path: Path::default(),
        };
        transport.bind_udp().map_err(TransportError::Sockets)?;
        Ok(transport)
    }

    fn accept_offer(&mut self, sdp: &str) -> Result<String, TransportError> {
        let ufrag = attribute(sdp, "a=ice-ufrag:").unwrap_or_default();
        if ufrag != self.remote_ufrag {
            if !self.remote_ufrag.is_empty() {
                // A TCP connection belongs to the credentials it was opened with.
                self.close_tcp();
                self.connected = false;
                // This computer may have moved to another network.
                if let Err(error) = self.bind_udp() {
                    debug!(%error, "no new addresses");
                }
            }
            self.remote_ufrag = ufrag.to_owned();
            self.tcp_remotes.clear();
            self.udp_remote = false;
        }
        let offer =
            SdpOffer::from_sdp_string(sdp).map_err(|error| TransportError::Offer(error.to_string()))?;
        let answer = self.rtc.sdp_api().accept_offer(offer)?;
        for candidate in sdp.lines().filter_map(|line| line.trim().strip_prefix("a=candidate:")) {
            self.note_remote(&format!("candidate:{candidate}"));
        }
        self.repair_audio(sdp);
        Ok(answer.to_sdp_string())
    }

    fn add_remote_candidate(&mut self, candidate: &str) {
        if let Some(candidate) = self.note_remote(candidate) {
            self.rtc.add_remote_candidate(candidate);
        }
    }

    fn request_keyframe(&mut self, ssrc: u32) {
        if let Some(stream) = self.rtc.direct_api().stream_rx(&ssrc.into()) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
        }
    }

    fn forget(&mut self, ssrc: u32) {
        self.rtc.direct_api().remove_stream_rx(ssrc.into());
    }

    fn is_connected(&self) -> bool {
        !self.closed && self.rtc.is_connected()
    }

    fn is_closed(&self) -> bool {
        self.closed
    }

    fn path(&self) -> Path {
        self.path
    }

    async fn next(&mut self) -> TransportEvent {
        loop {
            let deadline = match self.rtc.poll_output() {
                Ok(Output::Timeout(deadline)) => deadline,
                Ok(Output::Transmit(transmit)) => {
                    let tcp = transmit.proto != Protocol::Udp;
                    self.sockets.send(tcp, transmit.source, transmit.destination, &transmit.contents);
                    continue;
                }
                Ok(Output::Event(event)) => match self.event(event) {
                    Some(event) => return event,
                    None => continue,
                },
                Err(error) => return TransportEvent::Failed(error.into()),
            };
            let now = Instant::now();
            if self.tcp_at.is_some_and(|at| at <= now) {
                self.open_tcp();
                continue;
            }
            let wake = self.tcp_at.map_or(deadline, |at| at.min(deadline));
            tokio::select! {
                event = self.sockets.next() => {
                    if let Err(error) = self.socket_event(event) {
                        return TransportEvent::Failed(error.into());
                    }
                }
                () = tokio::time::sleep_until(wake.into()) => {
                    if let Err(error) = self.rtc.handle_input(Input::Timeout(Instant::now())) {
                        return TransportEvent::Failed(error.into());
                    }
                }
            }
        }
    }
}

impl RtcTransport {
    fn socket_event(&mut self, event: SocketEvent) -> Result<(), str0m::RtcError> {
        match event {
            SocketEvent::Datagram { tcp, remote, local, len } => {
                let protocol = if tcp { Protocol::Tcp } else { Protocol::Udp };
                // Anybody can send to a UDP port: what is no WebRTC is not an error of ours.
                if let Ok(receive) = Receive::new(protocol, remote, local, self.sockets.datagram(len)) {
                    self.rtc.handle_input(Input::Receive(Instant::now(), receive))?;
                }
            }
            SocketEvent::Opened { local } => {
                if let Some(candidate) = tcp_candidate(local) {
                    self.rtc.add_local_candidate(candidate);
                }
            }
            SocketEvent::Closed { local } => {
                self.drop_candidate(local);
                self.retry_tcp();
            }
        }
        Ok(())
    }

    /// Takes up UDP on the addresses this computer has now.
    fn bind_udp(&mut self) -> std::io::Result<()> {
        if self.tcp_only {
            return Ok(());
        }
        for address in self.sockets.bind_udp()? {
            match Candidate::host(address, Protocol::Udp) {
                Ok(candidate) => {
                    self.rtc.add_local_candidate(candidate);
                }
                Err(error) => debug!(%address, %error, "not a candidate"),
            }
        }
        Ok(())
    }

    fn event(&mut self, event: Event) -> Option<TransportEvent> {
        match event {
            Event::RtpPacket(packet) => Some(TransportEvent::Rtp {
                ssrc: *packet.header.ssrc,
                payload_type: *packet.header.payload_type,
                packet: Incoming {
                    seq: *packet.seq_no,
                    rtp_time: packet.header.timestamp,
                    marker: packet.header.marker,
                    audio_level_dbov: packet.header.ext_vals.audio_level,
                    payload: Bytes::from_owner(packet.payload),
                    at: packet.timestamp,
                },
            }),
            Event::SenderFeedback(feedback) => {
                let info = feedback.sender_info;
                let since_epoch = info.ntp_time.duration_since(UNIX_EPOCH).ok()?;
                Some(TransportEvent::Report {
                    ssrc: *info.ssrc,
                    rtp_time: info.rtp_time.numer() as u32,
                    ntp_ns: i64::try_from(since_epoch.as_nanos()).ok()?,
                    at: feedback.received_at,
                })
            }
            Event::Connected | Event::IceConnectionStateChange(_) => {
                let connected = self.is_connected();
                if connected == self.connected {
                    return None;
                }
                self.connected = connected;
                if connected {
                    self.tcp_at = None;
                    Some(TransportEvent::Connected)
                } else {
                    self.retry_tcp();
                    Some(TransportEvent::Disconnected)
                }
            }
            Event::Closed => {
                self.closed = true;
                std::mem::take(&mut self.connected).then_some(TransportEvent::Disconnected)
            }
            Event::PeerStats(stats) => {
                let pair = stats.selected_candidate_pair?;
                self.path = Path {
                    rtt_ms: pair.current_round_trip_time.map(|rtt| rtt.as_secs_f64() * 1000.0),
                    tcp: pair.protocol != Protocol::Udp,
                };
                None
            }
            _ => None,
        }
    }

    /// Lets lost sound be asked for again. str0m takes a stream without retransmission SSRC for one that
    /// has no retransmissions; LiveKit sends such packets again as they were. It does so for plain Opus,
    /// not for RED.
    fn repair_audio(&mut self, sdp: &str) {
        for section in sections(sdp, &HashMap::new()) {
            if section.kind != TrackKind::Audio || !section.nack {
                continue;
            }
            for ssrc in section.ssrcs {
                if let Some(stream) = self.rtc.direct_api().stream_rx(&ssrc.into()) {
                    stream.suppress_nack(false);
                }
            }
        }
    }

    /// Remembers what kind of candidate the server has; returns it if str0m can use it.
    fn note_remote(&mut self, text: &str) -> Option<Candidate> {
        let candidate = Candidate::from_sdp_string(text)
            .inspect_err(|error| debug!(text, %error, "the server's candidate cannot be read"))
            .ok()?;
        if candidate.proto() == Protocol::Udp {
            self.udp_remote = true;
        } else if candidate.tcptype() != Some(TcpType::Active)
            && !self.tcp_remotes.contains(&candidate.addr())
        {
            self.tcp_remotes.push(candidate.addr());
        }
        self.retry_tcp();
        Some(candidate)
    }

    /// Plans to open TCP if nothing else works by then.
    fn retry_tcp(&mut self) {
        if self.tcp_remotes.is_empty() || self.rtc.is_connected() || self.tcp_at.is_some() {
            return;
        }
        let patience = match (self.tcp_only, self.udp_remote) {
            (true, _) => Duration::ZERO,
            // The server wants TCP. Its UDP candidates may still be on their way.
            (false, false) => Duration::from_millis(300),
            (false, true) => UDP_PATIENCE,
        };
        self.tcp_at = Some(Instant::now() + patience);
    }

    fn open_tcp(&mut self) {
        // Tried again later if it does not help.
        self.tcp_at = Some(Instant::now() + 2 * UDP_PATIENCE);
        for remote in &self.tcp_remotes {
            self.sockets.open_tcp(*remote);
        }
    }

    fn close_tcp(&mut self) {
        self.tcp_at = None;
        for local in self.sockets.close_tcp() {
            self.drop_candidate(local);
        }
    }

    fn drop_candidate(&mut self, local: SocketAddr) {
        if let Some(candidate) = tcp_candidate(local) {
            self.rtc.direct_api().invalidate_candidate(&candidate);
        }
    }
}

fn tcp_candidate(local: SocketAddr) -> Option<Candidate> {
    Candidate::builder().tcp().host(local).tcptype(TcpType::Active).build().ok()
}

fn config() -> RtcConfig {
    let mut config = RtcConfig::new()
        .clear_codecs()
        .enable_opus(true, true)
        .enable_pcmu(true, false)
        .enable_pcma(true, false)
        .enable_h264(true)
        .enable_h265(true)
        .enable_vp8(true)
        .enable_vp9(true)
        .enable_av1(true)
        .set_rtp_mode(true)
        .set_stats_interval(Some(STATS_INTERVAL));
    for payload in config.codec_config().iter_mut() {
        payload.set_fb_nack(true);
    }
    config
}

/// The value of the first attribute line that begins so.
fn attribute<'a>(sdp: &'a str, name: &str) -> Option<&'a str> {
    sdp.lines().find_map(|line| line.trim().strip_prefix(name))
}

#[cfg(test)]
mod tests {
    use str0m::media::{Direction, MediaKind};

    use super::*;
    use crate::sdp::accepted_mids;

    type Codec = fn(RtcConfig) -> RtcConfig;

    /// Our answer to a peer with one codec.
    fn answer_to(codec: Codec, kind: MediaKind) -> String {
        let options = TransportOptions { tcp_only: true, impairment: None };
        let mut transport = RtcTransport::open(&options).unwrap();
        let mut peer = codec(RtcConfig::new().clear_codecs()).build(Instant::now());
        let mut changes = peer.sdp_api();
        changes.add_media(kind, Direction::SendOnly, None, None, None);
        let (offer, _) = changes.apply().unwrap();
        transport.accept_offer(&offer.to_sdp_string()).unwrap()
    }

    #[test]
    fn every_codec_of_ours_is_accepted_and_another_one_refused() {
        use MediaKind::{Audio, Video};
        let ours: [(Codec, MediaKind, &str); 8] = [
            (|it| it.enable_h264(true), Video, "H264/90000"),
            (|it| it.enable_h265(true), Video, "H265/90000"),
            (|it| it.enable_vp8(true), Video, "VP8/90000"),
            (|it| it.enable_vp9(true), Video, "VP9/90000"),
            (|it| it.enable_av1(true), Video, "AV1/90000"),
            (|it| it.enable_opus(true, true), Audio, "red/48000/2"),
            (|it| it.enable_pcmu(true, false), Audio, "PCMU/8000"),
            (|it| it.enable_pcma(true, false), Audio, "PCMA/8000"),
        ];
        for (codec, kind, name) in ours {
            let answer = answer_to(codec, kind);
            assert_eq!(accepted_mids(&answer).len(), 1, "{name}: {answer}");
            assert!(answer.contains(name), "{name}: {answer}");
            assert!(answer.contains("a=recvonly"), "{name}: {answer}");
        }
        let answer = answer_to(|it| it.enable_h266(true), Video);
        assert_eq!(accepted_mids(&answer), [""; 0], "{answer}");
    }

    #[test]
    fn video_is_asked_for_again_when_lost() {
        let answer = answer_to(|it| it.enable_vp8(true), MediaKind::Video);
        for line in ["rtx/90000", " nack\r\n", " nack pli"] {
            assert!(answer.contains(line), "{line}: {answer}");
        }
    }
}
