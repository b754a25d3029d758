//! Errors from inside a tunnel: a router between this node and a server tells this node, which the outer packet came
//! from, about a packet of a client. The client is told, in the words of its own family, about the packet that it sent
//! (ip_vs_core.c, `ip_vs_in_icmp`, for IPIP, GUE and GRE).
//!
//! The packet inside names the connection, whose server has to be the one that the outer packet went to. Where the client
//! is, the connection knows from the client's own frames.

mod told;

use crate::abi::{Address4, Address6, Connection, Envelope, NextHop, Outer, Port, RealServer, Tunnel};
use crate::connection::{self, StateWord};
use crate::parse::Parse;
use crate::relate::{NOT_RELATED, may_begin_flows, ports};
use crate::{
    Address, Answer, Counter, Family, Frame, Next, Packet, Shared, Tables, Time, Verdict, address, relate, steer,
};
use told::told;
use wire::{Be16, Checksum, EtherType, Ethernet, Gre, GreChecksum, Gue, Icmp, Udp, protocol};

/// The verdict for an error about a packet of this node's own, which has become one about the packet inside; or that it
/// may begin the flow of the packet that it quotes.
#[inline(always)]
pub fn unwrap<A: Parse, F: Frame, T: Tables<Address4> + Tables<Address6>>(
    frame: &mut F,
    network: usize,
    tables: &T,
    now: Time,
) -> Result<Verdict, Next> {
    let (mut message, mut quoted) = (Packet::<A>::unread(), Packet::<A>::unread());
    let outcome = look(frame, network, &mut message, &mut quoted).and_then(|inside| match inside.family {
        Family::Ipv4 => relay::<A, Address4, F, T>(frame, &message, &quoted, &inside, tables, now),
        Family::Ipv6 => relay::<A, Address6, F, T>(frame, &message, &quoted, &inside, tables, now),
    });
    match outcome {
        Ok(verdict) => Ok(verdict),
        Err(NOT_RELATED) if may_begin_flows(tables) => Err(Next::Invite),
        Err(counter) => Ok(Verdict::because(counter)),
    }
}

/// What an error says, and where the packet inside the quoted one begins.
struct Inside {
    icmp: Icmp,
    outer: Outer,
    family: Family,
    offset: usize,
}

/// Reads an error about a tunnel's packet up to what is inside; whatever is something else ends here.
#[inline(always)]
fn look<A: Parse, F: Frame>(
    frame: &F,
    network: usize,
    message: &mut Packet<A>,
    quoted: &mut Packet<A>,
) -> Result<Inside, Counter> {
    let icmp = relate::error(frame, network, message, quoted)?;
    let (outer, family, offset) = envelope(frame, quoted).ok_or(NOT_RELATED)?;
    Ok(Inside { icmp, outer, family, offset })
}

/// What stands between the quoted header and the packet inside, and where that begins.
#[inline(always)]
fn envelope<A: Parse, F: Frame>(frame: &F, quoted: &Packet<A>) -> Option<(Outer, Family, usize)> {
    let at = quoted.transport;
    let (envelope, family, bytes) = match quoted.flow.protocol {
        protocol::GRE => {
            let gre = frame.read::<Gre>(at)?;
            let family = match EtherType::parse(gre.ether_type) {
                EtherType::Ipv4 => Family::Ipv4,
                EtherType::Ipv6 => Family::Ipv6,
                _ => return None,
            };
            // As this node writes it.
            let bytes = match gre.flags {
                flags if flags == Be16::new(0) => Gre::LENGTH,
                Gre::CHECKSUM => Gre::LENGTH + GreChecksum::LENGTH,
                _ => return None,
            };
            (Envelope::Gre, family, bytes)
        }
        protocol::UDP => {
            let udp = frame.read::<Udp>(at)?;
            let gue = frame.read::<Gue>(at + Udp::LENGTH)?;
            if gue.control_and_length != 0 || gue.flags != Be16::new(0) {
                return None;
            }
            (Envelope::Gue(Port(udp.destination.bits())), family_of(gue.protocol)?, Udp::LENGTH + Gue::LENGTH)
        }
        number => (Envelope::Ipip, family_of(number)?, 0),
    };
    Some((Outer::new(A::FAMILY, envelope, false), family, at + bytes))
}

const fn family_of(number: u8) -> Option<Family> {
    match number {
        protocol::IPV4 => Some(Family::Ipv4),
        protocol::IPV6 => Some(Family::Ipv6),
        _ => None,
    }
}

/// Makes the frame the message to the client whose packet was inside.
#[inline(always)]
fn relay<A: Parse, B: Parse, F: Frame, T: Tables<B>>(
    frame: &mut F,
    message: &Packet<A>,
    quoted: &Packet<A>,
    inside: &Inside,
    tables: &T,
    now: Time,
) -> Result<Verdict, Counter> {
    let mut client = Packet::<B>::unread();
    B::quoted(frame, inside.offset, &mut client).map_err(|_| NOT_RELATED)?;
    ports(frame, message, &mut client).map_err(|_| NOT_RELATED)?;
    let connection = tables.connection(&client.flow).filter(|found| is_ours(found, now)).ok_or(NOT_RELATED)?;
    let id = connection.server.get();
    let (Some(server), Some(tunnel)) = (tables.server(id), tables.tunnel(id)) else { return Err(NOT_RELATED) };
    let hop = connection.hop.get();
    if !leads(server, tunnel, quoted, inside.outer) || hop.index() == 0 {
        return Err(NOT_RELATED);
    }
    let overhead = Outer(tunnel.outer.get()).length() as u32;
    let answer = told(A::FAMILY, B::FAMILY, &inside.icmp, overhead).ok_or(NOT_RELATED)?;
    if !is_intact(frame, message) {
        return Err(NOT_RELATED);
    }
    let end = quotation_end(message, &inside.icmp, A::FAMILY);
    let verdict =
        match turn::<B, F, T>(frame, (message.network, inside.offset, end), A::FAMILY, hop, answer, tables, now) {
            Some(()) => Verdict::forward(Counter::ForwardIcmpOut, hop.index()),
            None => Verdict::because(Counter::DropRewriteFailed),
        };
    Ok(verdict)
}

/// True for a living connection of a client whose packets the director does not see the answers to.
#[inline(always)]
fn is_ours(connection: &Connection, now: Time) -> bool {
    let word = StateWord(connection.state.get());
    word.is_live_and_plain() && !word.has(StateWord::REPLY) && !connection::is_expired(connection, now)
}

/// True when the quoted packet is one of this node's to that server.
#[inline(always)]
fn leads<A: Address>(server: &RealServer, tunnel: &Tunnel, quoted: &Packet<A>, outer: Outer) -> bool {
    steer::is_tunnel(server)
        && Outer(tunnel.outer.get()).unchecked() == outer
        && address::load::<A>(&tunnel.source) == quoted.flow.source
        && address::load::<A>(&server.address) == quoted.flow.destination
}

/// The message's own checksum holds: it does not live on in the message to the client.
#[inline(always)]
fn is_intact<A: Parse, F: Frame>(frame: &F, message: &Packet<A>) -> bool {
    let bytes = message.bytes as usize - (message.transport - message.network);
    let pseudo = match A::FAMILY {
        Family::Ipv4 => Checksum::new(),
        Family::Ipv6 => {
            let ends = message.flow.source.sum().join(message.flow.destination.sum());
            ends.add16((bytes as u16).to_be()).add16((A::ICMP as u16).to_be())
        }
    };
    frame.sum(message.transport, bytes).is_some_and(|sum| sum.join(pseudo).fold() == 0xffff)
}

/// Where the quotation ends in the frame: what may follow it is not of the packet (RFC 4884).
#[inline(always)]
fn quotation_end<A>(message: &Packet<A>, icmp: &Icmp, family: Family) -> usize {
    let [first, second, ..] = icmp.rest.bits().to_ne_bytes();
    let told = match family {
        Family::Ipv4 => second as usize * 4,
        Family::Ipv6 if icmp.kind == Icmp::TOO_BIG6 => 0,
        Family::Ipv6 => first as usize * 8,
    };
    let (whole, told_end) = (message.network + message.bytes as usize, message.transport + Icmp::LENGTH + told);
    if told != 0 && told_end < whole { told_end } else { whole }
}

/// Turns the frame into the packet inside, as if it had just come from the client, and that into the message.
#[inline(always)]
fn turn<B: Parse, F: Frame, T: Shared>(
    frame: &mut F,
    (network, inside, end): (usize, usize, usize),
    outer: Family,
    hop: NextHop,
    answer: Answer,
    tables: &T,
    now: Time,
) -> Option<()> {
    frame.shorten(end)?;
    if network != Ethernet::LENGTH {
        frame.discard_tag()?;
    }
    frame.strip(inside - network, outer, B::FAMILY)?;
    // The message goes back to where the packet came from.
    frame.write(0, Ethernet { destination: hop.source, source: hop.destination, ether_type: B::ETHER_TYPE })?;
    if !frame.answer(Ethernet::LENGTH, answer, tables, now) {
        return None;
    }
    if hop.vlan() == 0 { Some(()) } else { frame.push_tag(hop.vlan()) }
}
