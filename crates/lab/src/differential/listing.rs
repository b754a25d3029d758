//! ipvsadm's listings as lines of a transcript: names for addresses, one blank for many, nothing that only time decides.

use super::names::Names;

/// Times left are told up to a multiple of so many seconds.
const STEP: u64 = 10;

/// `-Ln` or `--stats`, without its titles.
pub(super) fn table(text: &str, names: &Names) -> Vec<String> {
    let rows = text.lines().filter(|line| {
        let first = line.split_whitespace().next().unwrap_or_default();
        matches!(first, "TCP" | "UDP" | "SCTP" | "FWM") || (first == "->" && !line.contains("RemoteAddress"))
    });
    rows.map(|line| squeeze(&names.text(line))).collect()
}

/// `-Lnc`: the connections of this scenario, sorted, with the time left rounded up.
pub(super) fn connections(text: &str, names: &Names) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().filter_map(|line| connection(&names.text(line))).collect();
    lines.sort();
    lines
}

fn connection(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [protocol, expires, state, source, service, server] = words.as_slice() else { return None };
    let (minutes, seconds) = expires.split_once(':')?;
    let left = minutes.parse::<u64>().ok()? * 60 + seconds.parse::<u64>().ok()?;
    let ours = service.starts_with("V:") || service.starts_with("W:");
    let left = left.div_ceil(STEP) * STEP;
    ours.then(|| format!("{protocol} {state} {source} > {service} > {server} for {left} s"))
}

fn squeeze(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::names::Party;
    use super::*;

    #[test]
    fn listings_lose_titles_addresses_and_seconds() {
        let names = Names::of("x/4m", false);
        let [v, s, c] = [Party::Virtual(0), Party::Server(1), Party::Client(1)].map(|party| names.address(party));
        let text = format!(
            "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port  \
             Forward\nTCP  {v}:80 rr\n  -> {s}:80      Masq    1      0          0         \n"
        );
        assert_eq!(table(&text, &names), ["TCP V:80 rr", "-> S1:80 Masq 1 0 0"]);
        let text = format!(
            "IPVS connection entries\npro expire state       source             virtual            destination\n\
             TCP 14:57  ESTABLISHED {c}:4000 {v}:80 {s}:80\nTCP 14:57  ESTABLISHED 1.2.3.4:4000 1.2.3.5:80 {s}:80\n"
        );
        assert_eq!(connections(&text, &names), ["TCP ESTABLISHED C1:4000 > V:80 > S1:80 for 900 s"]);
    }
}
