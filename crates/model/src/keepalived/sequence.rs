//! `~SEQ(…)` and `~LST(…)` before the rest of a line, which is repeated with other values of a name.

use super::definitions::is_name;

/// What is set before one repetition: names and values.
pub(super) type Round = Vec<(String, String)>;

/// The rounds of a sequence, each made when its turn comes: a million of them take no room.
pub(super) type Rounds = Box<dyn Iterator<Item = Round>>;

/// A line that begins with a sequence: its rounds, and what is repeated. None where it begins with none.
pub(super) fn sequence(text: &str) -> Option<Result<(Rounds, &str), String>> {
    let (kind, inside) = text.strip_prefix('~')?.split_once('(')?;
    if !matches!(kind, "SEQ" | "SEQx" | "LST") {
        return None;
    }
    let Some((inside, rest)) = inside.split_once(')') else {
        return Some(Err("the parenthesis of this sequence is not closed; close it".to_owned()));
    };
    let rounds = if kind == "LST" { listed(inside) } else { counted(inside, kind == "SEQx") };
    Some(rounds.map(|rounds| (rounds, rest.trim_start())))
}

/// Most rounds of one sequence.
const MOST: i128 = 1 << 20;

/// `var, start, step, end`; the step may be missing, and the start.
fn counted(inside: &str, hexadecimal: bool) -> Result<Rounds, String> {
    let mut parts = inside.split(',').map(str::trim);
    let name = parts.next().filter(|name| is_name(name)).ok_or("a sequence needs a name; write ~SEQ(NAME, 1, 10)")?;
    let numbers: Vec<i64> = parts.map(number).collect::<Result<_, _>>()?;
    let (start, step, end) = match *numbers.as_slice() {
        [end] => (end.signum(), end.signum(), end),
        [start, end] => (start, if end >= start { 1 } else { -1 }, end),
        [start, step, end] => (start, step, end),
        _ => return Err("a sequence has one to three numbers; write ~SEQ(NAME, START, STEP, END)".to_owned()),
    };
    if step == 0 {
        return Err("a step of 0 never comes to its end; write another".to_owned());
    }
    if (i128::from(end) - i128::from(start)) / i128::from(step) >= MOST {
        return Err(format!("more than {MOST} values; write a shorter sequence"));
    }
    let reached = move |value: &i64| if step > 0 { *value <= end } else { *value >= end };
    let shown = move |value: i64| if hexadecimal { format!("{value:x}") } else { value.to_string() };
    let name = name.to_owned();
    let values = std::iter::successors(Some(start), move |value| value.checked_add(step)).take_while(reached);
    Ok(Box::new(values.map(move |value| vec![(name.clone(), shown(value))])))
}

fn number(text: &str) -> Result<i64, String> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (radix, digits) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) => (16, digits),
        None => (10, digits),
    };
    let value = if digits.starts_with(['-', '+']) { None } else { i64::from_str_radix(digits, radix).ok() };
    let value = value.and_then(|value| if negative { value.checked_neg() } else { Some(value) });
    value.ok_or_else(|| format!("`{text}` is no number of a sequence; write digits, or 0x and hex digits"))
}

/// `var, val1, val2, …`, or `{var1, var2}, {a1, a2}, …`.
fn listed(inside: &str) -> Result<Rounds, String> {
    let mut tuples = tuples(inside)?.into_iter();
    let names = tuples.next().filter(|names| names.iter().all(|name| is_name(name)));
    let names = names.ok_or("a list needs a name; write ~LST(NAME, VALUE, VALUE)")?;
    let rounds: Vec<Round> = tuples
        .map(|values| {
            if values.len() != names.len() {
                let (values, names) = (values.join(","), names.join(","));
                return Err(format!("`{values}` are not as many values as `{names}` are names"));
            }
            Ok(names.iter().cloned().zip(values).collect())
        })
        .collect::<Result<_, String>>()?;
    if rounds.is_empty() {
        return Err("a list needs values; write ~LST(NAME, VALUE, VALUE)".to_owned());
    }
    Ok(Box::new(rounds.into_iter()))
}

/// Parts between commas; what is in braces is one part of several.
fn tuples(inside: &str) -> Result<Vec<Vec<String>>, String> {
    let mut parts = Vec::new();
    let mut rest = inside.trim();
    while !rest.is_empty() {
        let part;
        (part, rest) = match rest.strip_prefix('{') {
            Some(braced) => braced.split_once('}').ok_or("a brace of this list is not closed; close it")?,
            None => rest.split_at(rest.find(',').unwrap_or(rest.len())),
        };
        parts.push(part.split(',').map(|value| value.trim().to_owned()).collect());
        rest = rest.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let (rounds, rest) = sequence(text).unwrap().unwrap();
        let rounds = rounds.map(|round| {
            round.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("+")
        });
        format!("{}|{rest}", rounds.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn sequences_count() {
        assert_eq!(shown("~SEQ(A, 0, 3) x $A"), "A=0 A=1 A=2 A=3|x $A");
        assert_eq!(shown("~SEQ(A,168,2,172)y"), "A=168 A=170 A=172|y");
        assert_eq!(shown("~SEQ(A, 3) x"), "A=1 A=2 A=3|x");
        assert_eq!(shown("~SEQ(A, 2, 0) x"), "A=2 A=1 A=0|x");
        assert_eq!(shown("~SEQ(A, 5, 1, 2) x"), "|x");
        assert_eq!(shown("~SEQx(A, 0x90, 0x10, 0xb0) ~SEQ(B, 1) z"), "A=90 A=a0 A=b0|~SEQ(B, 1) z");
    }

    #[test]
    fn lists_list() {
        assert_eq!(shown("~LST(A, 1, x, 3) w"), "A=1 A=x A=3|w");
        assert_eq!(shown("~LST({A, B}, {10,1},{20,4}) w"), "A=10+B=1 A=20+B=4|w");
    }

    #[test]
    fn what_cannot_be_says_why() {
        for (text, why) in [
            ("~SEQ(A, 1, 0, 3) x", "step of 0"),
            ("~SEQ(A, 1, 3 x", "not closed"),
            ("~SEQ(1, 3) x", "needs a name"),
            ("~SEQ(A, one) x", "`one` is no number"),
            ("~SEQ(A, 1, 2, 3, 4) x", "one to three numbers"),
            ("~SEQ(A, 1, 99999999) x", "shorter sequence"),
            ("~SEQ(A, -9223372036854775807, 9223372036854775807) x", "shorter sequence"),
            ("~SEQ(A, --9223372036854775808) x", "`--9223372036854775808` is no number"),
            ("~SEQ(A, 0x-5) x", "`0x-5` is no number"),
            ("~LST(A) x", "needs values"),
            ("~LST({A,B}, {1}) x", "not as many values"),
            ("~LST({A,B, {1}) x", "needs a name"),
        ] {
            let error = sequence(text).unwrap().err().unwrap();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(sequence("weight 1").is_none());
    }
}
