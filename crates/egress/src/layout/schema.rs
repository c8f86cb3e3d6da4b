//! The schema of a document, and the check of a document's shape against it.
//!
//! The check walks the schema itself, as the web template's does, so both refuse the same documents in the
//! same words. It knows as much of JSON Schema as [`generate`] puts out, and nothing more.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::Broken;
use super::document::{Layout, LayoutName, NAME_MAX};
use super::look::Colour;

const TEXT: &str = include_str!("../../../../layouts/layout.schema.json");

static SCHEMA: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(TEXT).expect("a test compares the file with what is generated"));

/// The schema of [`Layout`], made from the types. `layouts/layout.schema.json` is what this returns.
pub fn generate() -> Value {
    let mut schema = schemars::schema_for!(Layout).to_value();
    leave_out_null(&mut schema);
    if let Some(object) = schema.as_object_mut() {
        object.insert("title".to_owned(), "Tallylight layout".into());
    }
    schema
}

/// What is not said is left out, never null: one way to write a thing is enough.
fn leave_out_null(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    object.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(mut any)) = object.remove("anyOf") {
                any.retain(|one| one.get("type").is_none_or(|name| name != "null"));
                for one in any {
                    if let Value::Object(fields) = one {
                        object.extend(fields);
                    }
                }
            }
            object.values_mut().for_each(leave_out_null);
        }
        Value::Array(list) => list.iter_mut().for_each(leave_out_null),
        _ => {}
    }
}

/// Checks the shape of a document.
///
/// # Errors
/// The first place that differs from the schema.
pub fn check(document: &Value) -> Result<(), Broken> {
    node(&SCHEMA, document, "")
}

fn node(schema: &Value, value: &Value, path: &str) -> Result<(), Broken> {
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let target = SCHEMA.pointer(target.trim_start_matches('#')).expect("the schema is whole");
        node(target, value, path)?;
    }
    if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
        return choice(choices, value, path);
    }
    if let Some(name) = schema.get("type").and_then(Value::as_str) {
        let (fits, wanted) = match name {
            "object" => (value.is_object(), "An object { … } is wanted here."),
            "array" => (value.is_array(), "A list [ … ] is wanted here."),
            "string" => (value.is_string(), "A text in quotation marks is wanted here."),
            "boolean" => (value.is_boolean(), "true or false is wanted here."),
            "integer" => (value.is_u64() || value.is_i64(), "A whole number is wanted here."),
            _ => (value.is_number(), "A number is wanted here."),
        };
        if !fits {
            return Err(Broken::at(path, wanted));
        }
    }
    match value {
        Value::Object(fields) => object(schema, fields, path),
        Value::Array(items) => array(schema, items, path),
        Value::String(text) => string(schema, text, path),
        Value::Number(number) => range(schema, number.as_f64().unwrap_or(f64::INFINITY), path),
        _ => Ok(()),
    }
}

/// A thing that is one of several, told apart by its word: a text, or an object with one field.
fn choice(choices: &[Value], value: &Value, path: &str) -> Result<(), Broken> {
    let word = match value {
        Value::String(word) => word,
        Value::Object(fields) if fields.len() == 1 => fields.keys().next().expect("there is one"),
        _ => return Err(Broken::at(path, format!("One of these is wanted here: {}.", words(choices)))),
    };
    for one in choices {
        if one.get("const").is_some_and(|c| c == word) {
            return if value.is_string() {
                Ok(())
            } else {
                Err(Broken::at(path, format!("{word} stands alone: write \"{word}\".")))
            };
        }
        if one.pointer("/required/0").is_some_and(|c| c == word) {
            return if value.is_object() {
                node(one, value, path)
            } else {
                Err(Broken::at(path, format!("More has to be said: {{ \"{word}\": … }}.")))
            };
        }
    }
    Err(Broken::at(path, format!("{word} is not known here. Known are: {}.", words(choices))))
}

fn words(choices: &[Value]) -> String {
    let word = |one: &Value| one.get("const").or_else(|| one.pointer("/required/0")).cloned();
    let list: Vec<_> =
        choices.iter().filter_map(word).filter_map(|w| w.as_str().map(str::to_owned)).collect();
    list.join(", ")
}

fn object(schema: &Value, fields: &Map<String, Value>, path: &str) -> Result<(), Broken> {
    let Some(known) = schema.get("properties").and_then(Value::as_object) else { return Ok(()) };
    for (name, value) in fields {
        let at = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
        let Some(schema) = known.get(name) else {
            let mut names: Vec<_> =
                known.keys().filter(|k| !k.starts_with('$')).map(String::as_str).collect();
            names.sort_unstable();
            let reason = format!("There is nothing called {name} here. There is: {}.", names.join(", "));
            return Err(Broken::at(at, reason));
        };
        node(schema, value, &at)?;
    }
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    for name in required.filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            return Err(Broken::at(path, format!("{name} is missing.")));
        }
    }
    Ok(())
}

fn array(schema: &Value, items: &[Value], path: &str) -> Result<(), Broken> {
    if bound(schema, "minItems").is_some_and(|least| (items.len() as f64) < least) {
        return Err(Broken::at(path, "This list is empty."));
    }
    if let Some(most) = bound(schema, "maxItems").filter(|most| items.len() as f64 > *most) {
        return Err(Broken::at(path, format!("Too many: {most} are the most.")));
    }
    let Some(each) = schema.get("items") else { return Ok(()) };
    items.iter().enumerate().try_for_each(|(i, item)| node(each, item, &format!("{path}/{i}")))
}

fn string(schema: &Value, text: &str, path: &str) -> Result<(), Broken> {
    match schema.get("format").and_then(Value::as_str) {
        Some("colour") if !Colour::fits(text) => {
            return Err(Broken::at(path, "This is no colour: write #rrggbb or #rrggbbaa."));
        }
        Some("layout-name") if !LayoutName::fits(text) => {
            let reason = format!("A name has small letters, digits and hyphens, {NAME_MAX} at most.");
            return Err(Broken::at(path, reason));
        }
        _ => {}
    }
    let length = text.chars().count() as f64;
    if bound(schema, "minLength").is_some_and(|least| length < least) {
        return Err(Broken::at(path, "This is empty."));
    }
    if let Some(most) = bound(schema, "maxLength").filter(|most| length > *most) {
        return Err(Broken::at(path, format!("Too long: {most} characters are the most.")));
    }
    Ok(())
}

fn range(schema: &Value, number: f64, path: &str) -> Result<(), Broken> {
    if let Some(least) = bound(schema, "minimum").filter(|least| number < *least) {
        return Err(Broken::at(path, format!("Too small: {least} is the least.")));
    }
    if let Some(most) = bound(schema, "maximum").filter(|most| number > *most) {
        return Err(Broken::at(path, format!("Too large: {most} is the most.")));
    }
    Ok(())
}

fn bound(schema: &Value, name: &str) -> Option<f64> {
    schema.get(name).and_then(Value::as_f64)
}
