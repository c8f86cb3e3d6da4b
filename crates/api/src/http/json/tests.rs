//! The protocol's description is the crate's; and whatever a writer of the protocol's JSON may write is read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;
use prost_reflect::{FieldDescriptor, Kind, Value};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Map, Value as Json, json};

use super::*;

/// The folder of the protocol's `.proto` files, in the crate that the workspace builds with.
fn protocol_files() -> PathBuf {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--offline", "--locked"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: Json = serde_json::from_slice(&metadata.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let crate_ = packages.iter().find(|package| package["name"] == "livekit-protocol").unwrap();
    Path::new(crate_["manifest_path"].as_str().unwrap()).with_file_name("protocol/protobufs")
}

#[test]
fn the_description_is_that_of_the_protocols_crate() {
    let mut compiler = protox::Compiler::new([protocol_files()]).unwrap();
    compiler.include_imports(true).include_source_info(false).open_files(["livekit_room.proto"]).unwrap();
    let made = compiler.encode_file_descriptor_set();
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/json/protocol.binpb");
    if std::env::var_os("TALLYLIGHT_BLESS").is_some() {
        std::fs::write(&committed, &made).unwrap();
    }
    let same = std::fs::read(&committed).is_ok_and(|committed| committed == made);
    assert!(same, "it is another one: TALLYLIGHT_BLESS=1 cargo test -p api --lib writes it");
}

/// Everything that a message can hold, itself included.
fn within(message: &MessageDescriptor, seen: &mut BTreeSet<String>) {
    if !seen.insert(message.full_name().to_owned()) {
        return;
    }
    for field in message.fields() {
        if let Kind::Message(inner) = field.kind() {
            within(&inner, seen);
        }
    }
}

#[test]
fn no_message_has_a_form_of_its_own_in_json() {
    let mut seen = BTreeSet::new();
    for message in every() {
        within(&message, &mut seen);
    }
    assert!(seen.contains("livekit.S3Upload") && seen.contains("livekit.StreamInfo"), "{seen:?}");
    let special: Vec<_> = seen.iter().filter(|name| name.starts_with("google.protobuf.")).collect();
    assert!(special.is_empty(), "{special:?} are written in other ways than as objects");
}

fn every() -> Vec<MessageDescriptor> {
    vec![
        descriptor::<proto::StartEgressRequest>(),
        descriptor::<proto::RoomCompositeEgressRequest>(),
        descriptor::<proto::WebEgressRequest>(),
        descriptor::<proto::ParticipantEgressRequest>(),
        descriptor::<proto::TrackCompositeEgressRequest>(),
        descriptor::<proto::TrackEgressRequest>(),
        descriptor::<proto::UpdateLayoutRequest>(),
        descriptor::<proto::UpdateStreamRequest>(),
        descriptor::<proto::ListEgressRequest>(),
        descriptor::<proto::ListEgressResponse>(),
        descriptor::<proto::StopEgressRequest>(),
        descriptor::<proto::EgressInfo>(),
        descriptor::<proto::RoomConfiguration>(),
    ]
}

/// Any message of its kind.
fn message(descriptor: &MessageDescriptor, rng: &mut StdRng, depth: u32) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        let rivals = field.containing_oneof();
        let taken = rivals.is_some_and(|rivals| rivals.fields().any(|rival| message.has_field(&rival)));
        let deep = matches!(field.kind(), Kind::Message(_)) && depth == 0;
        if taken || deep || rng.random_bool(0.4) {
            continue;
        }
        let value = if field.is_list() {
            let count = rng.random_range(0..3);
            Value::List((0..count).map(|_| value(&field.kind(), rng, depth)).collect())
        } else if field.is_map() {
            let Kind::Message(entry) = field.kind() else { unreachable!() };
            let kind = entry.map_entry_value_field().kind();
            let entries = (0..rng.random_range(0..3))
                .map(|at| (prost_reflect::MapKey::String(format!("myKey_{at}")), value(&kind, rng, depth)));
            Value::Map(entries.collect())
        } else {
            value(&field.kind(), rng, depth)
        };
        message.set_field(&field, value);
    }
    message
}

fn value(kind: &Kind, rng: &mut StdRng, depth: u32) -> Value {
    match kind {
        Kind::Message(inner) => Value::Message(message(inner, rng, depth - 1)),
        Kind::Enum(values) => {
            let count = values.values().len();
            let known = values.values().nth(rng.random_range(0..count)).unwrap().number();
            Value::EnumNumber(if rng.random_bool(0.1) { rng.random_range(50..90) } else { known })
        }
        Kind::Bool => Value::Bool(rng.random()),
        Kind::String => Value::String(
            ["", "text", "6", "null", "ünï\u{1F3A5}\"\\\n", "rtmp://h/a/{k}"][rng.random_range(0..6)].into(),
        ),
        Kind::Bytes => {
            Value::Bytes((0..rng.random_range(0..5)).map(|_| rng.random()).collect::<Vec<u8>>().into())
        }
        Kind::Double => Value::F64([0.0, -1.5, 2.0, 1e300, f64::INFINITY][rng.random_range(0..5)]),
        Kind::Int32 => Value::I32([0, 1, -7, i32::MAX, i32::MIN][rng.random_range(0..5)]),
        Kind::Int64 => Value::I64([0, 1, -7, i64::MAX, i64::MIN, 1 << 53][rng.random_range(0..6)]),
        Kind::Uint32 => Value::U32([0, 1, 30, u32::MAX][rng.random_range(0..4)]),
        Kind::Uint64 => Value::U64([0, 1, 30, u64::MAX][rng.random_range(0..4)]),
        other => panic!("the protocol has {other:?} now: think of how it may be written"),
    }
}

/// The same, with nothing set that is a default.
fn normal(message: &DynamicMessage) -> DynamicMessage {
    use prost_reflect::ReflectMessage;
    DynamicMessage::decode(message.descriptor(), message.encode_to_vec().as_slice()).unwrap()
}

/// In any of the ways in which the protocol's JSON may be written.
fn any_way(message: &DynamicMessage, rng: &mut StdRng) -> Json {
    use prost_reflect::ReflectMessage;
    let mut object = Map::new();
    for field in message.descriptor().fields() {
        let name = if rng.random() { field.name() } else { field.json_name() };
        if message.has_field(&field) {
            object.insert(name.to_owned(), field_any_way(&field, &message.get_field(&field), rng));
        } else if rng.random_bool(0.3) {
            // A field that is not set may be written as nothing, and as its default where it has one.
            let default = (!field.supports_presence() && rng.random())
                .then(|| field_any_way(&field, &message.get_field(&field), rng));
            object.insert(name.to_owned(), default.unwrap_or(Json::Null));
        }
    }
    if rng.random_bool(0.2) {
        object.insert("of_a_later_version".to_owned(), json!({ "a": [1, { "b": null }] }));
    }
    Json::Object(object)
}

fn field_any_way(field: &FieldDescriptor, value: &Value, rng: &mut StdRng) -> Json {
    match value {
        Value::List(items) => items.iter().map(|item| single_any_way(&field.kind(), item, rng)).collect(),
        Value::Map(entries) => {
            let Kind::Message(entry) = field.kind() else { unreachable!() };
            let kind = entry.map_entry_value_field().kind();
            let entries = entries.iter();
            let entries = entries
                .map(|(key, value)| (key.as_str().unwrap().to_owned(), single_any_way(&kind, value, rng)));
            Json::Object(entries.collect())
        }
        value => single_any_way(&field.kind(), value, rng),
    }
}

fn single_any_way(kind: &Kind, value: &Value, rng: &mut StdRng) -> Json {
    match value {
        Value::Message(message) => any_way(message, rng),
        Value::EnumNumber(number) => match kind.as_enum().unwrap().get_value(*number) {
            Some(known) if rng.random() => json!(known.name()),
            _ => whole_any_way(i128::from(*number), false, rng),
        },
        Value::I32(number) => whole_any_way((*number).into(), true, rng),
        Value::I64(number) => whole_any_way((*number).into(), true, rng),
        Value::U32(number) => whole_any_way((*number).into(), true, rng),
        Value::U64(number) => whole_any_way((*number).into(), true, rng),
        Value::F64(number) if number.is_infinite() => json!("Infinity"),
        Value::F64(number) => {
            if rng.random() {
                json!(number)
            } else {
                json!(number.to_string())
            }
        }
        Value::Bool(value) => json!(value),
        Value::String(text) => json!(text),
        Value::Bytes(bytes) => {
            use base64::Engine;
            use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
            json!(
                [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD][rng.random_range(0..4)].encode(bytes)
            )
        }
        other => panic!("{other:?}"),
    }
}

fn whole_any_way(number: i128, as_text: bool, rng: &mut StdRng) -> Json {
    let exact = number.unsigned_abs() <= 1 << 53;
    let plain: Json = serde_json::from_str(&number.to_string()).unwrap();
    match rng.random_range(0..4) {
        0 if as_text => json!(number.to_string()),
        1 if as_text && exact => json!(format!("{number}.0")),
        2 if exact => serde_json::from_str(&format!("{number}.0")).unwrap(),
        3 if exact && number % 10 == 0 => serde_json::from_str(&format!("{}e1", number / 10)).unwrap(),
        _ => plain,
    }
}

/// A message through the types of the protocol's crate.
fn through_the_crate(name: &str, message: &DynamicMessage) -> DynamicMessage {
    fn of<M: Described>(message: &DynamicMessage) -> DynamicMessage {
        let read: M = message.transcode_to().unwrap();
        let mut again = DynamicMessage::new(descriptor::<M>());
        again.transcode_from(&read).unwrap();
        again
    }
    match name {
        "livekit.StartEgressRequest" => of::<proto::StartEgressRequest>(message),
        "livekit.RoomCompositeEgressRequest" => of::<proto::RoomCompositeEgressRequest>(message),
        "livekit.WebEgressRequest" => of::<proto::WebEgressRequest>(message),
        "livekit.ParticipantEgressRequest" => of::<proto::ParticipantEgressRequest>(message),
        "livekit.TrackCompositeEgressRequest" => of::<proto::TrackCompositeEgressRequest>(message),
        "livekit.TrackEgressRequest" => of::<proto::TrackEgressRequest>(message),
        "livekit.ListEgressRequest" => of::<proto::ListEgressRequest>(message),
        "livekit.ListEgressResponse" => of::<proto::ListEgressResponse>(message),
        "livekit.EgressInfo" => of::<proto::EgressInfo>(message),
        _ => message.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn whatever_a_writer_may_write_is_read(seed: u64) {
        let rng = &mut StdRng::seed_from_u64(seed);
        for descriptor in every() {
            let message = normal(&message(&descriptor, rng, 4));
            let body = any_way(&message, rng).to_string();
            let read = read::message(&descriptor, body.as_bytes());
            prop_assert_eq!(read.map(|read| normal(&read)), Ok(message.clone()), "{}", body);
            // What is written here is read as the same, and the crate's types hold all of it.
            let body = write::message(&message).to_string();
            let read = read::message(&descriptor, body.as_bytes());
            prop_assert_eq!(read.map(|read| normal(&read)), Ok(message.clone()), "{}", body);
            prop_assert_eq!(&normal(&through_the_crate(descriptor.full_name(), &message)), &message);
        }
    }

    #[test]
    fn anything_else_is_read_or_refused_without_repeating_it(seed: u64) {
        let rng = &mut StdRng::seed_from_u64(seed);
        for descriptor in every() {
            let body = any_way(&message(&descriptor, rng, 4), rng).to_string();
            // One value becomes another of another kind.
            let places: Vec<_> = body.match_indices(':').map(|(at, _)| at + 1).collect();
            let Some(at) = places.get(rng.random_range(0..places.len().max(1))) else { continue };
            let wrong = ["\"hunter2\"", "[\"hunter2\"]", "{\"hunter2\":{\"hunter2\":1}}", "-1.5", "true", "1e999"];
            let body = format!("{}{},{}", &body[..*at], wrong[rng.random_range(0..wrong.len())], "\"x\":0}");
            if let Err(error) = read::message(&descriptor, body.as_bytes()) {
                prop_assert!(!error.to_string().contains("hunter2"), "{}", error);
            }
        }
    }
}

fn composite(body: &Json) -> Result<proto::RoomCompositeEgressRequest, String> {
    read(body.to_string().as_bytes()).map_err(|error| error.to_string())
}

#[test]
fn as_people_send_it() {
    use proto::room_composite_egress_request::Options;
    let sent = json!({
        "roomName": "show", "layout": null, "audio_only": null, "custom_base_url": null, "later": {},
        "file": null, "preset": null, "webhooks": null, "stream_outputs": [],
        "advanced": { "width": 1280.0, "height": "720", "framerate": "3e1", "depth": null, "video_codec": 1,
            "audio_codec": "OF_A_LATER_VERSION", "key_frame_interval": "2.5" },
        "fileOutputs": [{ "fileType": "MP4", "filepath": "a.mp4", "gcp": null,
            "s3": { "bucket": "b", "forcePathStyle": true, "metadata": { "myKey": "v" } } }],
        "image_outputs": [{ "capture_interval": 5.0, "filename_suffix": 2.0 }],
    });
    let read = composite(&sent).unwrap();
    assert_eq!(read.room_name, "show");
    let Some(Options::Advanced(advanced)) = &read.options else { panic!("{read:?}") };
    assert_eq!((advanced.width, advanced.height, advanced.framerate), (1280, 720, 30));
    assert_eq!((advanced.video_codec, advanced.audio_codec), (1, 0));
    assert!((advanced.key_frame_interval - 2.5).abs() < 1e-9);
    assert_eq!((read.image_outputs[0].capture_interval, read.image_outputs[0].filename_suffix), (5, 2));
    let Some(proto::encoded_file_output::Output::S3(s3)) = &read.file_outputs[0].output else {
        panic!("{read:?}")
    };
    assert!(s3.force_path_style && s3.metadata["myKey"] == "v");
}

#[test]
fn what_does_not_fit_is_named_and_not_repeated() {
    let s3 = |s3: Json| json!({ "file_outputs": [{}, { "s3": s3 }] });
    for (body, words) in [
        (json!({ "roomName": 5 }), "room_name: expected text"),
        (json!({ "audio_only": "true" }), "audio_only: expected true or false"),
        (s3(json!("AKIASECRET")), "file_outputs[1].s3: expected an object"),
        (s3(json!({ "secret": ["AKIASECRET"] })), "file_outputs[1].s3.secret: expected text"),
        (s3(json!({ "metadata": { "AKIASECRET": 1 } })), "file_outputs[1].s3.metadata: expected text"),
        (json!({ "fileOutputs": {} }), "file_outputs: expected a list"),
        (json!({ "file_outputs": [null] }), "file_outputs[0]: expected an object"),
        (json!({ "advanced": { "width": 1.5 } }), "advanced.width: expected a whole number"),
        (json!({ "advanced": { "width": "AKIASECRET" } }), "advanced.width: expected a whole number"),
        (json!({ "advanced": { "width": " 6" } }), "advanced.width: expected a whole number"),
        (
            json!({ "advanced": { "width": 1e10 } }),
            "advanced.width: expected a whole number that fits this field",
        ),
        (
            json!({ "advanced": { "video_codec": true } }),
            "advanced.video_codec: expected a name or a whole number",
        ),
        (json!([]), "expected an object"),
        (json!("AKIASECRET"), "expected an object"),
        (
            json!({ "preset": 1, "advanced": {} }),
            "preset: expected nothing, because another field that excludes it is given",
        ),
        (
            json!({ "room_name": "a", "roomName": "b" }),
            "room_name: expected one value, and it is given in both spellings",
        ),
    ] {
        assert_eq!(composite(&body), Err(words.to_owned()));
    }
    let error = read::message(&descriptor::<proto::EgressInfo>(), b"{\n \"a\": AKIA}").unwrap_err();
    assert_eq!(error.to_string(), "line 2, column 7");
}

#[test]
fn answers_are_written_as_livekits_server_writes_them() {
    let s3 = proto::S3Upload {
        access_key: "{access_key}".into(),
        metadata: [("myKey".to_owned(), "myValue".to_owned())].into(),
        ..Default::default()
    };
    let output = Some(proto::encoded_file_output::Output::S3(s3));
    let file = proto::EncodedFileOutput { output, file_type: 77, ..Default::default() };
    let request = proto::RoomCompositeEgressRequest { file_outputs: vec![file], ..Default::default() };
    let info = proto::EgressInfo {
        egress_id: "EG_1".into(),
        started_at: 1_700_000_000_000_000_000,
        request: Some(proto::egress_info::Request::RoomComposite(request)),
        file_results: vec![proto::FileInfo { size: 7, ..Default::default() }],
        ..Default::default()
    };
    let list = proto::ListEgressResponse { items: vec![info], next_page_token: None };
    let list: Json = serde_json::from_slice(&write(&list).unwrap()).unwrap();
    assert_eq!(list["next_page_token"], Json::Null);
    let info = &list["items"][0];
    assert_eq!((&info["egress_id"], &info["status"]), (&json!("EG_1"), &json!("EGRESS_STARTING")));
    assert_eq!((&info["started_at"], &info["error_code"]), (&json!("1700000000000000000"), &json!(0)));
    let file = &info["room_composite"]["file_outputs"][0];
    assert_eq!(file["file_type"], 77, "what the protocol has no name for");
    assert_eq!(file["s3"]["metadata"], json!({ "myKey": "myValue" }), "a caller's own keys stay");
    assert_eq!(file["s3"]["proxy"], Json::Null);
    assert_eq!(file["disable_manifest"], false);
    assert!(
        file.get("gcp").is_none() && info.get("egress").is_none(),
        "of several that exclude each other, the one"
    );
    assert_eq!(info["stream_results"], json!([]));
    assert_eq!(
        info["file_results"][0],
        json!({ "filename": "", "started_at": "0", "ended_at": "0", "duration": "0", "size": "7", "location": "" })
    );
    assert!(info.as_object().unwrap().keys().all(|key| !key.contains(char::is_uppercase)), "{info}");
}
