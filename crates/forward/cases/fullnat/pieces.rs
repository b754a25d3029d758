//! Datagrams in pieces: both addresses of every piece change, both ports of the first one.

use super::{Flow, LOCAL, UDP4, UDP6, case, flow, load};
use crate::Counter::{
    DropFragment, DropNoLocalPort, DropTimeToLive, DropTooBig, ForwardIn, ForwardOut, HoldFragment, PassNoService,
};
use crate::abi::RealServer;
use crate::cases::fragments::piece;
use crate::cases::net::{Net, SERVER_SIDE};
use crate::cases::{Case, Step, forward, refuse, tell};
use std::vec::Vec;

pub(super) fn cases() -> Vec<Case> {
    [UDP4, UDP6].into_iter().flat_map(|net| [conversation(net), mixed(net), refused(net), limits(net)]).collect()
}

impl Flow {
    fn piece(&self, number: u16, offset: u16, last: bool) -> Step {
        let pieces = [self.request(), self.at_server()].map(|it| piece(it, self.net, number, offset, last));
        forward(&pieces[0], ForwardIn, SERVER_SIDE, &pieces[1])
    }

    fn answer_piece(&self, number: u16, offset: u16, last: bool) -> Step {
        let pieces = [self.reply(), self.at_client()].map(|it| piece(it, self.net, number, offset, last));
        forward(&pieces[0], ForwardOut, 1, &pieces[1])
    }
}

/// A flow that begins with a fragment; whole datagrams between; the answer in pieces, too.
fn conversation(net: Net) -> Case {
    let flow = flow(net, 4000, 2, LOCAL);
    let mut steps: Vec<Step> =
        [(0, false), (800, false), (1600, true)].map(|(at, last)| flow.piece(7, at, last)).into();
    steps.extend([load(net, 2, 1), Step::Entries(2)]);
    steps.extend([(0, false), (1600, true), (800, false)].map(|(at, last)| flow.answer_piece(9, at, last)));
    steps.extend([flow.more(), flow.answered(), flow.piece(8, 0, false), flow.piece(8, 800, true)]);
    case(net, "fragments", 2, 100, steps)
}

/// Two flows at a time, each with its local port; pieces before their first wait.
fn mixed(net: Net) -> Case {
    let (one, two) = (flow(net, 4000, 2, LOCAL), flow(net, 4001, 1, LOCAL));
    let early = piece(one.request(), net, 3, 800, true);
    let steps = std::vec![
        one.piece(1, 0, false),
        two.piece(2, 0, false),
        one.piece(1, 800, true),
        two.piece(2, 800, true),
        refuse(&early, HoldFragment),
        one.piece(3, 0, false),
        one.piece(3, 800, true),
        one.answer_piece(1, 0, false),
        two.answer_piece(1, 0, false),
        one.answer_piece(1, 800, true),
        Step::Wait(32),
        refuse(&early, HoldFragment),
    ];
    case(net, "mixed fragments", 2, 100, steps)
}

/// No local port, no service: what follows the first one that was refused goes nowhere, either.
fn refused(net: Net) -> Case {
    let (one, two) = (flow(net, 4000, 1, LOCAL), flow(net, 4001, 1, LOCAL));
    let elsewhere = || one.request().udp(4000, 9999);
    let steps = std::vec![
        one.piece(1, 0, false),
        tell(&piece(two.request(), net, 2, 0, false), DropNoLocalPort, super::port_unreachable(net)),
        refuse(&piece(two.request(), net, 2, 800, true), HoldFragment),
        refuse(&piece(elsewhere(), net, 3, 0, false), PassNoService),
        one.piece(1, 800, true),
    ];
    case(net, "refused fragments", 1, 1, steps)
}

/// The last hop and the MTU, of which nobody is told by a later one.
fn limits(net: Net) -> Case {
    let flow = flow(net, 4000, 2, LOCAL);
    let later = || piece(flow.request(), net, 1, 800, true);
    let steps = std::vec![
        flow.piece(1, 0, false),
        refuse(&later().hops(1), DropTimeToLive),
        Step::Change(|world| world.tables.servers.iter().for_each(|server| server.mtu.set(900))),
        flow.piece(2, 0, false),
        refuse(&piece(flow.request(), net, 2, 800, true).payload(&[1; 1000]), DropTooBig),
        Step::Change(|world| world.tables.servers[2]
            .flags
            .set(RealServer::TAKEN | RealServer::OWNED | RealServer::RESOLVED)),
        refuse(&piece(flow.request(), net, 3, 0, false), crate::Counter::DropServerRemoved),
        refuse(&piece(flow.request(), net, 3, 800, true), DropFragment),
    ];
    case(net, "limits of fragments", 2, 100, steps)
}
