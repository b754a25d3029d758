//! Every recording of the kernel's IPVS (`crates/model/goldens/scheduling-*.json`) through the loaded programs: the
//! same changes, the same packets in the same order, the same server for every flow.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod director;
mod recording;

use director::Director;
use forward::host::packet::DIRECTOR_MAC;
use model::{Change, ForwardingMethod, Scheduler};
use nix::sched::{CloneFlags, unshare};
use recording::{Recording, Step};
use std::process::Command;
use wire::TcpFlags;

#[test]
#[ignore = "needs root"]
fn flows_are_served_as_the_kernel_served_them() {
    let outcome = replay_all(ForwardingMethod::Nat, |_| true);
    println!("nat: {} of {} flows in {} recordings agree", outcome.agreed(), outcome.flows, outcome.files);
    outcome.check(136, 12099);
}

/// Direct routing leaves the servers no ports of their own, which is nothing to the schedulers but mh.
#[test]
#[ignore = "needs root"]
fn direct_routing_chooses_alike() {
    let outcome = replay_all(ForwardingMethod::DirectRouting, |recording| !recording.uses(Scheduler::Maglev));
    println!("dr: {} of {} flows in {} recordings agree", outcome.agreed(), outcome.flows, outcome.files);
    outcome.check(104, 5227);
}

/// What came of a number of recordings.
#[derive(Default)]
struct Outcome {
    files: usize,
    flows: usize,
    /// A line for each flow that went elsewhere.
    different: Vec<String>,
}

impl Outcome {
    fn agreed(&self) -> usize {
        self.flows - self.different.len()
    }

    fn check(&self, files: usize, flows: usize) {
        let shown: Vec<&str> = self.different.iter().take(20).map(String::as_str).collect();
        assert!(shown.is_empty(), "{} flows went elsewhere:\n{}", self.different.len(), shown.join("\n"));
        assert!(self.files >= files && self.flows >= flows, "recordings are missing");
    }
}

/// Replays recordings in a thread with a network namespace of its own: a service for each, on one data plane.
fn replay_all(method: ForwardingMethod, wanted: fn(&Recording) -> bool) -> Outcome {
    let replay_here = move || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        ip(&format!("link add xlvs-a address {DIRECTOR_MAC} type veth peer name xlvs-b"));
        ip("link set xlvs-a up");
        ip("link set xlvs-b up");
        let (mut director, mut outcome) = (Director::new(method), Outcome::default());
        for (name, recording) in recording::all().iter().filter(|(_, recording)| wanted(recording)) {
            director.begin(recording);
            replay(&mut director, name, recording, &mut outcome);
        }
        outcome
    };
    std::thread::spawn(replay_here).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().unwrap();
    assert!(status.success(), "ip {arguments}");
}

/// Replays one recording that has begun.
fn replay(director: &mut Director, name: &str, recording: &Recording, outcome: &mut Outcome) {
    outcome.files += 1;
    for (number, step) in recording.steps.iter().enumerate() {
        match step {
            Step::Flow { client, chosen } => {
                let (served, expected) = (director.flow(*client), chosen.map(|chosen| director.configured(chosen)));
                outcome.flows += 1;
                if served != expected {
                    let place = format!("{name}, step {}", number + 1);
                    outcome.different.push(format!("{place}: {client} to {served:?}, the kernel to {expected:?}"));
                }
            }
            Step::Finish { finish } => {
                director.send(*finish, TcpFlags::FIN | TcpFlags::ACK);
            }
            Step::Service { service: options } => {
                let (service, options) = (director.service, options.to_model());
                director.apply(&Change::EditService { service, options, owned: true });
            }
            Step::Add { add } => director.add(add),
            Step::Edit { edit } => director.edit(edit),
            Step::Delete { delete } => {
                let (service, server) = (director.service, director.configured(delete.endpoint()));
                director.apply(&Change::RemoveServer { service, server });
            }
        }
    }
}
