//! Connections from their beginning to their end.

use super::{ALL, Flow, LOCAL, UDP4, case, flow, load, port_unreachable};
use crate::Counter::{
    DropFragment, DropNoServer, DropServerRemoved, ForwardIn, ForwardOut, PassNoFlow, PassNoService, PassNotOwned,
    PassNotSchedulable,
};
use crate::abi::{RealServer, Settings};
use crate::cases::net::{Net, SERVER_SIDE};
use crate::cases::{Case, Step, forward, refuse, tell};
use crate::host::World;
use crate::host::packet::DIRECTOR_MAC;
use std::vec::Vec;
use wire::{MacAddress, TcpFlags};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for net in ALL {
        cases.extend([
            conversation(net),
            quiesced_and_removed(net),
            silence(net),
            tagged(net),
            way_back(net),
            fragments_and_strangers(net),
        ]);
    }
    cases.push(no_checksum());
    cases
}

/// Out and back; the next client of the same server has the next port, that of another server may have the same.
fn conversation(net: Net) -> Case {
    let (first, second, third) = (flow(net, 4000, 2, LOCAL), flow(net, 4001, 1, LOCAL), flow(net, 4002, 2, LOCAL + 1));
    let mut steps = std::vec![first.open()];
    let mut known = first;
    if net.is_tcp() {
        steps.push(first.returned(TcpFlags::SYN | TcpFlags::ACK));
        known = first.known();
    }
    for _ in 0..3 {
        steps.extend([known.more(), first.answered()]);
    }
    steps.extend([second.open(), third.open(), third.answered(), second.answered(), first.answered(), known.more()]);
    steps.extend([Step::Entries(6), load(net, 2, 2), load(net, 1, 1)]);
    case(net, "conversation", 2, 100, steps)
}

fn set_flags(world: &mut World, id: usize, flags: u32) {
    world.tables.servers[id].flags.set(flags);
}

/// Quiesced, removed, added again, another node's, and expire_nodest_conn: as for NAT.
fn quiesced_and_removed(net: Net) -> Case {
    let (one, two) = (flow(net, 4000, 2, LOCAL), flow(net, 4001, 1, LOCAL));
    let again = flow(net, 4000, 1, LOCAL + 1);
    let mut steps = std::vec![
        one.open(),
        two.open(),
        Step::Change(|world| world.tables.loads[2].weight.set(0)),
        one.more(),
        Step::Change(|world| set_flags(world, 2, RealServer::READY & !RealServer::AVAILABLE)),
        refuse(&one.request(), DropServerRemoved),
        Step::Change(|world| set_flags(world, 2, RealServer::READY & !RealServer::OWNED)),
        refuse(&one.request(), PassNotOwned),
        Step::Change(|world| set_flags(world, 2, RealServer::READY)),
        one.more(),
        one.answered(),
    ];
    steps.extend([
        Step::Change(|world| {
            world.tables.settings.flags.set(Settings::EXPIRE_NODEST | Settings::REUSE_CLOSED);
            set_flags(world, 2, RealServer::READY & !RealServer::AVAILABLE);
        }),
        if net.is_tcp() { refuse(&one.request(), PassNotSchedulable) } else { again.more() },
        again.open(),
        load(net, 2, 0),
        load(net, 1, 2),
        Step::Change(|world| world.tables.loads[1].weight.set(0)),
        tell(&flow(net, 4005, 1, 0).first(), DropNoServer, port_unreachable(net)),
    ]);
    case(net, "quiesced and removed", 2, 100, steps)
}

/// Nothing for too long: found by the sweeper, both entries.
fn silence(net: Net) -> Case {
    let (old, new) = (flow(net, 4000, 1, LOCAL), flow(net, 4000, 1, LOCAL + 1));
    let mut steps = std::vec![old.open()];
    if net.is_tcp() {
        let answer = old.returned(TcpFlags::SYN | TcpFlags::ACK);
        steps.extend([answer, old.known().more(), Step::Wait(890), old.answered()]);
    }
    let later = if net.is_tcp() { old.known().more() } else { old.more() };
    steps.extend([
        Step::Wait(290),
        later,
        Step::Wait(902),
        Step::Sweep(0),
        Step::Load(1, 0, 0),
        if net.is_tcp() { refuse(&old.request(), PassNotSchedulable) } else { new.more() },
    ]);
    if net.is_tcp() {
        steps.extend([Step::Wait(3), Step::Sweep(2), Step::Entries(0), new.open()]);
    } else {
        steps.extend([Step::Wait(3), Step::Sweep(1), Step::Entries(2), new.answered()]);
    }
    case(net, "silence", 1, 100, steps)
}

/// A client in a VLAN: its tag is taken out, and put back into the replies.
fn tagged(net: Net) -> Case {
    let flow = flow(net, 4000, 1, LOCAL);
    let first = if net.is_tcp() { flow.told().syn() } else { flow.at_server() };
    let steps = std::vec![
        forward(&flow.first().tag(7), ForwardIn, SERVER_SIDE, &first),
        forward(&flow.reply(), ForwardOut, 1, &flow.at_client().tag(7)),
        forward(&flow.request().tag(7), ForwardIn, SERVER_SIDE, &flow.at_server()),
    ];
    Case { name: format!("VLAN {} tagged", net.name()), ..case(net, "", 1, 100, steps) }
}

/// The client's frames come from another router later: replies go there.
fn way_back(net: Net) -> Case {
    const ROUTER: MacAddress = MacAddress([2, 0, 0, 0, 9, 9]);
    let flow = flow(net, 4000, 1, LOCAL);
    let steps = std::vec![
        flow.open(),
        flow.more(),
        flow.answered(),
        Step::Wait(3),
        forward(&flow.request().ethernet(ROUTER, DIRECTOR_MAC), ForwardIn, SERVER_SIDE, &flow.at_server()),
        forward(&flow.reply(), ForwardOut, 1, &flow.at_client().ethernet(DIRECTOR_MAC, ROUTER)),
    ];
    case(net, "way back is learnt", 1, 100, steps)
}

/// What is not for FullNAT.
fn fragments_and_strangers(net: Net) -> Case {
    let flow = flow(net, 4000, 1, LOCAL);
    let mut steps = std::vec![flow.open()];
    // A server's packet to a local port that no flow has: the stack resets it.
    let stray = Flow { local: LOCAL + 1, ..flow };
    steps.push(refuse(&stray.reply(), if net.is_tcp() { PassNoFlow } else { PassNoService }));
    if net.is_tcp() {
        // A segment would need more than addresses and ports; its sender finds the MTU of the way.
        if !net.six {
            steps.push(refuse(&flow.request().fragment(0x2000), DropFragment));
            steps.push(refuse(&flow.reply().fragment(0x2000), DropFragment));
        }
        steps.push(refuse(&Flow { client: 4001, ..flow }.request(), PassNotSchedulable));
    }
    case(net, "fragments and strangers", 1, 100, steps)
}

/// A datagram without a checksum stays one.
fn no_checksum() -> Case {
    let flow = flow(UDP4, 4000, 1, LOCAL);
    let steps = std::vec![
        forward(&flow.request().no_checksum(), ForwardIn, SERVER_SIDE, &flow.at_server().no_checksum()),
        forward(&flow.reply().no_checksum(), ForwardOut, 1, &flow.at_client().no_checksum()),
    ];
    case(UDP4, "no checksum", 1, 100, steps)
}
