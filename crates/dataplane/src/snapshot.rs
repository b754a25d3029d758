//! What the maps say, read back: the truth that plans start from.

use crate::error::{Doing, Error};
use crate::local;
use crate::maps::Maps;
use crate::plain::Plain;
use crate::slots::Span;
use crate::table::Table;
use crate::translate::{self, ToIp};
use forward::abi::{self, KeyTail};
use model::{LocalAddresses, Scheduler, SchedulerFlags, ServerState, ServiceKey};

/// A service as found.
pub(crate) struct FoundService {
    pub(crate) key: ServiceKey,
    pub(crate) id: u32,
    pub(crate) scheduler: Scheduler,
    pub(crate) flags: SchedulerFlags,
    pub(crate) owned: bool,
    pub(crate) watched: bool,
    pub(crate) local: LocalAddresses,
    /// Newest first.
    pub(crate) servers: Vec<FoundServer>,
    pub(crate) list: Span,
    pub(crate) table: Span,
}

/// A listed server as found.
pub(crate) struct FoundServer {
    pub(crate) id: u32,
    pub(crate) state: ServerState,
    pub(crate) last_weight: u32,
}

/// All services.
pub(crate) fn services(maps: &Maps) -> Result<Vec<FoundService>, Error> {
    let mut found = family(maps, &maps.services4)?;
    found.extend(family(maps, &maps.services6)?);
    Ok(found)
}

fn family<A: ToIp + KeyTail>(
    maps: &Maps,
    table: &Table<abi::ServiceKey<A>, abi::Service>,
) -> Result<Vec<FoundService>, Error>
where
    abi::ServiceKey<A>: Plain,
{
    let entries = table.entries().doing(|| "read the services".to_owned())?;
    entries.iter().map(|(key, element)| service(maps, key, element)).collect()
}

fn service<A: ToIp + KeyTail>(
    maps: &Maps,
    key: &abi::ServiceKey<A>,
    element: &abi::Service,
) -> Result<FoundService, Error> {
    let broken = |what: &str| Error::Inconsistent(format!("a service with {what}"));
    let key = translate::service_key(key).ok_or_else(|| broken("an unknown protocol"))?;
    let scheduler = translate::scheduler(element.scheduler).ok_or_else(|| broken("an unknown scheduler"))?;
    let list = Span { start: element.list_start, length: element.list_count };
    let servers = (0..list.length).map(|position| server(maps, list.start + position));
    Ok(FoundService {
        key,
        id: element.id,
        scheduler,
        flags: translate::scheduler_flags(element.flags),
        owned: element.flags & abi::Service::OWNED != 0,
        watched: element.flags & abi::Service::WATCHED != 0,
        local: local::read(maps, element.id, key.endpoint.is_ipv4()),
        servers: servers.collect::<Option<_>>().ok_or_else(|| broken("a list that points nowhere"))?,
        list,
        table: Span { start: element.table_start, length: element.table_size },
    })
}

fn server(maps: &Maps, slot: u32) -> Option<FoundServer> {
    let id = maps.schedule.get(slot)?.get();
    let cell = maps.servers.get(id).filter(|_| id != abi::NO_SERVER)?;
    let cells = (cell, maps.tunnels.get(id)?);
    Some(FoundServer { id, state: translate::read_server(cells), last_weight: cell.last_weight.get() })
}
