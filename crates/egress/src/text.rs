//! Texts of strangers, before they are told: a page, a track, a person or a server may say anything, at any length.

/// Most characters of a sentence that is told.
pub const SENTENCE: usize = 600;
/// Most characters of a technical cause.
pub const DETAIL: usize = 4000;

/// One line of it, of at most `most` characters, without what controls a terminal or turns the reading around.
pub fn line(text: impl Into<String>, most: usize) -> String {
    clean(text.into(), most, |c| if c.is_control() { ' ' } else { c })
}

/// All of it, of at most `most` characters; lines stay lines.
pub fn block(text: impl Into<String>, most: usize) -> String {
    clean(text.into(), most, |c| if c.is_control() && !matches!(c, '\n' | '\t') { ' ' } else { c })
}

fn clean(text: String, most: usize, plain: impl Fn(char) -> char) -> String {
    if text.len() <= most && text.chars().all(|c| plain(c) == c && !turns(c)) {
        return text;
    }
    let mut plain = text.chars().filter(|c| !turns(*c)).map(plain);
    let mut cut: String = plain.by_ref().take(most).collect();
    if plain.next().is_some() {
        cut.pop();
        cut.push('…');
    }
    cut
}

/// Whether a character changes the direction in which what follows is read: it would change what our own words around it
/// say.
fn turns(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_short_and_plain_stays() {
        assert_eq!(line("The disk is full.", SENTENCE), "The disk is full.");
        assert_eq!(line("Tür, 門, 🎙", SENTENCE), "Tür, 門, 🎙");
        assert_eq!(block("one\n\ttwo", DETAIL), "one\n\ttwo");
    }

    #[test]
    fn what_is_not_is_made_so() {
        assert_eq!(line("a\nb\u{1b}[31mc", 100), "a b [31mc");
        assert_eq!(line("abc\u{202e}fed", 100), "abcfed");
        assert_eq!(line("x".repeat(1000), 4), "xxx…");
        assert_eq!(line("ééééé", 4), "ééé…");
        assert_eq!(line("éééé", 4), "éééé");
    }

    proptest! {
        #[test]
        fn it_is_never_longer_and_twice_is_as_once(text in ".{0,50}", most in 1..40_usize) {
            let once = line(text.clone(), most);
            prop_assert!(once.chars().count() <= most);
            prop_assert!(!once.chars().any(char::is_control));
            prop_assert_eq!(line(once.clone(), most), once);
            let once = block(text, most);
            prop_assert_eq!(block(once.clone(), most), once);
        }
    }
}
