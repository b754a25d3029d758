//! Packet cases: what goes in, what must come out. One list, run on the host (below) and through the loaded BPF
//! programs (`dataplane/tests/parity.rs`), where verdict, bytes, counters and loads must be the same.

pub mod agent;
mod answers;
mod edges;
mod errors;
mod flows;
mod fragments;
mod fullnat;
mod lifecycle;
mod net;
mod own;
mod passage;
mod scheduling;
mod signals;
mod tunnel;
mod unwrap;
mod vlan;

use crate::host::{PacketBuilder, SliceFrame, World};
use crate::{Action, Counter, Verdict};
use std::boxed::Box;
use std::string::String;
use std::vec::Vec;

/// A named sequence of steps in a world of its own.
pub struct Case {
    /// What it shows.
    pub name: String,
    /// Makes the world.
    pub world: Box<dyn Fn() -> World>,
    /// What happens.
    pub steps: Vec<Step>,
}

/// One step.
pub enum Step {
    /// A frame comes in.
    Send(SliceFrame, Expect),
    /// A frame that this host sends, or that comes in, on the stack's side of all else.
    Pass(SliceFrame, Expect),
    /// Time goes by, in seconds.
    Wait(u32),
    /// The daemon changes something.
    Change(fn(&mut World)),
    /// The daemon's sweeper has a look at every entry; so many are removed.
    Sweep(usize),
    /// So many entries are in the tables.
    Entries(usize),
    /// The server with this id has so many active and inactive connections.
    Load(u32, u32, u32),
    /// Of the server with this id so many connections have begun, were not answered and were reset, the latter two of so
    /// many clients; and so many were served.
    Signals(u32, [u32; 3], [u32; 2]),
}

/// What must become of a frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expect {
    /// Where it goes.
    pub action: Action,
    /// What is counted.
    pub counter: Counter,
    /// Interface it leaves by.
    pub interface: u32,
    /// Its bytes afterwards.
    pub bytes: Vec<u8>,
}

impl Expect {
    /// It is passed or dropped for this reason, unchanged.
    pub fn unchanged(frame: &SliceFrame, counter: Counter) -> Self {
        Self { action: Verdict::because(counter).action, counter, interface: 0, bytes: frame.bytes.clone() }
    }
}

/// A frame that is passed or dropped for this reason.
pub fn refuse(packet: &PacketBuilder, counter: Counter) -> Step {
    let frame = packet.build();
    let expect = Expect::unchanged(&frame, counter);
    Step::Send(frame, expect)
}

/// A packet that is dropped for this reason, and its sender is told: an error from the packet's own receiver, back by
/// the interface and the router it came by.
pub fn tell(packet: &PacketBuilder, counter: Counter, (kind, code, rest): (u8, u8, u32)) -> Step {
    let message = packet.to_sender().icmp(kind, code, rest).quote(packet, packet.most_quoted());
    Step::Send(packet.build(), Expect { action: Action::Forward, counter, interface: 1, bytes: message.build().bytes })
}

/// A frame that leaves by an interface as another one.
pub fn forward(packet: &PacketBuilder, counter: Counter, interface: u32, leaves: &PacketBuilder) -> Step {
    Step::Send(packet.build(), Expect { action: Action::Forward, counter, interface, bytes: leaves.build().bytes })
}

/// Every case.
pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(flows::cases());
    cases.extend(lifecycle::cases());
    cases.extend(own::cases());
    cases.extend(scheduling::cases());
    cases.extend(edges::cases());
    cases.extend(errors::cases());
    cases.extend(answers::cases());
    cases.extend(vlan::cases());
    cases.extend(fragments::cases());
    cases.extend(fullnat::cases());
    cases.extend(tunnel::cases());
    cases.extend(unwrap::cases());
    cases.extend(passage::cases());
    cases.extend(signals::cases());
    cases
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::{Address4, Address6};
    use crate::expire::{self, Outcome};

    #[test]
    fn every_case_on_the_host() {
        let cases = all();
        for case in &cases {
            let mut world = (case.world)();
            for (number, step) in case.steps.iter().enumerate() {
                run(&mut world, step, &format!("{}, step {}", case.name, number + 1));
            }
        }
        assert!(cases.len() >= 60, "{} cases", cases.len());
    }

    fn run(world: &mut World, step: &Step, place: &str) {
        match step {
            Step::Send(frame, expect) => {
                let mut frame = frame.clone();
                let before = world.tables.counter(expect.counter);
                let verdict = world.send(&mut frame);
                let seen = Expect {
                    action: verdict.action,
                    counter: verdict.counter,
                    interface: verdict.interface,
                    bytes: frame.bytes,
                };
                assert_eq!(&seen, expect, "{place}");
                assert_eq!(world.tables.counter(expect.counter), before + 1, "{place}");
            }
            Step::Pass(frame, expect) => {
                let mut frame = frame.clone();
                let verdict = world.pass(&mut frame);
                assert_eq!((verdict.action, frame.bytes), (expect.action, expect.bytes.clone()), "{place}");
            }
            Step::Wait(seconds) => world.wait(*seconds),
            Step::Change(change) => change(world),
            Step::Sweep(removed) => assert_eq!(sweep(world), *removed, "{place}"),
            Step::Entries(entries) => assert_eq!(world.tables.connections(), *entries, "{place}"),
            Step::Load(server, active, inactive) => {
                let load = &world.tables.loads[*server as usize];
                assert_eq!((load.active.get(), load.inactive.get()), (*active, *inactive), "{place}");
            }
            Step::Signals(server, counts, clients) => {
                let signals = &world.tables.signals[*server as usize];
                let seen = [&signals.begun, &signals.unanswered, &signals.reset].map(crate::Cell32::get);
                let marks = [&signals.failed, &signals.served].map(|cell| cell.get().count_ones());
                assert_eq!((seen, marks), (*counts, *clients), "{place}");
            }
        }
    }

    fn sweep(world: &World) -> usize {
        let (tables, now) = (&world.tables, world.now);
        let four = tables
            .keys4()
            .iter()
            .filter(|key| expire::expire::<Address4, _>(key, tables, now) == Outcome::Removed)
            .count();
        let six = tables
            .keys6()
            .iter()
            .filter(|key| expire::expire::<Address6, _>(key, tables, now) == Outcome::Removed)
            .count();
        four + six
    }

    /// Whatever is cut off, nothing panics, and a frame that is not forwarded is not changed.
    #[test]
    fn every_frame_cut_at_every_length() {
        for case in all() {
            let mut world = (case.world)();
            for step in &case.steps {
                let Step::Send(whole, _) = step else { continue };
                for length in 0..whole.bytes.len() {
                    let mut cut = SliceFrame { bytes: whole.bytes[..length].to_vec(), ingress: 1, joined: false };
                    let before = cut.clone();
                    let verdict = world.send(&mut cut);
                    assert!(verdict.action == Action::Forward || cut == before, "{} cut to {length}", case.name);
                }
            }
        }
    }
}
