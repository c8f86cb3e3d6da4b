//! YAML as LiveKit reads it. Its parser (go-yaml) goes by the type of the field that a value is for: `yes` is a text for
//! a name and true for a switch, `0123` stays as it is written for a password, a key without a value is as good as
//! none; and maps take others in (`<<`).

use std::collections::HashSet;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;

/// A document, its anchors and merges resolved.
pub enum Node {
    /// Nothing: `~`, `null`, or no value.
    Null,
    /// A single value.
    Scalar {
        /// As it is written.
        text: String,
        /// What it is where nobody says what it should be.
        kind: Kind,
    },
    /// A list.
    List(Vec<Node>),
    /// A map.
    Map(Vec<(String, Node)>),
}

/// What a single value looks like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text,
}

/// Why a document cannot be used. It repeats no value: one of them may be a secret in the wrong place.
#[derive(Debug)]
pub struct Error {
    /// The keys that lead to the value, innermost first.
    path: Vec<String>,
    message: String,
}

impl Error {
    /// The keys that lead to the value, from the outermost on. Empty: it is the whole document.
    pub fn place(&self) -> String {
        let keys: Vec<&str> = self.path.iter().rev().map(String::as_str).collect();
        keys.join(".")
    }

    fn below(mut self, key: &str) -> Self {
        self.path.push(key.to_owned());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.place())?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { path: Vec::new(), message: message.to_string() }
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format!("{} where {expected} is expected", what(&found)))
    }

    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format!("{} that is not {expected}", what(&found)))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format!("none of {}", expected.join(", ")))
    }
}

/// What kind of value stands there, without the value.
fn what(found: &de::Unexpected<'_>) -> &'static str {
    use de::Unexpected::{Bool, Float, Map, Option, Seq, Signed, Str, Unit, Unsigned};
    match found {
        Bool(_) => "a boolean",
        Unsigned(_) | Signed(_) | Float(_) => "a number",
        Str(_) => "a text",
        Unit | Option => "nothing",
        Seq => "a list",
        Map => "a map",
        _ => "a value",
    }
}

/// Reads a text; of several documents in one, the first. An empty text is an empty map.
///
/// # Errors
/// It is not YAML.
pub fn parse(text: &str) -> Result<Node, Error> {
    let first = || yaml_serde::Deserializer::from_str(text).next();
    let broken = |error: yaml_serde::Error| match error.location() {
        Some(at) => de::Error::custom(format!("not YAML at line {} column {}", at.line(), at.column())),
        None => <Error as de::Error>::custom("not YAML"),
    };
    let Some(document) = first() else { return Ok(Node::Map(Vec::new())) };
    // Twice: once to see what is there, and once more, knowing that, to take single values as they are written.
    let shape = <Shape as Deserialize>::deserialize(document).map_err(broken)?;
    let Some(document) = first() else { return Ok(Node::Map(Vec::new())) };
    match shape.deserialize(document).map_err(broken)?.merged()? {
        Node::Null => Ok(Node::Map(Vec::new())),
        node => Ok(node),
    }
}

/// What a document is made of.
enum Shape {
    Null,
    Scalar(Kind),
    List(Vec<Shape>),
    Map(Vec<Shape>),
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Shapes)
    }
}

struct Shapes;

impl<'de> Visitor<'de> for Shapes {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Null)
    }

    fn visit_none<E>(self) -> Result<Shape, E> {
        Ok(Shape::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Shape, E> {
        Ok(Shape::Scalar(Kind::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Shape, E> {
        Ok(Shape::Scalar(Kind::Integer(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Shape, E> {
        Ok(Shape::Scalar(Kind::Integer(value.into())))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Shape, E> {
        Ok(Shape::Scalar(Kind::Integer(value)))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Shape, E> {
        Ok(Shape::Scalar(i128::try_from(value).map_or(Kind::Text, Kind::Integer)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Shape, E> {
        Ok(Shape::Scalar(Kind::Float(value)))
    }

    fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape::Scalar(Kind::Text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Shape, A::Error> {
        let mut shapes = Vec::new();
        while let Some(shape) = list.next_element()? {
            shapes.push(shape);
        }
        Ok(Shape::List(shapes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
        let mut shapes = Vec::new();
        while let Some((_, shape)) = map.next_entry::<String, Shape>()? {
            shapes.push(shape);
        }
        Ok(Shape::Map(shapes))
    }

    /// A value with a tag of its own (`!secret`), which means nothing here.
    fn visit_enum<A: de::EnumAccess<'de>>(self, _: A) -> Result<Shape, A::Error> {
        Err(de::Error::custom("a tag"))
    }
}

impl<'de> DeserializeSeed<'de> for Shape {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Node, D::Error> {
        match self {
            Self::Null => de::IgnoredAny::deserialize(from).map(|_| Node::Null),
            Self::Scalar(kind) => String::deserialize(from).map(|text| Node::Scalar { text, kind }),
            Self::List(shapes) => from.deserialize_seq(Shaped(shapes)),
            Self::Map(shapes) => from.deserialize_map(Shaped(shapes)),
        }
    }
}

struct Shaped(Vec<Shape>);

impl<'de> Visitor<'de> for Shaped {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what was there before")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut nodes = Vec::new();
        for shape in self.0 {
            nodes.extend(list.next_element_seed(shape)?);
        }
        Ok(Node::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut nodes = Vec::new();
        for shape in self.0 {
            if let Some(key) = map.next_key()? {
                nodes.push((key, map.next_value_seed(shape)?));
            }
        }
        Ok(Node::Map(nodes))
    }
}

impl Node {
    /// Takes in what `<<` names. What a map says itself counts, then what is named first.
    fn merged(self) -> Result<Self, Error> {
        match self {
            Self::List(nodes) => {
                Ok(Self::List(nodes.into_iter().map(Self::merged).collect::<Result<_, _>>()?))
            }
            Self::Map(nodes) => {
                let (mut own, mut others) = (Vec::new(), Vec::new());
                let mut known = HashSet::new();
                for (key, node) in nodes {
                    if key == "<<" {
                        others.push(node.merged()?);
                    } else if known.insert(key.clone()) {
                        let node = node.merged().map_err(|error| error.below(&key))?;
                        own.push((key, node));
                    } else {
                        return Err(<Error as de::Error>::custom("it is there twice").below(&key));
                    }
                }
                for other in others {
                    let maps = if let Self::List(maps) = other { maps } else { vec![other] };
                    for map in maps {
                        let Self::Map(nodes) = map else {
                            return Err(de::Error::custom("<< names something that is not a map"));
                        };
                        own.extend(nodes.into_iter().filter(|(key, _)| known.insert(key.clone())));
                    }
                }
                Ok(Self::Map(own))
            }
            same => Ok(same),
        }
    }

    fn unexpected(&self) -> de::Unexpected<'_> {
        match self {
            Self::Null => de::Unexpected::Unit,
            Self::Scalar { kind: Kind::Bool(value), .. } => de::Unexpected::Bool(*value),
            Self::Scalar { kind: Kind::Integer(_), .. } => de::Unexpected::Signed(0),
            Self::Scalar { kind: Kind::Float(value), .. } => de::Unexpected::Float(*value),
            Self::Scalar { text, .. } => de::Unexpected::Str(text),
            Self::List(_) => de::Unexpected::Seq,
            Self::Map(_) => de::Unexpected::Map,
        }
    }
}

/// A whole number, however it is written.
fn whole(kind: Kind) -> Option<i128> {
    match kind {
        Kind::Integer(value) => Some(value),
        Kind::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => Some(value as i128),
        _ => None,
    }
}

/// What YAML 1.1 takes for a boolean besides true and false, and 1.2 does not.
fn old_boolean(text: &str) -> Option<bool> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

fn visit_whole<'de, V: Visitor<'de>>(node: &Node, visitor: V) -> Result<V::Value, Error> {
    let value = match node {
        Node::Scalar { kind, .. } => whole(*kind),
        _ => None,
    };
    match value.map(|value| (u64::try_from(value), i64::try_from(value))) {
        Some((Ok(value), _)) => visitor.visit_u64(value),
        Some((_, Ok(value))) => visitor.visit_i64(value),
        _ => Err(de::Error::invalid_type(node.unexpected(), &visitor)),
    }
}

macro_rules! whole_numbers {
    ($($name:ident)*) => {
        $(fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visit_whole(&self, visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Node {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Null => visitor.visit_unit(),
            Self::Scalar { kind: Kind::Bool(value), .. } => visitor.visit_bool(value),
            Self::Scalar { kind: Kind::Integer(_), .. } => visit_whole(&self, visitor),
            Self::Scalar { kind: Kind::Float(value), .. } => visitor.visit_f64(value),
            Self::Scalar { text, .. } => visitor.visit_string(text),
            Self::List(nodes) => visitor.visit_seq(List { nodes: nodes.into_iter(), at: 0 }),
            Self::Map(nodes) => visitor.visit_map(Map { nodes: nodes.into_iter(), next: None }),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let value = match &self {
            Self::Scalar { kind: Kind::Bool(value), .. } => Some(*value),
            Self::Scalar { text, kind: Kind::Text } => old_boolean(text),
            _ => None,
        };
        match value {
            Some(value) => visitor.visit_bool(value),
            None => Err(de::Error::invalid_type(self.unexpected(), &visitor)),
        }
    }

    whole_numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self {
            Self::Scalar { kind: Kind::Float(value), .. } => visitor.visit_f64(*value),
            Self::Scalar { kind: Kind::Integer(value), .. } => visitor.visit_f64(*value as f64),
            _ => Err(de::Error::invalid_type(self.unexpected(), &visitor)),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_string(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Scalar { text, .. } => visitor.visit_string(text),
            other => Err(de::Error::invalid_type(other.unexpected(), &visitor)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Null => visitor.visit_none(),
            some => visitor.visit_some(some),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self {
            Self::Scalar { text, .. } => visitor.visit_enum(text.into_deserializer()),
            other => Err(de::Error::invalid_type(other.unexpected(), &visitor)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        char bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier
    }
}

struct List {
    nodes: std::vec::IntoIter<Node>,
    at: usize,
}

impl<'de> SeqAccess<'de> for List {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some(node) = self.nodes.next() else { return Ok(None) };
        self.at += 1;
        let at = self.at - 1;
        seed.deserialize(node).map(Some).map_err(|error| error.below(&at.to_string()))
    }
}

struct Map {
    nodes: std::vec::IntoIter<(String, Node)>,
    next: Option<(String, Node)>,
}

impl<'de> MapAccess<'de> for Map {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        // A key without a value is as good as none.
        self.next = self.nodes.find(|(_, node)| !matches!(node, Node::Null));
        let Some((key, _)) = &self.next else { return Ok(None) };
        let key: StrDeserializer<'_, Error> = key.as_str().into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let (key, node) = self.next.take().expect("serde asks for a value after its key");
        seed.deserialize(node).map_err(|error| error.below(&key))
    }
}

#[cfg(test)]
mod tests;
