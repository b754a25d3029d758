//! The list of cases.

use super::network::Network;
use forward::abi::Method;
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
        for six in [false, true] {
            for method in [Method::Nat, Method::DirectRouting] {
                for protocol in [protocol::TCP, protocol::UDP] {
                    let known =
                        |flows| Self { network: Network { six, method, protocol }, kind: Kind::Known { flows } };
                    all.extend([1, 1024, 65_536].map(known));
                }
            }
        }
        for six in [false, true] {
            for method in [Method::Nat, Method::DirectRouting] {
                all.push(Self { network: Network { six, method, protocol: protocol::TCP }, kind: Kind::New });
            }
            let network = Network { six, method: Method::Nat, protocol: protocol::TCP };
            all.push(Self { network, kind: Kind::Reply });
        }
        let network = Network { six: false, method: Method::Nat, protocol: protocol::TCP };
        all.push(Self { network, kind: Kind::NotOurs });
        all
    }

    /// As in `nat4-tcp-known-1024`.
    pub(super) fn name(&self) -> String {
        let network = self.network.name();
        match self.kind {
            Kind::Known { flows } => format!("{network}-known-{flows}"),
            Kind::Reply => format!("{network}-reply-known-1"),
            Kind::New => format!("{network}-new"),
            Kind::NotOurs => "notours".to_owned(),
        }
    }
}
