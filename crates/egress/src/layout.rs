//! Layouts: documents that say what a program picture is made of.
//!
//! A document is JSON (`layouts/stock/*.json` are the ones that come with the program). It is checked in two
//! steps: its shape against the schema in `layouts/layout.schema.json`, which is generated from the types here
//! ([`schema`]), then what a schema cannot say ([`rules`]). Both steps exist a second time in the web
//! template, and `layouts/cases/broken.json` holds the two to the same words.
//!
//! How a document becomes places on the picture is told in `layouts/PLACEMENT.md`; `layouts/cases` are the
//! examples that every compositor has to meet.

pub mod document;
pub mod look;
pub mod rules;
pub mod schema;
pub mod stock;

use std::fmt;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

pub use document::Layout;
pub use stock::{resolve, stock};

/// Why a document is refused, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Broken {
    /// A JSON pointer (RFC 6901) to the place; empty for the document as a whole.
    pub path: String,
    /// One plain sentence for a producer.
    pub reason: String,
    /// Where the text is no JSON: the line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub line: Option<u32>,
    /// Where the text is no JSON: the column, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub column: Option<u32>,
}

impl Broken {
    /// At a place of the document.
    pub fn at(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into(), line: None, column: None }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column, self.path.as_str()) {
            (Some(line), Some(column), _) => write!(f, "line {line}, column {column}: {}", self.reason),
            (_, _, "") => f.write_str(&self.reason),
            (_, _, path) => write!(f, "{path}: {}", self.reason),
        }
    }
}

impl std::error::Error for Broken {}

/// Reads a document and checks all of it but its references ([`rules::references`]).
///
/// # Errors
/// The first thing that is wrong with it.
pub fn read(text: &str) -> Result<Layout, Broken> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| Broken {
        path: String::new(),
        reason: "This is not JSON: look for a missing comma, bracket or quotation mark just before."
            .to_owned(),
        line: u32::try_from(error.line()).ok(),
        column: u32::try_from(error.column()).ok(),
    })?;
    schema::check(&value)?;
    // The schema is made from the types, so what is left here is what the schema cannot know of serde.
    let layout: Layout = serde_json::from_value(value)
        .map_err(|error| Broken::at("", format!("This is no layout: {error}.")))?;
    rules::check(&layout)?;
    Ok(layout)
}
