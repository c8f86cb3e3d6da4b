//! Sound over a WebSocket, as LiveKit sends it: interleaved samples of 16 bits in binary messages, and
//! `{"muted":true|false}` in text.

use std::time::Duration;

use egress::destination::Happening;
use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::DestinationFigures;
use egress::id::OutputId;
use egress::spec::SoundFormat;
use egress::websocket::WebSocketUrl;
use egress::wire::Secret;
use futures_util::{SinkExt, StreamExt};
use gstreamer as gst;
use room::clock::Clock;
use secrecy::ExposeSecret;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::chain::{Chain, ChainEvent, timed};
use crate::output::course::{Course, Link, Told};
use crate::output::worker::Worker;
use crate::output::{Counts, Ended, Output, OutputReport, Raw};

/// How long a server may take until it takes sound.
const CONNECTS_WITHIN: Duration = Duration::from_secs(10);
/// A server that takes nothing for so long is as good as gone.
const SENDS_WITHIN: Duration = Duration::from_secs(10);
/// How long goodbye may take.
const ENDS_WITHIN: Duration = Duration::from_secs(2);
/// LiveKit's, with its payload.
const PINGS_EVERY: Duration = Duration::from_secs(30);
/// How often the back-off is looked at.
const LOOKS_EVERY: Duration = Duration::from_millis(50);
/// Messages of 20 ms that may wait: live is late after three seconds.
const MAX_WAITING: usize = 150;
/// Length of a message, ns.
const BLOCK_NS: i64 = 20_000_000;

type Connection = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What is to be sent, and where to.
#[derive(Debug, Clone)]
pub struct SocketPlan {
    /// Names the output.
    pub id: OutputId,
    /// The job's clock.
    pub clock: Clock,
    /// The address, checked.
    pub url: WebSocketUrl,
    /// The address itself.
    pub address: Secret,
    /// What is sent.
    pub format: SoundFormat,
}

#[derive(Debug)]
enum Order {
    Sound(i64, Vec<u8>),
    Muted(bool),
    Retry,
    End,
}

/// Sound that is being sent.
#[derive(Debug)]
pub struct Socket {
    url: WebSocketUrl,
    chain: Option<Chain>,
    muted: bool,
    queue: UnboundedSender<Order>,
    told: Told,
    worker: Worker,
}

impl Socket {
    /// Begins to connect; `report` is called from the output's thread.
    pub fn start(plan: SocketPlan, report: impl Fn(OutputReport) + Send + 'static) -> Self {
        let (queue, orders) = unbounded_channel();
        let told = Told::default();
        let url = plan.url.clone();
        let chain = chain(plan.format, queue.clone());
        if chain.is_none() {
            let _ = queue.send(Order::End);
        }
        let speaker = Speaker {
            course: Course::new(plan.id.clone(), told.clone(), plan.clock, report),
            plan,
            connection: None,
            connecting: None,
            muted: false,
        };
        let worker = Worker::start("websocket", move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match runtime {
                Ok(runtime) => runtime.block_on(speaker.run(orders)),
                Err(error) => tracing::error!(%error, "no runtime for a WebSocket"),
            }
        });
        Self { url, chain, muted: false, queue, told, worker }
    }
}

impl Output for Socket {
    fn push(&mut self, _: &crate::unit::Unit) {}

    fn push_raw(&mut self, raw: &Raw) {
        let (Raw::Sound { time_ns, stereo }, Some(chain)) = (raw, &self.chain) else { return };
        let bytes: Vec<u8> = stereo.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        let inner = buffer.get_mut().expect("the buffer has no other owner yet");
        inner.set_pts(gst::ClockTime::from_nseconds((*time_ns).max(0) as u64));
        inner.set_duration(gst::ClockTime::from_nseconds((stereo.len() as u64 / 2) * 1_000_000_000 / 48_000));
        chain.push(buffer);
    }

    fn muted(&mut self, muted: bool) {
        if std::mem::replace(&mut self.muted, muted) != muted {
            let _ = self.queue.send(Order::Muted(muted));
        }
    }

    fn finish(&mut self) {
        match &self.chain {
            Some(chain) => chain.finish(),
            None => {
                let _ = self.queue.send(Order::End);
            }
        }
    }

    fn abandoned(&mut self) -> Ended {
        self.told.ended()
    }

    fn is_running(&self) -> bool {
        self.worker.is_running()
    }

    fn counts(&self) -> Counts {
        self.told.counts()
    }

    fn destination(&mut self) -> Option<DestinationFigures> {
        Some(self.told.figures())
    }

    fn goes_to(&self, url: &str) -> bool {
        self.url.is(url)
    }

    fn retry(&mut self) -> Result<(), ApiError> {
        self.told.may_retry()?;
        let _ = self.queue.send(Order::Retry);
        Ok(())
    }
}

/// Makes samples of the kind that is sent.
fn chain(format: SoundFormat, queue: UnboundedSender<Order>) -> Option<Chain> {
    let caps = gst::Caps::builder("audio/x-raw")
        .field("format", "F32LE")
        .field("layout", "interleaved")
        .field("rate", 48_000)
        .field("channels", 2)
        .field("channel-mask", gst::Bitmask::new(0x3))
        .build();
    let (rate, channels) = match format {
        SoundFormat::Stereo48k => (48_000, 2),
        SoundFormat::Mono16k => (16_000, 1),
    };
    // Without dither silence stays silence.
    let description = format!(
        "audioconvert dithering=none ! audioresample ! audioconvert dithering=none ! \
         audio/x-raw,format=S16LE,rate={rate},channels={channels},layout=interleaved"
    );
    let chain = Chain::start("websocket", &caps, &description, move |event| {
        // A closed queue: the output has ended.
        let _ = queue.send(match event {
            ChainEvent::Sample(sample) => {
                let Some((time_ns, buffer)) = timed(&sample) else { return };
                let Ok(map) = buffer.map_readable() else { return };
                Order::Sound(time_ns, map.to_vec())
            }
            ChainEvent::Finished | ChainEvent::Failed(_) => Order::End,
        });
    });
    chain.inspect_err(|error| tracing::error!(%error, "no sound for a WebSocket")).ok()
}

/// What runs in the output's thread.
struct Speaker<R> {
    plan: SocketPlan,
    course: Course<R>,
    connection: Option<Connection>,
    connecting: Option<JoinHandle<Result<Connection, Happening>>>,
    muted: bool,
}

impl<R: Fn(OutputReport)> Speaker<R> {
    async fn run(mut self, mut orders: UnboundedReceiver<Order>) {
        let mut looks = interval(LOOKS_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pings = interval(PINGS_EVERY);
        pings.reset();
        self.course.begin();
        self.apply(vec![Link::Connect]);
        loop {
            tokio::select! {
                biased;
                outcome = connected(&mut self.connecting) => {
                    self.connecting = None;
                    match outcome {
                        Ok(connection) => {
                            self.connection = Some(connection);
                            self.step(Happening::Connected);
                            if self.muted {
                                self.say_muted().await;
                            }
                        }
                        Err(happening) => self.step(happening),
                    }
                }
                order = orders.recv() => match order {
                    Some(Order::Sound(time_ns, samples)) => {
                        let late = orders.len() > MAX_WAITING;
                        self.sound(time_ns, samples, late).await;
                    }
                    Some(Order::Muted(muted)) => {
                        self.muted = muted;
                        self.say_muted().await;
                    }
                    Some(Order::Retry) => self.step(Happening::Retry),
                    Some(Order::End) => return self.finish().await,
                    // Dropped: the job is gone.
                    None => return,
                },
                heard = heard(&mut self.connection, &self.plan.url) => {
                    if let Some(happening) = heard {
                        self.step(happening);
                    }
                }
                _ = pings.tick() => self.send(Message::Ping("ping".into())).await,
                _ = looks.tick() => self.step(Happening::Tick),
            }
            self.tell(orders.len());
        }
    }

    async fn sound(&mut self, time_ns: i64, samples: Vec<u8>, late: bool) {
        if self.connection.is_none() {
            // What comes while nobody is there to take it is not wanted later: live is now.
            return;
        }
        if late {
            self.course.counts.dropped += 1;
            return;
        }
        let bytes = samples.len() as u64;
        self.send(Message::Binary(samples.into())).await;
        if self.connection.is_none() {
            return;
        }
        let counts = &mut self.course.counts;
        counts.size_bytes += bytes;
        counts.units += 1;
        counts.ended_ns = time_ns + BLOCK_NS;
        self.course.sent(time_ns);
    }

    async fn say_muted(&mut self) {
        self.send(Message::Text(format!("{{\"muted\":{}}}", self.muted).into())).await;
    }

    async fn send(&mut self, message: Message) {
        let Some(connection) = &mut self.connection else { return };
        let happening = match timeout(SENDS_WITHIN, connection.send(message)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => self.broken(&error),
            Err(_) => Happening::Lost(away(
                "The server takes nothing any more.",
                "It is tried again by itself.",
                "",
            )),
        };
        self.step(happening);
    }

    fn broken(&self, error: &Error) -> Happening {
        Happening::Lost(away("The connection was lost.", "It is tried again by itself.", &error.to_string()))
    }

    fn step(&mut self, happening: Happening) {
        let links = self.course.step(happening);
        self.apply(links);
    }

    fn apply(&mut self, links: Vec<Link>) {
        for link in links {
            self.let_go();
            if link == Link::Connect {
                self.connecting = Some(tokio::spawn(connect(self.plan.address.clone())));
            }
        }
    }

    fn let_go(&mut self) {
        self.connection = None;
        if let Some(connecting) = self.connecting.take() {
            connecting.abort();
        }
    }

    fn tell(&mut self, waiting: usize) {
        self.course.tell(None, waiting as i64 * BLOCK_NS / 1_000_000);
    }

    async fn finish(mut self) {
        self.tell(0);
        if let Some(mut connection) = self.connection.take() {
            let goodbye = async {
                connection.close(None).await.ok()?;
                while let Some(Ok(_)) = connection.next().await {}
                Some(())
            };
            let _ = timeout(ENDS_WITHIN, goodbye).await;
        }
        self.let_go();
        self.course.end();
    }
}

/// What comes of a try; for ever, where there is none.
async fn connected(
    trying: &mut Option<JoinHandle<Result<Connection, Happening>>>,
) -> Result<Connection, Happening> {
    match trying {
        Some(trying) => trying.await.unwrap_or_else(|error| {
            Err(Happening::Lost(away(
                "The try broke off.",
                "It is tried again by itself.",
                &error.to_string(),
            )))
        }),
        None => std::future::pending().await,
    }
}

/// What the other side says; for ever, where there is none.
async fn heard(connection: &mut Option<Connection>, url: &WebSocketUrl) -> Option<Happening> {
    let Some(connection) = connection else { return std::future::pending().await };
    match connection.next().await {
        // Pongs, and what it has to say, are not for us.
        Some(Ok(Message::Close(why))) => {
            let policy = why.as_ref().is_some_and(|frame| frame.code == CloseCode::Policy);
            // Some servers tell what they did not like, and that may be the token.
            let said = why.map(|frame| url.scrub(&frame.to_string())).unwrap_or_default();
            Some(if policy {
                Happening::Denied(no("The server does not want this sound.", &said))
            } else {
                Happening::Lost(away("The server hung up.", "It is tried again by itself.", &said))
            })
        }
        Some(Ok(_)) => None,
        Some(Err(error)) => {
            let said = error.to_string();
            Some(Happening::Lost(away("The connection was lost.", "It is tried again by itself.", &said)))
        }
        None => Some(Happening::Lost(away("The server hung up.", "It is tried again by itself.", ""))),
    }
}

async fn connect(address: Secret) -> Result<Connection, Happening> {
    let silent =
        || away("The server does not answer.", "Check address and port, and whether the server runs.", "");
    let mut request = address.0.expose_secret().trim().into_client_request().map_err(|_| {
        // What exactly is wrong may hold the address.
        Happening::Denied(no("Nothing can be sent to this address.", ""))
    })?;
    request.headers_mut().insert("Content-Type", HeaderValue::from_static("audio/x-raw"));
    match timeout(CONNECTS_WITHIN, connect_async(request)).await {
        Ok(Ok((connection, _))) => Ok(connection),
        Ok(Err(Error::Http(answer))) => {
            let status = answer.status();
            let said = format!("HTTP {}", status.as_u16());
            Err(if status.is_client_error() && !matches!(status.as_u16(), 408 | 425 | 429) {
                Happening::Denied(no("The server refuses this sound.", &said))
            } else {
                Happening::Lost(away(
                    "The server has trouble of its own.",
                    "It is tried again by itself.",
                    &said,
                ))
            })
        }
        Ok(Err(Error::Io(error))) => Err(not_reached(&error.to_string())),
        Ok(Err(Error::Tls(error))) => Err(untrusted(&error.to_string())),
        Ok(Err(_)) => Err(Happening::Lost(away(
            "What answers at this address is no WebSocket.",
            "Check the address.",
            "",
        ))),
        Err(_) => Err(Happening::Lost(silent())),
    }
}

/// What an error below the WebSocket means; TLS is one of those that come as such.
fn not_reached(error: &str) -> Happening {
    if error.to_lowercase().contains("certificate") {
        return untrusted(error);
    }
    let unknown = error.contains("lookup") || error.contains("resolve");
    Happening::Lost(if unknown {
        away(
            "The server's name is not known.",
            "Check the address; if it is right, check this computer's network.",
            error,
        )
    } else {
        away(
            "Nobody takes sound at this address.",
            "Check address and port, and whether the server runs.",
            error,
        )
    })
}

fn untrusted(error: &str) -> Happening {
    Happening::Denied(no("The server's certificate is not to be trusted.", error))
}

fn away(message: &str, remedy: &str, detail: &str) -> ApiError {
    ApiError::new(ErrorCode::Unreachable, Fault::Destination, message, remedy).retryable().with_detail(detail)
}

fn no(message: &str, detail: &str) -> ApiError {
    let remedy = "Check the address and what in it lets you in; then try again.";
    ApiError::new(ErrorCode::PermissionDenied, Fault::Destination, message, remedy).with_detail(detail)
}
