//! `iptables-save`

use super::rule::{Effect, Rule, number, port_range, prefix, target};

/// Matches that limit by rate or number.
const LIMITS: [&str; 5] = ["limit", "hashlimit", "connlimit", "recent", "quota"];

/// All rules, and policies that block, which are rules for everybody.
pub(super) fn read(text: &str) -> Vec<Rule> {
    let mut table = "filter";
    let mut rules = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('*') {
            table = name;
        } else if let Some(chain) = line.strip_prefix(':') {
            rules.extend(policy(table, chain));
        } else if let Some(rule) = line.strip_prefix("-A ") {
            rules.extend(read_rule(table, rule));
        }
    }
    rules
}

/// `INPUT DROP [0:0]`
fn policy(table: &str, line: &str) -> Option<Rule> {
    let (chain, rest) = line.split_once(' ')?;
    let blocks = rest.starts_with("DROP") && chain != "OUTPUT";
    let place = format!("{table} {chain}");
    blocks.then(|| Rule { place, text: "policy DROP".to_owned(), effect: Effect::Block, ..Rule::default() })
}

fn read_rule(table: &str, text: &str) -> Option<Rule> {
    let (chain, rest) = text.split_once(' ')?;
    let words: Vec<&str> = rest.split_whitespace().collect();
    let mut rule = Rule {
        place: format!("{table} {chain}"),
        text: rest.trim().to_owned(),
        is_for_answers: matches!(chain, "OUTPUT" | "POSTROUTING"),
        ..Rule::default()
    };
    let mut is_limited = false;
    let mut is_negated = false;
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        let mut value = || words.peek().copied().unwrap_or("");
        match word {
            "!" => {
                is_negated = true;
                continue;
            }
            // What it is not for narrows nothing here.
            _ if is_negated => {}
            "-d" | "--destination" => rule.destinations.extend(value().split(',').filter_map(prefix)),
            "-s" | "--source" => rule.sources.extend(value().split(',').filter_map(prefix)),
            "-p" | "--protocol" => rule.protocol = Some(value().to_owned()),
            "--dport" | "--dports" | "--destination-port" => {
                rule.ports.extend(value().split(',').filter_map(port_range));
            }
            "--to-destination" | "--on-ip" => rule.target = target(value()),
            "-i" if value() == "lo" => return None,
            "-m" => is_limited |= LIMITS.contains(&value()),
            "-j" | "-g" => rule.effect = effect(value()),
            "--set-xmark" | "--set-mark" | "--or-mark" if matches!(rule.effect, Effect::Mark(_)) => {
                rule.effect = Effect::Mark(number(value()));
            }
            _ => {}
        }
        is_negated = false;
    }
    if is_limited && matches!(rule.effect, Effect::Allow | Effect::Block) {
        rule.effect = Effect::Limit;
    }
    Some(rule)
}

fn effect(target: &str) -> Effect {
    match target {
        "ACCEPT" => Effect::Allow,
        "DROP" | "REJECT" | "TARPIT" => Effect::Block,
        "MARK" | "CONNMARK" => Effect::Mark(None),
        "DNAT" | "REDIRECT" | "TPROXY" | "NETMAP" => Effect::Translate,
        "SNAT" | "MASQUERADE" => Effect::Source,
        "NOTRACK" | "CT" => Effect::Untrack,
        "RETURN" => Effect::Nothing,
        _ => Effect::Other,
    }
}
