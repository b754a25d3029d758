//! What is wanted, by rows.

use super::*;
use crate::Counter;
use crate::host::packet;
use std::net::IpAddr;

fn address(text: &str) -> Address6 {
    let bytes = match text.parse().unwrap() {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    };
    Address6(wire::number::Bytes16::from_bits([0, 0]).bits()).of(bytes)
}

impl Address6 {
    fn of(self, bytes: [u8; 16]) -> Self {
        let half = |from: usize| u64::from_ne_bytes(bytes[from..from + 8].try_into().unwrap());
        Self([half(0), half(8)])
    }
}

fn network(text: &str, ones: u32) -> Network {
    let mask = Address6::default().of((u128::MAX << (128 - ones)).to_be_bytes());
    let ([a, b], [c, d]) = (address(text).0, mask.0);
    Network { address: Address6([a & c, b & d]), mask }
}

fn ends(source: &str, from: u16, destination: &str, to: u16) -> Ends {
    let frame = packet().ip(source.parse().unwrap(), destination.parse().unwrap()).tcp(from, to).build();
    Ends::of(&frame)
}

#[test]
fn the_ends_of_a_frame() {
    for (source, destination) in [("198.51.100.2", "203.0.113.10"), ("2001:db8::2", "2001:db8::10")] {
        let expected = Ends {
            source: address(source),
            destination: address(destination),
            source_port: Port::new(4000),
            destination_port: Port::new(80),
            protocol: 6,
            reserved: [0; 3],
        };
        let frame = packet().ip(source.parse().unwrap(), destination.parse().unwrap()).tcp(4000, 80).build();
        assert_eq!(Ends::of(&frame), expected);
        assert_eq!(Ends::of_bytes(&frame.bytes), expected);
        let mut tagged = frame.clone();
        tagged.bytes.splice(12..12, [0x81, 0, 0, 5, 0x81, 0, 0, 6]);
        assert_eq!(Ends::of(&tagged), expected);
        for length in 0..tagged.bytes.len() {
            let mut cut = tagged.clone();
            cut.bytes.truncate(length);
            let ends = Ends::of(&cut);
            assert!(ends == Ends::default() || ends.source == expected.source, "{length}");
        }
    }
}

#[test]
fn nothing_is_wanted_after_its_time() {
    let wanted = Wanted { until: 100, ..Wanted::default() };
    assert!(wanted.is_current(99) && !wanted.is_current(100) && !Wanted::default().is_current(0));
}

#[test]
fn conditions_hold_for_either_look() {
    let (arrived, leaves) =
        (ends("198.51.100.2", 4000, "203.0.113.10", 80), ends("198.51.100.2", 4000, "10.0.0.11", 8080));
    let (back, out) = (ends("10.0.0.11", 8080, "198.51.100.2", 4000), ends("203.0.113.10", 80, "198.51.100.2", 4000));
    let any = Wanted::default;
    let nets = |list: &[Network]| {
        let mut networks = [Network::default(); NETWORKS];
        networks[..list.len()].copy_from_slice(list);
        Wanted { networks, ..any() }
    };
    let service = |text, port| Wanted { service: address(text), service_port: Port::new(port), ..any() };
    let port = |port| Wanted { port: Port::new(port), ..any() };
    for (wanted, there, here) in [
        (any(), true, true),
        (nets(&[network("10.0.0.11", 128)]), true, true),
        (nets(&[network("10.0.0.12", 128)]), false, false),
        (nets(&[network("10.0.0.0", 96 + 24), network("203.0.113.10", 128)]), true, true),
        (nets(&[network("10.0.0.0", 96 + 24), network("203.0.113.11", 128)]), false, false),
        (nets(&[network("2001:db8::", 32)]), false, false),
        (port(8080), true, true),
        (port(81), false, false),
        (service("203.0.113.10", 80), true, true),
        (service("10.0.0.11", 8080), false, false),
        (service("203.0.113.10", 81), false, false),
    ] {
        let verdict = |counter| Verdict::forward(counter, 3);
        assert_eq!(wanted.takes(verdict(Counter::ForwardIn), &arrived, &leaves), there, "{wanted:?}");
        assert_eq!(wanted.takes(verdict(Counter::ForwardOut), &back, &out), here, "{wanted:?}");
    }
}

#[test]
fn drops_and_what_is_not_ours() {
    let ends = Ends::default();
    let (drops, all) = (Wanted { drops: 1, ..Wanted::default() }, Wanted { all: 1, ..Wanted::default() });
    for (counter, usually, only_drops, with_all) in [
        (Counter::DropNoServer, true, true, true),
        (Counter::PassNotSchedulable, true, false, true),
        (Counter::PassNotOurs, false, false, true),
        (Counter::PassOtherReceiver, false, false, true),
    ] {
        let taken = |wanted: &Wanted| wanted.takes(Verdict::because(counter), &ends, &ends);
        assert_eq!(
            (taken(&Wanted::default()), taken(&drops), taken(&all)),
            (usually, only_drops, with_all),
            "{counter:?}"
        );
    }
    let tcp = Ends { protocol: 6, ..ends };
    let wanted = |protocols, interface| Wanted { protocols, interface, ..Wanted::default() };
    for (wanted, expected) in
        [(wanted([0, 0], 0), true), (wanted([6, 6], 2), true), (wanted([6, 6], 3), false), (wanted([1, 58], 0), false)]
    {
        assert_eq!(wanted.may_take(2, &tcp), expected, "{wanted:?}");
    }
}
