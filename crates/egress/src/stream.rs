//! Addresses of live streams: checked, taken apart, and shown without what is secret in them.

use std::borrow::Cow;

use secrecy::{ExposeSecret, SecretString};
use url::Host;
use url::form_urlencoded;

use crate::error::{ApiError, ErrorCode, Fault};
use crate::redact::{redact_url, scrub};
use crate::spec::StreamProtocol;
use crate::wire::Secret;

/// Longest address; the longest tokens of services are some hundred bytes.
const MAX_URL_BYTES: usize = 4096;
const RTMP_PORT: u16 = 1935;
const RTMPS_PORT: u16 = 443;
/// Where Mux takes streams, as LiveKit's `mux://` has it.
const MUX: &str = "rtmps://global-live.mux.com:443/app/";
/// Where Twitch takes streams: the name that leads to the nearest of its servers.
const TWITCH: &str = "rtmps://ingest.global-contribute.live-video.net:443/app/";
/// What libsrt takes.
const PASSPHRASE_BYTES: std::ops::RangeInclusive<usize> = 10..=79;
const MAX_STREAM_ID_BYTES: usize = 512;
const MAX_LATENCY_MS: u32 = 60_000;
/// Parameters of SRT addresses that other programs (GStreamer, ffmpeg, libsrt's own) know. Here they change nothing: most
/// tune a receiver, and what is sent is live media in packets of the right length as it is.
const SRT_WITHOUT_EFFECT: &[&str] = &[
    "authentication",
    "auto-reconnect",
    "blocking",
    "bind",
    "connect_timeout",
    "conntimeo",
    "cryptomode",
    "drifttracer",
    "enforced_encryption",
    "enforcedencryption",
    "fc",
    "ffs",
    "groupconnect",
    "groupminstabletimeo",
    "inputbw",
    "iptos",
    "ipttl",
    "kmpreannounce",
    "kmrefreshrate",
    "linger",
    "listen_timeout",
    "localaddress",
    "localport",
    "lossmaxttl",
    "maxbw",
    "messageapi",
    "mininputbw",
    "minversion",
    "mss",
    "nakreport",
    "oheadbw",
    "packetfilter",
    "payload_size",
    "payloadsize",
    "peeridletimeo",
    "peerlatency",
    "pkt_size",
    "poll-timeout",
    "rcvbuf",
    "rcvlatency",
    "retransmitalgo",
    "sndbuf",
    "tlpktdrop",
    "transtype",
];
/// Longest name of a parameter that is told: what is longer may be a token.
const MAX_TOLD_NAME: usize = 24;
/// LiveKit's latency, which is GStreamer's.
const LATENCY_MS: u32 = 125;

/// The address of a live stream.
#[derive(Debug, Clone)]
pub struct StreamUrl {
    raw: SecretString,
    shown: String,
    target: StreamTarget,
}

/// What an address leads to.
#[derive(Debug, Clone)]
pub enum StreamTarget {
    /// RTMP or RTMPS.
    Rtmp(RtmpTarget),
    /// SRT.
    Srt(SrtTarget),
}

/// An application of an RTMP server, and the key to publish there.
#[derive(Debug, Clone)]
pub struct RtmpTarget {
    /// RTMPS.
    pub tls: bool,
    /// Name or address; an IPv6 address without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The application. It may hold a token as well.
    pub app: SecretString,
    /// The stream key, with its query if it has one.
    pub key: SecretString,
    /// User name and password.
    pub user: Option<(SecretString, SecretString)>,
}

/// An SRT listener.
#[derive(Debug, Clone)]
pub struct SrtTarget {
    /// Name or address; an IPv6 address without brackets.
    pub host: String,
    /// UDP port.
    pub port: u16,
    /// What the media is encrypted with.
    pub passphrase: Option<SecretString>,
    /// Length of the key made of the passphrase, bytes; none for libsrt's choice.
    pub key_bytes: Option<u8>,
    /// Which stream it is, as the listener names them; often with a user and a password in it.
    pub stream_id: Option<SecretString>,
    /// How long the receiver waits for lost packets, ms.
    pub latency_ms: u32,
    /// Names of parameters that change nothing here.
    pub without_effect: Vec<&'static str>,
}

/// Why an address is none. Displays as LiveKit's Egress API words it; of the address itself only the scheme is told,
/// since nobody knows what in the rest is secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid url {shown}: {reason}")]
pub struct StreamUrlError {
    shown: String,
    reason: Cow<'static, str>,
    message: Cow<'static, str>,
    remedy: &'static str,
}

impl From<StreamUrlError> for ApiError {
    fn from(error: StreamUrlError) -> Self {
        let detail = error.to_string();
        Self::new(ErrorCode::InvalidArgument, Fault::Input, error.message, error.remedy).with_detail(detail)
    }
}

impl StreamUrl {
    /// Takes an address apart. The shapes are LiveKit's: `rtmp(s)://{host}(/{path})/{app}/{stream_key}( live=1)`,
    /// `mux://{stream_key}`, `twitch://{stream_key}`, and `srt://{host}:{port}` with `passphrase`, `streamid`,
    /// `latency` (ms) and `pbkeylen` in the query.
    ///
    /// # Errors
    /// If it is none of these.
    pub fn parse(raw: &str) -> Result<Self, StreamUrlError> {
        let raw = raw.trim();
        let (scheme, rest) = raw.split_once("://").unwrap_or((raw, ""));
        let fail = |reason, message, remedy| {
            let known =
                ["rtmp", "rtmps", "mux", "twitch", "srt"].iter().find(|s| scheme.eq_ignore_ascii_case(s));
            let shown = known.map_or("{...}".to_owned(), |scheme| format!("{scheme}://{{...}}"));
            let (reason, message) = (Cow::Borrowed(reason), Cow::Borrowed(message));
            StreamUrlError { shown, reason, message, remedy }
        };
        if raw.len() > MAX_URL_BYTES {
            return Err(fail("too long", "This address is too long.", "Copy it from the service once more."));
        }
        if rest.chars().any(char::is_control) {
            return Err(fail(
                "invalid character",
                "There is a character in this address that cannot be in one.",
                "Copy it from the service once more.",
            ));
        }
        let target = match scheme.to_ascii_lowercase().as_str() {
            "rtmp" => rtmp(rest, false).map(StreamTarget::Rtmp),
            "rtmps" => rtmp(rest, true).map(StreamTarget::Rtmp),
            "mux" => short(MUX, rest).map(StreamTarget::Rtmp),
            "twitch" => short(TWITCH, rest).map(StreamTarget::Rtmp),
            "srt" => srt(rest).map(StreamTarget::Srt),
            _ => Err((
                "invalid scheme",
                "Nothing is streamed to an address of this kind.",
                "Give one that begins with rtmp://, rtmps://, mux://, twitch:// or srt://; for sound alone, ws:// or \
                 wss://.",
            )),
        };
        let target = target.map_err(|(reason, message, remedy)| fail(reason, message, remedy))?;
        if matches!(target, StreamTarget::Srt(_))
            && let Some(name) = unknown_parameter(rest)
        {
            let remedy =
                "Correct its name, or leave it out: streamid, passphrase, pbkeylen, latency and mode count.";
            let mut error =
                fail("unknown parameter", "A parameter of this SRT address is not known.", remedy);
            if let Some(name) = name {
                error.reason = format!("unknown parameter {name}").into();
                error.message = format!("This SRT address has a parameter that is not known: {name}.").into();
            }
            return Err(error);
        }
        Ok(Self { raw: raw.into(), shown: redact_url(raw), target })
    }

    /// Why this address is none where another protocol is asked for.
    pub(crate) fn wrong_scheme(&self) -> StreamUrlError {
        let scheme = self.shown.split_once("://").map_or("", |(scheme, _)| scheme);
        StreamUrlError {
            shown: format!("{scheme}://{{...}}"),
            reason: "invalid scheme".into(),
            message: "This address is of another kind than the request says.".into(),
            remedy: "Leave the protocol out, and every address is taken for what it is.",
        }
    }

    /// How it is sent.
    pub fn protocol(&self) -> StreamProtocol {
        match self.target {
            StreamTarget::Rtmp(_) => StreamProtocol::Rtmp,
            StreamTarget::Srt(_) => StreamProtocol::Srt,
        }
    }

    /// The address as it may be shown.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// What it leads to.
    pub fn target(&self) -> &StreamTarget {
        &self.target
    }

    /// The address itself, to travel to the job.
    pub fn secret(&self) -> Secret {
        Secret(self.raw.clone())
    }

    /// Whether this is the same address.
    pub fn is(&self, other: &str) -> bool {
        self.raw.expose_secret() == other.trim()
    }

    /// A text of somebody else's (a server, a library) without what is secret in this address. A text from which
    /// that cannot be taken out is not told at all.
    pub fn scrub(&self, text: &str) -> String {
        let mut secrets: Vec<&str> = vec![self.raw.expose_secret()];
        match &self.target {
            StreamTarget::Rtmp(rtmp) => {
                let key = rtmp.key.expose_secret();
                secrets.push(key);
                secrets.extend(key.split_once('?').map(|(key, _)| key));
                secrets.extend(key.split_once('?').map(|(_, query)| query));
                secrets.extend(rtmp.app.expose_secret().split_once('?').map(|(_, token)| token));
                if let Some((user, password)) = &rtmp.user {
                    secrets.extend([user.expose_secret(), password.expose_secret()]);
                }
            }
            StreamTarget::Srt(srt) => {
                let (passphrase, id) = (srt.passphrase.as_ref(), srt.stream_id.as_ref());
                secrets.extend(passphrase.into_iter().chain(id).map(ExposeSecret::expose_secret));
            }
        }
        scrub(text, secrets)
    }
}

/// The reason in LiveKit's words, what happened, what to do.
type Fails = (&'static str, &'static str, &'static str);

const RTMP_SHAPE: Fails = (
    "rtmp urls must be of format rtmp(s)://{host}(/{path})/{app}/{stream_key}( live=1)",
    "This RTMP address is not complete.",
    "Give the server's address and the stream key together: rtmp://server/app/key.",
);
const KEY_MISSING: Fails = (
    "the stream key is missing or malformed",
    "There is no stream key in this address.",
    "Copy the stream key from the service, and put it behind the two slashes.",
);
const SRT_SHAPE: Fails = (
    "srt urls must be of format srt://{host}:{port}(?{options})",
    "This SRT address is not complete.",
    "Give host and port, and what else the receiver wants: srt://host:port?streamid=name&passphrase=word.",
);

fn rtmp(rest: &str, tls: bool) -> Result<RtmpTarget, Fails> {
    let location = rest.strip_suffix(" live=1").unwrap_or(rest);
    if location.chars().any(char::is_whitespace) {
        return Err(RTMP_SHAPE);
    }
    let (authority, path) = location.split_once('/').ok_or(RTMP_SHAPE)?;
    let (user, authority) = match authority.rsplit_once('@') {
        Some((user, authority)) => {
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            (Some((decoded(name), decoded(password))), authority)
        }
        None => (None, authority),
    };
    let (host, port) = host_and_port(authority).ok_or(RTMP_SHAPE)?;
    let plain = path.split_once('?').map_or(path, |(plain, _)| plain);
    // A key may hold slashes behind a question mark. Where the question mark is in the application's name (some
    // services take a token there), the key is what follows the last slash.
    let at = plain.rfind('/').or_else(|| path.rfind('/')).ok_or(RTMP_SHAPE)?;
    let (app, key) = (&path[..at], &path[at + 1..]);
    if app.is_empty() || app.starts_with('/') || key.is_empty() || key.starts_with('?') {
        return Err(RTMP_SHAPE);
    }
    let default = if tls { RTMPS_PORT } else { RTMP_PORT };
    Ok(RtmpTarget { tls, host, port: port.unwrap_or(default), app: app.into(), key: key.into(), user })
}

/// `mux://{key}` and `twitch://{key}`.
fn short(ingest: &str, key: &str) -> Result<RtmpTarget, Fails> {
    let odd = |c: char| c.is_whitespace() || matches!(c, '/' | '#' | '@' | ':');
    if key.is_empty() || key.starts_with('?') || key.contains(odd) {
        return Err(KEY_MISSING);
    }
    let rest = ingest.split_once("://").map_or(ingest, |(_, rest)| rest);
    rtmp(&format!("{rest}{key}"), true)
}

fn srt(rest: &str) -> Result<SrtTarget, Fails> {
    // A stream id often holds a hash, and is often pasted as it is.
    let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (host, port) = host_and_port(authority.trim_end_matches('/')).ok_or(SRT_SHAPE)?;
    let mut target = SrtTarget {
        host,
        port: port.ok_or(SRT_SHAPE)?,
        passphrase: None,
        key_bytes: None,
        stream_id: None,
        latency_ms: LATENCY_MS,
        without_effect: Vec::new(),
    };
    // A plus is a plus here, not a space.
    for (name, value) in form_urlencoded::parse(query.replace('+', "%2B").as_bytes()) {
        match name.as_ref() {
            "passphrase" if value.is_empty() => {}
            "passphrase" if PASSPHRASE_BYTES.contains(&value.len()) => {
                target.passphrase = Some(value.into_owned().into());
            }
            "passphrase" => {
                return Err((
                    "passphrase must have 10 to 79 characters",
                    "The passphrase in this SRT address is too short or too long.",
                    "SRT takes passphrases of 10 to 79 characters.",
                ));
            }
            "streamid" if value.len() <= MAX_STREAM_ID_BYTES && !value.contains('\0') => {
                target.stream_id = Some(value.into_owned().into());
            }
            "streamid" => {
                return Err((
                    "streamid must have at most 512 characters",
                    "The stream id in this SRT address is too long.",
                    "SRT takes stream ids of up to 512 characters.",
                ));
            }
            "latency" => {
                let latency = value.parse().ok().filter(|ms| *ms <= MAX_LATENCY_MS);
                target.latency_ms = latency.ok_or((
                    "latency must be from 0 to 60000 ms",
                    "The latency in this SRT address is none.",
                    "Give it in milliseconds, at most 60000.",
                ))?;
            }
            "pbkeylen" => {
                target.key_bytes = match value.as_ref() {
                    "" | "0" => None,
                    "16" => Some(16),
                    "24" => Some(24),
                    "32" => Some(32),
                    _ => {
                        return Err((
                            "pbkeylen must be 0, 16, 24 or 32",
                            "The key length in this SRT address is none.",
                            "Leave pbkeylen out, or give 16, 24 or 32.",
                        ));
                    }
                };
            }
            "mode" if matches!(value.as_ref(), "" | "caller") => {}
            "mode" => {
                return Err((
                    "mode must be caller",
                    "A stream is sent to a receiver that listens, and this address says otherwise.",
                    "Leave mode out, and let the receiver listen.",
                ));
            }
            name => target.without_effect.extend(SRT_WITHOUT_EFFECT.iter().find(|known| **known == name)),
        }
    }
    Ok(target)
}

/// The first parameter of an SRT address that no program knows; its name, unless that may be something secret in the
/// wrong place.
fn unknown_parameter(rest: &str) -> Option<Option<String>> {
    const COUNT: [&str; 5] = ["streamid", "passphrase", "pbkeylen", "latency", "mode"];
    let (_, query) = rest.split_once('?')?;
    let parameters = query.split('&').filter(|parameter| !parameter.is_empty());
    parameters.map(|parameter| parameter.split_once('=').unwrap_or((parameter, ""))).find_map(
        |(name, value)| {
            if COUNT.contains(&name) || SRT_WITHOUT_EFFECT.contains(&name) {
                return None;
            }
            let plain = |c: char| c.is_ascii_alphabetic() || c == '_' || c == '-';
            let told = !value.is_empty() && name.len() <= MAX_TOLD_NAME && name.chars().all(plain);
            Some(told.then(|| name.to_owned()))
        },
    )
}

/// The port is none where the address names none.
fn host_and_port(authority: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match authority.rsplit_once(':') {
        // The colon is within an IPv6 address.
        Some((_, port)) if port.ends_with(']') => (authority, None),
        Some((host, port)) => (host, Some(port.parse().ok().filter(|port| *port != 0)?)),
        None => (authority, None),
    };
    let host = match Host::parse(host).ok()? {
        Host::Domain(name) if !name.is_empty() => name,
        Host::Domain(_) => return None,
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    Some((host, port))
}

fn decoded(text: &str) -> SecretString {
    let escaped = text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    let name = form_urlencoded::parse(escaped.as_bytes()).next().map(|(name, _)| name.into_owned());
    name.unwrap_or_default().into()
}
