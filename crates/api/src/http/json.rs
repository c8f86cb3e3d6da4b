//! Answers as JSON in the form that LiveKit's server gives them: field names as in its protocol (`egress_id`),
//! and fields written that hold nothing. The crate of the protocol writes `egressId`, and leaves empty fields out.

use livekit_protocol as proto;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// A message whose empty fields are written.
pub trait Filled {
    /// Puts them in. The names are the protocol's already.
    fn fill(value: &mut Map<String, Value>);
}

/// Writes a message.
///
/// # Errors
/// It holds an enum value that its protocol does not know.
pub fn write<M: Serialize + Filled>(message: &M) -> serde_json::Result<Vec<u8>> {
    let mut value = named(serde_json::to_value(message)?);
    if let Value::Object(map) = &mut value {
        M::fill(map);
    }
    serde_json::to_vec(&value)
}

/// Fields whose keys are a caller's own and not names of fields.
const MAPS: [&str; 2] = ["metadata", "attributes"];

fn named(value: Value) -> Value {
    match value {
        Value::Array(list) => Value::Array(list.into_iter().map(named).collect()),
        Value::Object(map) => {
            let named = map.into_iter().map(|(key, value)| {
                let own = MAPS.contains(&key.as_str()) && value.is_object();
                (snake(&key), if own { value } else { self::named(value) })
            });
            Value::Object(named.collect())
        }
        other => other,
    }
}

fn snake(name: &str) -> String {
    // The one field whose name in the protocol is not in small letters.
    if name == "aliOSS" {
        return name.to_owned();
    }
    let mut text = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

fn put(map: &mut Map<String, Value>, empty: Value) {
    if let Value::Object(empty) = empty {
        for (key, value) in empty {
            map.entry(key).or_insert(value);
        }
    }
}

fn put_each(map: &mut Map<String, Value>, list: &str, empty: &Value) {
    if let Some(Value::Array(list)) = map.get_mut(list) {
        for item in list.iter_mut().filter_map(Value::as_object_mut) {
            put(item, empty.clone());
        }
    }
}

impl Filled for proto::EgressInfo {
    fn fill(map: &mut Map<String, Value>) {
        put(
            map,
            json!({
                "egress_id": "", "room_id": "", "room_name": "", "source_type": "EGRESS_SOURCE_TYPE_WEB",
                "status": "EGRESS_STARTING", "started_at": "0", "ended_at": "0", "updated_at": "0", "details": "",
                "error": "", "error_code": 0, "stream_results": [], "file_results": [], "segment_results": [],
                "image_results": [], "manifest_location": "", "backup_storage_used": false, "retry_count": 0,
            }),
        );
        let times = json!({ "started_at": "0", "ended_at": "0" });
        for list in ["stream_results", "file_results", "segment_results", "image_results"] {
            put_each(map, list, &times);
        }
        put_each(
            map,
            "file_results",
            &json!({ "filename": "", "duration": "0", "size": "0", "location": "" }),
        );
        put_each(
            map,
            "stream_results",
            &json!({ "url": "", "duration": "0", "status": "ACTIVE", "error": "", "last_retry_at": "0", "retries": 0 }),
        );
        put_each(
            map,
            "segment_results",
            &json!({
                "playlist_name": "", "live_playlist_name": "", "duration": "0", "size": "0",
                "playlist_location": "", "live_playlist_location": "", "segment_count": "0",
            }),
        );
        put_each(map, "image_results", &json!({ "filename_prefix": "", "image_count": "0" }));
    }
}

impl Filled for proto::ListEgressResponse {
    fn fill(map: &mut Map<String, Value>) {
        put(map, json!({ "items": [], "next_page_token": null }));
        if let Some(Value::Array(items)) = map.get_mut("items") {
            items.iter_mut().filter_map(Value::as_object_mut).for_each(proto::EgressInfo::fill);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_livekits_server_writes_it() {
        let s3 = proto::S3Upload {
            access_key: "{access_key}".into(),
            metadata: [("myKey".to_owned(), "myValue".to_owned())].into(),
            ..Default::default()
        };
        let file = proto::EncodedFileOutput {
            output: Some(proto::encoded_file_output::Output::S3(s3)),
            ..Default::default()
        };
        let request = proto::RoomCompositeEgressRequest { file_outputs: vec![file], ..Default::default() };
        let info = proto::EgressInfo {
            egress_id: "EG_1".into(),
            started_at: 1_700_000_000_000_000_000,
            request: Some(proto::egress_info::Request::RoomComposite(request)),
            file_results: vec![proto::FileInfo { size: 7, ..Default::default() }],
            ..Default::default()
        };
        let value: Value = serde_json::from_slice(&write(&info).unwrap()).unwrap();
        assert_eq!(value["egress_id"], "EG_1");
        assert_eq!(value["status"], "EGRESS_STARTING");
        assert_eq!(value["started_at"], "1700000000000000000");
        assert_eq!(value["error"], "");
        let s3 = &value["room_composite"]["file_outputs"][0]["s3"];
        assert_eq!(s3["access_key"], "{access_key}");
        assert_eq!(s3["metadata"], json!({ "myKey": "myValue" }), "a caller's own keys stay");
        assert_eq!(
            value["file_results"][0],
            json!({ "filename": "", "started_at": "0", "ended_at": "0", "duration": "0", "size": "7", "location": "" })
        );
        assert!(value.as_object().unwrap().keys().all(|key| !key.contains(char::is_uppercase)), "{value}");
        // What is written can be read: nothing was renamed that should not be.
        assert_eq!(serde_json::from_value::<proto::EgressInfo>(value).unwrap(), info);
    }

    #[test]
    fn a_list() {
        let list =
            proto::ListEgressResponse { items: vec![proto::EgressInfo::default()], next_page_token: None };
        let value: Value = serde_json::from_slice(&write(&list).unwrap()).unwrap();
        assert_eq!(value["items"][0]["status"], "EGRESS_STARTING");
        assert_eq!(snake("aliOSS"), "aliOSS");
    }
}
