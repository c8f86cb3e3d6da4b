//! What the worker says where it cannot do what is asked.

use std::process::{Command, Output};

fn worker(args: &[&str], env: &[(&str, &str)]) -> Output {
    let home = tempfile::tempdir().expect("a folder can be made");
    Command::new(env!("CARGO_BIN_EXE_tallylight-worker"))
        .args(args)
        .env_remove("LIVEKIT_URL")
        .env_remove("LIVEKIT_API_KEY")
        .env_remove("LIVEKIT_API_SECRET")
        .env("HOME", home.path())
        .env("XDG_DATA_HOME", home.path().join("data"))
        .envs(env.iter().copied())
        .output()
        .expect("the worker starts")
}

/// Fails unless the worker ended with an error of three parts and printed no path.
fn refused(output: &Output, what: &str) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(output.stdout.is_empty());
    for part in [&format!("error: {what}"), "  where: ", "  what to do: "] {
        assert!(told.lines().any(|line| line.starts_with(part)), "{part} in {told}");
    }
}

const RECORD: [&str; 9] =
    ["record", "--url", "ws://127.0.0.1:9", "--room", "show", "--identity", "ada", "--out", "."];
const LOGIN: [(&str, &str); 2] = [("LIVEKIT_API_KEY", "key"), ("LIVEKIT_API_SECRET", "a secret")];

#[test]
fn what_is_missing_is_named() {
    refused(&worker(&["rooms"], &LOGIN), "The server's URL is missing");
    refused(&worker(&RECORD, &LOGIN[1..]), "The API key is missing");
    refused(&worker(&RECORD, &LOGIN[..1]), "The API secret is missing");
}

#[test]
fn a_server_that_is_not_there_is_told() {
    let output = worker(&RECORD, &LOGIN);
    refused(&output, "");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("a secret"));
}

#[test]
fn a_preset_that_is_none_is_told() {
    refused(&worker(&[&RECORD[..], &["--preset", "4K"]].concat(), &LOGIN), "There is no preset 4K");
}

#[test]
fn a_command_line_without_a_source_is_a_matter_of_usage() {
    let output = worker(&["record", "--url", "ws://h", "--room", "r", "--out", "."], &LOGIN);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--identity"));
}
