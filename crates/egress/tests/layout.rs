//! Layout documents: the stock ones, what is refused, and that the schema and the TypeScript types in the tree
//! are those of the Rust types. `TALLYLIGHT_BLESS=1 cargo test -p egress --test layout` writes both.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use egress::layout::look::{Colour, Fit, LookChange};
use egress::layout::{Broken, Layout, read, resolve, rules, schema, stock};
use serde::Deserialize;
use serde_json::Value;
use ts_rs::{Config, TS};

const HINT: &str = "run `TALLYLIGHT_BLESS=1 cargo test -p egress --test layout`, and commit what it writes";

fn layouts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../layouts")
}

fn blessing() -> bool {
    std::env::var_os("TALLYLIGHT_BLESS").is_some()
}

/// Git may have turned the line ends of a checkout.
fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default().replace("\r\n", "\n")
}

fn grid() -> Value {
    serde_json::from_str(&text(&layouts().join("stock/grid.json"))).unwrap()
}

#[test]
fn the_schema_is_that_of_the_types() {
    let generated = schema::generate();
    let path = layouts().join("layout.schema.json");
    if blessing() {
        fs::write(&path, format!("{}\n", serde_json::to_string_pretty(&generated).unwrap())).unwrap();
    }
    // Not as texts: which order the words come in depends on what other crates want of serde_json.
    assert_eq!(serde_json::from_str::<Value>(&text(&path)).unwrap(), generated, "{HINT}");
}

#[test]
fn the_check_knows_every_word_of_the_schema() {
    const KNOWN: &[&str] = &[
        "$defs",
        "$ref",
        "$schema",
        "additionalProperties",
        "const",
        "default",
        "description",
        "format",
        "items",
        "maxItems",
        "maxLength",
        "maximum",
        "minItems",
        "minLength",
        "minimum",
        "oneOf",
        "pattern",
        "properties",
        "required",
        "title",
        "type",
    ];
    fn walk(schema: &Value, seen: &mut BTreeSet<String>) {
        let Some(object) = schema.as_object() else { return };
        for (word, value) in object {
            seen.insert(word.clone());
            match word.as_str() {
                "properties" | "$defs" => value.as_object().unwrap().values().for_each(|v| walk(v, seen)),
                "oneOf" => value.as_array().unwrap().iter().for_each(|v| walk(v, seen)),
                "items" => walk(value, seen),
                _ => {}
            }
            let closed = object.get("additionalProperties") == Some(&Value::Bool(false));
            assert!(word != "properties" || closed, "an object of the schema is open: {schema}");
        }
    }
    let mut seen = BTreeSet::new();
    walk(&schema::generate(), &mut seen);
    assert!(seen.contains("minimum") && seen.contains("oneOf") && seen.contains("minItems"), "{seen:?}");
    let strange: Vec<_> = seen.iter().filter(|word| !KNOWN.contains(&word.as_str())).collect();
    assert!(strange.is_empty(), "{strange:?}");
}

#[test]
fn the_templates_types_are_the_rust_types() {
    let fresh = tempfile::tempdir().unwrap();
    let config = Config::new().with_large_int("number").with_out_dir(fresh.path());
    Layout::export_all(&config).unwrap();
    Broken::export_all(&config).unwrap();
    let files = |folder: &Path| -> BTreeMap<String, String> {
        let entries = fs::read_dir(folder).into_iter().flatten().map(Result::unwrap);
        entries.map(|e| (e.file_name().into_string().unwrap(), text(&e.path()))).collect()
    };
    let names: String = files(fresh.path())
        .into_keys()
        .map(|file| format!("export type * from \"./{}\";\n", file.trim_end_matches(".ts")))
        .collect();
    let index =
        format!("// Generated from the Rust types by the tests of egress. Not edited by hand.\n{names}");
    fs::write(fresh.path().join("index.ts"), index).unwrap();
    let generated = files(fresh.path());
    assert!(generated.contains_key("Layout.ts") && generated.contains_key("Who.ts"), "{generated:?}");
    let committed = layouts().join("types");
    if blessing() {
        fs::remove_dir_all(&committed).ok();
        fs::create_dir_all(&committed).unwrap();
        for (name, content) in &generated {
            fs::write(committed.join(name), content).unwrap();
        }
    }
    assert_eq!(files(&committed), generated, "{HINT}");
}

#[test]
fn every_stock_document_holds() {
    let mut names = Vec::new();
    for (name, text) in egress::layout::stock::texts() {
        let layout = read(text).unwrap_or_else(|broken| panic!("{name}: {broken}"));
        assert_eq!(layout.name.0, name);
        names.push(name);
    }
    let read_names: Vec<_> = stock().iter().map(|layout| layout.name.0.as_str()).collect();
    assert_eq!(read_names, names);
    for layout in stock() {
        assert_eq!(rules::references(layout, |name| names.contains(&name)), Ok(()), "{}", layout.name.0);
    }
    let mut files: Vec<_> = fs::read_dir(layouts().join("stock"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap().replace(".json", ""))
        .collect();
    files.sort();
    names.sort_unstable();
    assert_eq!(files, names, "a stock document is not in the list, or the list has one that is not there");
}

#[test]
fn a_document_is_written_as_it_was_read() {
    let everything = include_str!("../../../layouts/cases/everything.json");
    for (name, text) in egress::layout::stock::texts().chain([("everything", everything)]) {
        let layout = read(text).unwrap_or_else(|b| panic!("{name}: {b}"));
        let again = read(&serde_json::to_string(&layout).unwrap()).unwrap_or_else(|b| panic!("{name}: {b}"));
        assert_eq!(again, layout);
    }
}

/// A change to the stock grid that breaks it.
#[derive(Deserialize)]
struct Case {
    why: String,
    /// JSON pointer to what is changed; the document itself is named by `text` instead.
    #[serde(default)]
    set: Option<String>,
    /// What is put there; nothing: it is taken away.
    #[serde(default)]
    to: Option<Value>,
    /// `to` is a null, which serde reads like nothing.
    #[serde(default)]
    nulls: bool,
    #[serde(default)]
    text: Option<String>,
    expect: Broken,
}

fn changed(mut document: Value, pointer: &str, to: Option<Value>) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let name = name.replace("~1", "/").replace("~0", "~");
    match (document.pointer_mut(parent).unwrap(), to) {
        (Value::Object(fields), Some(value)) => drop(fields.insert(name, value)),
        (Value::Object(fields), None) => assert!(fields.remove(&name).is_some(), "{pointer}"),
        (Value::Array(items), Some(value)) => items[name.parse::<usize>().unwrap()] = value,
        (place, _) => panic!("{pointer} leads into {place}"),
    }
    document
}

#[test]
fn what_is_broken_is_refused_with_the_place_and_the_reason() {
    let cases: Vec<Case> = serde_json::from_str(&text(&layouts().join("cases/broken.json"))).unwrap();
    assert!(cases.len() > 20);
    for case in cases {
        let document = match (&case.text, &case.set) {
            (Some(text), None) => text.clone(),
            (None, Some(pointer)) => {
                let to = case.to.or(case.nulls.then_some(Value::Null));
                changed(grid(), pointer, to).to_string()
            }
            _ => panic!("{}: a case has either text or set", case.why),
        };
        assert_eq!(read(&document), Err(case.expect), "{}", case.why);
    }
}

/// The examples are placed by the template's tests; that their documents are layouts is checked here.
#[test]
fn the_examples_of_placement_are_of_layouts() {
    let cases: Vec<Value> = serde_json::from_str(&text(&layouts().join("cases/place.json"))).unwrap();
    let documents: Vec<_> =
        cases.iter().map(|case| &case["layout"]).filter(|layout| layout.is_object()).collect();
    assert!(documents.len() > 5);
    for document in documents {
        read(&document.to_string()).unwrap_or_else(|broken| panic!("{}: {broken}", document["name"]));
    }
    for name in cases.iter().filter_map(|case| case["layout"].as_str()) {
        assert_eq!(resolve(name), name);
    }
}

#[test]
fn a_layout_that_is_not_there_is_named() {
    let layout = read(&grid().to_string()).unwrap();
    let broken = rules::references(&layout, |_| false).unwrap_err();
    assert_eq!(broken.path, "/variants/0/layout");
    assert_eq!(broken.reason, "There is no layout called speaker.");
}

#[test]
fn names_are_read_as_livekit_reads_them() {
    let cases: Vec<(String, String)> =
        serde_json::from_str(&text(&layouts().join("cases/names.json"))).unwrap();
    assert!(cases.len() > 10);
    for (asked, meant) in cases {
        assert_eq!(resolve(&asked), meant, "{asked:?}");
    }
}

#[test]
fn a_region_changes_only_what_it_names() {
    let layout = read(&grid().to_string()).unwrap();
    let change = LookChange { fit: Some(Fit::Fit), corner: Some(0.0), ..LookChange::default() };
    let look = layout.look.with(Some(&change));
    assert_eq!((look.fit, look.corner), (Fit::Fit, 0.0));
    assert_eq!(
        (look.name_tag, look.camera_off),
        (layout.look.name_tag.clone(), layout.look.camera_off.clone())
    );
    assert_eq!(layout.look.with(None), layout.look);
}

#[test]
fn colours_have_four_parts() {
    assert_eq!(Colour("#0b0d10".into()).rgba(), Some([0x0b, 0x0d, 0x10, 255]));
    assert_eq!(Colour("#FFffFF80".into()).rgba(), Some([255, 255, 255, 128]));
    for broken in ["", "#", "#12345", "#1234567", "123456", "#gggggg", "#ééé"] {
        assert_eq!(Colour(broken.into()).rgba(), None, "{broken}");
    }
}
