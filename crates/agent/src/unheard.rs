//! Connections whose answers are not heard: the client's SYN came, our SYN-ACK left with the virtual address as its
//! source, and was sent again because nothing came back. Somebody on the way may drop packets from that source. And
//! those whose answers are: their clients have acknowledged one.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;

/// The state of a connection request in /proc/net/tcp.
const SYN_RECV: &str = "03";

/// Once a SYN-ACK was acknowledged, a connection has one of these: ESTABLISHED, FIN_WAIT1, FIN_WAIT2, TIME_WAIT,
/// CLOSE_WAIT, LAST_ACK, CLOSING.
const HEARD: [&str; 7] = ["01", "04", "05", "06", "08", "09", "0B"];

/// What the tables of the kernel say of the connections to some addresses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hearing {
    /// How many wait for their client in vain.
    pub(crate) unheard: usize,
    /// Clients that have heard an answer.
    pub(crate) clients: BTreeSet<IpAddr>,
}

impl Hearing {
    /// Of these addresses.
    pub(crate) fn of(addresses: &BTreeSet<IpAddr>) -> Self {
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
        let lines = || tables.iter().flat_map(|table| table.lines());
        Self {
            unheard: lines().filter(|line| is_unheard(line, addresses)).count(),
            clients: lines().filter_map(|line| client_that_hears(line, addresses)).collect(),
        }
    }
}

/// The peer of a connection to one of these addresses, if it has answered.
fn client_that_hears(line: &str, addresses: &BTreeSet<IpAddr>) -> Option<IpAddr> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [_, local, peer, state, ..] = words.as_slice() else { return None };
    (HEARD.contains(state) && addresses.contains(&address(local)?)).then(|| address(peer))?
}

/// `3: 0A7100CB:0050 070200C0:9C40 03 00000000:00000000 01:00000031 00000002 …`: local end, peer, state, queues, timer,
/// how often it was sent again.
fn is_unheard(line: &str, addresses: &BTreeSet<IpAddr>) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [_, local, _, state, _, _, again, ..] = words.as_slice() else { return false };
    let is_again = u32::from_str_radix(again, 16).is_ok_and(|again| again > 0);
    *state == SYN_RECV && is_again && address(local).is_some_and(|address| addresses.contains(&address))
}

/// The words of an address as this machine has them in memory.
fn address(end: &str) -> Option<IpAddr> {
    let (digits, _) = end.split_once(':')?;
    let word = |at: usize| u32::from_str_radix(digits.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    if digits.len() == 8 {
        return Some(IpAddr::from(word(0)?));
    }
    let words = [word(0)?, word(8)?, word(16)?, word(24)?];
    Some(IpAddr::from(<[u8; 16]>::try_from(words.concat()).ok()?).to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_that_have_acknowledged_are_named() {
        let addresses = ["203.0.113.10"].map(|it| it.parse().unwrap()).into();
        for (line, client) in [
            ("3: 0A7100CB:0050 070200C0:9C40 01 00000000:00000000 01:00000031 00000000 0 0 0", Some("192.0.2.7")),
            ("3: 0A7100CB:0050 070200C0:9C40 06 00000000:00000000 03:00000031 00000000 0 0 0", Some("192.0.2.7")),
            (
                "3: 0000000000000000FFFF00000A7100CB:0050 0000000000000000FFFF0000070200C0:9C40 08 0:0 01:31 0 0 0 0",
                Some("192.0.2.7"),
            ),
            ("3: 0A7100CB:0050 070200C0:9C40 03 00000000:00000000 01:00000031 00000002 0 0 0", None),
            ("3: 0A7100CB:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 0", None),
            ("3: 0100007F:0050 070200C0:9C40 01 00000000:00000000 01:00000031 00000000 0 0 0", None),
        ] {
            // The words of an address are as they are in the memory of this machine.
            assert_eq!(client_that_hears(line, &addresses), client.map(|it| it.parse().unwrap()), "{line}");
        }
    }

    #[test]
    fn answers_sent_again_from_a_virtual_address_count() {
        let addresses = ["203.0.113.10", "2001:db8::10"].map(|it| it.parse().unwrap()).into();
        let rows = [
            ("3: 0A7100CB:0050 070200C0:9C40 03 00000000:00000000 01:00000031 00000002 0 0 0", true),
            ("3: 0A7100CB:0050 070200C0:9C40 03 00000000:00000000 01:00000031 00000000 0 0 0", false),
            ("3: 0A7100CB:0050 070200C0:9C40 01 00000000:00000000 01:00000031 00000002 0 0 0", false),
            ("3: 0100007F:0050 070200C0:9C40 03 00000000:00000000 01:00000031 00000002 0 0 0", false),
            (
                "5: B80D0120000000000000000010000000:0050 B80D0120000000000000000007000000:9C40 03 00000000:00000000 01:00000031 00000001 0 0 0",
                true,
            ),
            ("sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid", false),
        ];
        for (line, expected) in rows {
            assert_eq!(is_unheard(line, &addresses), expected, "{line}");
        }
    }
}
