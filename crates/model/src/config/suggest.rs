//! What was probably meant.

use super::table::Keys;

/// Words of ipvsadm, keepalived and common sense, and how they are written here.
const TRANSLATIONS: &[(&str, &str)] = &[
    ("address", "listen"),
    ("algorithm", "scheduler"),
    ("alpha", "starts_down"),
    ("bindto", "bind_address"),
    ("bind_if", "bind_interface"),
    ("backends", "servers"),
    ("checks", "check"),
    ("connect_ip", "address"),
    ("connect_port", "port"),
    ("connect_timeout", "timeout"),
    ("delay_loop", "interval"),
    ("enable_sni", "sni"),
    ("endpoint", "listen"),
    ("every", "interval"),
    ("flags", "sched_flags"),
    ("forward", "method"),
    ("fwmark", "mark"),
    ("health", "check"),
    ("host", "address"),
    ("http_get", "http"),
    ("http_protocol", "version"),
    ("ip", "address"),
    ("inter", "interval"),
    ("lb_algo", "scheduler"),
    ("lb_kind", "method"),
    ("lvs_method", "method"),
    ("lvs_sched", "scheduler"),
    ("misc", "script"),
    ("mode", "method"),
    ("port", "listen"),
    ("protocol", "listen"),
    ("real_server", "servers"),
    ("real_servers", "servers"),
    ("retry", "fall"),
    ("retries", "fall"),
    ("sched", "scheduler"),
    ("scheduler_flags", "sched_flags"),
    ("ssl_get", "https"),
    ("tcpfin", "tcp_fin"),
    ("virtualhost", "host"),
    ("vip", "listen"),
    ("virtual_server", "service"),
];

/// The message for a key that is not known.
pub(super) fn unknown_key(name: &str, keys: &Keys) -> String {
    let shown = name.escape_debug();
    let place = keys.place;
    let known = keys.known.join(", ");
    if keys.planned.contains(&name.replace('-', "_").as_str()) {
        return format!("`{shown}` in {place} is not supported yet; remove it (supported: {known})");
    }
    match meant(name, keys.known) {
        Some(word) => format!("unknown key `{shown}` in {place}; did you mean `{word}`? (known: {known})"),
        None => format!("unknown key `{shown}` in {place}; known: {known}"),
    }
}

/// The candidate that `word` is a translation of, or a misspelling.
pub(crate) fn meant<'w>(word: &str, candidates: &[&'w str]) -> Option<&'w str> {
    let translated = TRANSLATIONS.iter().find(|(from, _)| *from == word).map(|(_, to)| *to);
    let found = candidates.iter().find(|candidate| Some(**candidate) == translated);
    found
        .or_else(|| {
            let near = candidates.iter().map(|candidate| (distance(word, candidate), candidate));
            let (edits, candidate) = near.min()?;
            (edits <= 1 + candidate.len() / 5).then_some(candidate)
        })
        .copied()
}

/// Letters to insert, remove or replace to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        for (cell, against) in row.iter_mut().skip(1).zip(other.chars()) {
            let replaced = diagonal + usize::from(letter != against);
            diagonal = *cell;
            left = replaced.min(*cell + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (one, other, edits) in [("", "", 0), ("abc", "", 3), ("weigth", "weight", 2), ("listn", "listen", 1)] {
            assert_eq!(distance(one, other), edits, "{one} {other}");
            assert_eq!(distance(other, one), edits, "{other} {one}");
        }
    }
}
