//! The document. Lengths are fractions, never pixels: places and sizes of regions of the frame's own width and
//! height, everything else (gaps, corners, type) of the frame's shorter side, so that a document looks the same
//! at every size and on its side.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::look::{Colour, Look, LookChange};

/// The format that this program reads and writes.
pub const FORMAT: u32 = 1;

/// Longest name of a layout, characters.
pub const NAME_MAX: usize = 64;

/// A layout document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// For editors: where the schema is. Not looked at.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub schema: Option<String>,
    /// The version of this format: 1.
    #[schemars(range(min = 1, max = 1))]
    pub format: u32,
    /// What it is called in requests and as a file: small letters, digits and hyphens.
    pub name: LayoutName,
    /// What the producer reads in the list.
    #[schemars(length(min = 1, max = 80))]
    pub title: String,
    /// The shape of frame it is made for. A hint for the list: it is drawn in any.
    pub frame: FrameHint,
    /// What is behind everything.
    pub background: Background,
    /// How tiles look, unless their region says otherwise.
    pub look: Look,
    /// Where people go. Later ones lie above earlier ones.
    #[schemars(length(min = 1, max = 32))]
    pub regions: Vec<Region>,
    /// Other regions for certain moments; the first whose `when` holds is used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[ts(as = "Option<Vec<Variant>>", optional)]
    pub variants: Vec<Variant>,
    /// How the picture goes over to the next arrangement.
    pub transition: Transition,
}

impl Layout {
    /// Whether its background is light.
    pub fn is_light(&self) -> bool {
        let colour = match &self.background {
            Background::Colour(colour) => colour,
            Background::Gradient(gradient) => &gradient.from,
        };
        // Weights of BT.709.
        let luma = |[red, green, blue, _]: [u8; 4]| {
            0.2126 * f64::from(red) + 0.7152 * f64::from(green) + 0.0722 * f64::from(blue)
        };
        colour.rgba().is_some_and(|rgba| luma(rgba) > 127.0)
    }
}

/// The name of a layout: small letters, digits and hyphens, a letter or digit first.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS, JsonSchema)]
#[schemars(transparent, extend("format" = "layout-name"))]
pub struct LayoutName(#[schemars(regex(pattern = "^[a-z0-9][a-z0-9-]{0,63}$"))] pub String);

impl LayoutName {
    /// Whether a text can be a layout's name. Such a name is safe in a path and in an address.
    pub fn fits(text: &str) -> bool {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        text.len() <= NAME_MAX && text.starts_with(plain) && text.chars().all(|c| plain(c) || c == '-')
    }
}

/// The shape of frame a layout is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FrameHint {
    /// Wider than high.
    Landscape,
    /// Higher than wide.
    Portrait,
    /// Both.
    Any,
}

/// What is behind everything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Background {
    /// One colour.
    Colour(Colour),
    /// Two colours, one going over into the other.
    Gradient(Gradient),
}

/// Two colours, one going over into the other along a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gradient {
    /// Where the line begins.
    pub from: Colour,
    /// Where it ends.
    pub to: Colour,
    /// Which way the line goes, degrees clockwise: 0 up, 90 to the right, 180 down. It is as long as it takes
    /// for the frame's corners to have the pure colours.
    #[schemars(range(min = 0, max = 360))]
    pub angle_deg: f64,
}

/// A rectangle of the frame, and who goes there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// Left edge, fraction of the frame's width.
    #[schemars(range(min = 0, max = 1))]
    pub x: f64,
    /// Upper edge, fraction of the frame's height.
    #[schemars(range(min = 0, max = 1))]
    pub y: f64,
    /// Fraction of the frame's width.
    #[schemars(range(min = 0.01, max = 1))]
    pub width: f64,
    /// Fraction of the frame's height.
    #[schemars(range(min = 0.01, max = 1))]
    pub height: f64,
    /// Kept free inside each edge, fraction of the frame's shorter side.
    #[serde(default)]
    #[schemars(range(min = 0, max = 0.25))]
    #[ts(as = "Option<f64>", optional)]
    pub inset: f64,
    /// Who goes there.
    pub who: Who,
    /// Who goes there instead while there is nobody: tried in order. None: the background shows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[ts(as = "Option<Vec<Who>>", optional)]
    pub fallback: Vec<Who>,
    /// Whether somebody may be shown here who is shown elsewhere too.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub repeat: bool,
    /// What differs here from the document's look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub look: Option<LookChange>,
}

/// Who goes into a region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// The screen that was shared last.
    ScreenShare,
    /// Whoever speaks. A second such region shows who spoke before, and so on.
    ActiveSpeaker(ActiveSpeaker),
    /// One person, by identity.
    Pinned(Pinned),
    /// The n-th of the people who are there, in the order in which they joined.
    Person(Nth),
    /// Everything that no other region shows: further screens, then people as they joined.
    Rest(Group),
    /// All screens and people, shown elsewhere or not.
    Everyone(Group),
}

/// Whoever speaks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActiveSpeaker {
    /// How long the picture stays with somebody at least, milliseconds.
    #[schemars(range(min = 0, max = 60000))]
    pub hold_ms: u32,
}

/// One person, by identity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pinned {
    /// The identity in the room, exactly.
    #[schemars(length(min = 1, max = 256))]
    pub identity: String,
}

/// A person by number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nth {
    /// Counted from 1.
    #[schemars(range(min = 1, max = 1000))]
    pub n: u32,
}

/// Several tiles in a grid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Between tiles, fraction of the frame's shorter side.
    #[serde(default)]
    #[schemars(range(min = 0, max = 0.25))]
    #[ts(as = "Option<f64>", optional)]
    pub gap: f64,
    /// The shapes a tile may have.
    pub aspect: Aspect,
    /// The most tiles at once. Without it the grid shrinks until all have a place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    #[ts(optional)]
    pub max_tiles: Option<u32>,
    /// Seconds until the next page, where there are more than `max_tiles`. Without it whoever speaks takes the
    /// place of the one who has been silent longest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    #[ts(optional)]
    pub page_s: Option<f64>,
}

/// The shapes a tile may have: width divided by height.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Aspect {
    /// The narrowest.
    #[schemars(range(min = 0.25, max = 4))]
    pub least: f64,
    /// The widest.
    #[schemars(range(min = 0.25, max = 4))]
    pub most: f64,
}

/// Other regions for certain moments. Has either `regions` or `layout`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// The moment.
    pub when: When,
    /// What is used then in place of the document's regions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    #[ts(optional)]
    pub regions: Option<Vec<Region>>,
    /// Another layout that is drawn then, its look and background too. Of that one, variants that lead on to a
    /// third layout are passed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub layout: Option<LayoutName>,
}

/// A moment: everything that is said must hold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// Somebody shares a screen, or nobody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub sharing: Option<bool>,
    /// So many pictures or more: people and screens together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    #[ts(optional)]
    pub pictures_at_least: Option<u32>,
    /// So many pictures or fewer: people and screens together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    #[ts(optional)]
    pub pictures_at_most: Option<u32>,
    /// The frame has this shape. A square counts as landscape.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub frame: Option<FrameShape>,
}

/// The shape of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FrameShape {
    /// Wider than high, or square.
    Landscape,
    /// Higher than wide.
    Portrait,
}

/// How the picture goes over to the next arrangement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Transition {
    /// How long it takes, milliseconds. 0 is a cut.
    #[schemars(range(min = 0, max = 5000))]
    pub ms: u32,
    /// How its speed changes.
    pub easing: Easing,
}

/// How far a transition is at the share t of its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Easing {
    /// t.
    Linear,
    /// 1 − (1 − t)³: quick, then slower.
    EaseOut,
    /// 4t³ in the first half, 1 − 4(1 − t)³ in the second: slow at both ends.
    EaseInOut,
}
