//! What has to hold of a document beyond its shape.

use std::collections::HashSet;

use super::Broken;
use super::document::{Group, Layout, Region, Variant, Who};

/// Fractions are written in decimal and added: 0.1 + 0.9 may come out a little over 1.
const SLACK: f64 = 1e-6;

/// Checks a document of the right shape.
///
/// # Errors
/// The first rule that is broken, in the order of the document.
pub fn check(layout: &Layout) -> Result<(), Broken> {
    regions("/regions", &layout.regions)?;
    for (i, variant) in layout.variants.iter().enumerate() {
        check_variant(&format!("/variants/{i}"), variant, layout)?;
    }
    Ok(())
}

/// Checks that every layout which a document refers to is there.
///
/// # Errors
/// The first one that is not.
pub fn references(layout: &Layout, known: impl Fn(&str) -> bool) -> Result<(), Broken> {
    for (i, variant) in layout.variants.iter().enumerate() {
        if let Some(name) = variant.layout.as_ref().filter(|name| !known(&name.0)) {
            let reason = format!("There is no layout called {}.", name.0);
            return Err(Broken::at(format!("/variants/{i}/layout"), reason));
        }
    }
    Ok(())
}

fn check_variant(at: &str, variant: &Variant, layout: &Layout) -> Result<(), Broken> {
    let when = &variant.when;
    let nothing = when.sharing.is_none()
        && when.pictures_at_least.is_none()
        && when.pictures_at_most.is_none()
        && when.frame.is_none();
    if nothing {
        let reason = "Say when: sharing, pictures_at_least, pictures_at_most or frame.";
        return Err(Broken::at(format!("{at}/when"), reason));
    }
    if let (Some(least), Some(most)) = (when.pictures_at_least, when.pictures_at_most)
        && least > most
    {
        let reason = "No number is at least pictures_at_least and at most pictures_at_most.";
        return Err(Broken::at(format!("{at}/when/pictures_at_most"), reason));
    }
    match (&variant.regions, &variant.layout) {
        (Some(list), None) => regions(&format!("{at}/regions"), list),
        (None, Some(name)) if *name == layout.name => {
            Err(Broken::at(format!("{at}/layout"), "A layout cannot give way to itself."))
        }
        (None, Some(_)) => Ok(()),
        _ => Err(Broken::at(at, "A variant has either regions or layout.")),
    }
}

fn regions(at: &str, list: &[Region]) -> Result<(), Broken> {
    let mut pinned = HashSet::new();
    for (i, region) in list.iter().enumerate() {
        let at = format!("{at}/{i}");
        if region.x + region.width > 1.0 + SLACK {
            let reason = "x and width together are more than 1: the region leaves the frame on the right.";
            return Err(Broken::at(format!("{at}/width"), reason));
        }
        if region.y + region.height > 1.0 + SLACK {
            let reason = "y and height together are more than 1: the region leaves the frame at the bottom.";
            return Err(Broken::at(format!("{at}/height"), reason));
        }
        group(&format!("{at}/who"), &region.who)?;
        for (k, who) in region.fallback.iter().enumerate() {
            group(&format!("{at}/fallback/{k}"), who)?;
        }
        if let Who::Pinned(person) = &region.who
            && !region.repeat
            && !pinned.insert(&person.identity)
        {
            let reason = "This person is pinned twice. To show somebody twice, say \"repeat\": true.";
            return Err(Broken::at(format!("{at}/who/pinned/identity"), reason));
        }
    }
    Ok(())
}

fn group(at: &str, who: &Who) -> Result<(), Broken> {
    let (name, Group { aspect, max_tiles, page_s, .. }) = match who {
        Who::Rest(group) => ("rest", group),
        Who::Everyone(group) => ("everyone", group),
        _ => return Ok(()),
    };
    if aspect.least > aspect.most {
        return Err(Broken::at(format!("{at}/{name}/aspect/most"), "most is smaller than least."));
    }
    if page_s.is_some() && max_tiles.is_none() {
        let reason = "Pages need max_tiles: how many are on one.";
        return Err(Broken::at(format!("{at}/{name}/page_s"), reason));
    }
    Ok(())
}
