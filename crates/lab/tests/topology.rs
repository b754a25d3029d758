//! The lab itself, proved without xlvs: by plain routing, and by nftables in the director's place (skips without nft).
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use lab::net::{Device, Namespace};
use lab::node::finish;
use lab::topology::address;
use lab::{Fabric, Family, Lab, Mode, Outcome, Scenario, Topology};
use std::net::SocketAddr;
use std::time::Duration;

#[test]
#[ignore = "needs root"]
fn servers_are_reached_by_plain_routing() {
    for topology in [Topology::point_to_point(Mode::Nat), Topology::bridged(Mode::Nat)] {
        let lab = Lab::build(topology).unwrap();
        for (family, server) in
            Family::ALL.iter().flat_map(|family| lab.servers.iter().map(move |server| (*family, server)))
        {
            let web = SocketAddr::new(server.address.of(family), 80);
            let answer = lab.client.get(web).unwrap();
            assert_eq!((answer.server.as_str(), answer.client), (server.name.as_str(), address::CLIENT.of(family)));
            assert!(lab.client.download(web, 1 << 20, |_| ()).unwrap());
            let echo = lab.client.echo(SocketAddr::new(server.address.of(family), 7), "hello").unwrap();
            assert_eq!(echo, (server.name.clone(), address::CLIENT.of(family)));
        }
        assert_eq!(lab.counters().unwrap().checksum_errors, 0, "{topology}");
    }
}

#[test]
#[ignore = "needs root"]
fn nat_topologies_carry_traffic() {
    for topology in [Topology::point_to_point(Mode::Nat), Topology::bridged(Mode::Nat), Topology::one_armed(Mode::Nat)]
    {
        let lab = Lab::build(topology).unwrap();
        for family in Family::ALL {
            let map = (1..=3).map(|number| format!("{} : {}", number - 1, topology.server(number).of(family)));
            let map = map.collect::<Vec<_>>().join(", ");
            let (ip, vip) = (word(family), address::VIRTUAL.of(family));
            nft(
                &lab.director,
                &format!(
                    "table {ip} standin {{ chain pre {{ type nat hook prerouting priority -100;
                   {ip} daddr {vip} dnat to numgen inc mod 3 map {{ {map} }}; }}; }}"
                ),
            );
            let outcome = check(&lab, family);
            assert_eq!(outcome.served_by.values().copied().collect::<Vec<_>>(), [100, 100, 100]);
            assert!(!outcome.hops[1].dst.contains(&vip.to_string()) && outcome.hops[1].dst.ends_with(":80"));
        }
    }
}

#[test]
#[ignore = "needs root"]
fn direct_routing_topologies_carry_traffic() {
    for topology in [Topology::point_to_point(Mode::Dr), Topology::bridged(Mode::Dr), Topology::one_armed(Mode::Dr)] {
        let lab = Lab::build(topology).unwrap();
        for family in Family::ALL {
            let vip = address::VIRTUAL.of(family);
            let rules = lab.servers.iter().enumerate().map(|(index, server)| {
                let theirs = mac(&server.host, "e0");
                let out = match (topology, topology.fabric) {
                    (_, Fabric::PointToPoint) => format!("d{}", index + 1),
                    (topology, _) if topology == Topology::bridged(Mode::Dr) => "d1".to_owned(),
                    _ => "d0".to_owned(),
                };
                let own = mac(&lab.director, &out);
                format!("meta mark {} ether daddr set {theirs} ether saddr set {own} fwd to {out};", index + 1)
            });
            let rules = rules.collect::<String>();
            nft(&lab.director, &format!(
                "table netdev standin{} {{ chain in {{ type filter hook ingress device d0 priority 0;
                   {} daddr {vip} meta l4proto {{ tcp, udp }} meta mark set jhash th sport mod 3 offset 1; {rules} }}; }}",
                family.number(),
                word(family),
            ));
            let outcome = check(&lab, family);
            assert_eq!(outcome.hops[1].dst, format!("{}", Scenario::usual(family).service()));
        }
    }
}

fn check(lab: &Lab, family: Family) -> Outcome {
    let scenario = Scenario { bulk: 8 << 20, ..Scenario::usual(family) };
    let outcome = scenario.drive(lab, "nft", |_| ()).unwrap();
    assert_eq!((outcome.ok, outcome.checksum_errors), (300, 0), "{}: {:?}", lab.topology, outcome.errors);
    assert!(outcome.bulk.ok, "{}: {:?}", lab.topology, outcome.errors);
    assert_eq!(outcome.client_seen.iter().copied().collect::<Vec<_>>(), [address::CLIENT.of(family)]);
    let places: Vec<_> = outcome.hops.iter().map(|hop| hop.at.split(' ').next_back().unwrap()).collect();
    assert_eq!(places, ["out", "in", "out", "in"], "{:?}", outcome.hops);
    let (served_by, seen) = scenario.echoes(lab, 30).unwrap();
    assert_eq!(served_by.values().sum::<usize>(), 30);
    assert_eq!(seen, outcome.client_seen);
    outcome
}

fn word(family: Family) -> &'static str {
    match family {
        Family::V4 => "ip",
        Family::V6 => "ip6",
    }
}

fn mac(host: &Namespace, device: &str) -> String {
    Device::new(host, device).mac().unwrap().0.map(|byte| format!("{byte:02x}")).join(":")
}

fn nft(host: &Namespace, rules: &str) {
    finish(host.command("nft").arg(rules), Duration::from_secs(10)).unwrap().success().unwrap();
}
