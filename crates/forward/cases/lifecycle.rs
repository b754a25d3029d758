//! States, time-outs, servers that come and go.

use super::answers::port_unreachable;
use super::net::{Net, SERVER_SIDE};
use super::{Case, Step, forward, refuse, tell};
use crate::Counter::{
    DropNoServer, DropServerRemoved, DropServerUnresolved, ForwardIn, ForwardOut, PassNoFlow, PassNotOwned,
    PassNotSchedulable,
};
use crate::abi::{RealServer, Settings};
use crate::host::World;
use std::boxed::Box;
use std::vec::Vec;
use wire::TcpFlags;

const FIN: u8 = TcpFlags::FIN | TcpFlags::ACK;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for net in Net::all() {
        cases.push(quiesce(net));
        cases.push(remove_and_add_again(net));
        cases.push(expire_nodest(net));
        cases.push(expire_nodest_unasked(net));
        cases.push(unresolved(net));
        cases.push(not_owned(net));
        if net.is_tcp() {
            cases.push(close_and_reopen(net));
            cases.push(reopen_without_reuse(net));
            cases.push(quiesced_and_reopened(net));
            cases.push(sloppy(net));
            cases.push(established_expires(net));
            cases.push(shorter_timeout(net));
        } else {
            cases.push(datagrams_expire(net));
        }
    }
    cases
}

fn case(net: Net, name: &str, servers: u32, steps: Vec<Step>) -> Case {
    Case { name: format!("{} {name}", net.name()), world: Box::new(move || net.world(servers)), steps }
}

fn open(net: Net, id: u32, port: u16) -> Step {
    if net.is_tcp() {
        forward(&net.request(port).syn(), ForwardIn, SERVER_SIDE, &net.at_server(id, port).syn())
    } else {
        forward(&net.request(port), ForwardIn, SERVER_SIDE, &net.at_server(id, port))
    }
}

fn more(net: Net, id: u32, port: u16) -> Step {
    forward(&net.request(port), ForwardIn, SERVER_SIDE, &net.at_server(id, port))
}

/// Load of a server with so many open connections.
fn load(net: Net, id: u32, connections: u32) -> Step {
    if net.is_tcp() { Step::Load(id, connections, 0) } else { Step::Load(id, 0, connections) }
}

/// Weight 0: nothing new, everything old goes on.
fn quiesce(net: Net) -> Case {
    let steps = std::vec![
        open(net, 2, 4000),
        Step::Change(|world| world.tables.loads[2].weight.set(0)),
        more(net, 2, 4000),
        open(net, 1, 4001),
        open(net, 1, 4002),
        Step::Change(|world| world.tables.loads[1].weight.set(0)),
        if net.is_tcp() {
            tell(&net.request(4003).syn(), DropNoServer, port_unreachable(net))
        } else {
            tell(&net.request(4003), DropNoServer, port_unreachable(net))
        },
        more(net, 2, 4000),
    ];
    case(net, "quiesce", 2, steps)
}

fn set_flags(world: &mut World, id: usize, flags: u32) {
    world.tables.servers[id].flags.set(flags);
}

/// A removed server: its packets are dropped and counted; added again, its connections flow again.
fn remove_and_add_again(net: Net) -> Case {
    let steps = std::vec![
        open(net, 2, 4000),
        open(net, 1, 4001),
        Step::Change(|world| set_flags(world, 2, RealServer::READY & !RealServer::AVAILABLE)),
        refuse(&net.request(4000), DropServerRemoved),
        more(net, 1, 4001),
        Step::Change(|world| set_flags(world, 2, RealServer::READY)),
        more(net, 2, 4000),
    ];
    case(net, "remove and add again", 2, steps)
}

/// expire_nodest_conn: the orphan is scheduled anew where its packet may begin a connection.
fn expire_nodest(net: Net) -> Case {
    let again = if net.is_tcp() { refuse(&net.request(4000), PassNotSchedulable) } else { more(net, 1, 4000) };
    let steps = std::vec![
        Step::Change(|world| world.tables.settings.flags.set(Settings::EXPIRE_NODEST | Settings::REUSE_CLOSED)),
        open(net, 2, 4000),
        load(net, 2, 1),
        Step::Change(|world| {
            set_flags(world, 2, RealServer::READY & !RealServer::AVAILABLE);
            world.tables.loads[2].weight.set(0);
        }),
        again,
        open(net, 1, 4000),
        load(net, 2, 0),
        load(net, 1, 1),
    ];
    case(net, "expire nodest", 2, steps)
}

/// expire_nodest_conn: the sweeper ends orphans that nobody sends packets of.
fn expire_nodest_unasked(net: Net) -> Case {
    let entries = if net.is_nat() { 2 } else { 1 };
    let steps = std::vec![
        open(net, 2, 4000),
        Step::Change(|world| set_flags(world, 2, RealServer::READY & !RealServer::AVAILABLE)),
        Step::Sweep(0),
        load(net, 2, 1),
        Step::Change(|world| world.tables.settings.flags.set(Settings::EXPIRE_NODEST)),
        Step::Sweep(0),
        load(net, 2, 0),
        Step::Wait(3),
        Step::Sweep(entries),
    ];
    case(net, "expire nodest unasked", 2, steps)
}

/// A connection of the second server, reset by its client: CLOSE.
fn closed(net: Net) -> Vec<Step> {
    let reset = TcpFlags::RST;
    let close = forward(&net.request(4000).flags(reset), ForwardIn, SERVER_SIDE, &net.at_server(2, 4000).flags(reset));
    std::vec![open(net, 2, 4000), more(net, 2, 4000), close, Step::Load(2, 0, 1)]
}

/// conn_reuse_mode 0: a SYN on a closed connection goes to the old server, even a quiesced one. 2: to the next one.
fn reopen_without_reuse(net: Net) -> Case {
    let mut steps = closed(net);
    steps.extend([
        Step::Change(|world| {
            world.tables.settings.flags.set(0);
            world.tables.loads[2].weight.set(0);
        }),
        open(net, 2, 4000),
        load(net, 2, 1),
        Step::Change(|world| world.tables.settings.flags.set(Settings::REUSE_FIN_WAIT)),
        more(net, 2, 4000),
        forward(
            &net.request(4000).flags(TcpFlags::RST),
            ForwardIn,
            SERVER_SIDE,
            &net.at_server(2, 4000).flags(TcpFlags::RST),
        ),
        open(net, 1, 4000),
    ]);
    case(net, "reopen without reuse", 2, steps)
}

/// expire_nodest_conn: a SYN of a connection whose server is quiesced goes to another, whatever its state.
fn quiesced_and_reopened(net: Net) -> Case {
    let steps = std::vec![
        open(net, 2, 4000),
        more(net, 2, 4000),
        Step::Change(|world| world.tables.loads[2].weight.set(0)),
        open(net, 2, 4000),
        Step::Change(|world| world.tables.settings.flags.set(Settings::EXPIRE_NODEST)),
        more(net, 2, 4000),
        open(net, 1, 4000),
        load(net, 2, 0),
        load(net, 1, 1),
    ];
    case(net, "quiesced and reopened", 2, steps)
}

/// sloppy_tcp: an ACK begins a connection that is established at once; a RST never does.
fn sloppy(net: Net) -> Case {
    let steps = std::vec![
        refuse(&net.request(4000), PassNotSchedulable),
        Step::Change(|world| world.tables.settings.flags.set(Settings::SLOPPY_TCP)),
        refuse(&net.request(4000).flags(TcpFlags::RST), PassNotSchedulable),
        more(net, 2, 4000),
        load(net, 2, 1),
    ];
    case(net, "sloppy", 2, steps)
}

/// No neighbour, no traffic: nothing is passed unrewritten to the local stack.
fn unresolved(net: Net) -> Case {
    let steps = std::vec![
        open(net, 1, 4000),
        Step::Change(|world| {
            set_flags(world, 1, RealServer::READY & !RealServer::RESOLVED);
            world.tables.loads[1].weight.set(0);
        }),
        refuse(&net.request(4000), DropServerUnresolved),
        if net.is_tcp() {
            tell(&net.request(4001).syn(), DropNoServer, port_unreachable(net))
        } else {
            tell(&net.request(4001), DropNoServer, port_unreachable(net))
        },
    ];
    case(net, "unresolved", 1, steps)
}

/// Another node owns the virtual address: known and new flows are passed.
fn not_owned(net: Net) -> Case {
    let steps = std::vec![
        open(net, 1, 4000),
        Step::Change(|world| {
            set_flags(world, 1, RealServer::READY & !RealServer::OWNED);
            world.edit_services(|service| service.flags = 0);
        }),
        refuse(&net.request(4000), PassNotOwned),
        if net.is_tcp() {
            refuse(&net.request(4001).syn(), PassNotOwned)
        } else {
            refuse(&net.request(4001), PassNotOwned)
        },
    ];
    case(net, "not owned", 1, steps)
}

/// FIN both ways, then a SYN from the same port: scheduled anew (conn_reuse_mode).
fn close_and_reopen(net: Net) -> Case {
    let mut steps = std::vec![open(net, 2, 4000), more(net, 2, 4000), load(net, 2, 1)];
    steps.push(forward(&net.request(4000).flags(FIN), ForwardIn, SERVER_SIDE, &net.at_server(2, 4000).flags(FIN)));
    if net.is_nat() {
        steps.push(forward(&net.reply(2, 4000).flags(FIN), ForwardOut, 1, &net.at_client(4000).flags(FIN)));
        // TIME_WAIT: inactive, and a SYN is a new connection for the next server.
        steps.push(Step::Load(2, 0, 1));
        steps.push(open(net, 1, 4000));
        steps.push(load(net, 1, 1));
        steps.push(Step::Load(2, 0, 0));
        // The old server's late segment belongs to nobody now: the kernel routes it as it is.
        steps.push(refuse(&net.reply(2, 4000), PassNoFlow));
        steps.push(forward(&net.reply(1, 4000), ForwardOut, 1, &net.at_client(4000)));
    } else {
        // FIN_WAIT as seen one-way; conn_reuse_mode 1 keeps it, so the SYN goes to the same server.
        steps.push(Step::Load(2, 0, 1));
        steps.push(open(net, 2, 4000));
        steps.push(load(net, 2, 1));
        let reset = TcpFlags::RST;
        steps.push(forward(
            &net.request(4000).flags(reset),
            ForwardIn,
            SERVER_SIDE,
            &net.at_server(2, 4000).flags(reset),
        ));
        // SYN_RECV stays under a client's RST in the kernel's table; from ESTABLISHED it closes.
        steps.push(more(net, 2, 4000));
        steps.push(forward(
            &net.request(4000).flags(reset),
            ForwardIn,
            SERVER_SIDE,
            &net.at_server(2, 4000).flags(reset),
        ));
        steps.push(Step::Load(2, 0, 1));
        steps.push(open(net, 1, 4000));
        steps.push(Step::Load(2, 0, 0));
    }
    case(net, "close and reopen", 2, steps)
}

/// An established connection is silent for 900 s: nothing lives on but what a new SYN begins.
fn established_expires(net: Net) -> Case {
    let entries = if net.is_nat() { 2 } else { 1 };
    let steps = std::vec![
        open(net, 2, 4000),
        more(net, 2, 4000),
        Step::Wait(890),
        more(net, 2, 4000),
        Step::Wait(890),
        more(net, 2, 4000),
        Step::Wait(902),
        refuse(&net.request(4000), PassNotSchedulable),
        Step::Entries(entries),
        Step::Load(2, 1, 0),
        // Found by the sweeper: retired first, removed after the grace period.
        Step::Sweep(0),
        Step::Load(2, 0, 0),
        refuse(&net.request(4000), PassNotSchedulable),
        Step::Wait(3),
        Step::Sweep(entries),
        Step::Entries(0),
        open(net, 1, 4000),
    ];
    case(net, "established expires", 2, steps)
}

/// A shorter time-out takes effect with the next packet, not before (as in the kernel, where a packet sets the timer).
fn shorter_timeout(net: Net) -> Case {
    let steps = std::vec![
        open(net, 2, 4000),
        more(net, 2, 4000),
        Step::Change(|world| world.tables.settings.tcp_timeouts[1].set(crate::Time::ticks(4))),
        Step::Wait(800),
        Step::Sweep(0),
        more(net, 2, 4000),
        Step::Wait(6),
        refuse(&net.request(4000), PassNotSchedulable),
    ];
    case(net, "shorter time-out", 2, steps)
}

/// Datagrams: 300 s, refreshed by either direction; revived in place by another server.
fn datagrams_expire(net: Net) -> Case {
    let mut steps = std::vec![open(net, 2, 4000), Step::Wait(290)];
    if net.is_nat() {
        steps.push(forward(&net.reply(2, 4000), ForwardOut, 1, &net.at_client(4000)));
        steps.push(Step::Wait(290));
    }
    steps.extend([
        more(net, 2, 4000),
        Step::Wait(302),
        open(net, 1, 4000),
        Step::Load(2, 0, 0),
        Step::Load(1, 0, 1),
        Step::Sweep(0),
        more(net, 1, 4000),
    ]);
    if net.is_nat() {
        // The first server's reply entry is retired, the second's lives.
        steps.extend([
            Step::Entries(3),
            forward(&net.reply(1, 4000), ForwardOut, 1, &net.at_client(4000)),
            Step::Wait(3),
            Step::Sweep(1),
            Step::Entries(2),
        ]);
    }
    case(net, "datagrams expire", 2, steps)
}
