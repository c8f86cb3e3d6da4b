//! What the session has to know of the server's offers, read from the text: which track each media
//! section carries, in which streams, and what the payload types mean.

use std::collections::HashMap;

use egress::id::TrackId;
use egress::roster::TrackKind;

use crate::event::Codec;

/// A media section of audio or video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) mid: String,
    pub(crate) kind: TrackKind,
    /// The track it carries; none while it carries none.
    pub(crate) track: Option<TrackId>,
    /// SSRCs of its streams, without those of retransmissions.
    pub(crate) ssrcs: Vec<u32>,
    /// Lost packets can be asked for again.
    pub(crate) nack: bool,
    /// What the payload types mean, as far as we know the codec.
    pub(crate) payloads: HashMap<u8, Payload>,
}

/// What a payload type means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Payload {
    pub(crate) codec: Codec,
    pub(crate) clock_rate_hz: u32,
    pub(crate) channels: u8,
    pub(crate) fmtp: String,
    /// RED: each payload holds several of the codec.
    pub(crate) redundant: bool,
}

/// Reads the media sections of an offer. `tracks` is what the server says of mids and tracks.
pub(crate) fn sections(sdp: &str, tracks: &HashMap<String, String>) -> Vec<Section> {
    split(sdp).filter_map(|(media, body)| section(media, &body, tracks)).collect()
}

/// The mids of an answer's media sections in which media can flow.
pub(crate) fn accepted_mids(sdp: &str) -> Vec<&str> {
    split(sdp)
        .filter(|(media, body)| media.split(' ').nth(1) != Some("0") && !body.contains(&"a=inactive"))
        .filter_map(|(_, body)| body.iter().find_map(|line| line.strip_prefix("a=mid:")))
        .collect()
}

/// The media sections: what follows `m=`, and the lines below it.
fn split(sdp: &str) -> impl Iterator<Item = (&str, Vec<&str>)> {
    let mut lines = sdp.lines().map(str::trim).peekable();
    std::iter::from_fn(move || {
        let media = lines.find_map(|line| line.strip_prefix("m="))?;
        let body = std::iter::from_fn(|| lines.next_if(|line| !line.starts_with("m="))).collect();
        Some((media, body))
    })
}

/// The DTLS certificate's fingerprint; another one means another server.
pub(crate) fn fingerprint(sdp: &str) -> Option<&str> {
    sdp.lines().find_map(|line| line.trim().strip_prefix("a=fingerprint:"))
}

fn section(media: &str, body: &[&str], tracks: &HashMap<String, String>) -> Option<Section> {
    let kind = match media.split(' ').next()? {
        "audio" => TrackKind::Audio,
        "video" => TrackKind::Video,
        _ => return None,
    };
    let attribute = |name: &str| body.iter().find_map(|line| line.strip_prefix(name));
    let mid = attribute("a=mid:")?.to_owned();
    let sends = !body.contains(&"a=inactive") && !body.contains(&"a=recvonly");
    let track = tracks
        .get(&mid)
        .map(String::as_str)
        .or_else(|| attribute("a=msid:").and_then(|msid| msid.split(' ').nth(1)))
        .filter(|id| sends && !id.is_empty())
        .map(TrackId::from);

    // A group of two: the stream and its retransmissions.
    let repairs: Vec<u32> = body
        .iter()
        .filter_map(|line| line.strip_prefix("a=ssrc-group:FID ")?.split(' ').nth(1)?.parse().ok())
        .collect();
    let mut ssrcs = Vec::new();
    for line in body {
        let ssrc = line.strip_prefix("a=ssrc:").and_then(|rest| rest.split(' ').next()?.parse().ok());
        if let Some(ssrc) = ssrc
            && sends
            && !repairs.contains(&ssrc)
            && !ssrcs.contains(&ssrc)
        {
            ssrcs.push(ssrc);
        }
    }
    let nack = body.iter().any(|line| line.starts_with("a=rtcp-fb:") && line.ends_with(" nack"));
    Some(Section { mid, kind, track, ssrcs, nack, payloads: payloads(body) })
}

fn payloads(body: &[&str]) -> HashMap<u8, Payload> {
    let fmtp: HashMap<u8, &str> = body
        .iter()
        .filter_map(|line| {
            let (pt, parameters) = line.strip_prefix("a=fmtp:")?.split_once(' ')?;
            Some((pt.parse().ok()?, parameters))
        })
        .collect();
    let mut payloads = HashMap::new();
    let mut red = Vec::new();
    // Static payload types need no rtpmap.
    for line in ["a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000"].iter().chain(body) {
        let Some((pt, map)) = line.strip_prefix("a=rtpmap:").and_then(|rest| rest.split_once(' ')) else {
            continue;
        };
        let (Ok(pt), mut parts) = (pt.parse::<u8>(), map.split('/')) else { continue };
        let name = parts.next().unwrap_or_default();
        let clock_rate_hz = parts.next().and_then(|rate| rate.parse().ok()).unwrap_or(0);
        let channels = parts.next().and_then(|count| count.parse().ok());
        let codec = match name.to_ascii_lowercase().as_str() {
            "h264" => Codec::H264,
            "h265" => Codec::H265,
            "vp8" => Codec::Vp8,
            "vp9" => Codec::Vp9,
            "av1" => Codec::Av1,
            "opus" => Codec::Opus,
            "pcmu" => Codec::Pcmu,
            "pcma" => Codec::Pcma,
            "red" => {
                // Names the payload type it wraps: `111/111`.
                let inner = fmtp.get(&pt).and_then(|list| list.split('/').next()?.parse::<u8>().ok());
                red.extend(inner.map(|inner| (pt, inner)));
                continue;
            }
            _ => continue,
        };
        let audio = matches!(codec, Codec::Opus | Codec::Pcmu | Codec::Pcma);
        let payload = Payload {
            codec,
            clock_rate_hz,
            channels: if audio { channels.unwrap_or(1) } else { 0 },
            fmtp: fmtp.get(&pt).copied().unwrap_or_default().to_owned(),
            redundant: false,
        };
        payloads.insert(pt, payload);
    }
    for (pt, inner) in red {
        if let Some(payload) = payloads.get(&inner).cloned() {
            payloads.insert(pt, Payload { redundant: true, ..payload });
        }
    }
    payloads
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\n\
        o=- 1 1 IN IP4 0.0.0.0\r\n\
        a=fingerprint:sha-256 AA:BB\r\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n\
        a=mid:0\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111 63 0\r\n\
        a=mid:1\r\n\
        a=rtpmap:111 opus/48000/2\r\n\
        a=fmtp:111 minptime=10;useinbandfec=1\r\n\
        a=rtpmap:63 red/48000/2\r\n\
        a=fmtp:63 111/111\r\n\
        a=ssrc:11 cname:x\r\n\
        a=ssrc:11 msid:PA_1|s TR_audio\r\n\
        a=msid:PA_1|s TR_audio\r\n\
        a=sendrecv\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 125 107\r\n\
        a=mid:2\r\n\
        a=rtpmap:125 H264/90000\r\n\
        a=fmtp:125 packetization-mode=1;profile-level-id=42e01f\r\n\
        a=rtcp-fb:125 nack\r\n\
        a=rtcp-fb:125 nack pli\r\n\
        a=rtpmap:107 rtx/90000\r\n\
        a=fmtp:107 apt=125\r\n\
        a=ssrc-group:FID 21 22\r\n\
        a=ssrc:21 cname:x\r\n\
        a=ssrc:22 cname:x\r\n\
        a=msid:PA_1|s TR_video\r\n\
        a=sendonly\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96\r\n\
        a=mid:3\r\n\
        a=rtpmap:96 VP8/90000\r\n\
        a=msid:PA_1|s TR_gone\r\n\
        a=inactive\r\n";

    #[test]
    fn an_offer_is_read() {
        let sections = sections(OFFER, &HashMap::new());
        assert_eq!(sections.len(), 3);
        let [audio, video, gone] = &sections[..] else { unreachable!() };
        assert_eq!(audio.track, Some(TrackId::from("TR_audio")));
        assert_eq!(audio.ssrcs, [11]);
        assert_eq!(audio.payloads[&111].channels, 2);
        assert_eq!(audio.payloads[&111].fmtp, "minptime=10;useinbandfec=1");
        let red = &audio.payloads[&63];
        assert_eq!((red.codec, red.redundant, red.clock_rate_hz), (Codec::Opus, true, 48_000));
        assert_eq!(audio.payloads[&0].codec, Codec::Pcmu);
        assert_eq!((video.ssrcs.as_slice(), video.payloads.get(&107)), ([21].as_slice(), None));
        assert_eq!(video.payloads[&125].codec, Codec::H264);
        assert_eq!((audio.nack, video.nack), (false, true));
        assert_eq!(gone.track, None, "an inactive section carries no track");
        assert_eq!(fingerprint(OFFER), Some("sha-256 AA:BB"));
    }

    #[test]
    fn what_the_server_says_of_a_mid_goes_before_its_msid() {
        let tracks = HashMap::from([("2".to_owned(), "TR_other".to_owned())]);
        assert_eq!(sections(OFFER, &tracks)[1].track, Some(TrackId::from("TR_other")));
    }

    #[test]
    fn an_answer_tells_what_was_accepted() {
        let answer = "v=0\r\nm=audio 9 X 111\r\na=mid:1\r\na=recvonly\r\n\
            m=video 0 X 1\r\na=mid:2\r\nm=video 9 X 1\r\na=mid:3\r\na=inactive\r\n\
            m=video 9 X 1\r\na=inactive\r\na=mid:4\r\nm=video 9 X 1\r\na=mid:5\r\n";
        assert_eq!(accepted_mids(answer), ["1", "5"]);
    }
}
