//! What is kept and listed but does not act yet, in words: one place for the front ends and the status.

use crate::{Key, Protocol, RealServer, Scheduler, ServiceOptions};
use std::fmt;

/// Something that is configured and without effect.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Dormant {
    /// `-f`
    Mark,
    /// `--sctp-service`
    Sctp,
    /// Port 0.
    AllPorts,
    /// A scheduler that the data plane does not know.
    Scheduler(Scheduler),
    /// `-p`
    Persistence,
    /// `--pe`
    PersistenceEngine,
    /// `-o`
    OnePacket,
    /// `-x`, `-y`
    Thresholds,
    /// `--start-daemon`
    Synchronization,
}

impl fmt::Display for Dormant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, consequence) = match self {
            Self::Scheduler(scheduler) => {
                let consequence = "nothing is scheduled";
                return write!(
                    formatter,
                    "scheduler {scheduler} is kept and listed, but does not act yet: {consequence}"
                );
            }
            Self::Mark => ("a service by firewall mark (-f)", "it matches no packet"),
            Self::Sctp => ("an SCTP service (--sctp-service)", "it matches no packet"),
            Self::AllPorts => ("a service of all ports (port 0)", "it matches no packet"),
            Self::Persistence => ("persistence (-p)", "each connection is scheduled by itself"),
            Self::PersistenceEngine => ("a persistence engine (--pe)", "each connection is scheduled by itself"),
            Self::OnePacket => ("one-packet scheduling (-o)", "the packets of a flow stay with one server"),
            Self::Synchronization => ("connection synchronization (--start-daemon)", "nothing is sent or received"),
            Self::Thresholds => ("a threshold (-x, -y)", "the server takes as many connections as it gets"),
        };
        write!(formatter, "{what} is kept and listed, but does not act yet: {consequence}")
    }
}

impl Key {
    /// Why a service of this key matches no packet yet.
    pub fn dormant(&self) -> Option<Dormant> {
        match self {
            Self::Mark(_) => Some(Dormant::Mark),
            Self::Endpoint(key) if key.protocol == Protocol::Sctp => Some(Dormant::Sctp),
            Self::Endpoint(key) => (key.endpoint.port() == 0).then_some(Dormant::AllPorts),
        }
    }
}

impl ServiceOptions {
    /// What of these has no effect yet.
    pub fn dormant(&self) -> Vec<Dormant> {
        let scheduler = self.scheduler;
        let all = [
            (!scheduler.acts(), Dormant::Scheduler(scheduler)),
            (self.persistence.is_some(), Dormant::Persistence),
            (self.persistence_engine.is_some(), Dormant::PersistenceEngine),
            (self.one_packet, Dormant::OnePacket),
        ];
        all.into_iter().filter_map(|(is_there, what)| is_there.then_some(what)).collect()
    }
}

impl RealServer {
    /// What of it has no effect yet.
    pub fn dormant(&self) -> Vec<Dormant> {
        if self.thresholds.are_none() { Vec::new() } else { vec![Dormant::Thresholds] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Persistence, Thresholds};

    #[test]
    fn what_acts_is_not_mentioned() {
        for scheduler in Scheduler::ALL {
            let options = ServiceOptions { scheduler, ..ServiceOptions::default() };
            assert_eq!(options.dormant().is_empty(), scheduler.acts(), "{scheduler}");
        }
    }

    #[test]
    fn one_line_each() {
        let persistence = Some(Persistence { timeout: 300, granularity: None });
        let options = ServiceOptions { persistence, one_packet: true, ..ServiceOptions::default() };
        let lines: Vec<_> = options.dormant().iter().map(Dormant::to_string).collect();
        assert_eq!(
            lines,
            [
                "persistence (-p) is kept and listed, but does not act yet: each connection is scheduled by itself",
                "one-packet scheduling (-o) is kept and listed, but does not act yet: the packets of a flow stay with one server"
            ]
        );
        let endpoint = "10.0.0.1:80".parse().unwrap();
        let server = RealServer::new(endpoint, crate::ForwardingMethod::Nat, crate::Weight::default());
        assert_eq!(server.dormant(), []);
        let full = RealServer { thresholds: Thresholds { upper: 5, lower: 0 }, ..server };
        assert_eq!(full.dormant(), [Dormant::Thresholds]);
    }
}
