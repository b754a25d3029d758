//! `ipvsadm -Ln` as rows, and what changed between two of them.

use std::collections::BTreeMap;

/// Rows by what they are about: a service, or a server of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Table(BTreeMap<String, String>);

impl Table {
    /// Reads a listing. Counts of connections are left out.
    pub(super) fn read(listing: &str) -> Self {
        let mut rows = BTreeMap::new();
        let mut service = String::new();
        for line in listing.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                [protocol @ ("TCP" | "UDP" | "SCTP" | "FWM"), endpoint, rest @ ..] => {
                    service = format!("{protocol} {endpoint}");
                    rows.insert(service.clone(), rest.join(" "));
                }
                ["->", server, method, weight, _, _] if *server != "RemoteAddress:Port" => {
                    rows.insert(format!("{service} {server}"), format!("{method} {weight}"));
                }
                _ => {}
            }
        }
        Self(rows)
    }

    /// How many rows are servers'.
    pub(super) fn servers(&self) -> usize {
        // Protocol, service, server.
        self.0.keys().filter(|row| row.split(' ').count() == 3).count()
    }

    /// What is other in `self` than it was before, a line a row.
    pub(super) fn since(&self, before: &Self) -> Vec<String> {
        let subjects = self.0.keys().chain(before.0.keys().filter(|row| !self.0.contains_key(*row)));
        let of = |table: &Self, row: &String| table.0.get(row).cloned().unwrap_or_else(|| "-".to_owned());
        let changed = subjects.map(|row| (row, of(before, row), of(self, row))).filter(|(_, old, new)| old != new);
        changed.map(|(row, old, new)| format!("{row}: {old} => {new}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_row_by_row() {
        let head = "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n  -> \
                    RemoteAddress:Port           Forward Weight ActiveConn InActConn\nTCP  192.0.2.10:80 rr\n";
        let row = |server: &str, weight: u32| format!("  -> {server}:80 Masq    {weight}      0          7\n");
        let before = Table::read(&format!("{head}{}{}", row("10.1.0.1", 1), row("10.1.0.2", 1)));
        let after = Table::read(&format!("{head}{}{}", row("10.1.0.1", 0), row("10.1.0.3", 1)));
        let told = after.since(&before);
        assert_eq!(
            told,
            [
                "TCP 192.0.2.10:80 10.1.0.1:80: Masq 1 => Masq 0",
                "TCP 192.0.2.10:80 10.1.0.3:80: - => Masq 1",
                "TCP 192.0.2.10:80 10.1.0.2:80: Masq 1 => -"
            ]
        );
        assert_eq!((after.servers(), Table::read("").servers()), (2, 0));
        assert_eq!(Table::read("").since(&before).len(), 3);
    }
}
