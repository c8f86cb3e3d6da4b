//! One connection to a server: a muxer and a sink of GStreamer, in a pipeline of its own.

use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use egress::destination::Happening;
use egress::stream::{StreamTarget, StreamUrl};
use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use secrecy::ExposeSecret;

use crate::output::stream::words::{self, Trouble};
use crate::unit::{Lane, Unit};

/// How long a server may take until it takes media.
const CONNECTS_WITHIN: Duration = Duration::from_secs(10);
/// So much may wait inside the pipeline, bytes. What waits is better kept in the queue, which knows what to leave out.
const INSIDE_BYTES: [u64; 2] = [128 << 10, 16 << 10];
/// How long the end of a stream may take to be sent.
const ENDS_WITHIN: Duration = Duration::from_secs(1);
/// A connection that has written nothing for so long has nothing more to write.
const SETTLES: Duration = Duration::from_millis(100);

/// A connection.
#[derive(Debug)]
pub struct Connection {
    pipeline: gst::Pipeline,
    video: Option<gst_app::AppSrc>,
    audio: Option<gst_app::AppSrc>,
    /// Takes packets that mean nothing: without something to write, the sink of SRT does not find out whether it is
    /// connected.
    prime: Option<gst_app::AppSrc>,
    sink: gst::Element,
    rtmp: bool,
    began: Instant,
    up: bool,
    trouble: Receiver<Trouble>,
    ended: Receiver<()>,
    /// Time of its first media, unix, ns.
    origin_ns: Option<i64>,
}

/// How a connection is.
#[derive(Debug)]
pub enum Status {
    /// On its way.
    Connecting,
    /// The server takes media.
    Up(Sent),
    /// Over.
    Broken(Happening),
}

/// What a connection has sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sent {
    /// Bytes.
    pub bytes: u64,
    /// Round trip, ms, where the protocol measures it.
    pub rtt_ms: Option<f64>,
}

impl Connection {
    /// Begins to connect.
    ///
    /// # Errors
    /// If GStreamer cannot.
    pub fn open(url: &StreamUrl, any_certificate: bool, video: bool, audio: bool) -> Result<Self, Happening> {
        let failed =
            |text: String| words::broken(url, &Trouble { denied: false, text }, Duration::ZERO, false);
        let rtmp = matches!(url.target(), StreamTarget::Rtmp(_));
        let element =
            gst::parse::launch(&description(rtmp, video, audio)).map_err(|e| failed(e.to_string()))?;
        let pipeline =
            element.downcast::<gst::Pipeline>().map_err(|_| failed("not a pipeline".to_owned()))?;
        let sink = pipeline.by_name("sink").ok_or_else(|| failed("no sink".to_owned()))?;
        match url.target() {
            StreamTarget::Rtmp(target) => {
                sink.set_property_from_str("scheme", if target.tls { "rtmps" } else { "rtmp" });
                sink.set_property("host", &target.host);
                sink.set_property("port", i32::from(target.port));
                sink.set_property("application", target.app.expose_secret());
                sink.set_property("stream", target.key.expose_secret());
                sink.set_property("chunk-size", 4096u32);
                // Its own, of five seconds, takes a short trouble on the way for the end.
                sink.set_property("timeout", CONNECTS_WITHIN.as_secs() as u32);
                if let Some((user, password)) = &target.user {
                    sink.set_property("username", user.expose_secret());
                    sink.set_property("password", password.expose_secret());
                }
                if any_certificate {
                    sink.set_property_from_str("tls-validation-flags", "no-flags");
                }
            }
            StreamTarget::Srt(target) => {
                let v6 = target.host.contains(':');
                let host = if v6 { format!("[{}]", target.host) } else { target.host.clone() };
                sink.set_property("uri", format!("srt://{host}:{}", target.port));
                sink.set_property("latency", target.latency_ms as i32);
                if let Some(passphrase) = &target.passphrase {
                    sink.set_property("passphrase", passphrase.expose_secret());
                }
                if let Some(bytes) = target.key_bytes {
                    sink.set_property_from_str("pbkeylen", &bytes.to_string());
                }
                if let Some(id) = &target.stream_id {
                    sink.set_property("streamid", id.expose_secret());
                }
            }
        }
        let source = |name| pipeline.by_name(name).and_then(|e| e.downcast::<gst_app::AppSrc>().ok());
        let (trouble_in, trouble) = channel();
        let (ended_in, ended) = channel();
        let bus = pipeline.bus().expect("a pipeline has a bus");
        bus.set_sync_handler(move |_, message| {
            match message.view() {
                gst::MessageView::Error(error) => {
                    let told = error.error();
                    let denied = told.kind::<gst::ResourceError>() == Some(gst::ResourceError::NotAuthorized);
                    let debug = error.debug().map(|debug| debug.to_string()).unwrap_or_default();
                    let _ =
                        trouble_in.send(Trouble { denied, text: format!("{} | {debug}", told.message()) });
                }
                gst::MessageView::Eos(_) => {
                    let _ = ended_in.send(());
                }
                _ => {}
            }
            gst::BusSyncReply::Drop
        });
        let connection = Self {
            video: source("video"),
            audio: source("audio"),
            prime: source("prime"),
            sink,
            rtmp,
            began: Instant::now(),
            up: false,
            trouble,
            ended,
            origin_ns: None,
            pipeline,
        };
        // What goes wrong here is on the bus as well.
        let _ = connection.pipeline.set_state(gst::State::Playing);
        Ok(connection)
    }

    /// Looks at it.
    pub fn status(&mut self, url: &StreamUrl) -> Status {
        if let Ok(trouble) = self.trouble.try_recv() {
            return Status::Broken(words::broken(url, &trouble, self.began.elapsed(), self.up));
        }
        let stats: Option<gst::Structure> = self.sink.property("stats");
        let stats = stats.as_deref();
        let sent = if self.rtmp {
            let chunk: u32 = stats.and_then(|s| s.get("in-chunk-size").ok()).unwrap_or(0);
            (chunk > 0).then(|| Sent { bytes: self.sent_bytes(), rtt_ms: None })
        } else {
            let rtt_ms: Option<f64> = stats.and_then(|s| s.get("rtt-ms").ok());
            rtt_ms.map(|rtt| Sent { bytes: self.sent_bytes(), rtt_ms: Some(rtt) })
        };
        match sent {
            Some(sent) => {
                self.up = true;
                if let Some(prime) = self.prime.take() {
                    let _ = prime.end_of_stream();
                }
                Status::Up(sent)
            }
            // It is on its way out; the reason follows.
            None if self.up => Status::Up(Sent::default()),
            None if self.began.elapsed() > CONNECTS_WITHIN => {
                Status::Broken(Happening::Lost(words::no_answer(url)))
            }
            None => {
                if let Some(prime) = self.prime.as_ref().filter(|prime| prime.current_level_bytes() == 0) {
                    let _ = prime.push_buffer(null_packets());
                }
                Status::Connecting
            }
        }
    }

    /// Bytes sent so far.
    fn sent_bytes(&self) -> u64 {
        let stats: Option<gst::Structure> = self.sink.property("stats");
        let name = if self.rtmp { "out-bytes-total" } else { "bytes-sent-total" };
        stats.as_deref().and_then(|stats| stats.get(name).ok()).unwrap_or(0)
    }

    /// Whether it takes more of a lane now.
    pub fn takes(&self, lane: Lane) -> bool {
        self.source(lane).is_some_and(|source| {
            source.current_level_bytes() < INSIDE_BYTES[usize::from(lane == Lane::Audio)]
        })
    }

    /// Whether something waits inside.
    pub fn holds_something(&self) -> bool {
        [&self.video, &self.audio].into_iter().flatten().any(|source| source.current_level_bytes() > 0)
    }

    fn source(&self, lane: Lane) -> Option<&gst_app::AppSrc> {
        match lane {
            Lane::Video => self.video.as_ref(),
            Lane::Audio => self.audio.as_ref(),
        }
    }

    /// Sends a unit. `origin_ns` is the moment that the stream's time begins with, unix, ns.
    pub fn push(&mut self, unit: &Unit, origin_ns: i64) {
        let origin_ns = *self.origin_ns.get_or_insert(origin_ns);
        let Some(source) = self.source(unit.lane) else { return };
        if source.caps().as_ref() != Some(&unit.caps) {
            source.set_caps(Some(&unit.caps));
        }
        // A copy of the buffer's head; the bytes are shared with every other output.
        let mut buffer = unit.data.copy();
        if let Some(inner) = buffer.get_mut() {
            let time = gst::ClockTime::from_nseconds((unit.time_ns - origin_ns).max(0) as u64);
            inner.set_pts(time);
            inner.set_dts(time);
            inner.set_duration(
                (unit.duration_ns > 0).then(|| gst::ClockTime::from_nseconds(unit.duration_ns as u64)),
            );
            inner.unset_flags(gst::BufferFlags::DISCONT);
        }
        // A broken pipeline has said so on its bus.
        let _ = source.push_buffer(buffer);
    }

    /// Ends the stream in order: the server is told.
    pub fn finish(self) {
        for source in [&self.video, &self.audio].into_iter().flatten() {
            let _ = source.end_of_stream();
        }
        let until = Instant::now() + ENDS_WITHIN;
        let _ = self.ended.recv_timeout(ENDS_WITHIN);
        // The sink has taken it all, and is still writing the last of it.
        let mut sent = self.sent_bytes();
        loop {
            thread::sleep(SETTLES);
            let now = self.sent_bytes();
            if now == sent || Instant::now() > until {
                break;
            }
            sent = now;
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // A network that hangs may hold this up, and whoever lets go has other things to do.
        let pipeline = self.pipeline.clone();
        let _ = thread::Builder::new().name("hang-up".to_owned()).spawn(move || {
            let _ = pipeline.set_state(gst::State::Null);
        });
    }
}

/// The pipeline, without anything of the address: such a text may end up in a log.
fn description(rtmp: bool, video: bool, audio: bool) -> String {
    let source = |name: &str| format!("appsrc name={name} format=time max-bytes=0");
    let mut parts = Vec::new();
    if rtmp {
        parts.push(
            "flvmux name=mux streamable=true ! rtmp2sink name=sink async=false sync=false async-connect=true"
                .to_owned(),
        );
        parts.extend(video.then(|| format!("{} ! mux.video", source("video"))));
        parts.extend(audio.then(|| format!("{} ! mux.audio", source("audio"))));
    } else {
        parts.push(
            "funnel name=all ! srtsink name=sink mode=caller async=false sync=false auto-reconnect=false \
             wait-for-connection=false mpegtsmux name=mux alignment=7 ! all."
                .to_owned(),
        );
        parts.push(format!("{} ! all.", source("prime")));
        parts.extend(video.then(|| format!("{} ! h264parse config-interval=-1 ! mux.", source("video"))));
        parts.extend(audio.then(|| format!("{} ! aacparse ! mux.", source("audio"))));
    }
    parts.join(" ")
}

/// Seven packets of MPEG-TS that mean nothing.
fn null_packets() -> gst::Buffer {
    let mut packet = [0xffu8; 188];
    packet[..4].copy_from_slice(&[0x47, 0x1f, 0xff, 0x10]);
    gst::Buffer::from_slice(packet.repeat(7))
}
