//! A web page as a source: the whole frame, sound and picture together, and nothing left behind. The page is
//! served here and shown by the system's Chromium.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::source::page::{CaptureSize, Captured, PageEvent, PageSource};
use egress::wire::SCREEN_KEY_FILE;
use egress::wire::Tuning;
use room::clock::Clock;

const SIZE: CaptureSize =
    CaptureSize { width: 1280, height: 720, framerate: 30, pictures: true, sound: true };
/// Tells the child, which is this program again, where to work and what to show: the key to a screen is found
/// by a variable that a program gets at its start.
const FOLDER: &str = "PAGE_TEST_FOLDER";
const URL: &str = "PAGE_TEST_URL";

/// Green to the last column; blue and a tone for a tenth of each second, by one clock.
const PAGE: &str = r#"<!doctype html><body style="margin:0;background:#0f0"><script>
const audio = new AudioContext();
let next = 1;
function tone() {
  const source = audio.createOscillator();
  source.frequency.value = 800;
  source.connect(audio.destination);
  source.start(next);
  source.stop(next + 0.1);
}
tone();
function draw() {
  const { contextTime, performanceTime } = audio.getOutputTimestamp();
  const now = contextTime + (performance.now() - performanceTime) / 1000;
  document.body.style.background = now >= next && now < next + 0.1 ? '#00f' : '#0f0';
  if (now >= next + 0.2) { next += 1; tone(); }
  requestAnimationFrame(draw);
}
requestAnimationFrame(draw);
console.log('START_RECORDING', innerWidth, innerHeight);
</script>"#;

/// Serves the page to whoever asks; ends with the test.
fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = BufReader::new(&stream).read_line(&mut String::new());
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}", PAGE.len());
            let _ = write!(stream, "{head}\r\nConnection: close\r\n\r\n{PAGE}");
        }
    });
    address
}

/// This program again, running one of the tests below marked `ignored`.
fn child(test: &str, folder: &Path, url: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env("XAUTHORITY", folder.join(SCREEN_KEY_FILE))
        .env(FOLDER, folder)
        .env(URL, url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Processes that know of the folder, by their arguments or their environment.
fn processes_of(folder: &Path) -> Vec<String> {
    let wanted = folder.to_str().unwrap().as_bytes().to_vec();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let known = ["cmdline", "environ"].iter().any(|name| {
            let mut bytes = Vec::new();
            let file = std::fs::File::open(entry.path().join(name));
            let _ = file.and_then(|mut file| file.read_to_end(&mut bytes));
            bytes.windows(wanted.len()).any(|window| window == wanted)
        });
        if known && entry.file_name().to_str() != Some(&std::process::id().to_string()) {
            found.push(std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default());
        }
    }
    found
}

fn assert_nothing_left(folder: &Path) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !processes_of(folder).is_empty() {
        assert!(Instant::now() < deadline, "left behind: {:#?}", processes_of(folder));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_page_is_captured_whole_and_in_sync_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let status = child("tests::page::captured", folder.path(), &serve()).wait().unwrap();
    assert!(status.success());
    assert_nothing_left(folder.path());
}

#[test]
fn a_job_that_is_killed_leaves_no_process() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = child("tests::page::shown", folder.path(), &serve());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("shown now")));
    assert!(processes_of(folder.path()).len() >= 4, "{:#?}", processes_of(folder.path()));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_nothing_left(folder.path());
}

fn told(name: &str) -> String {
    std::env::var(name).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the test of a kill"]
async fn shown() {
    crate::init().unwrap();
    let clock = Clock::start();
    let page =
        PageSource::start(Path::new(&told(FOLDER)), SIZE, &Tuning::default(), || clock.now_ns(), |_| {})
            .await
            .unwrap();
    page.open(&told(URL));
    println!("shown now");
    std::future::pending::<()>().await;
}

#[derive(Debug, Default)]
struct Seen {
    pictures: u32,
    /// Brightness of the last pixel of the last row, between flashes.
    corner: u8,
    flash: bool,
    flashes: Vec<i64>,
    quiet: i64,
    beeps: Vec<i64>,
}

impl Seen {
    fn take(&mut self, captured: Captured) {
        match captured {
            Captured::Picture { time_ns, frame } => {
                let map = frame.map_readable().unwrap();
                let pixel = |x: usize, y: usize| map[y * SIZE.width as usize + x];
                self.pictures += 1;
                // The empty page before it is white, and where no window is it is black.
                let flash = (25..60).contains(&pixel(640, 360));
                if !flash {
                    self.corner = pixel(1279, 719);
                }
                if flash && !self.flash {
                    self.flashes.push(time_ns);
                }
                self.flash = flash;
            }
            Captured::Sound { time_ns, stereo } => {
                for (n, frame) in stereo.chunks_exact(2).enumerate() {
                    self.quiet += 1;
                    if frame[0].abs() > 0.05 {
                        if self.quiet > 9600 {
                            self.beeps.push(time_ns + n as i64 * 1_000_000_000 / 48_000);
                        }
                        self.quiet = 0;
                    }
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the test of a capture"]
async fn captured() {
    crate::init().unwrap();
    let clock = Clock::start();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let taking = seen.clone();
    let deliver = move |captured| taking.lock().unwrap().take(captured);
    let mut page =
        PageSource::start(Path::new(&told(FOLDER)), SIZE, &Tuning::default(), || clock.now_ns(), deliver)
            .await
            .unwrap();
    page.open(&told(URL));
    loop {
        match page.event().await.unwrap() {
            PageEvent::StartSignal => break,
            PageEvent::Loaded => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(page.script("`${innerWidth} ${innerHeight}`").await.unwrap(), "1280 720");

    let local = "fetch('file:///etc/hosts').then(() => 'read', () => 'refused')";
    assert_eq!(page.script(local).await.unwrap(), "refused");
    assert_eq!(page.script("alert('stop') ?? 'goes on'").await.unwrap(), "goes on");

    let deadline = Instant::now() + Duration::from_secs(60);
    let enough = |seen: &Seen| seen.beeps.len() >= 10 && seen.flashes.len() >= 10;
    while !enough(&seen.lock().unwrap()) {
        assert!(Instant::now() < deadline, "{seen:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let seen = seen.lock().unwrap();
    // Green is 173 (BT.709, limited), blue 32; where no window is, it is 16.
    assert!(seen.corner > 120, "the last pixel is {}", seen.corner);
    let mut offsets: Vec<i64> = seen
        .flashes
        .iter()
        .filter_map(|f| seen.beeps.iter().map(|b| (f - b) / 1_000_000).min_by_key(|offset| offset.abs()))
        .filter(|offset| offset.abs() < 450)
        .collect();
    offsets.sort_by_key(|offset| offset.abs());
    // A first tone may come before the first picture.
    assert!(offsets.len() >= 8, "{} flashes, {} beeps", seen.flashes.len(), seen.beeps.len());
    // What most are, against what is seen: how close they come is the machine's affair, and `composite-offset` measures it.
    let median = offsets[offsets.len() / 2];
    assert!(median.abs() <= 80, "flash against beep, ms: {offsets:?}");
}
