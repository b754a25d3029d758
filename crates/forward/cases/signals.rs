//! What connections tell of watched servers, and what forgers cannot make them tell.

use super::fullnat::{self, LOCAL, flow};
use super::net::{Net, SERVER_SIDE};
use super::{Case, Step, forward};
use crate::Counter::{ForwardIn, ForwardOut};
use crate::abi::{Method, RealServer};
use crate::host::packet::CLIENT_MAC;
use crate::host::packet::DIRECTOR_MAC;
use crate::host::{PacketBuilder, World, packet};
use core::net::IpAddr;
use std::boxed::Box;
use std::vec::Vec;
use wire::{TcpFlags, protocol};

const SYN: u8 = TcpFlags::SYN;
const ACK: u8 = TcpFlags::ACK;
const RST: u8 = TcpFlags::RST;
const SYN_ACK: u8 = SYN | ACK;
/// What servers number their first octet with, less one.
const NUMBER: u32 = 0xffff_fff0;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for net in nets() {
        cases.extend([
            strangers(net),
            unanswered(net),
            blind_handshakes(net),
            refused(net),
            reset_at_the_beginning(net),
            clients(net),
            begun_anew(net),
            unwatched(net),
        ]);
    }
    cases
}

fn nets() -> Vec<Net> {
    let methods = [Method::Nat, Method::FullNat].into_iter();
    let nets = methods.flat_map(|method| [false, true].map(|six| Net { six, method, protocol: protocol::TCP }));
    nets.collect()
}

/// A connection of one of the clients to the only server.
#[derive(Clone, Copy)]
struct Talk {
    net: Net,
    /// Number of the client, from 0 on.
    client: u8,
    /// How many connections there were before: each has ports of its own.
    place: u16,
}

impl Talk {
    fn address(self) -> IpAddr {
        self.net.address([10, 0, 0, 2 + self.client], 2 + u16::from(self.client))
    }

    fn port(self) -> u16 {
        4000 + self.place
    }

    fn at_server(self) -> PacketBuilder {
        match self.net.method {
            Method::FullNat => flow(self.net, self.port(), 1, LOCAL + self.place).at_server(),
            _ => self.net.at_server(1, self.port()).ip(self.address(), self.net.server(1).ip()),
        }
    }

    fn reply(self) -> PacketBuilder {
        match self.net.method {
            Method::FullNat => flow(self.net, self.port(), 1, LOCAL + self.place).reply(),
            _ => self.net.reply(1, self.port()).ip(self.net.server(1).ip(), self.address()),
        }
    }

    /// The client says this.
    fn asks(self, flags: u8, numbers: (u32, u32)) -> Step {
        let vip = self.net.vip();
        let said = packet().ip(self.address(), vip.ip()).tcp(self.port(), vip.port()).payload(b"request");
        let with = |packet: PacketBuilder| packet.flags(flags).numbers(numbers.0, numbers.1);
        forward(&with(said), ForwardIn, SERVER_SIDE, &with(self.at_server()))
    }

    /// The server says this.
    fn answers(self, flags: u8, numbers: (u32, u32)) -> Step {
        let vip = self.net.vip();
        let heard = packet().ip(vip.ip(), self.address()).tcp(vip.port(), self.port()).payload(b"reply").hops(63);
        let with = |packet: PacketBuilder| packet.flags(flags).numbers(numbers.0, numbers.1);
        forward(&with(self.reply()), ForwardOut, 1, &with(heard.ethernet(DIRECTOR_MAC, CLIENT_MAC)))
    }

    fn begins(self) -> Step {
        self.asks(SYN, (9, 0))
    }

    fn accepted(self) -> Step {
        self.answers(SYN_ACK, (NUMBER, 10))
    }

    fn confirms(self) -> Step {
        self.asks(ACK, (10, NUMBER + 1))
    }

    fn handshake(self) -> [Step; 3] {
        [self.begins(), self.accepted(), self.confirms()]
    }

    fn reset(self) -> Step {
        self.answers(RST | ACK, (0, 10))
    }
}

const fn talk(net: Net, client: u8, place: u16) -> Talk {
    Talk { net, client, place }
}

/// One server, which no client is announced to, so that packets arrive as they were sent.
fn world(net: Net, flags: u32) -> World {
    let world = match net.method {
        Method::FullNat => fullnat::world(net, 1, 100),
        _ => net.world(1),
    };
    world.tables.settings.toa_kinds.set(0);
    world.tables.servers[1].flags.set(world.tables.servers[1].flags.get() | flags);
    world
}

fn case(net: Net, name: &str, steps: Vec<Step>) -> Case {
    let world = move || world(net, RealServer::WATCHED);
    Case { name: format!("{} signals: {name}", net.name()), world: Box::new(world), steps }
}

fn signals(begun: u32, unanswered: u32, reset: u32, clients: u32) -> Step {
    told([begun, unanswered, reset], [clients, u32::from(begun > 0)])
}

/// The same where other clients than one were served.
fn told(counts: [u32; 3], clients: [u32; 2]) -> Step {
    Step::Signals(1, counts, clients)
}

/// Who has never shown that he receives answers: no silence and no reset counts, in however many connections.
fn strangers(net: Net) -> Case {
    let mut steps = Vec::new();
    for place in 0..3 {
        let talk = talk(net, place as u8, place);
        steps.extend([talk.begins(), Step::Wait(1), talk.begins(), talk.reset()]);
    }
    steps.push(signals(0, 0, 0, 0));
    case(net, "strangers", steps)
}

/// A known client's SYN that comes again after its time counts, once; not one that was answered, nor one of another service's
/// client.
fn unanswered(net: Net) -> Case {
    let (first, lost, lame) = (talk(net, 0, 0), talk(net, 0, 1), talk(net, 0, 2));
    let mut steps = first.handshake().into_iter().collect::<Vec<_>>();
    steps.extend([signals(1, 0, 0, 0), lost.begins(), lost.begins(), signals(1, 0, 0, 0)]);
    steps.extend([Step::Wait(1), lost.begins(), signals(2, 1, 0, 1), Step::Wait(1), lost.begins()]);
    steps.push(signals(2, 1, 0, 1));
    // Answered at last: a connection like others, and no failure more.
    steps.extend([lost.accepted(), lost.confirms(), signals(3, 1, 0, 1)]);
    steps.extend([lame.begins(), lame.accepted(), Step::Wait(1), lame.begins(), signals(3, 1, 0, 1)]);
    case(net, "unanswered", steps)
}

/// An ACK that guesses the server's number moves the state, as in IPVS, and proves nothing: the reset it earns is none.
fn blind_handshakes(net: Net) -> Case {
    let (first, second) = (talk(net, 0, 0), talk(net, 0, 1));
    let mut steps = Vec::new();
    for guess in [0, NUMBER, NUMBER + 2] {
        steps.extend([first.begins(), first.accepted(), first.asks(ACK, (10, guess)), first.answers(RST, (guess, 0))]);
        steps.extend([Step::Load(1, 0, 1), Step::Wait(11), Step::Sweep(0), Step::Wait(70), Step::Sweep(2)]);
    }
    steps.extend([signals(0, 0, 0, 0), second.begins(), second.reset(), signals(0, 0, 0, 0)]);
    if net.method == Method::FullNat {
        // Each has the next local port.
        steps.clear();
        for (place, guess) in [(0, 0), (1, NUMBER), (2, NUMBER + 2)] {
            let one = talk(net, 0, place);
            steps.extend([one.begins(), one.accepted(), one.asks(ACK, (10, guess)), one.answers(RST, (guess, 0))]);
        }
        steps.extend([signals(0, 0, 0, 0), talk(net, 0, 3).begins(), talk(net, 0, 3).reset(), signals(0, 0, 0, 0)]);
    }
    case(net, "blind handshakes", steps)
}

/// A reset for a known client's SYN; not for what a server resets by right.
fn refused(net: Net) -> Case {
    let (first, refused, forged) = (talk(net, 0, 0), talk(net, 0, 1), talk(net, 0, 2));
    let mut steps = first.handshake().into_iter().collect::<Vec<_>>();
    steps.extend([refused.begins(), refused.reset(), signals(2, 0, 1, 1), refused.reset(), signals(2, 0, 1, 1)]);
    steps.extend([forged.asks(SYN_ACK, (9, 9)), forged.answers(RST, (9, 0)), signals(2, 0, 1, 1)]);
    case(net, "refused", steps)
}

/// A reset is a signal as the first word after the handshake, and none after any other.
fn reset_at_the_beginning(net: Net) -> Case {
    let (first, second, third) = (talk(net, 0, 0), talk(net, 0, 1), talk(net, 0, 2));
    let mut steps = first.handshake().into_iter().collect::<Vec<_>>();
    steps.extend([first.reset(), signals(1, 0, 1, 1)]);
    steps.extend(second.handshake());
    steps.extend([second.answers(ACK, (NUMBER + 1, 17)), second.reset(), signals(2, 0, 1, 1)]);
    // The client's own reset comes first.
    steps.extend(third.handshake());
    steps.extend([third.asks(RST, (10, 0)), third.reset(), signals(3, 0, 1, 1)]);
    case(net, "reset at the beginning", steps)
}

/// conn_reuse_mode 0: a closed connection that a SYN begins anew where it stands is to be proven again.
fn begun_anew(net: Net) -> Case {
    let first = talk(net, 0, 0);
    let mut steps = std::vec![Step::Change(|world| world.tables.settings.flags.set(0))];
    steps.extend(first.handshake());
    steps.extend([first.answers(ACK, (NUMBER + 1, 17)), first.asks(RST, (10, 0)), signals(1, 0, 0, 0)]);
    steps.extend([first.begins(), first.accepted(), first.asks(ACK, (10, 7)), first.reset(), signals(1, 0, 0, 0)]);
    steps.extend([first.begins(), first.accepted(), first.confirms(), first.reset(), signals(2, 0, 1, 1)]);
    case(net, "begun anew", steps)
}

/// Clients are told apart, and each is known for itself.
fn clients(net: Net) -> Case {
    let mut steps = Vec::new();
    for client in 0..3 {
        steps.extend(talk(net, client, client.into()).handshake());
    }
    for client in 0..4 {
        let talk = talk(net, client, 3 + u16::from(client));
        steps.extend([talk.begins(), talk.reset()]);
    }
    steps.push(told([6, 0, 3], [3, 3]));
    case(net, "clients", steps)
}

/// Of a server that nobody watches nothing is counted; what it did before is not made up for.
fn unwatched(net: Net) -> Case {
    let (first, second, third) = (talk(net, 0, 0), talk(net, 0, 1), talk(net, 0, 2));
    let mut steps = first.handshake().into_iter().collect::<Vec<_>>();
    steps.extend([first.reset(), second.begins(), Step::Wait(1), second.begins(), signals(0, 0, 0, 0)]);
    let watch = |world: &mut World| {
        let flags = &world.tables.servers[1].flags;
        flags.set(flags.get() | RealServer::WATCHED);
    };
    steps.extend([Step::Change(watch), second.begins(), third.begins(), third.reset(), signals(0, 0, 0, 0)]);
    Case { world: Box::new(move || world(net, 0)), ..case(net, "unwatched", steps) }
}
