//! The TypeScript types of the command surface are generated from the Rust ones. This test fails when the
//! generated files in the tree are not those; `TALLYLIGHT_BLESS=1 cargo test -p studio --test bindings`
//! writes them.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use egress::error::ApiError;
use egress::request::RecordRequest;
use studio::surface::{
    DestinationInput, Numbered, ProjectInput, RoomInput, Snapshot, StorageInput, StreamInput,
};
use ts_rs::{Config, TS};
use upload::Checked;

fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui/src/backend/bindings")
}

/// One file a type, of everything that the roots are made of, and an index of them all.
fn generate(into: &Path) {
    // JSON numbers are doubles: whole up to 2^53, which is enough for bytes, and for milliseconds of a
    // date. Nanoseconds of a date lose their last two digits.
    let config = Config::new().with_large_int("number").with_out_dir(into);
    Snapshot::export_all(&config).unwrap();
    Numbered::export_all(&config).unwrap();
    ProjectInput::export_all(&config).unwrap();
    RecordRequest::export_all(&config).unwrap();
    DestinationInput::export_all(&config).unwrap();
    StreamInput::export_all(&config).unwrap();
    StorageInput::export_all(&config).unwrap();
    RoomInput::export_all(&config).unwrap();
    Checked::export_all(&config).unwrap();
    ApiError::export_all(&config).unwrap();
    let names = files(into).into_keys().map(|file| file.trim_end_matches(".ts").to_owned());
    let index: String = names.map(|name| format!("export type * from \"./{name}\";\n")).collect();
    fs::write(
        into.join("index.ts"),
        format!("// Generated from the Rust types by the studio's tests. Not edited by hand.\n{index}"),
    )
    .unwrap();
}

/// Names and contents. A folder that does not exist has none.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(Result::unwrap);
    let read = |entry: fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())
    };
    entries.map(read).collect()
}

#[test]
fn the_windows_types_are_the_rust_types() {
    let fresh = tempfile::tempdir().unwrap();
    generate(fresh.path());
    let (generated, committed_files) = (files(fresh.path()), files(&committed()));
    assert!(generated.contains_key("Job.ts") && generated.contains_key("ErrorCode.ts"), "{generated:?}");
    if std::env::var_os("TALLYLIGHT_BLESS").is_some() {
        fs::create_dir_all(committed()).unwrap();
        for stale in committed_files.keys().filter(|name| !generated.contains_key(*name)) {
            fs::remove_file(committed().join(stale)).unwrap();
        }
        for (name, content) in &generated {
            fs::write(committed().join(name), content).unwrap();
        }
        return;
    }
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    let hint = "run `TALLYLIGHT_BLESS=1 cargo test -p studio --test bindings`, and commit what it writes";
    assert_eq!(names(&committed_files), names(&generated), "{hint}");
    for (name, content) in &generated {
        // Git may have turned the line ends of a checkout.
        assert_eq!(&committed_files[name].replace("\r\n", "\n"), content, "{name}: {hint}");
    }
}
