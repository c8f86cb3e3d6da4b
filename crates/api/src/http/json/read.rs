//! JSON into a message, as Go's `protojson` reads it with `DiscardUnknown`.

use std::fmt::{self, Display, Formatter};

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use prost_reflect::{
    DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value,
};
use serde::Deserialize;
use serde_json::{Number, Value as Json};

/// Why a message cannot be read. It says where and what would fit, and never repeats what stands there, which may be
/// a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreadable {
    /// It is no JSON at this place; both count from 1.
    Syntax {
        /// The line.
        line: usize,
        /// The byte in the line.
        column: usize,
    },
    /// A value does not fit its field.
    Field {
        /// The field's path, in the protocol's names: `file_outputs[0].s3.secret`. Empty for the message itself.
        path: String,
        /// What would fit.
        expected: &'static str,
    },
}

impl Display for Unreadable {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { line, column } => write!(f, "line {line}, column {column}"),
            Self::Field { path, expected } if path.is_empty() => write!(f, "expected {expected}"),
            Self::Field { path, expected } => write!(f, "{path}: expected {expected}"),
        }
    }
}

/// What a field wants instead.
type Expected = &'static str;

/// Where a value does not fit: names and places from the field outwards, and what would fit.
struct Misfit(Vec<String>, Expected);

impl Misfit {
    fn new(expected: Expected) -> Self {
        Self(Vec::new(), expected)
    }

    fn within(mut self, part: impl Into<String>) -> Self {
        self.0.push(part.into());
        self
    }

    fn path(&self) -> String {
        let mut path = String::new();
        for part in self.0.iter().rev() {
            if !path.is_empty() && !part.starts_with('[') {
                path.push('.');
            }
            path.push_str(part);
        }
        path
    }
}

/// Both alphabets of Base64, with and without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads a message.
///
/// # Errors
/// It is no JSON, or a value does not fit its field.
pub fn message(descriptor: &MessageDescriptor, body: &[u8]) -> Result<DynamicMessage, Unreadable> {
    // What follows the message is not looked at, as LiveKit's server has it.
    let json = Json::deserialize(&mut serde_json::Deserializer::from_slice(body))
        .map_err(|error| Unreadable::Syntax { line: error.line(), column: error.column() })?;
    object(descriptor, json).map_err(|misfit| Unreadable::Field { path: misfit.path(), expected: misfit.1 })
}

fn object(descriptor: &MessageDescriptor, json: Json) -> Result<DynamicMessage, Misfit> {
    let Json::Object(fields) = json else { return Err(Misfit::new("an object")) };
    let mut message = DynamicMessage::new(descriptor.clone());
    let mut seen = Vec::new();
    for (name, json) in fields {
        let field = descriptor.get_field_by_name(&name).or_else(|| descriptor.get_field_by_json_name(&name));
        // What is not known may be of a later version, and nothing is the same as the default.
        let Some(field) = field.filter(|_| !json.is_null()) else { continue };
        set(&mut message, &field, json, &mut seen).map_err(|misfit| misfit.within(field.name()))?;
    }
    Ok(message)
}

fn set(
    message: &mut DynamicMessage,
    field: &FieldDescriptor,
    json: Json,
    seen: &mut Vec<u32>,
) -> Result<(), Misfit> {
    if seen.contains(&field.number()) {
        return Err(Misfit::new("one value, and it is given in both spellings"));
    }
    let rivals = field.containing_oneof();
    if rivals.is_some_and(|rivals| rivals.fields().any(|rival| seen.contains(&rival.number()))) {
        return Err(Misfit::new("nothing, because another field that excludes it is given"));
    }
    seen.push(field.number());
    let value = if field.is_list() {
        Some(list(field, json)?)
    } else if field.is_map() {
        Some(map(field, json)?)
    } else {
        single(&field.kind(), json)?
    };
    if let Some(value) = value {
        message.set_field(field, value);
    }
    Ok(())
}

fn list(field: &FieldDescriptor, json: Json) -> Result<Value, Misfit> {
    let Json::Array(items) = json else { return Err(Misfit::new("a list")) };
    let kind = field.kind();
    let items = items.into_iter().enumerate().filter_map(|(at, json)| {
        single(&kind, json).map_err(|misfit| misfit.within(format!("[{at}]"))).transpose()
    });
    Ok(Value::List(items.collect::<Result<_, _>>()?))
}

fn map(field: &FieldDescriptor, json: Json) -> Result<Value, Misfit> {
    let (Json::Object(entries), Kind::Message(entry)) = (json, field.kind()) else {
        return Err(Misfit::new("an object"));
    };
    let (keys, values) = (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
    let entries = entries.into_iter().filter_map(|(key, json)| {
        let entry = map_key(&keys, key).and_then(|key| Ok(single(&values, json)?.map(|value| (key, value))));
        entry.transpose()
    });
    Ok(Value::Map(entries.collect::<Result<_, _>>()?))
}

fn map_key(kind: &Kind, key: String) -> Result<MapKey, Misfit> {
    let number = || whole(Json::String(key.clone()));
    Ok(match kind {
        Kind::Bool => MapKey::Bool(key.parse().map_err(|_| Misfit::new("true or false as keys"))?),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => MapKey::I32(fitting(number()?)?),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => MapKey::I64(fitting(number()?)?),
        Kind::Uint32 | Kind::Fixed32 => MapKey::U32(fitting(number()?)?),
        Kind::Uint64 | Kind::Fixed64 => MapKey::U64(fitting(number()?)?),
        _ => MapKey::String(key),
    })
}

/// A value that is neither a list nor a map; none for a word that its enum does not know.
fn single(kind: &Kind, json: Json) -> Result<Option<Value>, Misfit> {
    Ok(Some(match (kind, json) {
        (Kind::Message(descriptor), json) => Value::Message(object(descriptor, json)?),
        (Kind::Enum(values), json) => return named(values, json),
        (Kind::Bool, Json::Bool(value)) => Value::Bool(value),
        (Kind::Bool, _) => return Err(Misfit::new("true or false")),
        (Kind::String, Json::String(text)) => Value::String(text),
        (Kind::String, _) => return Err(Misfit::new("text")),
        (Kind::Bytes, Json::String(text)) => {
            let text = text.replace('-', "+").replace('_', "/");
            Value::Bytes(BASE64.decode(text).map_err(|_| Misfit::new("Base64"))?.into())
        }
        (Kind::Bytes, _) => return Err(Misfit::new("Base64")),
        (Kind::Double, json) => Value::F64(real(json)?),
        // The nearest of its size is what is meant.
        (Kind::Float, json) => Value::F32(real(json)? as f32),
        (Kind::Int32 | Kind::Sint32 | Kind::Sfixed32, json) => Value::I32(fitting(whole(json)?)?),
        (Kind::Int64 | Kind::Sint64 | Kind::Sfixed64, json) => Value::I64(fitting(whole(json)?)?),
        (Kind::Uint32 | Kind::Fixed32, json) => Value::U32(fitting(whole(json)?)?),
        (Kind::Uint64 | Kind::Fixed64, json) => Value::U64(fitting(whole(json)?)?),
    }))
}

fn named(values: &EnumDescriptor, json: Json) -> Result<Option<Value>, Misfit> {
    let number = match json {
        Json::String(word) => values.get_value_by_name(&word).map(|value| value.number()),
        number @ Json::Number(_) => Some(fitting(whole(number)?)?),
        _ => return Err(Misfit::new("a name or a whole number")),
    };
    Ok(number.map(Value::EnumNumber))
}

/// A number, or the text of one.
fn number(json: Json) -> Option<Number> {
    match json {
        Json::Number(number) => Some(number),
        // Serde skips white space around a number, which no text of a number has.
        Json::String(text) if !text.contains(char::is_whitespace) => serde_json::from_str(&text).ok(),
        _ => None,
    }
}

/// A whole number, also as `30.0` or `3e1`.
fn whole(json: Json) -> Result<i128, Misfit> {
    /// Up to here each whole number is one of `f64`'s.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let read = number(json).and_then(|number| {
        let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
        whole.or_else(|| {
            number.as_f64().filter(|real| real.fract() == 0.0 && real.abs() <= EXACT).map(|real| real as i128)
        })
    });
    read.ok_or(Misfit::new("a whole number"))
}

fn fitting<T: TryFrom<i128>>(number: i128) -> Result<T, Misfit> {
    T::try_from(number).map_err(|_| Misfit::new("a whole number that fits this field"))
}

fn real(json: Json) -> Result<f64, Misfit> {
    match json.as_str() {
        Some("NaN") => Ok(f64::NAN),
        Some("Infinity") => Ok(f64::INFINITY),
        Some("-Infinity") => Ok(f64::NEG_INFINITY),
        _ => number(json).and_then(|number| number.as_f64()).ok_or(Misfit::new("a number")),
    }
}
