//! The layouts that come with the program.

use std::sync::LazyLock;

use super::{Layout, read};

const TEXTS: &[(&str, &str)] = &[
    ("grid", include_str!("../../../../layouts/stock/grid.json")),
    ("grid-light", include_str!("../../../../layouts/stock/grid-light.json")),
    ("speaker", include_str!("../../../../layouts/stock/speaker.json")),
    ("speaker-light", include_str!("../../../../layouts/stock/speaker-light.json")),
    ("single-speaker", include_str!("../../../../layouts/stock/single-speaker.json")),
    ("single-speaker-light", include_str!("../../../../layouts/stock/single-speaker-light.json")),
    ("side-by-side", include_str!("../../../../layouts/stock/side-by-side.json")),
    ("side-by-side-light", include_str!("../../../../layouts/stock/side-by-side-light.json")),
    ("picture-in-picture", include_str!("../../../../layouts/stock/picture-in-picture.json")),
    ("picture-in-picture-light", include_str!("../../../../layouts/stock/picture-in-picture-light.json")),
    ("grid-portrait", include_str!("../../../../layouts/stock/grid-portrait.json")),
    ("grid-portrait-light", include_str!("../../../../layouts/stock/grid-portrait-light.json")),
    ("speaker-portrait", include_str!("../../../../layouts/stock/speaker-portrait.json")),
    ("speaker-portrait-light", include_str!("../../../../layouts/stock/speaker-portrait-light.json")),
];

/// Names and texts of the stock documents, in the order of the list.
pub fn texts() -> impl Iterator<Item = (&'static str, &'static str)> {
    TEXTS.iter().copied()
}

/// The stock layouts, in the order of the list.
pub fn stock() -> &'static [Layout] {
    static STOCK: LazyLock<Vec<Layout>> =
        LazyLock::new(|| TEXTS.iter().filter_map(|(_, text)| read(text).ok()).collect());
    &STOCK
}

/// The stock layout that a name stands for, as LiveKit reads names: one that is there is itself; any other
/// counts by how it begins (`speaker`, `single-speaker`, all else the grid) and by `-light` at its end.
pub fn resolve(name: &str) -> &'static str {
    if let Some((known, _)) = TEXTS.iter().find(|(known, _)| *known == name) {
        return known;
    }
    let light = name.ends_with("-light");
    match name {
        _ if name.starts_with("speaker") => ["speaker", "speaker-light"][usize::from(light)],
        _ if name.starts_with("single-speaker") => {
            ["single-speaker", "single-speaker-light"][usize::from(light)]
        }
        _ => ["grid", "grid-light"][usize::from(light)],
    }
}
