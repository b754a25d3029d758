//! Direct routing between real programs, by the real binary: each family over each topology.

mod common;

use common::prove;
use lab::{Family, Mode, Topology};

const MODE: Mode = Mode::Dr;

#[test]
fn point_to_point_ipv4() {
    lab::root_or_skip!();
    prove(Topology::point_to_point(MODE), Family::V4);
}

#[test]
fn point_to_point_ipv6() {
    lab::root_or_skip!();
    prove(Topology::point_to_point(MODE), Family::V6);
}

#[test]
fn bridged_ipv4() {
    lab::root_or_skip!();
    prove(Topology::bridged(MODE), Family::V4);
}

#[test]
fn bridged_ipv6() {
    lab::root_or_skip!();
    prove(Topology::bridged(MODE), Family::V6);
}

#[test]
fn one_armed_ipv4() {
    lab::root_or_skip!();
    prove(Topology::one_armed(MODE), Family::V4);
}

#[test]
fn one_armed_ipv6() {
    lab::root_or_skip!();
    prove(Topology::one_armed(MODE), Family::V6);
}
