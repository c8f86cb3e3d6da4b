//! Live streams: added to jobs, taken away, tried again; saved destinations.

use egress::error::ErrorCode;
use egress::fact::{DestinationState, EgressStatus, OutputState};
use egress::spec::{SoundFormat, StreamProtocol};
use secrecy::SecretString;
use studio::surface::{DestinationInput, JobOutput, SecretPlace, StreamInput};

use crate::bench::{Bench, all_files, request, until_job};

/// No other text may contain it.
const KEY: &str = "planted-stream-key";

fn url(key: &str) -> SecretString {
    format!("rtmp://127.0.0.1:9/live/{key}").into()
}

fn stream(key: &str) -> StreamInput {
    StreamInput::Url { url: url(key), any_certificate: false, sound: SoundFormat::default() }
}

fn input(name: &str, url: Option<SecretString>, this_run_only: bool) -> DestinationInput {
    DestinationInput {
        name: name.into(),
        url,
        any_certificate: false,
        sound: SoundFormat::default(),
        this_run_only,
    }
}

fn live(output: &JobOutput) -> bool {
    matches!(output.destination.as_ref().map(|d| &d.state), Some(DestinationState::Live { .. }))
}

#[tokio::test]
async fn a_stream_joins_a_recording_and_leaves_it_and_its_key_is_nowhere() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let id = studio.start(request("show")).await.unwrap();
    until_job(&studio, &id, "recording", |job| job.status == EgressStatus::Active).await;
    let output = studio.add_stream(id.clone(), stream(KEY)).await.unwrap();
    let job = until_job(&studio, &id, "live", |job| job.outputs.iter().any(live)).await;
    let shown = job.outputs.iter().find(|o| o.id == output).unwrap();
    assert_eq!(shown.destination.as_ref().unwrap().address, "rtmp://127.0.0.1:9/live/{pla...key}");
    assert_eq!((job.outputs.len(), shown.path.as_ref()), (2, None));
    let second = studio.add_stream(id.clone(), stream("another")).await.unwrap();
    assert_ne!(second, output);
    studio.retry_output(id.clone(), output.clone()).await.unwrap();
    studio.remove_output(id.clone(), output.clone()).await.unwrap();
    let over = |o: &JobOutput| o.id == output && o.state == OutputState::Done;
    until_job(&studio, &id, "stopped", |job| job.outputs.iter().any(over)).await;

    studio.stop(id.clone()).await.unwrap();
    let job = until_job(&studio, &id, "the end", |job| job.status == EgressStatus::Complete).await;
    assert!(!format!("{job:?}").contains(KEY) && !format!("{:?}", studio.snapshot()).contains(KEY));
    studio.shut_down(true).await.unwrap();
    for (path, bytes) in all_files(bench.dir.path()) {
        assert!(!String::from_utf8_lossy(&bytes).contains(KEY), "the key is in {}", path.display());
    }
    // The history of the next run has it as it was.
    assert_eq!(bench.open().await.snapshot().jobs, [job]);
}

#[tokio::test]
async fn update_stream_does_what_it_can_and_says_what_it_cannot() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let id = studio.start(request("show")).await.unwrap();
    until_job(&studio, &id, "recording", |job| job.status == EgressStatus::Active).await;
    let none = studio.update_stream(id.clone(), vec![], vec![url("a")]).await.unwrap_err();
    assert_eq!(none.detail, "UpdateStream called on non-streaming egress");

    let add = vec![url("a"), "http://x/y".into(), url("b")];
    let error = studio.update_stream(id.clone(), add, vec![url("never")]).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidArgument);
    assert_eq!(error.detail, "invalid url {...}: invalid scheme\nstream {...} not found");
    until_job(&studio, &id, "both", |job| job.outputs.iter().filter(|o| live(o)).count() == 2).await;
    studio.update_stream(id.clone(), vec![], vec![url("a")]).await.unwrap();
    until_job(&studio, &id, "one", |job| job.outputs.iter().filter(|o| live(o)).count() == 1).await;
    studio.stop(id).await.unwrap();
}

#[tokio::test]
async fn an_armed_job_goes_on_air_with_its_first_stream() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let id = studio.arm(request("show")).await.unwrap();
    until_job(&studio, &id, "armed", |job| job.armed).await;
    studio.add_stream(id.clone(), stream(KEY)).await.unwrap();
    let job = until_job(&studio, &id, "on air", |job| job.outputs.iter().any(live)).await;
    assert!(!job.preview && !job.armed && studio.running().contains(&id));
    // What goes out can be recorded as well, once.
    studio.record(id.clone()).await.unwrap();
    until_job(&studio, &id, "the file", |job| job.outputs.iter().any(|output| output.path.is_some())).await;
    assert_eq!(studio.record(id.clone()).await.unwrap_err().code, ErrorCode::FailedPrecondition);
    let wrong = StreamInput::Url {
        url: "rtmp://nowhere".into(),
        any_certificate: false,
        sound: SoundFormat::default(),
    };
    assert_eq!(studio.add_stream(id.clone(), wrong).await.unwrap_err().code, ErrorCode::InvalidArgument);
    studio.stop(id.clone()).await.unwrap();
    until_job(&studio, &id, "the end", |job| job.ended_at_ms.is_some()).await;
    let over = studio.add_stream(id, stream(KEY)).await.unwrap_err();
    assert_eq!(over.code, ErrorCode::FailedPrecondition);
}

#[tokio::test]
async fn destinations_are_saved_with_their_key_in_the_keyring() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let kept = studio.save_destination(input("", Some(url(KEY)), false)).await.unwrap();
    let brief = studio.save_destination(input("Brief", Some(url("for-this-run")), true)).await.unwrap();
    let list = studio.snapshot().destinations;
    let names: Vec<(&str, SecretPlace)> = list.iter().map(|d| (d.name.as_str(), d.key)).collect();
    assert_eq!(
        names,
        [("Brief", SecretPlace::ThisRun), ("rtmp://127.0.0.1:9/live/{pla...key}", SecretPlace::Keyring)]
    );
    assert!(studio.save_destination(input("x", Some("mux://".into()), false)).await.is_err());
    assert!(studio.save_destination(input("x", None, false)).await.is_err());
    // Renamed, with the key of before.
    studio.edit_destination(kept.clone(), input("Main", None, false)).await.unwrap();
    studio.shut_down(true).await.unwrap();

    let studio = bench.open().await;
    let list = studio.snapshot().destinations;
    let names: Vec<(&str, SecretPlace)> = list.iter().map(|d| (d.name.as_str(), d.key)).collect();
    assert_eq!(names, [("Brief", SecretPlace::Missing), ("Main", SecretPlace::Keyring)]);
    let id = studio.start(request("show")).await.unwrap();
    until_job(&studio, &id, "recording", |job| job.status == EgressStatus::Active).await;
    studio.add_stream(id.clone(), StreamInput::Saved { id: kept.clone() }).await.unwrap();
    until_job(&studio, &id, "live", |job| job.outputs.iter().any(live)).await;
    let missing = studio.add_stream(id.clone(), StreamInput::Saved { id: brief.clone() }).await.unwrap_err();
    assert_eq!(missing.code, ErrorCode::Keyring);
    studio.stop(id).await.unwrap();

    studio.forget_destination(kept.clone()).await.unwrap();
    studio.forget_destination(brief).await.unwrap();
    assert!(studio.snapshot().destinations.is_empty());
    use studio::secrets::SecretStore;
    assert!(bench.secrets.get(kept.as_str()).unwrap().is_none());
    assert_eq!(studio.forget_destination(kept).await.unwrap_err().code, ErrorCode::NotFound);
    studio.shut_down(true).await.unwrap();
    for (path, bytes) in all_files(bench.dir.path()) {
        assert!(!String::from_utf8_lossy(&bytes).contains(KEY), "the key is in {}", path.display());
    }
}

/// The address of a WebSocket, whose token no other text may contain.
fn socket() -> SecretString {
    format!("wss://captions.example/in?token={KEY}&lang=en").into()
}

#[tokio::test]
async fn sound_goes_to_a_websocket_like_any_destination_and_its_token_is_nowhere() {
    let bench = Bench::new();
    let studio = bench.open().await;
    let small = DestinationInput { sound: SoundFormat::Mono16k, ..input("Captions", Some(socket()), false) };
    let saved = studio.save_destination(small).await.unwrap();
    let wrong = studio.save_destination(input("x", Some("wss://?token=abcdefgh".into()), false)).await;
    assert_eq!(wrong.unwrap_err().detail, "invalid url {...}: malformed");
    studio.shut_down(true).await.unwrap();

    // What is kept of it says how the sound is sent.
    let studio = bench.open().await;
    let list = studio.snapshot().destinations;
    assert_eq!(
        (list[0].protocol, list[0].sound, list[0].address.as_str()),
        (StreamProtocol::Websocket, SoundFormat::Mono16k, "wss://captions.example/in?token={...}&lang={...}")
    );
    let id = studio.start(request("show")).await.unwrap();
    until_job(&studio, &id, "recording", |job| job.status == EgressStatus::Active).await;
    let output = studio.add_stream(id.clone(), StreamInput::Saved { id: saved.clone() }).await.unwrap();
    let job = until_job(&studio, &id, "live", |job| job.outputs.iter().any(live)).await;
    let shown = job.outputs.iter().find(|o| o.id == output).unwrap().destination.clone().unwrap();
    assert_eq!((shown.protocol, shown.sound), (StreamProtocol::Websocket, Some(SoundFormat::Mono16k)));
    // The peer tells in the address what it was asked for.
    assert!(shown.address.ends_with("#Mono16k"), "{}", shown.address);
    studio.retry_output(id.clone(), output.clone()).await.unwrap();
    studio.remove_output(id.clone(), output.clone()).await.unwrap();
    let over = |o: &JobOutput| o.id == output && o.state == OutputState::Done;
    until_job(&studio, &id, "stopped", |job| job.outputs.iter().any(over)).await;

    // By its address, in LiveKit's format.
    studio.update_stream(id.clone(), vec![socket()], vec![]).await.unwrap();
    let wide = |o: &JobOutput| {
        live(o) && o.destination.as_ref().is_some_and(|to| to.sound == Some(SoundFormat::Stereo48k))
    };
    until_job(&studio, &id, "live again", |job| job.outputs.iter().any(wide)).await;
    studio.update_stream(id.clone(), vec![], vec![socket()]).await.unwrap();
    until_job(&studio, &id, "none", |job| !job.outputs.iter().any(live)).await;

    // Edited without its address it keeps that, and takes what is new.
    studio.edit_destination(saved.clone(), input("Captions", None, false)).await.unwrap();
    assert_eq!(studio.snapshot().destinations[0].sound, SoundFormat::Stereo48k);
    studio.stop(id.clone()).await.unwrap();
    let job = until_job(&studio, &id, "the end", |job| job.status == EgressStatus::Complete).await;
    assert!(!format!("{job:?} {:?}", studio.snapshot()).contains(KEY));
    studio.shut_down(true).await.unwrap();
    for (path, bytes) in all_files(bench.dir.path()) {
        assert!(!String::from_utf8_lossy(&bytes).contains(KEY), "the token is in {}", path.display());
    }
}
