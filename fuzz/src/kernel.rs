//! The same story on the host and by the loaded programs, through BPF_PROG_TEST_RUN.

#[path = "../../crates/dataplane/tests/kernel/mod.rs"]
#[expect(clippy::indexing_slicing, clippy::expect_used, clippy::panic, dead_code, reason = "part of a test there")]
mod driver;

use crate::story::{self, CONNECTIONS, Step, Story};
use driver::{Kernel, Lane};
use forward::host::{SliceFrame, World};
use forward::{Action, Time};
use std::cell::RefCell;

const XDP_DROP: u32 = 1;
const XDP_PASS: u32 = 2;
const XDP_TX: u32 = 3;
const XDP_REDIRECT: u32 = 4;
const TC_UNSPECIFIED: u32 = u32::MAX;
const TC_SHOT: u32 = 2;
const TC_REDIRECT: u32 = 7;
/// The longest frame, so that it lies in one page.
const LONGEST: usize = 3000;

/// The shortest frame that a test run takes: a whole Ethernet header; for tc, a network header too.
const fn shortest(lane: Lane) -> usize {
    match lane {
        Lane::Xdp => 15,
        Lane::Tc => 54,
    }
}

thread_local! {
    static KERNEL: RefCell<Kernel> = RefCell::new(Kernel::load(CONNECTIONS as u32).0);
}

pub(crate) fn run(data: &[u8]) {
    let Some(story) = Story::read(data) else { return };
    KERNEL.with_borrow_mut(|kernel| {
        let mut world = story.world();
        let lane = if story.is_tc() { Lane::Tc } else { Lane::Xdp };
        kernel.reset();
        kernel.configure(&world.tables);
        for step in &story.steps {
            if happen(kernel, lane, &mut world, step).is_none() {
                return;
            }
        }
        compare(kernel, &world);
    });
}

/// One step on both sides; `None` when the clock went on to the next tick between them.
fn happen(kernel: &mut Kernel, lane: Lane, world: &mut World, step: &Step) -> Option<()> {
    world.now = now();
    match step {
        Step::Wait(pause) => {
            world.wait(pause.seconds());
            kernel.wait(Time::ticks(pause.seconds()));
        }
        Step::Sweep => {
            kernel.sweep();
            story::sweep(world);
        }
        Step::Server(number, edit) => {
            story::edit(world, *number, *edit);
            kernel.configure_servers(&world.tables);
        }
        _ => {
            let frame = step
                .frame()
                .filter(|frame| (shortest(lane)..LONGEST.min(lane.largest_frame())).contains(&frame.bytes.len()));
            return frame.map_or(Some(()), |frame| send(kernel, lane, world, frame));
        }
    }
    same_tick(world)
}

fn send(kernel: &Kernel, lane: Lane, world: &mut World, mut frame: SliceFrame) -> Option<()> {
    let outcome = kernel.run(&lane.program("entry"), &frame);
    same_tick(world)?;
    let verdict = world.send(&mut frame);
    let action = match (lane, verdict.action) {
        (Lane::Xdp, Action::Drop) => XDP_DROP,
        (Lane::Xdp, Action::Pass) => XDP_PASS,
        (Lane::Xdp, Action::Forward) if verdict.interface == frame.ingress => XDP_TX,
        (Lane::Xdp, Action::Forward) => XDP_REDIRECT,
        (Lane::Tc, Action::Drop) => TC_SHOT,
        (Lane::Tc, Action::Pass) => TC_UNSPECIFIED,
        (Lane::Tc, Action::Forward) => TC_REDIRECT,
    };
    assert_eq!(outcome.action, action, "{lane:?}: the kernel's action; the host says {}", verdict.counter.name());
    assert_eq!(outcome.bytes, frame.bytes, "{lane:?}: the kernel's bytes; the host says {}", verdict.counter.name());
    Some(())
}

fn same_tick(world: &World) -> Option<()> {
    (now().tick() == world.now.tick()).then_some(())
}

/// Everything countable agrees.
fn compare(kernel: &mut Kernel, world: &World) {
    let counters: Vec<u64> = world.tables.counters.iter().map(std::cell::Cell::get).collect();
    assert_eq!(kernel.counters(), counters, "counters");
    for (id, load) in (0..).zip(&world.tables.loads).skip(1).take(6) {
        let host = (load.active.get(), load.inactive.get(), load.weight.get());
        assert_eq!(kernel.load_of(id), host, "load of server {id}");
        let statistics = world.tables.statistics.get(id as usize).map(std::cell::Cell::get);
        assert_eq!(Some(kernel.statistics(id)), statistics, "statistics of server {id}");
    }
    for (id, cursor) in (0..).zip(&world.tables.cursors).take(3) {
        assert_eq!(kernel.cursor(id), cursor.get(), "cursor of service {id}");
    }
    let checksums = world.tables.checksums.borrow().get(&1).copied().unwrap_or_default();
    assert_eq!(kernel.checksums(), [checksums.checked, checksums.partial], "checksums looked at");
    let (four, six) = kernel.keys();
    let sorted = |mut keys: Vec<Vec<u8>>| {
        keys.sort();
        keys
    };
    let host = world.tables.keys4().iter().map(|key| driver::bytes::<_, 16>(key).to_vec()).collect();
    assert_eq!(sorted(four.iter().map(|key| key.to_vec()).collect()), sorted(host), "IPv4 entries");
    let host = world.tables.keys6().iter().map(|key| driver::bytes::<_, 40>(key).to_vec()).collect();
    assert_eq!(sorted(six.iter().map(|key| key.to_vec()).collect()), sorted(host), "IPv6 entries");
}

/// The clock of the programs.
fn now() -> Time {
    let clock = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC_COARSE);
    clock.map_or(Time(0), |now| Time(now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64))
}
