//! The OS keyring for real: gnome-keyring on a session bus of its own, in every state a desktop can be in.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::bench::example;

/// Runs the keyring peer after `prepare`, in a session with folders of its own.
fn session(prepare: &str, words: &[&str], home: &Path) -> Vec<String> {
    session_of(&[], prepare, words, home)
}

fn session_of(bus: &[&str], prepare: &str, words: &[&str], home: &Path) -> Vec<String> {
    let runtime = tempfile::tempdir().unwrap();
    let mut command = Command::new("timeout");
    command
        .args(["60", "dbus-run-session"])
        .args(bus)
        .args(["--", "sh", "-c", &format!("{prepare} exec \"$@\" >\"$TOLD\""), "sh"])
        .arg(example("peer_keyring"))
        .args(words);
    run(command, home, runtime.path())
}

fn run(mut command: Command, home: &Path, runtime: &Path) -> Vec<String> {
    command.env("HOME", home).env("XDG_DATA_HOME", home.join("data")).env("XDG_RUNTIME_DIR", runtime);
    command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").env_remove("DBUS_SESSION_BUS_ADDRESS");
    // Not over a pipe: a daemon that outlives its session by a moment would hold it open.
    let told = home.join("told");
    let log = std::fs::File::create(home.join("log")).unwrap();
    command.env("TOLD", &told).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    let status = command.status().expect("dbus-run-session is installed");
    assert!(status.success(), "{status}: {}", std::fs::read_to_string(home.join("log")).unwrap());
    std::fs::read_to_string(told).unwrap().lines().map(str::to_owned).collect()
}

const UNLOCKED: &str = "printf pw | gnome-keyring-daemon --unlock --components=secrets >/dev/null;";

#[test]
fn a_secret_is_kept_over_sessions_and_forgotten() {
    let home = tempfile::tempdir().unwrap();
    let words = ["check", "get", "set", "one", "get", "set", "two", "get"];
    let told = session(UNLOCKED, &words, home.path());
    assert_eq!(told, ["ok", "none", "ok", "found one", "ok", "found two"]);
    let told = session(UNLOCKED, &["get", "remove", "get", "remove"], home.path());
    assert_eq!(told, ["found two", "ok", "none", "ok"]);
}

#[test]
fn no_session_bus_is_told() {
    let (home, runtime) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut command = Command::new("sh");
    command
        .args(["-c", "exec \"$@\" >\"$TOLD\"", "sh"])
        .arg(example("peer_keyring"))
        .args(["check", "set", "one"]);
    let told = run(command, home.path(), runtime.path());
    assert_eq!(told.len(), 2);
    for line in told {
        assert!(line.starts_with("This session has no keyring: there is no session bus"), "{line}");
        assert!(!line.contains("one)"), "{line}");
    }
}

#[test]
fn no_secret_service_is_told() {
    let home = tempfile::tempdir().unwrap();
    // A bus that can start nobody.
    let config = home.path().join("bus.conf");
    let text = r#"<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen>
        <auth>EXTERNAL</auth><policy context="default"><allow send_destination="*" eavesdrop="true"/>
        <allow eavesdrop="true"/><allow own="*"/></policy></busconfig>"#;
    std::fs::write(&config, text).unwrap();
    let bus = format!("--config-file={}", config.display());
    let told = session_of(&[&bus], "", &["check"], home.path());
    assert!(told[0].starts_with("No keyring is installed"), "{}", told[0]);
}

#[test]
fn a_keyring_that_was_never_unlocked_is_told() {
    let home = tempfile::tempdir().unwrap();
    // The bus starts the daemon when it is asked for.
    let told = session("", &["set", "one"], home.path());
    assert!(told[0].starts_with("The keyring has not been set up or unlocked"), "{}", told[0]);
}

#[test]
fn a_locked_keyring_is_told() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(session(UNLOCKED, &["set", "one"], home.path()), ["ok"]);
    // A new session, whose daemon was not given the password: the collection is there, and locked.
    let told = session("", &["get"], home.path());
    assert!(told[0].starts_with("The keyring is locked"), "{}", told[0]);
    assert!(!told[0].contains("found"), "{}", told[0]);
}
