//! How a tile looks. Lengths are fractions of the frame's shorter side where nothing else is said.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A colour: `#rrggbb`, or `#rrggbbaa` with opacity. sRGB.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
#[schemars(transparent, extend("format" = "colour"))]
pub struct Colour(#[schemars(regex(pattern = "^#([0-9a-fA-F]{6}|[0-9a-fA-F]{8})$"))] pub String);

impl Colour {
    /// Whether a text is a colour.
    pub fn fits(text: &str) -> bool {
        let digits = text.strip_prefix('#').unwrap_or_default();
        matches!(digits.len(), 6 | 8) && digits.bytes().all(|b| b.is_ascii_hexdigit())
    }

    /// Red, green, blue and opacity, 0 to 255; none if the text is no colour.
    pub fn rgba(&self) -> Option<[u8; 4]> {
        if !Self::fits(&self.0) {
            return None;
        }
        let part = |at: usize| u8::from_str_radix(self.0.get(at..at + 2)?, 16).ok();
        Some([part(1)?, part(3)?, part(5)?, part(7).unwrap_or(255)])
    }
}

/// How tiles look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Look {
    /// How a camera fills its tile.
    pub fit: Fit,
    /// How a shared screen fills its tile.
    pub screen_fit: Fit,
    /// What is behind a picture that does not fill its tile.
    pub backdrop: Colour,
    /// Radius of the corners.
    #[schemars(range(min = 0, max = 0.25))]
    pub corner: f64,
    /// The line around a tile.
    pub border: Border,
    /// Who it is.
    pub name_tag: NameTag,
    /// The line around whoever speaks.
    pub speaking_ring: Border,
    /// What is shown of somebody without a camera.
    pub camera_off: CameraOff,
    /// Whether the name tag shows that a microphone is off.
    pub muted_mark: bool,
}

/// What differs from the document's look.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LookChange {
    /// How a camera fills its tile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub fit: Option<Fit>,
    /// How a shared screen fills its tile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub screen_fit: Option<Fit>,
    /// What is behind a picture that does not fill its tile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub backdrop: Option<Colour>,
    /// Radius of the corners.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 0.25))]
    #[ts(optional)]
    pub corner: Option<f64>,
    /// The line around a tile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub border: Option<Border>,
    /// Who it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub name_tag: Option<NameTag>,
    /// The line around whoever speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub speaking_ring: Option<Border>,
    /// What is shown of somebody without a camera.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub camera_off: Option<CameraOff>,
    /// Whether the name tag shows that a microphone is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub muted_mark: Option<bool>,
}

impl Look {
    /// This look with what a region changes.
    pub fn with(&self, change: Option<&LookChange>) -> Self {
        let Some(change) = change.cloned() else { return self.clone() };
        let base = self.clone();
        Self {
            fit: change.fit.unwrap_or(base.fit),
            screen_fit: change.screen_fit.unwrap_or(base.screen_fit),
            backdrop: change.backdrop.unwrap_or(base.backdrop),
            corner: change.corner.unwrap_or(base.corner),
            border: change.border.unwrap_or(base.border),
            name_tag: change.name_tag.unwrap_or(base.name_tag),
            speaking_ring: change.speaking_ring.unwrap_or(base.speaking_ring),
            camera_off: change.camera_off.unwrap_or(base.camera_off),
            muted_mark: change.muted_mark.unwrap_or(base.muted_mark),
        }
    }
}

/// How a picture fills its tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// The tile is filled, and what is over at the sides is cut off.
    Crop,
    /// All of the picture is seen, with the backdrop beside it.
    Fit,
    /// A picture that is wider than high fills its tile (`crop`), any other is seen whole (`fit`), from one moment to
    /// the next where a phone is turned.
    Auto,
}

/// A line along the inside of a tile's edge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Border {
    /// 0 for none.
    #[schemars(range(min = 0, max = 0.1))]
    pub width: f64,
    /// Its colour.
    pub colour: Colour,
}

/// Who it is, in words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NameTag {
    /// In which corner of the tile.
    pub at: TagPlace,
    /// Height of the type. In a small tile it is smaller: a ninth of the tile's shorter side at most.
    #[schemars(range(min = 0.01, max = 0.2))]
    pub size: f64,
    /// Colour of the words.
    pub text: Colour,
    /// What is behind them.
    pub background: Colour,
}

/// Where a name tag is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TagPlace {
    /// Nowhere.
    None,
    /// Upper left.
    TopLeft,
    /// Upper right.
    TopRight,
    /// Lower left.
    BottomLeft,
    /// Lower right.
    BottomRight,
}

/// What is shown of somebody without a camera: a disc with initials.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CameraOff {
    /// What fills the tile.
    pub background: Colour,
    /// The disc. Each person always has the same one of these colours.
    #[schemars(length(min = 1, max = 32))]
    pub colours: Vec<Colour>,
    /// The initials.
    pub text: Colour,
}
