//! A process killed at any moment: every object right in the end, no local file removed early.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use egress::storage::{StorageProfile, StorageSecret};
use rand::Rng;
use secrecy::ExposeSecret;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::servers::Server;
use crate::tools::{MIB, noise};

const KILLS: usize = 20;
const GROWING: &str = "growing.mp4";

struct Peer {
    child: Child,
}

fn program() -> PathBuf {
    // Beside `deps`, where this test is.
    let deps = std::env::current_exe().unwrap();
    let target = deps.parent().unwrap().parent().unwrap();
    target.join("examples").join(format!("peer_queue{}", std::env::consts::EXE_SUFFIX))
}

async fn start(
    dir: &TempDir,
    files: &[PathBuf],
    profile: &StorageProfile,
    secret: &StorageSecret,
    bps: Option<u64>,
) -> Peer {
    let mut child = Command::new(program())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", program().display()));
    let job = serde_json::json!({
        "folder": dir.path().join("queue"),
        "profile": profile,
        "secret": secret.to_keyring().expose_secret(),
        "files": files,
        "growing": dir.path().join(GROWING),
        "limit_bps": bps,
    });
    child.stdin.take().unwrap().write_all(format!("{job}\n").as_bytes()).await.unwrap();
    Peer { child }
}

/// Kills at random moments of uploads that always have a new file among them.
async fn killed_again_and_again(server: &Server) {
    let dir = TempDir::new().unwrap();
    let mut rng = rand::rng();
    let (mut files, mut contents) = (Vec::new(), Vec::new());
    let mut under_way = 0;
    let grown = dir.path().join(GROWING);
    let mut growing = File::create(&grown).unwrap();
    for round in 0..KILLS {
        growing.write_all(&noise("more", 2 * MIB + round)).unwrap();
        let name = format!("{round}.mp4");
        let size = if round % 4 == 3 { 3000 } else { rng.random_range(5 * MIB..14 * MIB) };
        let bytes = noise(&name, size);
        let path = dir.path().join(&name);
        std::fs::write(&path, &bytes).unwrap();
        files.push(path.clone());
        contents.push((name, path, bytes));
        let mut peer = start(&dir, &files, &server.profile, &server.secret, Some(200_000_000)).await;
        let wait = Duration::from_millis(rng.random_range(20..700));
        tokio::time::sleep(wait).await;
        under_way += usize::from(peer.child.try_wait().unwrap().is_none());
        peer.child.kill().await.unwrap();
        for (name, path, bytes) in &contents {
            if !path.exists() {
                let there = server.object(name).await.is_some_and(|object| object == *bytes);
                assert!(
                    there,
                    "{name} was removed after kill {round}, {wait:?}, and its object is not right"
                );
            }
        }
    }
    assert!(under_way >= KILLS / 2, "only {under_way} kills hit a process at work");
    // Its end: the head is written once more, and an index behind.
    growing.write_all_at(b"sixteen bytes...", 32).unwrap();
    growing.write_all(&noise("index", 100_000)).unwrap();
    drop(growing);
    contents.push((GROWING.to_owned(), grown.clone(), std::fs::read(&grown).unwrap()));
    std::fs::write(grown.with_extension("mp4.done"), []).unwrap();
    let mut peer = start(&dir, &files, &server.profile, &server.secret, None).await;
    let mut out = String::new();
    let mut stdout = peer.child.stdout.take().unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(120), stdout.read_to_string(&mut out)).await;
    assert!(ended.is_ok() && out.contains("done"), "{out}\n{}", server.log());
    for (name, path, bytes) in contents {
        assert!(!path.exists(), "{name}");
        assert!(server.object(&name).await.is_some_and(|object| object == bytes), "{name}");
    }
}

#[tokio::test]
async fn uploads_to_s3_survive_twenty_kills() {
    killed_again_and_again(&Server::minio().await).await;
}
