//! What the tests of every mode assert.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use lab::node::{Entry, Xlvs};
use lab::topology::address;
use lab::{Family, Lab, Outcome, Scenario, Topology};

/// One family over one topology, by XDP.
#[allow(dead_code, reason = "not every test that shares this needs it")]
pub(crate) fn prove(topology: Topology, family: Family) {
    let lab = Lab::build(topology).unwrap();
    let mut director = lab.director(Entry::Direct).unwrap();
    director.start().unwrap();
    prove_with(&lab, &director, family, "xdp");
    director.stop(false).unwrap();
}

/// 300 requests, 100 a server; 64 MB each way; no wrong checksum anywhere; the client's own address seen; UDP echo.
pub(crate) fn prove_with(lab: &Lab, director: &Xlvs, family: Family, lane: &str) {
    let topology = lab.topology;
    let scenario = Scenario::usual(family);
    scenario.configure(lab, director).unwrap();
    let before = lab.counters().unwrap().checksum_errors;

    let outcome = scenario.drive(lab, &director.lane().unwrap(), |_| ()).unwrap();
    assert_eq!((outcome.requests, outcome.ok), (300, 300), "{topology}, {family}: {:?}", outcome.errors);
    assert_eq!(outcome.served_by.values().copied().collect::<Vec<_>>(), [100, 100, 100], "{:?}", outcome.served_by);
    assert_eq!(outcome.bulk.to_server_bytes, 64 << 20);
    assert!(outcome.bulk.ok, "{topology}, {family}: {:?}", outcome.errors);
    assert_eq!(outcome.lane, lane);

    let (served_by, seen) = scenario.echoes(lab, 30).unwrap();
    assert_eq!(served_by.values().copied().collect::<Vec<_>>(), [10, 10, 10], "UDP: {served_by:?}");
    let client = topology.local().unwrap_or(address::CLIENT).of(family);
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [client]);
    assert_eq!(outcome.client_seen.iter().copied().collect::<Vec<_>>(), [client]);
    assert_eq!(lab.counters().unwrap().checksum_errors, before, "{topology}, {family}");
    assert_walk(&outcome, &scenario, lab);
}

fn assert_walk(outcome: &Outcome, scenario: &Scenario, lab: &Lab) {
    let places: Vec<&str> = outcome.hops.iter().map(|hop| hop.at.as_str()).collect();
    let server = places.get(1).and_then(|place| place.strip_suffix(" in")).unwrap_or_else(|| panic!("{places:?}"));
    assert_eq!(places, ["client out", &format!("{server} in"), &format!("{server} out"), "client in"]);
    let [sent, arrived, answered, received] = outcome.hops.as_slice() else { unreachable!() };
    let service = scenario.service().to_string();
    assert_eq!((&sent.dst, &received.src), (&service, &service));
    assert_eq!(&sent.src, &received.dst);
    assert_eq!(&arrived.src, &answered.dst);
    match lab.topology.local() {
        None => assert_eq!(&sent.src, &arrived.src),
        Some(local) => {
            let seen: std::net::SocketAddr = arrived.src.parse().unwrap();
            assert_eq!(seen.ip(), local.of(scenario.family));
        }
    }
    let at_server = match lab.topology.mode {
        lab::Mode::Dr | lab::Mode::Tun => service,
        lab::Mode::Nat | lab::Mode::FullNat => {
            let real = lab.servers.iter().find(|real| real.name == server).unwrap();
            std::net::SocketAddr::new(real.address.of(scenario.family), 80).to_string()
        }
    };
    assert_eq!((&arrived.dst, &answered.src), (&at_server, &at_server));
    assert_ne!(sent.eth_dst, arrived.eth_dst);
}

/// A test for each family over each topology, in the given mode.
#[allow(unused_macros, reason = "as above")]
macro_rules! every_shape {
    ($mode:expr) => {
        $crate::common::every_shape! { $mode,
            point_to_point_ipv4 = point_to_point V4, point_to_point_ipv6 = point_to_point V6,
            bridged_ipv4 = bridged V4, bridged_ipv6 = bridged V6,
            one_armed_ipv4 = one_armed V4, one_armed_ipv6 = one_armed V6,
        }
    };
    ($mode:expr, $($name:ident = $shape:ident $family:ident,)+) => {
        $(
            #[test]
            #[ignore = "needs root"]
            fn $name() {
                common::prove(lab::Topology::$shape($mode), lab::Family::$family);
            }
        )+
    };
}
#[allow(unused_imports, reason = "as above")]
pub(crate) use every_shape;
