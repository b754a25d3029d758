//! Datagrams larger than a frame: whole at the server, and whole back at the client.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use lab::node::{Entry, Xlvs};
use lab::{Family, Lab, Mode, Scenario, Topology};

/// Bytes of a datagram: six fragments.
const LARGE: usize = 8192;

#[test]
#[ignore = "needs root"]
fn large_datagrams_arrive_whole() {
    for (mode, lane) in [(Mode::Nat, "xdp"), (Mode::Dr, "xdp"), (Mode::Nat, "tc"), (Mode::Dr, "tc")] {
        let topology = Topology::point_to_point(mode);
        let topology = if lane == "tc" { topology.with_offload() } else { topology };
        let (lab, director) = started(topology, lane);
        for family in Family::ALL {
            let scenario = Scenario::usual(family);
            scenario.configure(&lab, &director).unwrap();
            let before = lab.counters().unwrap().checksum_errors;
            for number in 0..30 {
                let text = format!("{number:0LARGE$}");
                lab.client.echo(scenario.echo_service(), &text).unwrap_or_else(|error| {
                    panic!("{topology}, {lane}, {family}, datagram {number}: {error:#}");
                });
            }
            assert_eq!(lab.counters().unwrap().checksum_errors, before, "{topology}, {lane}, {family}");
        }
        // Two families, thirty datagrams, six fragments each; answers are as large, and pass the director by NAT.
        let pieces = 2 * 30 * 6;
        assert_eq!(counted(&director, "forward_in"), pieces, "{topology}, {lane}");
        assert_eq!(counted(&director, "forward_out"), if mode == Mode::Nat { pieces } else { 0 }, "{topology}, {lane}");
        assert_eq!(counted(&director, "drop_fragment"), 0, "{topology}, {lane}");
    }
}

fn counted(director: &Xlvs, name: &str) -> u64 {
    director.status().unwrap()["counters"][name].as_u64().unwrap()
}

fn started(topology: Topology, lane: &str) -> (Lab, Xlvs) {
    let lab = Lab::build(topology).unwrap();
    let mut director = lab.director(Entry::Direct).unwrap().in_lane(lane);
    director.start().unwrap();
    (lab, director)
}
