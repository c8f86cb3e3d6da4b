//! A message into JSON, as Go's `protojson` writes it with `UseProtoNames` and `EmitUnpopulated`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage, Value};
use serde_json::{Map, Value as Json, json};

/// Writes a message.
pub fn message(message: &DynamicMessage) -> Json {
    let fields = message.descriptor();
    let fields = fields.fields().filter_map(|field| {
        let value = if message.has_field(&field) || !field.supports_presence() {
            written(&field, &message.get_field(&field))
        } else if field.containing_oneof().is_none() {
            Json::Null
        } else {
            return None;
        };
        Some((field.name().to_owned(), value))
    });
    Json::Object(fields.collect())
}

fn written(field: &FieldDescriptor, value: &Value) -> Json {
    match value {
        Value::List(items) => items.iter().map(|item| single(&field.kind(), item)).collect(),
        Value::Map(entries) => {
            let Kind::Message(entry) = field.kind() else { return Json::Null };
            let kind = entry.map_entry_value_field().kind();
            let entries = entries.iter().map(|(name, value)| (key(name), single(&kind, value)));
            Json::Object(entries.collect::<Map<_, _>>())
        }
        value => single(&field.kind(), value),
    }
}

fn single(kind: &Kind, value: &Value) -> Json {
    match value {
        Value::Message(message) => self::message(message),
        Value::EnumNumber(number) => {
            let known = kind.as_enum().and_then(|values| values.get_value(*number));
            known.map_or_else(|| json!(number), |value| json!(value.name()))
        }
        Value::Bool(value) => json!(value),
        Value::I32(value) => json!(value),
        Value::U32(value) => json!(value),
        // Numbers of JSON are exact up to 2^53 alone.
        Value::I64(value) => json!(value.to_string()),
        Value::U64(value) => json!(value.to_string()),
        Value::F32(value) => real(f64::from(*value)),
        Value::F64(value) => real(*value),
        Value::String(value) => json!(value),
        Value::Bytes(value) => json!(STANDARD.encode(value)),
        Value::List(_) | Value::Map(_) => unreachable!("neither is in a list or a map"),
    }
}

fn real(value: f64) -> Json {
    if value.is_nan() {
        json!("NaN")
    } else if value.is_infinite() {
        json!(if value > 0.0 { "Infinity" } else { "-Infinity" })
    } else {
        json!(value)
    }
}

fn key(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => key.clone(),
    }
}
