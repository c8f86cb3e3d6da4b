//! A connection that mends itself: what was subscribed to is subscribed to again, and what could not be said is said
//! once more.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::try_join_all;
use parking_lot::Mutex;
use redis::aio::{PubSubSink, PubSubStream};
use redis::{Cmd, RedisError, RedisResult, Value};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior};

use super::config::RedisConfig;
use super::dial::{Commands, Dialled, dial};
use crate::bus::psrpc::envelope::MAX_BYTES;

/// First and longest pause between two tries to connect. What is published meanwhile is lost for us: short.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// How often a silent connection is asked whether it lives.
const PING_EVERY: Duration = Duration::from_secs(5);
/// How long a command waits for a connection.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is said that messages are dropped.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// What came on a channel.
#[derive(Debug, Clone)]
pub struct Received {
    /// Which.
    pub channel: Arc<str>,
    /// What, at most [`MAX_BYTES`].
    pub payload: Bytes,
}

/// How the connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineState {
    /// Not connected yet, or again.
    Down {
        /// Why, in Redis' words or the system's.
        why: String,
    },
    /// Connected, everything subscribed.
    Up,
}

/// Why something could not be said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// There is no connection.
    #[error("Redis is not reached: {0}")]
    Down(String),
    /// Redis does not do it.
    #[error("Redis refuses: {0}")]
    Refused(String),
}

/// A connection to Redis. A cheap handle; with the last one it is closed.
#[derive(Clone)]
pub struct Line {
    shared: Arc<Shared>,
    ops: mpsc::UnboundedSender<Op>,
}

struct Shared {
    config: RedisConfig,
    sinks: Mutex<HashMap<Arc<str>, mpsc::Sender<Received>>>,
    /// The connection that commands go to, and which one it is.
    commands: watch::Sender<Option<(u64, Commands)>>,
    state: watch::Sender<LineState>,
    /// A command found that the connection is broken.
    broken: Notify,
    dropped: AtomicU64,
}

/// That Redis has confirmed a subscription, sometime.
pub struct Confirmed(oneshot::Receiver<()>);

impl Confirmed {
    /// Waits for it.
    pub async fn wait(&mut self) {
        let _ = (&mut self.0).await;
    }
}

enum Op {
    Subscribe { channel: Arc<str>, done: oneshot::Sender<()> },
    Unsubscribe { channel: Arc<str> },
}

impl Line {
    /// Opens a connection, in its own time: nothing here fails because Redis is not there yet.
    pub fn open(config: RedisConfig) -> Self {
        let (ops, todo) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            config,
            sinks: Mutex::default(),
            commands: watch::Sender::new(None),
            state: watch::Sender::new(LineState::Down { why: "not connected yet".to_owned() }),
            broken: Notify::new(),
            dropped: AtomicU64::new(0),
        });
        tokio::spawn(keep(shared.clone(), todo));
        Self { shared, ops }
    }

    /// How the connection is.
    pub fn state(&self) -> watch::Receiver<LineState> {
        self.shared.state.subscribe()
    }

    /// Messages that were dropped, because they were too long or came faster than they were dealt with.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Sends what comes on a channel to a queue; what finds it full is dropped. It stands from now on, through every
    /// reconnection, until it is ended; what comes back says when Redis has confirmed it.
    pub fn subscribe(&self, channel: &str, queue: mpsc::Sender<Received>) -> Confirmed {
        let channel: Arc<str> = channel.into();
        self.shared.sinks.lock().insert(channel.clone(), queue);
        let (done, confirmed) = oneshot::channel();
        // Without the task the receiver says at once that there is nothing to wait for.
        let _ = self.ops.send(Op::Subscribe { channel, done });
        Confirmed(confirmed)
    }

    /// Ends a subscription.
    pub fn unsubscribe(&self, channel: &str) {
        let channel: Arc<str> = channel.into();
        self.shared.sinks.lock().remove(&channel);
        // Without the task there is no connection either.
        let _ = self.ops.send(Op::Unsubscribe { channel });
    }

    /// Says something on a channel.
    ///
    /// # Errors
    /// Redis is not reached, twice, or refuses.
    pub async fn publish(&self, channel: &str, payload: &[u8]) -> Result<(), LineError> {
        self.command(redis::cmd("PUBLISH").arg(channel).arg(payload)).await.map(drop)
    }

    /// Takes a lock for a few seconds, unless somebody has it.
    ///
    /// # Errors
    /// Redis is not reached, twice, or refuses.
    pub async fn lock(&self, key: &str, seconds: u64) -> Result<bool, LineError> {
        let value: u32 = rand::random();
        let mut set = redis::cmd("SET");
        set.arg(key).arg(value).arg("EX").arg(seconds).arg("NX");
        Ok(self.command(&set).await? != Value::Nil)
    }

    /// Runs a command. If the connection breaks, once more on the next: better twice than not at all, since every
    /// message carries an id.
    async fn command(&self, command: &Cmd) -> Result<Value, LineError> {
        let mut tried = None;
        loop {
            let (number, mut commands) = self.connected(tried).await?;
            match commands.send(command).await {
                Ok(value) => return Ok(value),
                Err(error) if tried.is_none() && breaks(&error) => {
                    self.shared.broken.notify_one();
                    tried = Some(number);
                }
                Err(error) if breaks(&error) => {
                    self.shared.broken.notify_one();
                    return Err(LineError::Down(error.to_string()));
                }
                Err(error) => return Err(LineError::Refused(error.to_string())),
            }
        }
    }

    /// Waits a moment for a connection other than the one that has just failed.
    async fn connected(&self, but: Option<u64>) -> Result<(u64, Commands), LineError> {
        let mut there = self.shared.commands.subscribe();
        let other = there.wait_for(|now| now.as_ref().is_some_and(|(number, _)| Some(*number) != but));
        let found = tokio::time::timeout(PATIENCE, other).await.ok().and_then(Result::ok);
        match found.as_deref() {
            Some(Some(connection)) => Ok(connection.clone()),
            _ => Err(LineError::Down(match &*self.shared.state.borrow() {
                LineState::Down { why } => why.clone(),
                LineState::Up => "the connection broke".to_owned(),
            })),
        }
    }
}

/// Whether the connection is to blame: another one may do. A master that became a replica is no longer the right one.
fn breaks(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || error.is_unrecoverable_error()
        || error.code().is_some_and(|code| matches!(code, "READONLY" | "LOADING" | "MASTERDOWN"))
}

/// Connects, again and again, until nobody holds the line any more.
async fn keep(shared: Arc<Shared>, mut todo: mpsc::UnboundedReceiver<Op>) {
    let mut pause = PAUSES.0;
    let mut waiting = VecDeque::new();
    for number in 0_u64.. {
        let tried = tokio::select! {
            tried = connect(&shared) => tried,
            () = closed(&mut todo, &mut waiting) => return,
        };
        let why = match tried {
            Ok((dialled, sink, stream)) => {
                let since = Instant::now();
                tracing::info!(address = dialled.address, "connected to Redis");
                shared.commands.send_replace(Some((number, dialled.commands)));
                shared.state.send_replace(LineState::Up);
                let held = hold(&shared, sink, stream, &mut todo, &mut waiting).await;
                let Some(why) = held else { return };
                shared.commands.send_replace(None);
                // One that breaks at once each time is not knocked at without a pause.
                if since.elapsed() > PAUSES.1 {
                    pause = PAUSES.0;
                }
                why
            }
            Err(error) => error.to_string(),
        };
        tracing::warn!(why, "Redis is not reached");
        shared.state.send_replace(LineState::Down { why });
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = closed(&mut todo, &mut waiting) => return,
        }
        pause = (pause * 2).min(PAUSES.1);
    }
}

struct Connected {
    address: String,
    commands: Commands,
}

/// Connects and subscribes to everything.
async fn connect(shared: &Shared) -> RedisResult<(Connected, PubSubSink, PubSubStream)> {
    let Dialled { commands, heard, address } = dial(&shared.config).await?;
    let (sink, stream) = heard.split();
    let channels: Vec<Arc<str>> = shared.sinks.lock().keys().cloned().collect();
    let all = try_join_all(channels.iter().map(|channel| {
        let mut sink = sink.clone();
        async move { sink.subscribe(&**channel).await }
    }));
    in_time(shared, all).await?;
    Ok((Connected { address, commands }, sink, stream))
}

/// Waits until the line is closed, and keeps what is asked of it meanwhile.
async fn closed(todo: &mut mpsc::UnboundedReceiver<Op>, waiting: &mut VecDeque<Op>) {
    while let Some(op) = todo.recv().await {
        waiting.push_back(op);
    }
}

/// Serves a connection until it breaks; tells why. None: the line is closed.
async fn hold(
    shared: &Arc<Shared>,
    mut sink: PubSubSink,
    stream: PubSubStream,
    todo: &mut mpsc::UnboundedReceiver<Op>,
    waiting: &mut VecDeque<Op>,
) -> Option<String> {
    let mut pump = tokio::spawn(pump(shared.clone(), stream));
    let mut ping = tokio::time::interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let why = loop {
        let done = tokio::select! {
            biased;
            () = std::future::ready(()), if !waiting.is_empty() => match waiting.pop_front() {
                Some(op) => carry_out(shared, &mut sink, op, waiting).await,
                None => Ok(()),
            },
            op = todo.recv() => match op {
                Some(op) => carry_out(shared, &mut sink, op, waiting).await,
                None => {
                    pump.abort();
                    return None;
                }
            },
            _ = &mut pump => break "Redis closed the connection".to_owned(),
            () = shared.broken.notified() => break "the connection broke".to_owned(),
            _ = ping.tick() => in_time(shared, sink.ping::<Value>()).await.map(drop),
        };
        if let Err(error) = done {
            break error.to_string();
        }
    };
    pump.abort();
    Some(why)
}

/// Does what is asked. What the connection breaks at is done on the next one.
async fn carry_out(
    shared: &Shared,
    sink: &mut PubSubSink,
    op: Op,
    waiting: &mut VecDeque<Op>,
) -> RedisResult<()> {
    match op {
        Op::Subscribe { channel, done } => {
            let subscribed = in_time(shared, sink.subscribe(&*channel)).await;
            match subscribed {
                // Whoever gave up waiting has the subscription all the same.
                Ok(()) => drop(done.send(())),
                Err(_) => waiting.push_front(Op::Subscribe { channel, done }),
            }
            subscribed
        }
        Op::Unsubscribe { channel } => {
            let wanted = shared.sinks.lock().contains_key(&channel);
            if wanted { Ok(()) } else { in_time(shared, sink.unsubscribe(&*channel)).await }
        }
    }
}

/// Hands out what comes. It never waits: the library behind the stream keeps all that is not taken.
async fn pump(shared: Arc<Shared>, mut stream: PubSubStream) {
    let mut say_at = Instant::now();
    while let Some(message) = stream.next().await {
        let channel = message.get_channel_name();
        let sink =
            shared.sinks.lock().get_key_value(channel).map(|(name, sink)| (name.clone(), sink.clone()));
        let Some((name, sink)) = sink else { continue };
        let payload = message.get_payload_bytes();
        let taken = payload.len() <= MAX_BYTES
            && sink.try_send(Received { channel: name, payload: Bytes::copy_from_slice(payload) }).is_ok();
        if !taken {
            let dropped = shared.dropped.fetch_add(1, Ordering::Relaxed) + 1;
            if Instant::now() >= say_at {
                tracing::warn!(
                    dropped,
                    "messages on Redis come faster than they are dealt with, or are too long"
                );
                say_at = Instant::now() + SAY_EVERY;
            }
        }
    }
}

async fn in_time<T>(shared: &Shared, done: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    tokio::time::timeout(shared.config.answer_within(), done)
        .await
        .unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))
}
