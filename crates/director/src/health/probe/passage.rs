//! Checks that take the way of their service's clients.
//!
//! By direct routing and by tunnel, packets of the check's socket are put on that way by programs (`forward::passage`). By
//! NAT it is the way back that differs: the check comes from the virtual address while that is this node's, so that
//! the answer has to come by the server's gateway. By FullNAT the check comes from a local address.

use super::Errand;
use super::connect::{explain, plain, socket};
use model::health::Way;
use model::{Dice, Endpoint, ForwardingMethod};
use socket2::{Socket, Type};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// Packets may still be on their way when a check ends.
const GRACE: Duration = Duration::from_secs(2);

/// Puts a socket that is not connected yet on the way of clients, where that is asked for.
pub(super) fn open(task: &Errand<'_>, socket: &Socket, target: SocketAddr) -> Result<(), String> {
    let Some(way) = &task.check.connection.through else { return Ok(()) };
    if let Some(obstacle) = way.obstacle(task.server) {
        return Err(obstacle);
    }
    match way.method {
        ForwardingMethod::Nat => from_virtual_address(socket, way)?,
        ForwardingMethod::FullNat => from_local_address(socket, way)?,
        ForwardingMethod::DirectRouting | ForwardingMethod::Tunnel(_) => by_programs(task, socket, way, target)?,
    }
    if let Some(doubt) = doubt(way, socket) {
        // A check has one connection.
        let _ = task.doubt.set(format!(" on the way of clients; {doubt}"));
    }
    Ok(())
}

/// What to look at where nothing comes back on the way of clients, though the server may answer others.
fn doubt(way: &Way, socket: &Socket) -> Option<String> {
    let (address, from) = (way.service.endpoint.ip(), bound(socket).map(|end| end.ip()));
    match way.method {
        // From an address of its own a server takes nothing.
        ForwardingMethod::Nat if from == Some(address) => {
            Some(format!("is this node the server's gateway, and {address} not an address of the server?"))
        }
        ForwardingMethod::Nat => None,
        ForwardingMethod::FullNat => from.map(|from| format!("does the server find its way back to {from}?")),
        ForwardingMethod::DirectRouting => {
            Some(format!("is {address} an address of the server, which no firewall of its keeps from it?"))
        }
        ForwardingMethod::Tunnel(_) => Some(format!(
            "is {address} an address of the server, and does it end this kind of tunnel (port, checksum)?"
        )),
    }
}

fn by_programs(task: &Errand<'_>, socket: &Socket, way: &Way, target: SocketAddr) -> Result<(), String> {
    let source = source(task, target)?;
    if source == target.ip() {
        // The server is this host: so it is for clients.
        return Ok(());
    }
    let passages = task.passages.ok_or("no check goes through a service: the data plane has no room for it")?;
    if bound(socket).is_none_or(|end| end.port() == 0) {
        socket.bind(&SocketAddr::new(source, 0).into()).map_err(explain)?;
    }
    let check = bound(socket).ok_or("the check's socket has no address")?;
    let (server, service, method) = (target.ip(), way.service, way.method);
    let limit = super::limit(task) + GRACE;
    let opened = passages.open(&dataplane::Way { check, server, service, method }, limit);
    let ticket = opened.map_err(|error| format!("cannot go the way of clients: {}", plain(&error)))?;
    // A check has one connection.
    let _ = task.ticket.set(ticket);
    Ok(())
}

/// This host's address towards a server.
fn source(task: &Errand<'_>, target: SocketAddr) -> Result<IpAddr, String> {
    let asking = socket(task, target, Type::DGRAM, socket2::Protocol::UDP)?;
    asking.connect(&target.into()).map_err(|error| format!("cannot connect to {target}: {}", plain(&error)))?;
    bound(&asking).map(|end| end.ip()).ok_or_else(|| "the check's socket has no address".to_owned())
}

/// Where the address is another node's, this node's own does.
fn from_virtual_address(socket: &Socket, way: &Way) -> Result<(), String> {
    match socket.bind(&SocketAddr::new(way.service.endpoint.ip(), 0).into()) {
        Err(error) if error.kind() == std::io::ErrorKind::AddrNotAvailable => Ok(()),
        other => other.map_err(explain),
    }
}

/// From a port that no client's connection is given.
fn from_local_address(socket: &Socket, way: &Way) -> Result<(), String> {
    const TRIES: usize = 64;
    let ends: Vec<Endpoint> = way.local_ports().collect();
    let seed = std::time::UNIX_EPOCH.elapsed().map_or(0, |time| u64::from(time.subsec_nanos()));
    let mut dice = Dice::new(seed);
    let mut outcome = Err("no local address has a free port for checks".to_owned());
    for _ in 0..TRIES {
        let place = dice.throw() as usize % ends.len().max(1);
        let Some(end) = ends.get(place) else { break };
        match socket.bind(&(*end).into()) {
            Ok(()) => return Ok(()),
            Err(error) => outcome = Err(format!("cannot send from {end}: {}", plain(&error))),
        }
    }
    outcome
}

fn bound(socket: &Socket) -> Option<SocketAddr> {
    let end = socket.local_addr().ok()?.as_socket()?;
    let unspecified = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)].contains(&end.ip());
    (!unspecified).then_some(end)
}
