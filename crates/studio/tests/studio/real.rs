//! With the real `tallylight-job`, a LiveKit server and a person who is seen and heard.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use egress::error::ErrorCode;
use egress::fact::{ConnectionState, EgressStatus, Fact, OutputState};
use egress::id::TrackId;
use egress::request::{ImagesRequest, RecordRequest, SegmentsRequest, UploadRequest};
use egress::roster::TrackKind;
use egress::storage::{LocalFolder, Storage, StorageProfile};
use studio::surface::{Job, ProjectInput, SecretPlace, StorageInput};

use crate::bench::{Bench, PATIENCE, all_files, eventually, kill, lives, pid_of, request, until, until_job};
use crate::live::{KEY, Person, SECRET, Server, job_program};
use crate::recovery::studio_with;

/// What ffprobe reads from a file, in seconds; the file is decoded whole, and must be without an error.
fn played_s(path: &Path) -> f64 {
    let run = |program: &str, args: &[&str]| {
        let output = std::process::Command::new(program).args(args).arg(path).output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (duration, _) =
        run("ffprobe", &["-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0"]);
    let decoded = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-f", "null", "-"])
        .output()
        .unwrap();
    let complaints = String::from_utf8(decoded.stderr).unwrap();
    // The null output counts in ticks of its own, and complains where two true time stamps fall together.
    let complaints: Vec<&str> = complaints
        .lines()
        .filter(|line| !line.contains("[null @") && !line.contains("message repeated"))
        .collect();
    assert!(complaints.is_empty(), "{}: {complaints:#?}", path.display());
    duration.trim().parse().unwrap()
}

fn unix_ms(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

fn path_of(job: &Job) -> &Path {
    Path::new(job.outputs[0].path.as_deref().unwrap())
}

/// Waits until so much of a job is in its file.
async fn until_recorded(studio: &studio::Studio, id: &egress::id::EgressId, ms: i64) {
    until_job(studio, id, "material", |job| {
        job.figures.as_ref().and_then(|f| f.outputs.first()).is_some_and(|output| output.elapsed_ms >= ms)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn armed_recorded_stopped_and_in_the_history() {
    let server = Server::start().await;
    let bench = server.bench();
    let _ada = Person::ada(&server, "show").await;
    let studio = bench.open_with(job_program()).await;
    let id = studio.arm(request("show")).await.unwrap();
    until_job(&studio, &id, "armed", |job| job.armed).await;

    let (pressed, pressed_at) = (Instant::now(), SystemTime::now());
    studio.record(id.clone()).await.unwrap();
    println!("record() came back after {:?}", pressed.elapsed());
    until_job(&studio, &id, "first media", |job| job.status == EgressStatus::Active).await;
    println!("first media seen after {:?}", pressed.elapsed());
    let log = bench.data_dir().join("jobs").join(id.as_str()).join("events.jsonl");
    for line in std::fs::read_to_string(log).unwrap().lines() {
        let event: egress::fact::Event = serde_json::from_str(line).unwrap();
        let since = event.at_ns / 1_000_000 - unix_ms(pressed_at);
        if let Fact::OutputActive { started_at_ns, .. } = event.fact {
            let first = started_at_ns / 1_000_000 - unix_ms(pressed_at);
            println!("first media told after {since} ms; it is of {first} ms after Record");
        }
    }
    until_recorded(&studio, &id, 3000).await;
    let pressed = Instant::now();
    studio.stop(id.clone()).await.unwrap();
    let job = until_job(&studio, &id, "the end", |job| job.ended_at_ms.is_some()).await;
    println!("finished after {:?}", pressed.elapsed());
    assert_eq!(job.status, EgressStatus::Complete, "{:?}", job.error);
    assert_eq!(job.outputs[0].state, OutputState::Done);
    assert!(played_s(path_of(&job)) >= 2.8);
    let still = studio.history_still(id, job.outputs[0].id.clone()).await.unwrap().unwrap();
    assert!(std::fs::read(still).unwrap().starts_with(&[0xff, 0xd8]));
    studio.shut_down(true).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cold_start_records() {
    let server = Server::start().await;
    let bench = server.bench();
    let _ada = Person::ada(&server, "show").await;
    let studio = bench.open_with(job_program()).await;
    let pressed = Instant::now();
    let id = studio.start(request("show")).await.unwrap();
    until_job(&studio, &id, "first media", |job| job.status == EgressStatus::Active).await;
    println!("first media after {:?}", pressed.elapsed());
    until_recorded(&studio, &id, 1000).await;
    studio.shut_down(true).await.unwrap();
    let job = studio.snapshot().jobs.remove(0);
    assert_eq!(job.status, EgressStatus::Complete, "{:?}", job.error);
    assert!(played_s(path_of(&job)) >= 0.9);
}

fn assert_saved(job: &Job, at_least_s: f64) {
    assert_eq!(job.status, EgressStatus::Failed);
    assert!(job.recovered);
    assert_eq!(job.error.as_ref().unwrap().code, ErrorCode::JobDied);
    assert_eq!(job.outputs[0].state, OutputState::Done, "{:#?}", job.outputs);
    let played = played_s(path_of(job));
    assert!(played >= at_least_s, "{played} s of at least {at_least_s} s");
    let told = job.outputs[0].result.as_ref().unwrap().duration_ns as f64 / 1e9;
    assert!((told - played).abs() < 0.25, "told {told} s, is {played} s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_job_is_killed() {
    let server = Server::start().await;
    let bench = server.bench();
    let _ada = Person::ada(&server, "show").await;
    let studio = bench.open_with(job_program()).await;
    let id = studio.start(request("show")).await.unwrap();
    until_recorded(&studio, &id, 4000).await;
    kill(pid_of(&bench, &id));
    let job = until_job(&studio, &id, "the end", |job| job.ended_at_ms.is_some()).await;
    assert_saved(&job, 3.0);
    studio.shut_down(true).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_studio_is_killed_and_then_both() {
    let server = Server::start().await;
    let bench = server.bench();
    let _ada = Person::ada(&server, "show").await;
    let (mut other, id) = studio_with(&bench, job_program(), "show", false);
    let pid = pid_of(&bench, &id);
    kill(other.id());
    other.wait().unwrap();
    // The next one takes the job over.
    let studio = bench.open_with(job_program()).await;
    until_recorded(&studio, &id, 2000).await;
    assert!(lives(pid));
    let lock = std::fs::File::open(bench.data_dir().join("jobs").join(id.as_str()).join("lock")).unwrap();
    assert!(matches!(lock.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock)), "it has its lock");
    studio.stop(id.clone()).await.unwrap();
    let job = until_job(&studio, &id, "the end", |job| job.ended_at_ms.is_some()).await;
    assert_eq!((job.status, job.recovered), (EgressStatus::Complete, false), "{:?}", job.error);
    assert!(played_s(path_of(&job)) >= 1.9);
    studio.shut_down(true).await.unwrap();
    drop(studio);

    let (mut other, id) = studio_with(&bench, job_program(), "show", false);
    let pid = pid_of(&bench, &id);
    // Nobody is asked how much is recorded, so this is by the clock: more time only makes the file longer.
    tokio::time::sleep(Duration::from_secs(4)).await;
    kill(other.id());
    kill(pid);
    other.wait().unwrap();
    eventually("the job is dead", || !lives(pid)).await;
    let studio = bench.open_with(job_program()).await;
    let job = until_job(&studio, &id, "the end", |job| job.ended_at_ms.is_some()).await;
    assert_saved(&job, 2.5);
    studio.shut_down(true).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_is_listed_opened_watched_and_closed() {
    let server = Server::start().await;
    let bench = server.bench();
    let ada = Person::ada(&server, "show").await;
    let studio = bench.open_with(job_program()).await;
    // The server counts a moment after it lists.
    until(&studio, "the room", |s| {
        let room = s.rooms.list.first()?;
        (room.name == "show" && room.num_participants == 1).then_some(())
    })
    .await;

    studio.open_room("show".into()).await.unwrap();
    let room = until(&studio, "ada and what she publishes", |s| {
        let room = s.room.as_ref().filter(|room| room.connection == ConnectionState::Connected)?;
        room.roster.participants.first().filter(|ada| ada.tracks.len() == 2).map(|_| room.clone())
    })
    .await;
    let ada_there = &room.roster.participants[0];
    assert_eq!((ada_there.identity.as_str(), ada_there.name.as_str()), ("ada", "Ada"));
    let camera: TrackId =
        ada_there.tracks.iter().find(|track| track.kind == TrackKind::Video).unwrap().sid.clone();
    studio.watch(vec![camera.clone()]).await.unwrap();
    let first = studio.frame(camera.clone(), 0, PATIENCE).await.unwrap().unwrap();
    let second = studio.frame(camera, first.seq, PATIENCE).await.unwrap().unwrap();
    assert!(second.jpeg.starts_with(&[0xff, 0xd8]) && second.jpeg != first.jpeg);
    until(&studio, "her voice", |s| {
        s.room.as_ref()?.figures.levels.iter().find(|level| level.dbfs > -60.0).cloned()
    })
    .await;
    // What is recorded is called by the name that the room shows.
    let id = studio.arm(request("show")).await.unwrap();
    assert_eq!(until_job(&studio, &id, "armed", |job| job.armed).await.title, "Ada");

    drop(ada);
    until(&studio, "an empty room", |s| {
        s.room.as_ref().filter(|room| room.roster.participants.is_empty()).map(drop)
    })
    .await;
    studio.close_room().await.unwrap();
    studio.shut_down(true).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_of_a_room_that_is_thrown_out_says_so_and_comes_back() {
    let server = Server::start().await;
    let bench = server.bench();
    let _ada = Person::ada(&server, "show").await;
    let studio = bench.open_with(job_program()).await;
    studio.open_room("show".into()).await.unwrap();
    let in_sight = |s: &studio::surface::Snapshot| {
        let room = s.room.as_ref().filter(|room| room.connection == ConnectionState::Connected)?;
        (room.roster.participants.len() == 1).then_some(())
    };
    until(&studio, "ada", in_sight).await;
    // Each process that watches a room works in a folder that is called as it is in the room.
    let mut folders = std::fs::read_dir(bench.data_dir().join("monitor")).unwrap();
    let identity = folders.next().unwrap().unwrap().file_name().into_string().unwrap();
    server.remove("show", &identity).await;
    let error = until(&studio, "the trouble", |s| s.room.as_ref()?.error.clone()).await;
    assert!(error.message.contains("removed"), "{error:?}");
    until(&studio, "ada again", in_sight).await;
    studio.close_room().await.unwrap();
    studio.shut_down(true).await.unwrap();
}

fn input(url: &str, key: &str, secret: &str) -> ProjectInput {
    ProjectInput {
        name: String::new(),
        url: url.into(),
        api_key: key.into(),
        api_secret: Some(secret.into()),
        this_run_only: false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_project_is_checked_saved_edited_and_forgotten() {
    use studio::projects::ProjectStore;
    use studio::secrets::SecretStore;

    let server = Server::start().await;
    let bench = Bench::new();
    let studio = bench.open_with(job_program()).await;
    let url = server.url();
    for (input, code) in [
        (input(&url, KEY, "not the secret"), ErrorCode::WrongSecret),
        (input(&url, "nokey", SECRET), ErrorCode::UnknownKey),
        (input("ws://127.0.0.1:9", KEY, SECRET), ErrorCode::Unreachable),
        (input("no address", KEY, SECRET), ErrorCode::InvalidArgument),
        (input(&url, " ", SECRET), ErrorCode::InvalidArgument),
    ] {
        let error = studio.add_project(input).await.unwrap_err();
        assert_eq!(error.code, code, "{error:?}");
        assert!(!error.remedy.is_empty());
    }
    assert_eq!(studio.snapshot().projects.list.len(), 1);

    // A blank that came along when it was copied does no harm.
    let id = studio.add_project(input(&format!(" {url} "), KEY, &format!("{SECRET}\n"))).await.unwrap();
    let shown = |studio: &studio::Studio| {
        studio.snapshot().projects.list.into_iter().find(|project| project.id == id).unwrap()
    };
    assert_eq!((shown(&studio).name, shown(&studio).secret), (url[5..].to_owned(), SecretPlace::Keyring));
    assert!(bench.secrets.get(id.as_str()).unwrap().is_some());
    studio.select_project(Some(id.clone())).await.unwrap();
    until(&studio, "its rooms", |s| (!s.rooms.loading && s.rooms.error.is_none()).then_some(())).await;

    // New name, same secret, from now on for this run only.
    let renamed =
        ProjectInput { name: "Stage".into(), api_secret: None, this_run_only: true, ..input(&url, KEY, "") };
    studio.edit_project(id.clone(), renamed).await.unwrap();
    assert_eq!((shown(&studio).name.as_str(), shown(&studio).secret), ("Stage", SecretPlace::ThisRun));
    assert!(bench.secrets.get(id.as_str()).unwrap().is_none());
    studio.shut_down(true).await.unwrap();
    drop(studio);

    let studio = bench.open_with(job_program()).await;
    assert_eq!(shown(&studio).secret, SecretPlace::Missing);
    assert_eq!(studio.snapshot().projects.current, Some(id.clone()));
    studio.edit_project(id.clone(), input(&url, KEY, SECRET)).await.unwrap();
    assert_eq!(shown(&studio).secret, SecretPlace::Keyring);
    studio.forget_project(id.clone()).await.unwrap();
    assert!(bench.secrets.get(id.as_str()).unwrap().is_none());
    assert!(bench.projects().load().unwrap().projects.iter().all(|project| project.id != id));
    studio.shut_down(true).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_that_cannot_be_listed_leave_the_last_list() {
    let server = Server::start().await;
    let bench = server.bench();
    let _ada = Person::ada(&server, "show").await;
    let studio = bench.open_with(job_program()).await;
    until(&studio, "the room", |s| s.rooms.list.first().cloned()).await;
    drop(server);
    let rooms = until(&studio, "the trouble", |s| s.rooms.error.is_some().then(|| s.rooms.clone())).await;
    assert_eq!(rooms.error.unwrap().code, ErrorCode::Unreachable);
    assert_eq!(rooms.list.len(), 1);
    studio.shut_down(true).await.unwrap();
}

/// The files below a folder, by their names relative to it.
fn tree(folder: &Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    let below = |path: &Path| path.strip_prefix(folder).unwrap().display().to_string();
    all_files(folder).into_iter().map(|(path, bytes)| (below(&path), bytes)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_its_segments_and_its_images_go_up_whole() {
    let server = Server::start().await;
    let bench = server.bench();
    let _ada = Person::ada(&server, "show").await;
    let studio = bench.open_with(job_program()).await;
    let store = bench.dir.path().join("store");
    std::fs::create_dir_all(&store).unwrap();
    let storage = Storage::Local(LocalFolder { folder: store.clone() });
    let profile = StorageProfile { storage, prefix: String::new() };
    let input = StorageInput { name: "Disk".into(), profile, secret: None, this_run_only: false };
    let storage = studio.save_storage(input).await.unwrap();
    let asked = RecordRequest {
        name: "evening.mp4".into(),
        manifest: true,
        segments: Some(SegmentsRequest { duration_s: 2, live_playlist: true, fmp4: false }),
        images: Some(ImagesRequest { interval_s: 1 }),
        upload: Some(UploadRequest { storage, backup: None, remove_local: false }),
        ..request("show")
    };
    let id = studio.start(asked).await.unwrap();
    until_recorded(&studio, &id, 5000).await;
    // Segments are there before the recording is over, and the list of them names no other.
    let playlist = store.join("evening-hls/live.m3u8");
    eventually("a playlist", || playlist.exists()).await;
    for uri in std::fs::read_to_string(&playlist).unwrap().lines().filter(|line| !line.starts_with('#')) {
        assert!(playlist.with_file_name(uri).exists(), "{uri} is listed and not there");
    }
    studio.stop(id.clone()).await.unwrap();
    let job = until_job(&studio, &id, "all to be there", |job| {
        job.outputs.len() == 3 && job.outputs.iter().all(|output| output.stored.is_some())
    })
    .await;
    assert_eq!(job.status, EgressStatus::Complete);
    let (local, there) = (tree(&bench.recordings()), tree(&store));
    let names =
        |files: &std::collections::BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    // The manifest comes on its own.
    eventually("the manifests", || names(&tree(&store)) == names(&local)).await;
    for (name, bytes) in tree(&store) {
        assert!(local[&name] == bytes, "{name} differs; {:?}", names(&there));
    }
    assert!(
        local.contains_key("evening.mp4") && local.contains_key("evening-hls/playlist.m3u8"),
        "{:?}",
        names(&local)
    );
    assert!(
        local.keys().filter(|name| name.starts_with("evening-images/image")).count() >= 4,
        "{:?}",
        names(&local)
    );
    studio.shut_down(true).await.unwrap();
}
