//! Each check on a host that is well, and on one where a single thing is ill.

use super::host::Interface;
use super::namespace::Namespace;
use super::*;
use api::{Listing, Response};
use serde_json::json;

/// A host with a daemon, a NAT service and a card, where nothing is ill.
fn host() -> Host {
    let status = json!({"is": "status", "version": "0.1.0", "pid": 1, "generation": 3, "pin_directory": "/pins",
        "interfaces": [], "services": 1, "servers": 1, "connections": [], "counters": {}, "notes": []});
    let Ok(Response::Status(status)) = serde_json::from_value(status) else { panic!() };
    let listing = listing("nat", "via");
    let card = Interface {
        up: true,
        mtu: 1500,
        features: [("large-receive-offload".to_owned(), false)].into(),
        ..Interface::default()
    };
    Host {
        kernel: "6.12.0-rc1".into(),
        has_type_information: true,
        namespace: Namespace::Ours,
        daemon: Ok((status, listing)),
        interfaces: [("eth0".to_owned(), Some(card))].into(),
        addresses: vec![
            ("203.0.113.10".parse().unwrap(), 32, "eth0".into()),
            ("10.0.0.1".parse().unwrap(), 24, "eth1".into()),
        ],
        sysctls: [("ipv4/ip_forward".to_owned(), "1".to_owned())].into(),
        others: Vec::new(),
        rules: vec![
            "tcp dport 22 accept".into(),
            "ip saddr 192.0.2.0/24 drop".into(),
            "ip daddr 0.0.0.0/0 accept".into(),
        ],
    }
}

fn listing(method: &str, reach: &str) -> Listing {
    let counters = json!({"connections": 0, "in_packets": 0, "out_packets": 0, "in_bytes": 0, "out_bytes": 0});
    let reach = if reach == "via" {
        json!({"reach": "via", "interface": "eth1", "address": "02:00:00:00:00:09"})
    } else {
        json!({"reach": reach})
    };
    serde_json::from_value(json!({
        "services": [{
            "service": {"key": {"protocol": "tcp", "endpoint": "203.0.113.10:80"}, "options": {"scheduler": "rr"}, "servers": []},
            "servers": [{"server": {"endpoint": "10.0.0.11:80", "method": method, "weight": 1}, "reach": reach,
                "active": 0, "inactive": 0, "counters": counters, "rates": counters}],
            "owned": true, "counters": counters, "rates": counters,
        }],
        "timeouts": {"tcp": 900, "tcp_fin": 120, "udp": 300}, "connection_table_size": 1024,
    }))
    .unwrap()
}

/// Of a server behind a missing local address it is that which is named, not its next hop.
#[test]
fn a_local_address_that_is_missing_is_named() {
    let mut host = host();
    set(&mut host, "fullnat", "unresolved");
    if let Ok((_, known)) = &mut host.daemon {
        let fix = Some("ip address add 10.0.9.1/32 dev eth1".to_owned());
        let what = "local address 10.0.9.1 of its service is not an address of this node".to_owned();
        known.services[0].servers[0].obstacle = Some(api::Obstacle { what, fix });
    }
    let found = ills(&host).into_iter().find(|(_, check, _)| *check == "server").unwrap();
    assert!(found.2.contains("local address 10.0.9.1") && found.2.ends_with("| ip address add 10.0.9.1/32 dev eth1"));
    assert!(!found.2.contains("neigh"), "{found:?}");
}

/// What is ill, by check.
fn ills(host: &Host) -> Vec<(Level, &'static str, String)> {
    let findings = examine(host).into_iter().filter(|finding| finding.level != Level::Ok);
    findings.map(|it| (it.level, it.check, format!("{} | {}", it.what, it.fix))).collect()
}

#[test]
fn a_host_that_is_well() {
    let mut host = host();
    // Attached to nothing is the one thing that this status says.
    assert_eq!(ills(&host).iter().map(|(_, check, _)| *check).collect::<Vec<_>>(), ["daemon"]);
    host.daemon = Err("no daemon at /run/xlvs/xlvs.sock".into());
    let found = ills(&host);
    assert_eq!((found.len(), found[0].0, found[0].1), (1, Level::Warn, "daemon"));
    let checks: Vec<_> = checks::ALL.iter().map(|(name, _)| *name).collect();
    let found: Vec<_> = examine(&host).iter().map(|finding| finding.check).collect();
    assert!(checks.iter().all(|check| found.contains(check)), "each check says something: {found:?}");
}

/// A host whose status says this, too.
fn host_with(more: serde_json::Value) -> Host {
    let mut host = host();
    let (status, listing) = host.daemon.unwrap();
    let mut status = serde_json::to_value(Response::Status(status)).unwrap();
    status.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let Ok(Response::Status(status)) = serde_json::from_value(status) else { panic!() };
    host.daemon = Ok((status, listing));
    host
}

/// What the daemon counts and knows of lanes is told as `xlvs status` tells it.
#[test]
fn lanes_are_told_as_the_daemon_sees_them() {
    let interface = |lane: &str| {
        json!([{"name": "eth0", "index": 2, "lane": lane, "reason": "", "partial_checksums": 9,
            "recent_partial_checksums": 7}])
    };
    let unfinished = "eth0 has had 7 frames with an unfinished checksum";
    let told = |host: &Host| {
        let findings = examine(host).into_iter().filter(|finding| finding.check == "checksum");
        findings.map(|finding| (finding.level, finding.what)).collect::<Vec<_>>()
    };
    for (lane, level) in [("xdp", Level::Fail), ("tc", Level::Ok)] {
        let found = told(&host_with(json!({"interfaces": interface(lane)})));
        assert!(found.len() == 1 && found[0].0 == level && found[0].1.contains(unfinished), "{lane}: {found:?}");
    }
    let lossy = json!([{"interface": "eth1", "what": "what is sent is lost", "fix": "xlvs attach eth0 --lane tc"}]);
    let found = ills(&host_with(json!({"interfaces": interface("tc"), "lossy": lossy})));
    let expected = "eth1: what is sent is lost | xlvs attach eth0 --lane tc".to_owned();
    assert_eq!(found, [(Level::Fail, "lane", expected)]);
}

#[test]
fn each_illness_is_named_with_its_remedy() {
    type Break = fn(&mut Host);
    let rows: [(&str, Level, &str, Break); 17] = [
        ("kernel", Level::Fail, "install Linux 6.1", |host| host.kernel = "5.10.0-9".into()),
        ("kernel", Level::Warn, "CONFIG_DEBUG_INFO_BTF", |host| host.has_type_information = false),
        ("others", Level::Fail, "keepalived runs here", |host| {
            host.others = vec!["keepalived runs here (process 7)".into()]
        }),
        ("interface", Level::Fail, "eth7 does not exist", |host| drop(host.interfaces.insert("eth7".into(), None))),
        ("interface", Level::Fail, "ip link set eth0 up", |host| interface(host).up = false),
        ("xdp", Level::Fail, "xlvs attach eth0 --force", |host| interface(host).program = Some("katran".into())),
        ("lane", Level::Warn, "eth0 is a bridge", |host| interface(host).kind = "bridge".into()),
        ("offload", Level::Fail, "ethtool -K eth0 lro off", |host| {
            interface(host).features.insert("large-receive-offload".into(), true);
        }),
        ("offload", Level::Warn, "apt-get install ethtool", |host| interface(host).features.clear()),
        ("mtu", Level::Warn, "eth0 1500, eth1 9000", |host| {
            let other = Interface { mtu: 9000, ..interface(host).clone() };
            host.interfaces.insert("eth1".into(), Some(other));
        }),
        ("vip", Level::Fail, "ip address add 203.0.113.10/32 dev IF", |host| host.addresses.truncate(0)),
        ("vip", Level::Fail, "is on lo only", |host| host.addresses[0].2 = "lo".into()),
        ("server", Level::Fail, "10.0.0.11:80 of tcp 203.0.113.10:80", |host| set(host, "nat", "unresolved")),
        ("subnet", Level::Warn, "203.0.113.11 (NAT) and 203.0.113.10", |host| {
            host.addresses.push(("203.0.113.1".parse().unwrap(), 24, "eth2".into()));
            if let Ok((_, known)) = &mut host.daemon {
                known.services[0].servers[0].server.endpoint = "203.0.113.11:80".parse().unwrap();
            }
        }),
        ("daemon", Level::Fail, "nsenter --net=/proc/77/ns/net xlvs doctor", |host| {
            host.namespace = Namespace::Closed { error: "denied".into(), daemon: 77 };
        }),
        ("forwarding", Level::Warn, "net.ipv4.conf.eth1.accept_local=1", |host| set(host, "dr", "via")),
        ("firewall", Level::Warn, "marks packets: ", |host| host.rules.push("meta mark set 0x1".into())),
    ];
    for (check, level, what, change) in rows {
        let mut host = host();
        change(&mut host);
        let found: Vec<_> = ills(&host).into_iter().filter(|(.., what)| !what.contains("no interface")).collect();
        assert_eq!(found.len(), 1, "{check}: {found:?}");
        assert!(found[0].0 == level && found[0].1 == check && found[0].2.contains(what), "{what}: {found:?}");
    }
}

/// Balanced packets pass a host that does not route; answers that are too large for their way need one that does.
#[test]
fn a_director_by_nat_need_not_route_unless_its_links_differ() {
    let mut host = host();
    host.sysctls.clear();
    let forwarding = |host: &Host| ills(host).into_iter().any(|(_, check, _)| check == "forwarding");
    assert!(!forwarding(&host));
    let other = Interface { mtu: 9000, ..interface(&mut host).clone() };
    host.interfaces.insert("eth1".into(), Some(other));
    assert!(forwarding(&host));
}

fn interface(host: &mut Host) -> &mut Interface {
    host.interfaces.get_mut("eth0").unwrap().as_mut().unwrap()
}

fn set(host: &mut Host, method: &str, reach: &str) {
    if let Ok((_, known)) = &mut host.daemon {
        *known = listing(method, reach);
    }
}

#[test]
fn rules_that_name_what_is_balanced() {
    for (rule, expected) in [
        ("ip daddr 203.0.113.10 drop", true),
        ("ip daddr { 192.0.2.1, 203.0.113.10 } accept", true),
        ("-A INPUT -d 203.0.113.0/24 -j DROP", true),
        ("-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT", true),
        ("tcp dport 8080 accept", false),
        ("ip daddr 203.0.113.100 drop", false),
        ("policy accept", false),
    ] {
        let mut host = host();
        host.rules = vec![rule.into()];
        assert_eq!(ills(&host).iter().any(|(_, check, _)| *check == "firewall"), expected, "{rule}");
    }
}
