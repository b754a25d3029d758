//! What strangers said, in one line that harms no terminal.

/// Most characters of what one of them said, and of all that is said of a check.
const LONGEST: usize = 120;
const LONGEST_LINE: usize = 400;

/// A part of an answer.
pub(super) fn said(bytes: &[u8]) -> String {
    cut(&String::from_utf8_lossy(bytes), LONGEST)
}

/// All that is told of a check or a script, whoever the words are from.
pub(in crate::health) fn line(text: &str) -> String {
    cut(text, LONGEST_LINE)
}

/// Characters that a terminal obeys, or that turn the rest of a line around, are written as numbers.
fn cut(text: &str, longest: usize) -> String {
    let mut rest = text.chars();
    let mut line: String = rest.by_ref().take(longest).flat_map(escaped).collect();
    if rest.next().is_some() {
        line.push('…');
    }
    line
}

fn escaped(character: char) -> Vec<char> {
    match character {
        '\\' | '"' | '\'' => vec![character],
        other => other.escape_debug().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        assert_eq!(said(b"\x1b]0;owned\x07 \x9b2J\r\n"), "\\u{1b}]0;owned\\u{7} \u{fffd}2J\\r\\n");
        assert_eq!(said("\u{202e}txt \u{9b}2J é".as_bytes()), "\\u{202e}txt \\u{9b}2J é");
        // Said twice, it is the same.
        let once = line("it's \"C:\\temp\"\t`x`");
        assert_eq!(once, "it's \"C:\\temp\"\\t`x`");
        assert_eq!(line(&once), once);
    }

    #[test]
    fn long_words_are_cut() {
        assert_eq!(said(&[b'x'; LONGEST]), "x".repeat(LONGEST));
        assert_eq!(said(&[b'x'; 5000]), format!("{}…", "x".repeat(LONGEST)));
    }
}
