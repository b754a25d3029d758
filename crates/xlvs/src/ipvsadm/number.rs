//! Numbers as ipvsadm reads them: decimal, with leading blanks and a sign allowed, nothing after them.

use std::ops::RangeInclusive;

/// The number in `text`, if it is one and in `range`.
pub(crate) fn parse(text: &str, range: RangeInclusive<i64>) -> Option<i64> {
    let digits = text.trim_start_matches(|blank: char| blank == ' ' || ('\t'..='\r').contains(&blank));
    // `i64::from_str` knows the sign and the digits, and refuses all else, overflow included.
    let number = digits.parse().ok()?;
    range.contains(&number).then_some(number)
}

/// The number that `text` begins with, whatever follows, as C's `atoi` reads it.
pub(crate) fn leading(text: &str) -> Option<i64> {
    let digits = text.trim_start_matches(|blank: char| blank == ' ' || ('\t'..='\r').contains(&blank));
    let sign = usize::from(digits.starts_with(['+', '-']));
    let after = digits.get(sign..)?.find(|digit: char| !digit.is_ascii_digit());
    digits.get(..after.map_or(digits.len(), |after| sign + after))?.parse().ok()
}

/// The number in `text` for a field of 16 bits.
pub(crate) fn parse_u16(text: &str, range: RangeInclusive<i64>) -> Option<u16> {
    parse(text, range)?.try_into().ok()
}

/// The number in `text` for a field of 32 bits.
pub(crate) fn parse_u32(text: &str, range: RangeInclusive<i64>) -> Option<u32> {
    parse(text, range)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_numbers() {
        for (text, expected) in
            [("64", Some(64)), (" +5x", Some(5)), ("-3 4", Some(-3)), ("x", None), ("", None), ("-", None)]
        {
            assert_eq!(leading(text), expected, "{text:?}");
        }
    }

    #[test]
    fn numbers() {
        for (text, expected) in [
            ("5", Some(5)),
            ("00", Some(0)),
            ("+5", Some(5)),
            (" 5", Some(5)),
            ("\t5", Some(5)),
            ("65535", Some(65535)),
            ("65536", None),
            ("-1", None),
            ("5 ", None),
            ("5x", None),
            ("0x5", None),
            ("", None),
            ("+", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(parse(text, 0..=65535), expected, "{text:?}");
        }
    }
}
