//! The loop of a job that takes its source to outputs.

use std::time::Duration;

use egress::error::{ApiError, ErrorCode, Fault};
use egress::fact::{EndReason, Fact, Figures, TrackFigures};
use egress::redact::redact_url;
use egress::spec::{EgressSpec, Limits};
use egress::wire::{Launch, PROGRAM, Secret, Thumbnail, ToJob};
use room::clock::Clock;
use secrecy::ExposeSecret;
use tokio::sync::mpsc::Receiver;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::encode::h264::VideoEncoder;
use crate::encode::probe::best_encoder;
use crate::job::Facts;
use crate::job::awake::Awake;
use crate::job::core::Core;
use crate::job::engine::Engine;
use crate::job::link::{FromStudio, Link};
use crate::job::media::{MediaReceiver, MediaSender};
use crate::job::outputs::Attachment;
use crate::job::shape::NameContext;
use crate::job::signal::EndSignal;
use crate::job::sleep::{Sleep, slept};
use crate::job::source::Source;
use crate::job::usage::Usage;

/// How often the loop looks at time and media. Neither wakes it: a job has hundreds of packets and messages a second, and
/// waking a thread costs more than most of them do. What comes together goes on together, through all threads behind.
const LOOKS: Duration = Duration::from_millis(30);
/// The same while the job ends, which the operator waits for.
const ENDING: Duration = Duration::from_millis(10);
/// How often figures are sent.
const FIGURES: Duration = Duration::from_millis(200);
/// How often disks and limits are looked at.
const GUARD: Duration = Duration::from_millis(500);
/// How long a job without outputs stays when no studio is there.
const ALONE: Duration = Duration::from_secs(30);

/// Makes the engine of a job.
pub async fn engine<S: Source>(
    launch: &Launch,
    spec: &EgressSpec,
    clock: &Clock,
    source: S,
    media: MediaSender,
) -> Engine<S> {
    // Trying hardware takes a moment: the studio has, and only an encoded picture needs it.
    let encodes = matches!(&spec.treatment, egress::spec::Treatment::Encode { video: Some(_), .. });
    let threads = launch.tuning.encoder_threads;
    let software = VideoEncoder::X264 { threads };
    let encoder = match launch.tuning.encoder {
        Some(choice) => VideoEncoder::of(choice, threads),
        None if encodes => {
            tokio::task::spawn_blocking(move || best_encoder(threads)).await.unwrap_or(software)
        }
        None => software,
    };
    let names = NameContext {
        egress_id: launch.spec.egress_id.clone(),
        room_name: launch.spec.room_name.clone(),
        room_id: launch.spec.room_sid.clone(),
        retry: launch.spec.retry,
        asked: spec.source.clone(),
        launch: launch.spec.names.clone(),
    };
    Engine::new(spec, &launch.secrets, names, source, media, encoder, *clock)
}

/// Runs until the job has ended; its last fact is recorded.
pub async fn run<S: Source>(
    mut engine: Engine<S>,
    limits: &Limits,
    clock: &Clock,
    mut events: Receiver<S::Event>,
    mut from_media: MediaReceiver,
    facts: &mut Facts,
    link: &mut Link,
) {
    facts.tell(link);

    let mut due = interval(LOOKS);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ending_due = interval(ENDING);
    ending_due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut figures_due = interval(FIGURES);
    figures_due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut guard_due = interval(GUARD);
    guard_due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut end_signal = EndSignal::new();
    let (usage, mut sleep) = (Usage::watch(S::STARTS_PROCESSES), Sleep::watch());
    let mut awake = Awake::new();
    // The studio may have come while the room was being joined.
    let mut alone_since = (!link.connected()).then(Instant::now);
    let mut source_open = true;
    // Whether there may be something of the source that has not been looked at.
    let mut looks = true;

    while !engine.core.stage.done() {
        let ending = engine.core.stage.ending();
        let mut end: Option<EndReason> = None;
        tokio::select! {
            biased;
            // What people, the system and a full disk want comes before media: that is always ready where a computer
            // cannot keep up.
            from = link.next() => match from {
                FromStudio::Connected { after } => {
                    facts.tell_after(after, link);
                    alone_since = None;
                }
                FromStudio::Gone => {
                    alone_since = Some(Instant::now());
                    engine.core.preview.watch(false);
                }
                FromStudio::Command(command) => end = on_command(command, &mut engine, clock, facts, link),
            },
            () = end_signal.wait() => end = Some(EndReason::ProcessKilled),
            _ = guard_due.tick() => {
                awake.set(engine.core.outputs.any());
                end = guard(&mut engine.core, limits, clock.now_ns(), facts);
                let alone = alone_since.is_some_and(|since| since.elapsed() > ALONE);
                if alone && !engine.core.outputs.any() {
                    end = Some(EndReason::StopRequested);
                }
            }
            _ = figures_due.tick() => {
                if let Some(ns) = sleep.look() {
                    facts.slept(ns);
                    facts.record(Fact::Warning { warning: slept(ns) });
                }
                end = engine.uses(usage.now().1, clock.now_ns(), facts);
                link.figures(&figures(&mut engine, &usage, from_media.let_go(), clock.now_ns()));
            }
            _ = ending_due.tick(), if ending => {
                looks = true;
                end = engine.tick(clock.now_ns(), facts);
                engine.advance(clock.now_ns(), facts);
            }
            _ = due.tick(), if !ending => {
                looks = true;
                end = engine.tick(clock.now_ns(), facts);
            }
            event = async { events.try_recv() }, if source_open && looks => {
                match event {
                    Ok(event) => end = engine.on_event(event, clock.now_ns(), facts),
                    Err(TryRecvError::Empty) => looks = false,
                    Err(TryRecvError::Disconnected) => {
                        source_open = false;
                        engine.source_gone();
                    }
                }
                // In turn with what the source gives: neither holds the other up.
                if let Some(message) = from_media.try_recv() {
                    end = end.or(engine.on_media(message, clock.now_ns(), facts));
                }
            }
            () = facts.more() => {}
            message = from_media.recv() => end = engine.on_media(message, clock.now_ns(), facts),
        }
        if engine.core.stage.broken() {
            end = Some(end.unwrap_or(EndReason::Failure));
        }
        if let Some(reason) = end {
            engine.end(reason, clock.now_ns(), facts);
        }
        facts.tell(link);
        for (request, error) in engine.core.answers.drain(..) {
            link.reply(request, error);
        }
        if let Some(jpeg) = engine.core.preview.take() {
            link.thumbnail(&Thumbnail { track_id: PROGRAM.into(), jpeg });
        }
    }
    let (status, error) = engine.outcome();
    facts.record(Fact::Ended { status, error });
}

fn on_command<S: Source>(
    command: ToJob,
    engine: &mut Engine<S>,
    clock: &Clock,
    facts: &mut Facts,
    link: &Link,
) -> Option<EndReason> {
    match command {
        ToJob::Attach { request, output, secret, with } => {
            let others = with.into_iter().map(|spec| Attachment { spec, secret: None });
            let all = std::iter::once(Attachment { spec: output, secret }).chain(others);
            let outcome = engine.attach(all, clock.now_ns(), facts);
            link.reply(request, outcome.err());
        }
        ToJob::Detach { request, output } => {
            link.reply(request, engine.detach(&output, clock.now_ns()).err());
        }
        ToJob::DetachStream { request, url } => {
            let found = engine.core.outputs.going_to(&url).ok_or_else(|| no_stream(&url));
            let outcome = found.and_then(|output| engine.detach(&output, clock.now_ns()));
            link.reply(request, outcome.err());
        }
        ToJob::Retry { request, output } => {
            link.reply(request, engine.core.outputs.retry(&output).err());
        }
        ToJob::Stop { request } => {
            link.reply(request, None);
            return Some(EndReason::StopRequested);
        }
        ToJob::Watch { tracks } => {
            engine.core.preview.watch(tracks.iter().any(|track| track.as_str() == PROGRAM));
        }
        ToJob::Hello { .. } => {}
        of_source => return engine.on_command(of_source, clock.now_ns(), facts),
    }
    None
}

/// LiveKit's words for it are in the detail.
fn no_stream(url: &Secret) -> ApiError {
    let shown = redact_url(url.0.expose_secret());
    ApiError::new(
        ErrorCode::NotFound,
        Fault::Input,
        "Nothing is sent to this address.",
        "Look at the list of destinations: it may have been removed already.",
    )
    .with_detail(format!("stream {shown} not found"))
}

fn guard(
    core: &mut Core,
    limits: &egress::spec::Limits,
    now_ns: i64,
    facts: &mut Facts,
) -> Option<EndReason> {
    if core.stage.ending() {
        return None;
    }
    if core.outputs.disk_full(now_ns, facts) {
        return Some(EndReason::DiskFull);
    }
    let (size, length_ns) = core.outputs.largest();
    let too_long = limits.max_duration_s.is_some_and(|s| length_ns >= s as i64 * 1_000_000_000);
    let too_large = limits.max_size_bytes.is_some_and(|b| size >= b);
    (too_long || too_large).then_some(EndReason::LimitReached)
}

fn figures<S: Source>(engine: &mut Engine<S>, usage: &Usage, let_go: u64, now_ns: i64) -> Figures {
    let (cpu_percent, memory_bytes) = usage.now();
    engine.core.encoders.look(usage.unused(), now_ns);
    let stats = engine.source.stats();
    let core = &mut engine.core;
    let (lost, encoders) = (core.held_pictures + let_go, &core.encoders);
    Figures {
        outputs: core.outputs.figures(|output| lost + encoders.left_out(output)),
        levels: core.levels.take(),
        tracks: track_figures(&stats),
        rtt_ms: stats.rtt_ms,
        cpu_percent,
        memory_bytes,
        encoder: core.encoder_name(),
    }
}

/// Losses and rates of all tracks.
pub(super) fn track_figures(stats: &room::session::RoomStats) -> Vec<TrackFigures> {
    stats
        .tracks
        .iter()
        .map(|t| TrackFigures {
            track_id: t.track_id.clone(),
            packets: t.packets,
            lost: t.lost,
            bitrate_bps: t.bitrate_bps,
        })
        .collect()
}

#[cfg(test)]
mod tests;
