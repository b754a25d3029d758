//! Each check on a host that is well, and on one where a single thing is ill.

use super::*;
use crate::network::{Link, LocalAddress, Route};
use dataplane::AgentState;
use model::{
    Decapsulation, RealServerSetup,
    real_server::{GUE_PORT, TOA_KINDS},
};
use std::time::Duration;

/// A real server of direct routing where nothing is ill.
fn host() -> Host {
    let virtual_addresses: Vec<IpAddr> = ["203.0.113.10", "2001:db8::10"].map(|it| it.parse().unwrap()).into();
    let setup = RealServerSetup {
        mode: ServerMode::Dr,
        virtual_addresses: virtual_addresses.iter().copied().collect(),
        directors: ["10.0.0.1".parse().unwrap()].into(),
        interface: None,
        decapsulation: Decapsulation::Bpf,
        gue_port: GUE_PORT,
        cgroup: None,
        toa_kinds: TOA_KINDS,
    };
    let link = |name: &str| Link { name: name.into(), up: true, mtu: 1500, loopback: name == "lo" };
    let out = |interface, gateway: &str| Some(Route { interface, gateway: gateway.parse().ok(), local: false });
    let on_lo = |address: &IpAddr| LocalAddress { interface: 1, address: *address, length: 32 };
    let local = |address: &IpAddr| (*address, Route { interface: 1, gateway: None, local: true });
    Host {
        setup,
        links: [(1, link("lo")), (2, link("eth0")), (3, link("eth1"))].into(),
        addresses: virtual_addresses.iter().map(on_lo).collect(),
        sysctls: [("arp_ignore", 1), ("arp_announce", 2), ("rp_filter", 0)]
            .map(|(name, value)| (format!("ipv4/conf/all/{name}"), value))
            .into(),
        routes: virtual_addresses
            .iter()
            .map(local)
            .chain([("10.0.0.1".parse().unwrap(), out(2, "").unwrap())])
            .collect(),
        programs: None,
        running: Default::default(),
        since: Default::default(),
        age: Duration::from_secs(90),
        hearing: Default::default(),
        outward: [out(2, "10.0.0.254"), out(2, "fd00::fe")],
    }
}

/// What is ill after `spoil`: by check, with the fix.
fn ills(spoil: impl FnOnce(&mut Host)) -> Vec<(&'static str, Level, String)> {
    let mut host = host();
    spoil(&mut host);
    let findings = examine(&host).into_iter().filter(|finding| finding.level != Level::Ok);
    findings.map(|finding| (finding.check, finding.level, finding.fix)).collect()
}

fn set(host: &mut Host, name: &str, value: u32) {
    host.sysctls.insert(format!("ipv4/conf/{name}"), value);
}

fn one(ills: &[(&'static str, Level, String)], check: &str, level: Level, fix: &str) {
    let [(name, found, command)] = ills else { panic!("{ills:?}") };
    assert_eq!((*name, *found), (check, level));
    assert!(command.contains(fix), "{command}");
}

#[test]
fn a_good_server_is_well() {
    assert_eq!(ills(|_| ()), []);
    assert!(examine(&host()).iter().any(|finding| finding.what == "203.0.113.10 is on lo"));
}

#[test]
fn an_address_that_is_missing_or_elsewhere_is_named() {
    let take_off = |host: &mut Host| {
        host.addresses.retain(|it| it.address.is_ipv6());
        host.routes.remove(&IpAddr::from([203, 0, 113, 10]));
    };
    one(&ills(take_off), "vip", Level::Fail, "real-server up");
    let mut bare = host();
    take_off(&mut bare);
    assert!(
        examine(&bare).iter().all(|finding| finding.check != "route"),
        "what is not there has no route to speak of"
    );
    let elsewhere = ills(|host| host.addresses[0].interface = 2);
    one(&elsewhere, "vip", Level::Fail, "ip address del 203.0.113.10/32 dev eth0");
}

#[test]
fn an_interface_that_answers_is_named() {
    let spoiled = ills(|host| set(host, "all/arp_ignore", 0));
    assert_eq!(spoiled.len(), 2, "{spoiled:?}");
    assert!(spoiled.iter().all(|(.., fix)| *fix == host().setup.command()), "`down` undoes it: {spoiled:?}");
    let loud = ills(|host| set(host, "all/arp_ignore", 3));
    assert!(loud.iter().all(|(.., fix)| *fix == host().setup.command()), "{loud:?}");
    let both = ills(|host| {
        set(host, "all/arp_ignore", 3);
        set(host, "eth1/arp_ignore", 8);
    });
    assert_eq!(both[1].2, "sysctl -w net.ipv4.conf.eth1.arp_ignore=1 net.ipv4.conf.all.arp_ignore=1");
    let one_only = ills(|host| set(host, "eth1/arp_ignore", 3));
    one(&one_only, "arp", Level::Fail, "net.ipv4.conf.eth1.arp_ignore=1");
    let mute = ills(|host| set(host, "eth1/arp_ignore", 8));
    one(&mute, "arp", Level::Warn, "net.ipv4.conf.eth1.arp_ignore=1");
    let announcing = ills(|host| {
        set(host, "all/arp_announce", 0);
        set(host, "eth0/arp_announce", 2);
    });
    one(&announcing, "arp", Level::Fail, "xlvs real-server up --mode dr");
}

#[test]
fn ways_that_are_missing_or_wrong_are_named() {
    let lost = ills(|host| host.routes.values_mut().for_each(|route| route.local = false));
    assert_eq!(lost.len(), 2, "{lost:?}");
    assert_eq!(lost[0].2, "ip address del 203.0.113.10/32 dev lo && ip address add 203.0.113.10/32 dev lo");
    one(&ills(|host| host.outward[0] = None), "route", Level::Warn, "ip route add default");
    one(&ills(|host| host.outward[1] = None), "route", Level::Warn, "ip -6 route add default");
    let through = ills(|host| {
        host.setup.directors = ["10.0.0.0/24".parse().unwrap()].into();
    });
    one(&through, "gateway", Level::Warn, "replace default");
    // A client behind it that hears answers proves that it lets them through; a neighbour or a check proves nothing.
    let heard_by = |client: &str| {
        ills(|host| {
            host.setup.directors = ["10.0.0.0/24".parse().unwrap()].into();
            host.addresses.push(LocalAddress { interface: 2, address: [10, 0, 7, 2].into(), length: 24 });
            host.hearing.clients.insert(client.parse().unwrap());
        })
    };
    assert_eq!(heard_by("198.51.100.7"), []);
    for client in ["10.0.7.9", "10.0.0.254", "2001:db8:9::7"] {
        one(&heard_by(client), "gateway", Level::Warn, "replace default");
    }
}

#[test]
fn a_strict_filter_matters_only_where_packets_come_in_but_do_not_go_out() {
    let strict = |host: &mut Host| set(host, "all/rp_filter", 1);
    assert_eq!(ills(strict), []);
    let aside = ills(|host| {
        strict(host);
        host.outward[0].as_mut().unwrap().interface = 3;
    });
    one(&aside, "rp_filter", Level::Fail, "net.ipv4.conf.eth0.rp_filter=2");
    let loose = ills(|host| {
        strict(host);
        host.outward[0].as_mut().unwrap().interface = 3;
        set(host, "eth0/rp_filter", 2);
    });
    assert_eq!(loose, []);
}

/// The same host as a server of tunnels.
fn tunnels(host: &mut Host) {
    host.setup.mode = ServerMode::Tun;
    host.links.get_mut(&2).unwrap().mtu = 1600;
    let attached = [("decapsulate", ["eth0".to_owned()].into())].into();
    host.programs = Some(AgentState { attached, ..AgentState::default() });
}

#[test]
fn tunnels_need_programs_trust_and_room() {
    assert_eq!(ills(tunnels), []);
    let spoiled = |spoil: fn(&mut Host)| {
        ills(|host| {
            tunnels(host);
            spoil(host);
        })
    };
    one(&spoiled(|host| host.programs = None), "programs", Level::Fail, "real-server up");
    let detached = spoiled(|host| host.programs.as_mut().unwrap().attached.clear());
    one(&detached, "programs", Level::Fail, "real-server up");
    let small = spoiled(|host| host.links.get_mut(&2).unwrap().mtu = 1500);
    one(&small, "mtu", Level::Warn, "ip link set eth0 mtu 1552");
    let strangers = spoiled(|host| host.programs.as_mut().unwrap().counters = [("tunnel_untrusted", 3)].into());
    one(&strangers, "director", Level::Warn, "--director");
    let astray = spoiled(|host| host.programs.as_mut().unwrap().counters = [("tunnel_to_other_port", 3)].into());
    one(&astray, "director", Level::Warn, "--tun-port 6080");
}

#[test]
fn full_nat_needs_a_cgroup_and_clients_that_are_named() {
    let full_nat = |host: &mut Host, cgroup, counters: &[(&'static str, u64)]| {
        host.setup.mode = ServerMode::FullNat;
        host.setup.virtual_addresses.clear();
        host.addresses.clear();
        let counters = counters.iter().copied().collect();
        let attached = [("datagrams_in", ["eth0".to_owned()].into())].into();
        host.programs = Some(AgentState { attached, cgroup, counters });
    };
    assert_eq!(ills(|host| full_nat(host, Some(1), &[("toa_in_syn", 9)])), []);
    let aside = ills(|host| {
        full_nat(host, Some(1), &[]);
        set(host, "all/rp_filter", 1);
        host.outward[0].as_mut().unwrap().interface = 3;
    });
    one(&aside, "rp_filter", Level::Warn, "net.ipv4.conf.eth0.rp_filter=2");
    one(&ills(|host| full_nat(host, None, &[])), "programs", Level::Fail, "real-server up");
    let forged = ills(|host| full_nat(host, Some(1), &[("toa_untrusted", 1)]));
    one(&forged, "director", Level::Warn, "--director");
    let silent = ills(|host| full_nat(host, Some(1), &[("toa_missing", 1)]));
    one(&silent, "director", Level::Warn, "xlvs sysctl toa_kind=254 toa_kind6=253");
}

#[test]
fn devices_of_the_kernel_are_up_and_drop_nothing() {
    let kernel = |host: &mut Host| {
        tunnels(host);
        host.setup.decapsulation = Decapsulation::Kernel;
        host.programs = None;
        for (index, name) in [(4, "tunl0"), (5, "ip6tnl0")] {
            host.links.insert(index, Link { name: name.into(), up: true, mtu: 1480, loopback: false });
        }
    };
    assert_eq!(ills(kernel), []);
    let spoiled = |spoil: fn(&mut Host)| {
        ills(|host| {
            kernel(host);
            spoil(host);
        })
    };
    one(&spoiled(|host| drop(host.links.remove(&4))), "tunnel", Level::Fail, "real-server up");
    one(&spoiled(|host| host.links.get_mut(&5).unwrap().up = false), "tunnel", Level::Fail, "ip link set ip6tnl0 up");
    let strict = spoiled(|host| set(host, "tunl0/rp_filter", 2));
    one(&strict, "tunnel", Level::Fail, "net.ipv4.conf.tunl0.rp_filter=0");
}

#[test]
fn pins_of_another_mount_namespace_are_not_gone() {
    let hidden = |running: &[&str]| {
        ills(|host| {
            host.setup.mode = ServerMode::Tun;
            host.links.values_mut().for_each(|link| link.mtu = 9000);
            host.running = running.iter().map(|name| (*name).to_owned()).collect();
        })
    };
    one(&hidden(&["eth0"]), "programs", Level::Warn, "nsenter --net=");
    one(
        &hidden(&[]),
        "programs",
        Level::Fail,
        "xlvs real-server up --mode tun --vip 203.0.113.10 2001:db8::10 --director",
    );
}

#[test]
fn what_is_gone_is_told_in_words_of_the_mode() {
    let why = |mode: ServerMode| {
        let mut host = host();
        host.setup.mode = mode;
        examine(&host).into_iter().find(|finding| finding.what == "the programs are gone").unwrap().why
    };
    assert!(why(ServerMode::Tun).contains("tunnels"));
    assert!(why(ServerMode::FullNat).contains("clients") && !why(ServerMode::FullNat).contains("tunnels"));
}

#[test]
fn the_filter_that_is_looked_at_is_named_and_no_other_is_spoken_for() {
    let found = examine(&host()).into_iter().find(|finding| finding.check == "rp_filter").unwrap();
    assert_eq!(found.what, "rp_filter drops no packets of clients (firewalls are not looked at)");
}

#[test]
fn warnings_are_about_what_came_since_up() {
    let counted = |before: u64, now: u64| {
        ills(|host| {
            host.setup.mode = ServerMode::FullNat;
            host.setup.virtual_addresses.clear();
            host.since.time = 7;
            host.since.counters.insert("toa_untrusted".into(), before);
            let counters = [("toa_untrusted", now)].into();
            let attached = [("datagrams_in", ["eth0".to_owned(), "eth1".to_owned()].into())].into();
            host.programs = Some(AgentState { attached, cgroup: Some(1), counters });
        })
    };
    assert_eq!(counted(5, 5), []);
    one(&counted(5, 6), "director", Level::Warn, "--director ADDRESS");
    one(&counted(5, 2), "director", Level::Warn, "--director ADDRESS");
}

#[test]
fn answers_that_nobody_hears_are_told() {
    one(&ills(|host| host.hearing.unheard = 2), "answers", Level::Warn, "tcpdump");
}

#[test]
fn one_of_a_kind_is_told_as_one() {
    let told = |count: u64, seconds: u64| {
        let mut host = host();
        host.since.time = 7;
        host.age = Duration::from_secs(seconds);
        host.programs =
            Some(AgentState { attached: Default::default(), cgroup: None, counters: [("toa_missing", count)].into() });
        directors::directors(&host).remove(0).by("director").what
    };
    assert_eq!(
        told(1, 0),
        "1 connection or datagram of a director named no client when it began in the last second (since `up`)"
    );
    assert!(
        told(2, 61).starts_with("2 connections or datagrams") && told(2, 61).ends_with("in the last 61 s (since `up`)")
    );
}
