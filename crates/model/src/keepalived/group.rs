//! `virtual_server_group`: addresses, ranges of addresses and marks that share servers.

use super::Statement;
use super::room::Room;
use super::value::{address, number};
use crate::ConfigError;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What a member of a group, or a service itself, is known by; the protocol comes from the service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Member {
    Endpoint(SocketAddr),
    Mark { mark: u32, ipv6: Option<bool> },
}

/// Most addresses of one range.
const MOST: u128 = 65_536;

/// The members of a group, ranges counted out while there is room for so many services.
pub(super) fn members(group: &Statement, room: &Room) -> Result<Vec<Member>, ConfigError> {
    let mut members = Vec::new();
    for statement in group.statements() {
        if statement.keyword() == "fwmark" {
            members.push(mark(statement, 0)?);
            room.check_services(statement, members.len())?;
            continue;
        }
        let port = match statement.argument() {
            Some(port) => number(statement, port, 1, u16::MAX)?,
            None => 0,
        };
        let range = range(statement, statement.keyword())?;
        room.check_services(statement, members.len() + range.len())?;
        members.extend(range.into_iter().map(|address| Member::Endpoint(SocketAddr::new(address, port))));
    }
    if members.is_empty() {
        return Err(group.fault("a group without addresses and marks; write one a line in its braces"));
    }
    Ok(members)
}

/// `fwmark N [inet|inet6]`, from an argument on.
pub(super) fn mark(statement: &Statement, first: usize) -> Result<Member, ConfigError> {
    let mut arguments = statement.arguments().skip(first);
    let mark = number(statement, arguments.next().unwrap_or(""), 1, u32::MAX)?;
    let ipv6 = match arguments.next() {
        None => None,
        Some("inet") => Some(false),
        Some("inet6") => Some(true),
        Some(other) => return Err(statement.fault_at(other, format!("`{other}` is no family; write inet or inet6"))),
    };
    Ok(Member::Mark { mark, ipv6 })
}

/// `a`, `a-b`, `a-last part`, `a/bits`.
fn range(statement: &Statement, text: &str) -> Result<Vec<IpAddr>, ConfigError> {
    let (first, last) = if let Some((first, bits)) = text.split_once('/') {
        network(statement, address(statement, first)?, bits)?
    } else if let Some((first, last)) = text.split_once('-') {
        let first = address(statement, first)?;
        (first, end(statement, first, last)?)
    } else {
        let only = address(statement, text)?;
        (only, only)
    };
    let (low, high) = (value(first), value(last));
    if high < low || first.is_ipv6() != last.is_ipv6() {
        return Err(statement.fault_at(text, format!("the range `{text}` ends before it begins; exchange its ends")));
    }
    if high - low >= MOST {
        return Err(statement.fault_at(text, format!("the range `{text}` has more than {MOST} addresses; write less")));
    }
    Ok((low..=high).map(|value| address_of(value, first.is_ipv6())).collect())
}

/// A whole address, or what replaces the last part of the first one: decimal, in IPv6 hexadecimal.
fn end(statement: &Statement, first: IpAddr, text: &str) -> Result<IpAddr, ConfigError> {
    if let Ok(last) = text.parse() {
        return Ok(last);
    }
    let (radix, most) = if first.is_ipv6() { (16, 0xffff) } else { (10, 0xff) };
    let part = u128::from_str_radix(text, radix).ok().filter(|part| *part <= most);
    let message = || format!("`{text}` is no end of a range; write an address, or its last part");
    let part = part.ok_or_else(|| statement.fault_at(text, message()))?;
    Ok(address_of(value(first) & !most | part, first.is_ipv6()))
}

/// All addresses of a network; whose host bits must be empty, as keepalived wants it.
fn network(statement: &Statement, base: IpAddr, bits: &str) -> Result<(IpAddr, IpAddr), ConfigError> {
    let width: u32 = if base.is_ipv6() { 128 } else { 32 };
    let bits = number(statement, bits, 1, width)?;
    let hosts = (1u128 << (width - bits)) - 1;
    let low = value(base);
    if low & hosts != 0 {
        let network = address_of(low & !hosts, base.is_ipv6());
        let message = format!("{base} is not the beginning of a network of {bits} bits; write {network}/{bits}");
        return Err(statement.fault(message));
    }
    Ok((base, address_of(low | hosts, base.is_ipv6())))
}

fn value(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

fn address_of(value: u128, ipv6: bool) -> IpAddr {
    if ipv6 { Ipv6Addr::from(value).into() } else { Ipv4Addr::from(value as u32).into() }
}
