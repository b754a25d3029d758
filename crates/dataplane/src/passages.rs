//! Checks that take the way of a service's clients: whose packets go where.

use crate::Dataplane;
use crate::error::{Doing, Error};
use crate::maps::Maps;
use crate::table::Table;
use crate::{translate, tunnel};
use forward::abi::{self, Address4, Address6, Port};
use model::{ForwardingMethod, Protocol, ServiceKey};
use nix::time::{ClockId, clock_gettime};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The passages of checks, for whoever makes the checks.
pub struct Passages {
    four: Table<abi::ServiceKey<Address4>, abi::Passage>,
    six: Table<abi::ServiceKey<Address6>, abi::Passage>,
}

/// The way of a check's packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Way {
    /// The check's own end, which no other socket shares.
    pub check: SocketAddr,
    /// The server's address; its port is the service's.
    pub server: IpAddr,
    /// The service, of the server's family.
    pub service: ServiceKey,
    /// Direct routing or a tunnel, which begins at the check's own address.
    pub method: ForwardingMethod,
}

/// A passage that is open until this is dropped.
pub struct Ticket<'a> {
    passages: &'a Passages,
    check: ServiceKey,
}

impl Dataplane {
    /// The passages, all closed: those that somebody left open who was killed, too.
    pub fn passages(&self) -> Result<Passages, Error> {
        let passages = Passages::of(&self.maps).doing(|| "open the passages of checks".to_owned())?;
        passages.close_all().doing(|| "close the passages of checks".to_owned())?;
        Ok(passages)
    }
}

impl Passages {
    fn of(maps: &Maps) -> io::Result<Self> {
        Ok(Self {
            four: Table::new(maps.passages4.descriptor().try_clone_to_owned()?)?,
            six: Table::new(maps.passages6.descriptor().try_clone_to_owned()?)?,
        })
    }

    fn close_all(&self) -> io::Result<()> {
        self.four.entries()?.iter().try_for_each(|(key, _)| self.four.remove(key).map(drop))?;
        self.six.entries()?.iter().try_for_each(|(key, _)| self.six.remove(key).map(drop))
    }

    /// Opens a passage. It does not count for longer than `limit`, whoever forgets it.
    pub fn open(&self, way: &Way, limit: Duration) -> io::Result<Ticket<'_>> {
        let passage = abi::Passage::default();
        passage.until.set(now()?.saturating_add(u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX)));
        passage.port.set(u32::from(Port::new(way.service.endpoint.port()).0));
        translate::store(&passage.server, way.server);
        translate::store(&passage.virtual_address, way.service.endpoint.ip());
        translate::store(&passage.source, way.check.ip());
        if let ForwardingMethod::Tunnel(encapsulation) = way.method {
            passage.outer.set(tunnel::outer(encapsulation, way.server).0);
        }
        let check = own_end(way.service.protocol, way.check);
        match translate::table_key(&check) {
            translate::TableKey::V4(key) => self.four.set(&key, &passage)?,
            translate::TableKey::V6(key) => self.six.set(&key, &passage)?,
        }
        Ok(Ticket { passages: self, check })
    }
}

impl Ticket<'_> {
    /// True once a packet has gone this way.
    pub fn is_used(&self) -> bool {
        let passage = match translate::table_key(&self.check) {
            translate::TableKey::V4(key) => self.passages.four.get(&key),
            translate::TableKey::V6(key) => self.passages.six.get(&key),
        };
        passage.ok().flatten().is_some_and(|passage| passage.sent.get() != 0)
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        // What is left ends by itself.
        let _ = match translate::table_key(&self.check) {
            translate::TableKey::V4(key) => self.passages.four.remove(&key),
            translate::TableKey::V6(key) => self.passages.six.remove(&key),
        };
    }
}

/// The end of a check has the form of a service's.
const fn own_end(protocol: Protocol, endpoint: SocketAddr) -> ServiceKey {
    ServiceKey { protocol, endpoint }
}

/// The clock of the programs.
fn now() -> io::Result<u64> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE)?;
    Ok(now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64)
}
