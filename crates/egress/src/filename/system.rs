//! What a file system takes as a name: the one place where systems differ.

/// A kind of system, by what it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum System {
    /// Takes everything but `/` and NUL.
    Unix,
    /// Has `\\` for a separator too, characters and names that mean something else, and drops what ends a name.
    Windows,
}

impl System {
    /// The one that this is built for.
    pub const HERE: Self = if cfg!(windows) { Self::Windows } else { Self::Unix };

    /// Whether a character separates folders.
    pub fn separates(self, c: char) -> bool {
        c == '/' || self == Self::Windows && c == '\\'
    }

    /// Whether a path names a folder and nothing in it.
    pub fn ends_a_folder(self, path: &str) -> bool {
        path.ends_with(|c| self.separates(c))
    }

    /// The names in a path whose placeholders are filled in, as this system takes them. There is no way up among them,
    /// and no root.
    pub fn parts(self, path: &str) -> Vec<String> {
        let parts = path.split(|c| self.separates(c)).filter(|part| !matches!(*part, "" | "."));
        parts.map(|part| self.name(part)).filter(|name| !name.is_empty()).collect()
    }

    fn name(self, part: &str) -> String {
        match (self, part) {
            // Out of a value: in a template it has been resolved.
            (_, "..") => "__".to_owned(),
            (Self::Unix, part) => part.replace('\0', "_"),
            (Self::Windows, part) => on_windows(part),
        }
    }
}

/// A name that Windows takes, or nothing.
fn on_windows(name: &str) -> String {
    let allowed = |c: char| match c {
        '<' | '>' | ':' | '"' | '/' | '\\' | '|' | '?' | '*' => '_',
        c if c.is_control() => '_',
        c => c,
    };
    let name: String = name.chars().map(allowed).collect();
    // It drops dots and spaces at the end.
    let name = name.trim_end_matches(|c: char| c == '.' || c.is_whitespace());
    if is_device(name) { format!("_{name}") } else { name.to_owned() }
}

/// Whether Windows takes the name for a device, whatever its extension: `CON`, `nul.tar`, `COM1`.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end();
    if ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"]
        .iter()
        .any(|device| stem.eq_ignore_ascii_case(device))
    {
        return true;
    }
    let Some((port, number)) = stem.split_at_checked(3) else { return false };
    let mut number = number.chars();
    (port.eq_ignore_ascii_case("COM") || port.eq_ignore_ascii_case("LPT"))
        && matches!(number.next(), Some('0'..='9' | '¹' | '²' | '³'))
        && number.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_takes_everything_but_a_way_up() {
        let parts = |path| System::Unix.parts(path);
        assert_eq!(parts("/a//./b:|*?\"<>\\ /. c. "), ["a", "b:|*?\"<>\\ ", ". c. "]);
        assert_eq!(parts("../a/../..."), ["__", "a", "__", "..."]);
        assert_eq!(parts("a\0b/\n"), ["a_b", "\n"]);
        assert!(parts("").is_empty() && parts("/./").is_empty());
    }

    #[test]
    fn windows_takes_less() {
        let parts = |path| System::Windows.parts(path);
        assert_eq!(parts("C:\\windows\\x"), ["C_", "windows", "x"]);
        assert_eq!(parts("Q&A: what? <now> \"|*"), ["Q&A_ what_ _now_ ___"]);
        assert_eq!(parts("CON/nul.mp4/aux.tar/Con sole"), ["_CON", "_nul.mp4", "_aux.tar", "Con sole"]);
        assert_eq!(parts("COM1/lpt9/com¹/COM10"), ["_COM1", "_lpt9", "_com¹", "COM10"]);
        assert_eq!(parts("end. . ./x . /. ./.hidden"), ["end", "x", ".hidden"]);
        assert_eq!(parts("a\0b\nc\u{7f}d/..\\e"), ["a_b_c_d", "__", "e"]);
    }
}
