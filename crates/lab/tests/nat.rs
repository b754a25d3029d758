//! NAT between real programs, by the real binary: each family over each topology.

mod common;

use common::prove;
use lab::{Family, Mode, Topology};

const MODE: Mode = Mode::Nat;

#[test]
#[ignore = "needs root"]
fn point_to_point_ipv4() {
    prove(Topology::point_to_point(MODE), Family::V4);
}

#[test]
#[ignore = "needs root"]
fn point_to_point_ipv6() {
    prove(Topology::point_to_point(MODE), Family::V6);
}

#[test]
#[ignore = "needs root"]
fn bridged_ipv4() {
    prove(Topology::bridged(MODE), Family::V4);
}

#[test]
#[ignore = "needs root"]
fn bridged_ipv6() {
    prove(Topology::bridged(MODE), Family::V6);
}

#[test]
#[ignore = "needs root"]
fn one_armed_ipv4() {
    prove(Topology::one_armed(MODE), Family::V4);
}

#[test]
#[ignore = "needs root"]
fn one_armed_ipv6() {
    prove(Topology::one_armed(MODE), Family::V6);
}
