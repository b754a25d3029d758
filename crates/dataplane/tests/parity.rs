//! Every packet case through the loaded programs: the same verdict, bytes, counters and loads as on the host.

mod kernel;

use forward::agent::Reception;
use forward::cases::{self, Case, Expect, Step};
use forward::host::World;
use forward::{Action, Cell32, Cell64, Time};
use kernel::agent::Agent;
use kernel::{Kernel, Lane};

const XDP_DROP: u32 = 1;
const XDP_PASS: u32 = 2;
const XDP_TX: u32 = 3;
const XDP_REDIRECT: u32 = 4;
const TC_UNSPECIFIED: u32 = -1_i32 as u32;
const TC_SHOT: u32 = 2;
const TC_REDIRECT: u32 = 7;

/// Of the million instructions that the verifier follows: what a program may need here, so that it loads elsewhere too.
const VERIFIER_BUDGET: u32 = 700_000;

#[test]
#[ignore = "needs root"]
fn every_case_in_the_kernel() {
    let cases = cases::all();
    let (mut kernel, verified) = Kernel::load(1000);
    let mut small = Kernel::load(3).0;
    for lane in [Lane::Xdp, Lane::Tc] {
        let (mut packets, mut too_large) = (0, 0);
        for case in cases.iter().filter(|case| lane.takes(case)) {
            let kernel = if case.name == "table full" { &mut small } else { &mut kernel };
            kernel.reset();
            let (sent, left_out) = run(kernel, lane, case);
            packets += sent;
            too_large += left_out;
        }
        let count = cases.iter().filter(|case| lane.takes(case)).count();
        println!("{lane:?}: {count} cases, {packets} packets: host and kernel agree");
        if count < cases.len() {
            println!("{lane:?}: {} cases left out: {}", cases.len() - count, lane.lacks());
        }
        if too_large > 0 {
            println!("{lane:?}: {too_large} packets left out: larger than a test run of this lane takes");
        }
    }
    for (program, instructions) in verified {
        println!("{program:>12}: {instructions} instructions verified");
        assert!(instructions < VERIFIER_BUDGET, "{program} leaves too little of the verifier's million instructions");
    }
}

#[test]
#[ignore = "needs root"]
fn every_arrival_at_a_real_server_in_the_kernel() {
    let (mut agent, verified) = Agent::load(&cases::agent::server());
    let arrivals = cases::agent::all();
    let mut expected = agent.counted();
    for arrival in &arrivals {
        let outcome = agent.run("decapsulate", &arrival.frame);
        let action = if arrival.delivered.is_some() { TC_UNSPECIFIED } else { TC_SHOT };
        assert_eq!(outcome.action, action, "{}: action", arrival.name);
        if let Some(bytes) = &arrival.delivered {
            assert_eq!(hex(&outcome.bytes), hex(bytes), "{}: bytes", arrival.name);
        }
        if let Some(counted) = arrival.counted {
            expected[counted as usize] += 1;
        }
        assert_eq!(agent.counted(), expected, "{}: counters", arrival.name);
    }
    let passages = cases::agent::passages();
    for passage in &passages {
        let outcome = agent.run(if passage.outgoing { "datagrams_out" } else { "datagrams_in" }, &passage.frame);
        let answered = passage.counted == Some(Reception::UoaAnswered);
        assert_eq!(outcome.action, if answered { TC_REDIRECT } else { TC_UNSPECIFIED }, "{}: action", passage.name);
        assert_eq!(hex(&outcome.bytes), hex(&passage.changed), "{}: bytes", passage.name);
        if let Some(counted) = passage.counted {
            expected[counted as usize] += 1;
        }
        assert_eq!(agent.counted(), expected, "{}: counters", passage.name);
    }
    println!("real server: {} arrivals, {} datagrams: host and kernel agree", arrivals.len(), passages.len());
    for (program, instructions) in verified {
        println!("{program:>12}: {instructions} instructions verified");
        assert!(instructions < VERIFIER_BUDGET, "{program} leaves too little of the verifier's million instructions");
    }
}

/// Runs one case on both sides; how many packets were sent and left out. The host's clock is the kernel's, so that
/// ticks agree.
fn run(kernel: &mut Kernel, lane: Lane, case: &Case) -> (usize, usize) {
    let mut world = (case.world)();
    kernel.configure(&world.tables);
    let (mut packets, mut left_out) = (0, 0);
    for (number, step) in case.steps.iter().enumerate() {
        let place = format!("{lane:?}: {}, step {}", case.name, number + 1);
        world.now = now();
        match step {
            Step::Send(frame, _) if frame.bytes.len() > lane.largest_frame() => left_out += 1,
            Step::Send(frame, expect) => {
                let outcome = kernel.run(&lane.program(if frame.ingress == 0 { "exit" } else { "entry" }), frame);
                assert_eq!(outcome.action, action(lane, expect), "{place}: action");
                assert_eq!(hex(&outcome.bytes), hex(&expect.bytes), "{place}: bytes");
                world.send(&mut frame.clone());
                packets += 1;
            }
            Step::Pass(frame, expect) => {
                let program = if frame.ingress == 0 { "tc_check_out" } else { "tc_check_in" };
                let outcome = kernel.run(program, frame);
                assert_eq!(outcome.action, action(lane, expect), "{place}: action");
                assert_eq!(hex(&outcome.bytes), hex(&expect.bytes), "{place}: bytes");
                packets += 1;
            }
            Step::Wait(seconds) => {
                world.wait(*seconds);
                kernel.wait(Time::ticks(*seconds));
            }
            Step::Change(change) => {
                change(&mut world);
                kernel.configure(&world.tables);
            }
            Step::Sweep(removed) => {
                assert_eq!(kernel.sweep(), *removed, "{place}: removed");
                sweep(&world);
            }
            Step::Entries(entries) => {
                let (four, six) = kernel.keys();
                assert_eq!(four.len() + six.len(), *entries, "{place}: entries");
            }
            Step::Load(server, active, inactive) => {
                let (seen_active, seen_inactive, _) = kernel.load_of(*server);
                assert_eq!((seen_active, seen_inactive), (*active, *inactive), "{place}: load");
            }
            Step::Signals(server, counts, clients) => {
                let (seen, marks) = kernel.signals(*server);
                assert_eq!((seen, marks.map(u64::count_ones)), (*counts, *clients), "{place}: signals");
            }
        }
        compare(kernel, &world, &place);
    }
    for (place, word) in kernel.known_clients(&world.tables) {
        // The lower half is a tick, which may have ended meanwhile.
        let host = world.tables.clients[place as usize].get();
        assert_eq!(word >> 32, host >> 32, "{lane:?}: {}: known client {place}", case.name);
    }
    (packets, left_out)
}

/// Everything countable agrees.
fn compare(kernel: &mut Kernel, world: &World, place: &str) {
    let host: Vec<u64> = world.tables.counters.iter().map(|cell| cell.get()).collect();
    assert_eq!(kernel.counters(), host, "{place}: counters");
    for id in 1..6 {
        assert_eq!(kernel.statistics(id), world.tables.statistics[id as usize].get(), "{place}: statistics of {id}");
        let load = &world.tables.loads[id as usize];
        let host = (load.active.get(), load.inactive.get(), load.weight.get());
        assert_eq!(kernel.load_of(id), host, "{place}: load of {id}");
        let signals = &world.tables.signals[id as usize];
        let host = [&signals.begun, &signals.unanswered, &signals.reset].map(Cell32::get);
        let marks = [&signals.failed, &signals.served].map(Cell64::get);
        assert_eq!(kernel.signals(id), (host, marks), "{place}: signals of {id}");
    }
    assert_eq!(kernel.cursor(0), world.tables.cursors[0].get(), "{place}: cursor");
    let checksums = world.tables.checksums.borrow().get(&1).copied().unwrap_or_default();
    assert_eq!(kernel.checksums(), [checksums.checked, checksums.partial], "{place}: checksums looked at");
}

fn sweep(world: &World) {
    for key in world.tables.keys4() {
        forward::expire::expire(&key, &world.tables, world.now);
    }
    for key in world.tables.keys6() {
        forward::expire::expire(&key, &world.tables, world.now);
    }
}

fn action(lane: Lane, expect: &Expect) -> u32 {
    match (lane, expect.action) {
        (Lane::Xdp, Action::Drop) => XDP_DROP,
        (Lane::Xdp, Action::Pass) => XDP_PASS,
        (Lane::Xdp, Action::Forward) if expect.interface == 1 => XDP_TX,
        (Lane::Xdp, Action::Forward) => XDP_REDIRECT,
        (Lane::Tc, Action::Drop) => TC_SHOT,
        (Lane::Tc, Action::Pass) => TC_UNSPECIFIED,
        (Lane::Tc, Action::Forward) => TC_REDIRECT,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn now() -> Time {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC_COARSE).expect("the clock is there");
    Time(now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64)
}
