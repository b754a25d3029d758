//! `nft list ruleset`

use super::rule::{Effect, Rule, number, port_range, prefix, target};

/// Where a line stands.
#[derive(Default)]
struct Nest {
    table: String,
    ipv6: Option<bool>,
    chain: Option<String>,
    is_for_answers: bool,
    /// Braces of a set or map that are open.
    inside: usize,
}

/// All rules, and policies that block, which are rules for everybody.
pub(super) fn read(text: &str) -> Vec<Rule> {
    let mut nest = Nest::default();
    let mut rules = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            _ if nest.inside > 0 => nest.inside = (nest.inside + line.matches('{').count()) - line.matches('}').count(),
            ["table", family, name, "{"] => {
                nest = Nest { table: format!("{family} {name}"), ipv6: family_of(family), ..Nest::default() };
            }
            ["chain", name, "{"] => (nest.chain, nest.is_for_answers) = (Some((*name).to_owned()), false),
            ["set" | "map" | "counter" | "flowtable" | "ct", .., "{"] => nest.inside = 1,
            ["}", ..] => nest.chain = None,
            ["type", _, "hook", hook, ..] => {
                nest.is_for_answers = matches!(*hook, "output" | "postrouting");
                rules.extend(policy(&nest, line));
            }
            words => rules.extend(read_rule(&nest, line, words)),
        }
    }
    rules
}

fn family_of(family: &str) -> Option<bool> {
    match family {
        "ip" => Some(false),
        "ip6" => Some(true),
        _ => None,
    }
}

impl Nest {
    fn rule(&self, text: &str) -> Option<Rule> {
        let place = format!("{} {}", self.table, self.chain.as_ref()?);
        let (ipv6, is_for_answers) = (self.ipv6, self.is_for_answers);
        Some(Rule { place, text: text.to_owned(), ipv6, is_for_answers, ..Rule::default() })
    }
}

fn policy(nest: &Nest, line: &str) -> Option<Rule> {
    let rule = nest.rule("policy drop")?;
    (line.contains("policy drop") && !nest.is_for_answers).then_some(Rule { effect: Effect::Block, ..rule })
}

fn read_rule(nest: &Nest, line: &str, words: &[&str]) -> Option<Rule> {
    let mut rule = nest.rule(line)?;
    for (place, word) in words.iter().enumerate() {
        let rest = words.get(place + 1..).unwrap_or(&[]);
        let before = place.checked_sub(1).and_then(|place| words.get(place)).copied().unwrap_or("");
        match *word {
            "daddr" if before == "ip" || before == "ip6" => rule.destinations.extend(values(rest).filter_map(prefix)),
            "saddr" if before == "ip" || before == "ip6" => rule.sources.extend(values(rest).filter_map(prefix)),
            "dport" => {
                rule.ports.extend(values(rest).filter_map(port_range));
                rule.protocol = Some(before.to_owned()).filter(|it| it != "th");
            }
            "protocol" | "l4proto" | "nexthdr" => {
                let mut named = values(rest);
                rule.protocol = named.next().filter(|_| named.next().is_none()).map(str::to_owned);
            }
            "dnat" => {
                rule.target = rest.iter().find(|word| !matches!(**word, "to" | "ip" | "ip6")).and_then(|it| target(it))
            }
            "iif" | "iifname" if rest.first().is_some_and(|it| it.trim_matches('"') == "lo") => return None,
            _ => {}
        }
    }
    rule.effect = effect(words);
    Some(rule)
}

/// The values of a match: one, or some in braces; none where it says what must not be.
fn values<'w>(rest: &'w [&'w str]) -> impl Iterator<Item = &'w str> {
    let is_list = rest.first() == Some(&"{");
    let values = if is_list { rest.get(1..).unwrap_or(&[]) } else { rest.get(..1).unwrap_or(&[]) };
    let values = values.iter().take_while(|word| **word != "}").map(|word| word.trim_end_matches(','));
    values.filter(|word| *word != "!=")
}

fn effect(words: &[&str]) -> Effect {
    let has = |word: &str| words.contains(&word);
    let follows = |first: &str, second: &str| words.windows(2).any(|pair| pair == [first, second]);
    let set = words.windows(3).find(|it| matches!(it, ["mark", "set", _])).and_then(|it| it.last());
    let is_limited = follows("limit", "rate") || follows("ct", "count") || has("quota");
    match () {
        () if set.is_some() => Effect::Mark(set.and_then(|mark| number(mark))),
        () if has("dnat") || has("redirect") || has("tproxy") => Effect::Translate,
        () if has("snat") || has("masquerade") => Effect::Source,
        () if has("notrack") => Effect::Untrack,
        () if is_limited && (has("drop") || has("reject") || has("accept")) => Effect::Limit,
        () if has("drop") || has("reject") => Effect::Block,
        () if has("accept") => Effect::Allow,
        () if has("return") => Effect::Nothing,
        () => Effect::Other,
    }
}
