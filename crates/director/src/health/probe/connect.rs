//! Sockets of checks: bound and marked as configured.

use super::ration::Rationed;
use super::{Errand, passage};
use socket2::{Domain, Protocol, Socket, Type};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::{TcpSocket, UdpSocket};

/// Where a check goes.
pub(super) fn target(task: &Errand<'_>) -> SocketAddr {
    let connection = &task.check.connection;
    let address = connection.address.unwrap_or(task.server.ip());
    SocketAddr::new(address, connection.port.unwrap_or(task.server.port()))
}

/// Whom a check asks for: where it goes through a service, that.
pub(super) fn asked(task: &Errand<'_>) -> SocketAddr {
    let through = task.check.connection.through.as_ref();
    through.map_or_else(|| target(task), |way| way.service.endpoint)
}

/// A connection that was accepted.
pub(super) async fn stream(task: &Errand<'_>) -> Result<Rationed, String> {
    let target = target(task);
    let socket = socket(task, target, Type::STREAM, Protocol::TCP)?;
    // A check leaves nothing behind in TIME_WAIT: it ends with a reset, as keepalived's do.
    socket.set_linger(Some(std::time::Duration::ZERO)).map_err(explain)?;
    passage::open(task, &socket, target)?;
    let socket = TcpSocket::from_std_stream(socket.into());
    let stream = socket.connect(target).await;
    stream.map(Rationed::new).map_err(|error| format!("cannot connect to {target}: {}", plain(&error)))
}

/// A socket for datagrams that hears of refusals.
pub(super) async fn datagrams(task: &Errand<'_>) -> Result<UdpSocket, String> {
    let target = target(task);
    let socket = socket(task, target, Type::DGRAM, Protocol::UDP)?;
    passage::open(task, &socket, target)?;
    let socket = UdpSocket::from_std(socket.into()).map_err(explain)?;
    socket.connect(target).await.map_err(explain)?;
    Ok(socket)
}

/// A socket of this kind with the check's settings.
pub(super) fn socket(task: &Errand<'_>, target: SocketAddr, kind: Type, protocol: Protocol) -> Result<Socket, String> {
    let socket = Socket::new(Domain::for_address(target), kind, Some(protocol)).map_err(explain)?;
    socket.set_nonblocking(true).map_err(explain)?;
    let connection = &task.check.connection;
    if connection.mark != 0 {
        socket.set_mark(connection.mark).map_err(explain)?;
    }
    if let Some(interface) = &connection.bind_interface {
        socket.bind_device(Some(interface.as_bytes())).map_err(explain)?;
    }
    if connection.bind_address.is_some() || connection.bind_port.is_some() {
        let any = if target.is_ipv6() { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
        let from = SocketAddr::new(connection.bind_address.unwrap_or(any), connection.bind_port.unwrap_or(0));
        socket.set_reuse_address(true).map_err(explain)?;
        socket.bind(&from.into()).map_err(|error| format!("cannot send from {from}: {}", plain(&error)))?;
    }
    Ok(socket)
}

/// An error of the system in a few words.
pub(super) fn explain(error: std::io::Error) -> String {
    plain(&error)
}

pub(super) fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}
