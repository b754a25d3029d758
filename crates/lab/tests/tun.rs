//! Tunnels between real programs, by the real binary: each family over each topology, each kind of tunnel, either
//! family around either, both lanes. Clients send packets of full size and learn what fits.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use lab::node::Entry;
use lab::topology::Tunnel;
use lab::{Family, Lab, Mode, Topology};

common::every_shape!(Mode::Tun);

const TUNNELS: [Tunnel; 5] = [Tunnel::Ipip, Tunnel::Gue, Tunnel::GueChecksum, Tunnel::Gre, Tunnel::GreChecksum];

/// Every kind, with the service's own family around its packets and with the other.
fn every_tunnel(topology: Topology, lane: &str) {
    for tunnel in TUNNELS {
        for mixed in [false, true] {
            if (tunnel, mixed) == (Tunnel::Ipip, false) {
                continue;
            }
            let lab = Lab::build(topology.with_tunnel(tunnel, mixed)).unwrap();
            let mut director = lab.director(Entry::Direct).unwrap().in_lane(lane);
            director.start().unwrap();
            for family in Family::ALL {
                common::prove_with(&lab, &director, family, lane);
            }
            director.stop(false).unwrap();
        }
    }
}

#[test]
#[ignore = "needs root"]
fn every_kind_by_xdp() {
    every_tunnel(Topology::bridged(Mode::Tun), "xdp");
}

#[test]
#[ignore = "needs root"]
fn every_kind_by_tc_with_offload() {
    every_tunnel(Topology::point_to_point(Mode::Tun).with_offload(), "tc");
}

#[test]
#[ignore = "needs root"]
fn ipip_by_tc_with_offload() {
    let lab = Lab::build(Topology::bridged(Mode::Tun).with_offload()).unwrap();
    let mut director = lab.director(Entry::Direct).unwrap().in_lane("tc");
    director.start().unwrap();
    for family in Family::ALL {
        common::prove_with(&lab, &director, family, "tc");
    }
    director.stop(false).unwrap();
}
