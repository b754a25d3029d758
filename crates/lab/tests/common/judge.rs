//! What the programs that need ICMP say of it, and tshark of what was recorded.

use lab::Lab;
use lab::capture::{KEPT, tshark};
use lab::net::Namespace;
use lab::node::{Xlvs, finish};
use std::time::Duration;

pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Runs a command on a host; what it says.
pub(crate) fn run(host: &Namespace, line: &str) -> String {
    let mut words = line.split_whitespace();
    let mut command = host.command(words.next().unwrap_or_default());
    finish(command.args(words), LIMIT).unwrap().success().unwrap()
}

pub(crate) fn counted(director: &Xlvs, name: &str) -> u64 {
    director.status().unwrap()["counters"][name].as_u64().unwrap()
}

/// tshark finds ICMP in what was recorded, and not one wrong checksum: with offloads, which leave those of TCP and UDP to
/// the last device, not one of IP and ICMP.
pub(crate) fn judge(lab: &Lab) {
    let (mut messages, mut wrong) = (0, Vec::new());
    for tap in lab.network.taps() {
        let seen = |filter: &str| tshark(tap, lab.network.work().path(), filter).unwrap();
        messages += seen("icmp.type == 3 || icmp.type == 11 || icmpv6.type < 128").len();
        // Packets longer than that are recorded in part, except for errors; and what errors quote is cut off by nature.
        let bad =
            |layers: &[&str]| layers.iter().map(|layer| format!("{layer}.checksum.status == 0")).collect::<Vec<_>>();
        let own = format!("({}) && frame.len != {KEPT}", bad(&["ip", "icmp", "icmpv6"]).join(" || "));
        let transport = format!("({}) && frame.len < {KEPT} && !icmp && !icmpv6", bad(&["tcp", "udp"]).join(" || "));
        let all = format!("({own}) || ({transport})");
        wrong.extend(seen(if lab.topology.offload { &own } else { &all }));
    }
    println!("tshark: {messages} ICMP errors recorded, {} packets with a wrong checksum", wrong.len());
    assert!(messages > 0, "no ICMP was recorded");
    assert!(wrong.is_empty(), "{wrong:#?}");
}
