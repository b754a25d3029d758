//! The list of cases.

use super::network::Network;
use forward::abi::{Envelope, Method, Port};
use wire::protocol;

/// Something to measure.
pub(super) struct Case {
    pub(super) network: Network,
    pub(super) kind: Kind,
}

/// Which packets of that network.
pub(super) enum Kind {
    /// From clients of so many established connections, one packet each in turn.
    Known { flows: u32 },
    /// From the client of one connection that its server must be told of with every packet.
    Told,
    /// From the server of one established connection.
    Reply,
    /// Each packet begins a connection.
    New,
    /// Packets that concern no service.
    NotOurs,
}

impl Case {
    /// Every case.
    pub(super) fn all() -> Vec<Self> {
        let mut all = Vec::new();
        let network = |six, method, protocol| {
            let (envelope, tells, watched) = ((Envelope::Ipip, false), true, false);
            Network { six, method, protocol, envelope, tells, watched }
        };
        let methods = [Method::Nat, Method::DirectRouting, Method::Tunnel];
        for six in [false, true] {
            for method in methods {
                for protocol in [protocol::TCP, protocol::UDP] {
                    let known = |flows| Self { network: network(six, method, protocol), kind: Kind::Known { flows } };
                    all.extend([1, 1024, 65_536].map(known));
                }
            }
        }
        for six in [false, true] {
            all.extend(methods.map(|method| Self { network: network(six, method, protocol::TCP), kind: Kind::New }));
            all.push(Self { network: network(six, Method::Nat, protocol::TCP), kind: Kind::Reply });
        }
        for six in [false, true] {
            for protocol in [protocol::TCP, protocol::UDP] {
                all.extend(full_nat(network(six, Method::FullNat, protocol)));
            }
        }
        for six in [false, true] {
            let network = Network { watched: true, ..network(six, Method::Nat, protocol::TCP) };
            let kinds = [Kind::Known { flows: 1 }, Kind::Known { flows: 1024 }, Kind::New, Kind::Reply];
            all.extend(kinds.map(|kind| Self { network, kind }));
        }
        let gue = Envelope::Gue(Port::new(6080));
        for envelope in [(gue, false), (gue, true), (Envelope::Gre, false), (Envelope::Gre, true)] {
            for six in [false, true] {
                let network = Network { envelope, ..network(six, Method::Tunnel, protocol::TCP) };
                all.push(Self { network, kind: Kind::Known { flows: 1 } });
            }
        }
        all.push(Self { network: network(false, Method::Nat, protocol::TCP), kind: Kind::NotOurs });
        all
    }

    /// As in `nat4-tcp-known-1024`.
    pub(super) fn name(&self) -> String {
        let network = self.network.name();
        match self.kind {
            Kind::Known { flows } => format!("{network}-known-{flows}"),
            Kind::Told => format!("{network}-told-1"),
            Kind::New if !self.network.tells => format!("{network}-new-untold"),
            Kind::Reply => format!("{network}-reply-known-1"),
            Kind::New => format!("{network}-new"),
            Kind::NotOurs => "notours".to_owned(),
        }
    }
}

/// Those of FullNAT. Datagrams of known flows tell nothing: one does every three seconds.
fn full_nat(network: Network) -> Vec<Case> {
    let known = |flows| Case { network: Network { tells: network.is_tcp(), ..network }, kind: Kind::Known { flows } };
    let mut all: Vec<Case> = [1, 1024, 65_536].map(known).into();
    if network.is_tcp() {
        all.push(Case { network, kind: Kind::Told });
    }
    all.extend([true, false].map(|tells| Case { network: Network { tells, ..network }, kind: Kind::New }));
    all.push(Case { network: Network { tells: network.is_tcp(), ..network }, kind: Kind::Reply });
    all
}
