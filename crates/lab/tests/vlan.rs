//! A client in a VLAN: its frames reach the director tagged, and answers by NAT come back so; servers see none of it.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use lab::capture::{KEPT, tshark};
use lab::net::{Device, TagPrograms};
use lab::node::{Entry, finish};
use lab::{Family, Lab, Mode, Topology};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);
const WRONG: &str = "ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0";

#[test]
#[ignore = "needs root"]
fn nat_serves_a_tagged_client() {
    prove(Mode::Nat);
}

#[test]
#[ignore = "needs root"]
fn direct_routing_serves_a_tagged_client() {
    prove(Mode::Dr);
}

/// XDP sees a tag only in the frame; to the tc lane the stack always gives it aside, which is the business of a VLAN's
/// own interface.
fn prove(mode: Mode) {
    let lab = Lab::build(Topology::point_to_point(mode)).unwrap();
    let mut ethtool = lab.client.host.command("ethtool");
    finish(ethtool.args(["-K", "c0", "txvlan", "off"]), LIMIT).unwrap().success().unwrap();
    let _tags = TagPrograms::attach(&Device::new(&lab.client.host, "c0"), 100).unwrap();
    let mut director = lab.director(Entry::Direct).unwrap().in_lane("xdp");
    director.start().unwrap();
    for family in Family::ALL {
        lab.clear_taps();
        common::prove_with(&lab, &director, family, "xdp");
        judge(&lab, family);
        director.ipvsadm("-C").unwrap();
    }
}

/// tshark finds the tag where it belongs, and only there; and not one wrong checksum.
fn judge(lab: &Lab, family: Family) {
    let mac = Device::new(&lab.client.host, "c0").mac().unwrap().0.map(|byte| format!("{byte:02x}")).join(":");
    let context = format!("{}, {family}", lab.topology);
    for tap in lab.network.taps() {
        let seen = |filter: &str| {
            let balanced = format!("({filter}) && (tcp || udp) && !icmp && !icmpv6");
            tshark(tap, lab.network.work().path(), &balanced).unwrap()
        };
        let none = |filter: &str| assert_eq!(seen(filter), Vec::<String>::new(), "{context}");
        let many = |filter: &str| assert!(seen(filter).len() > 100, "{context}: {filter}");
        none(&format!("({WRONG}) && frame.len < {KEPT}"));
        if tap.namespace().name() != lab.client.host.name() {
            none("vlan");
            continue;
        }
        many(&format!("vlan.id == 100 && eth.src == {mac}"));
        none(&format!("!vlan && eth.src == {mac}"));
        // Answers of direct routing come by the director's stack, which knows no VLAN.
        let (expected, other) = if lab.topology.mode == Mode::Nat { ("vlan", "!vlan") } else { ("!vlan", "vlan") };
        many(&format!("{expected} && eth.dst == {mac}"));
        none(&format!("{other} && eth.dst == {mac}"));
    }
}
