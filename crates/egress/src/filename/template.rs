//! Templates as they are written, before anything is filled in.

use super::system::System;
use super::{MAX_COMPONENT_BYTES, MAX_PATH_BYTES};
use crate::validate::RequestError;

/// Folders and name of a template. `a//b`, `a/./b` and `x/../a/b` are the same, and nothing leads further up than to
/// the beginning. The name is empty where there is none.
pub(super) fn split(template: &str, on: System) -> (Vec<&str>, &str) {
    let (mut folders, _) = folders(template, on);
    let name = if on.ends_a_folder(template) { None } else { folders.pop() };
    (folders, name.unwrap_or_default())
}

/// The folders of a template, its name with them; and whether they lead out of where they begin.
fn folders(template: &str, on: System) -> (Vec<&str>, bool) {
    let (mut folders, mut outside) = (Vec::new(), false);
    for part in template.split(|c| on.separates(c)) {
        match part {
            "" | "." => {}
            ".." => outside |= folders.pop().is_none(),
            part => folders.push(part),
        }
    }
    (folders, outside)
}

/// Whether a template can be a name at all, whatever is filled in. `behind`: how many bytes come behind it.
///
/// # Errors
/// It leads out of its folder, or holds what no file can be named.
pub(crate) fn check(field: &'static str, template: &str, behind: usize) -> Result<(), RequestError> {
    let on = System::HERE;
    let refuse = |message: &str, remedy: &str| Err(RequestError::field(field, message, remedy));
    if template.contains('\0') {
        return refuse("The file name holds a NUL character.", "Leave it out: no file can be named so.");
    }
    let (folders, outside) = folders(template, on);
    if outside {
        return refuse(
            "The file name leads out of the folder that recordings go to.",
            "Leave out the \"..\" that it begins with.",
        );
    }
    let longest = folders.iter().map(|part| fixed_bytes(part)).max().unwrap_or_default();
    let name = if on.ends_a_folder(template) { "" } else { folders.last().copied().unwrap_or_default() };
    if longest > MAX_COMPONENT_BYTES || fixed_bytes(name) + behind > MAX_COMPONENT_BYTES {
        return refuse(
            "A part of the file name is longer than 255 bytes, which is as long as a file system takes.",
            "Choose a shorter name.",
        );
    }
    if folders.iter().map(|part| fixed_bytes(part) + 1).sum::<usize>() > MAX_PATH_BYTES {
        return refuse("The file name and its folders are longer than 900 bytes.", "Choose shorter names.");
    }
    Ok(())
}

/// How many bytes of a part are there whatever is filled in.
fn fixed_bytes(part: &str) -> usize {
    let mut bytes = 0;
    let mut rest = part;
    while let Some((before, behind)) = rest.split_once('{') {
        bytes += before.len();
        // What is no placeholder stays as it is written; counted as one, it is let through and shortened later.
        rest = behind.split_once('}').map_or("", |(_, behind)| behind);
    }
    bytes + rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_cleaned_as_livekit_cleans_them() {
        let of = |template| split(template, System::Unix);
        assert_eq!(of("a//b/./c"), (vec!["a", "b"], "c"));
        assert_eq!(of("a/../f"), (vec![], "f"));
        assert_eq!(of("/a/b/"), (vec!["a", "b"], ""));
        assert_eq!(of("a/b/.."), (vec![], "a"));
        assert_eq!(of("a\\b"), (vec![], "a\\b"));
        assert_eq!(of(""), (vec![], ""));
        assert_eq!(split("a\\..\\b\\c", System::Windows), (vec!["b"], "c"));
    }

    #[test]
    fn only_what_leads_outside_or_cannot_be_written_is_refused() {
        let words = |template: &str| check("filepath", template, 4).map_err(|error| error.to_string());
        let refused = Err("request has missing or invalid field: filepath".to_owned());
        for good in
            ["", "/", "a/../b", "/abs/olute", ". a:|*?\"<>\\%#+ ", "\n\u{1F3A5}", "{room_name}/..x", "..."]
        {
            assert_eq!(words(good), Ok(()), "{good:?}");
        }
        for bad in ["..", "../x", "a/../../b", "/..", "a\0b", "{room_name}/../../x"] {
            assert_eq!(words(bad), refused, "{bad:?}");
        }
        assert_eq!(words(&"x".repeat(251)), Ok(()));
        assert_eq!(words(&"x".repeat(252)), refused);
        assert_eq!(words(&format!("{}/x", "y".repeat(255))), Ok(()));
        assert_eq!(words(&format!("{}/x", "y".repeat(256))), refused);
        assert_eq!(words(&"ab/".repeat(301)), refused);
        assert_eq!(words(&format!("{{room_name}}{}", "x".repeat(251))), Ok(()));
    }
}
