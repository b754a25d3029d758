//! Packets and bytes by server and by service, summed over CPUs; what is gone stays in the sums of its service.

use crate::Dataplane;
use crate::error::{Doing, Error};
use crate::filter;
use crate::maps::Maps;
use crate::mirror::{Gone, Mirror, Server, Service};
use crate::signals;
use crate::slots::REST;
use forward::abi::Statistics;
use model::{Endpoint, ServiceKey};
use std::collections::BTreeSet;
use std::io;
use std::time::Instant;

const fn plus(a: Statistics, b: Statistics) -> Statistics {
    Statistics {
        connections: a.connections.wrapping_add(b.connections),
        in_packets: a.in_packets.wrapping_add(b.in_packets),
        in_bytes: a.in_bytes.wrapping_add(b.in_bytes),
        out_packets: a.out_packets.wrapping_add(b.out_packets),
        out_bytes: a.out_bytes.wrapping_add(b.out_bytes),
    }
}

impl Dataplane {
    /// Active and inactive connections of a configured server.
    pub fn load(&self, service: &ServiceKey, server: &Endpoint) -> Option<(u32, u32)> {
        let loads = self.server(service, server)?.ids().filter_map(|id| self.maps.loads.get(id));
        Some(loads.fold((0, 0), |(active, inactive), load| {
            (load.active.get().wrapping_add(active), load.inactive.get().wrapping_add(inactive))
        }))
    }

    pub(crate) fn server(&self, service: &ServiceKey, server: &Endpoint) -> Option<&Server> {
        let service = self.mirror.services.get(service)?;
        service.servers.get(service.position(server)?)
    }

    #[cfg(test)]
    pub(crate) fn server_id(&self, service: &ServiceKey, server: &Endpoint) -> Option<u32> {
        self.server(service, server).map(|server| server.id)
    }

    /// Traffic of a server, or of a service with all the servers it ever had; zero for what is not there.
    pub fn statistics(&self, service: &ServiceKey, server: Option<&Endpoint>) -> Statistics {
        let read = match server {
            Some(server) => self.server(service, server).map(|server| of_ids(&self.maps, server.ids())),
            None => {
                let known = self.mirror.services.get(service);
                known.map(|service| of_service(&self.maps, &self.mirror, service))
            }
        };
        read.transpose()
            .unwrap_or_else(|error| {
                tracing::warn!("statistics cannot be read: {error}");
                None
            })
            .unwrap_or_default()
    }
}

/// Of one server id.
pub(crate) fn of_server(maps: &Maps, id: u32) -> io::Result<Statistics> {
    Ok(maps.statistics.get(id)?.into_iter().fold(Statistics::default(), plus))
}

/// Of a service: its servers, its removed servers, and those that are forgotten.
pub(crate) fn of_service(maps: &Maps, mirror: &Mirror, service: &Service) -> io::Result<Statistics> {
    let configured = service.servers.iter().flat_map(Server::ids);
    let gone = mirror.gone.iter().filter(|gone| gone.service == service.id).map(|gone| gone.id);
    let retired = maps.retired.get(&service.id)?.map(|kept| kept.sums).unwrap_or_default();
    Ok(plus(retired, of_ids(maps, configured.chain(gone))?))
}

fn of_ids(maps: &Maps, ids: impl Iterator<Item = u32>) -> io::Result<Statistics> {
    let mut sum = Statistics::default();
    for id in ids {
        sum = plus(sum, of_server(maps, id)?);
    }
    Ok(sum)
}

/// Frees the ids of removed servers that no connection names any more, and slots that have rested.
pub(crate) fn settle(maps: &Maps, mirror: &mut Mirror, now: Instant) -> Result<(), Error> {
    mirror.slots.settle(now);
    let is_over = |gone: &Gone| now.saturating_duration_since(gone.since) >= REST && !is_named(maps, gone.id);
    let over: Vec<Gone> = mirror.gone.extract_if(.., |gone| is_over(gone)).collect();
    if over.is_empty() {
        return Ok(());
    }
    let mut ended: BTreeSet<u32> = over.iter().map(|gone| gone.service).collect();
    for gone in over {
        retire(maps, &gone).doing(|| "keep the counters of a removed server".to_owned())?;
        mirror.server_ids.give_back(gone.id);
    }
    mirror.used_service_ids().for_each(|id| {
        ended.remove(&id);
    });
    ended.into_iter().for_each(|id| mirror.service_ids.give_back(id));
    filter::restrict(maps, mirror);
    Ok(())
}

fn is_named(maps: &Maps, id: u32) -> bool {
    maps.loads.get(id).is_some_and(|load| load.active.get().wrapping_add(load.inactive.get()) != 0)
}

/// Moves the sums of a server to its service and frees its cell.
fn retire(maps: &Maps, gone: &Gone) -> io::Result<()> {
    if let Some(mut kept) = maps.retired.get(&gone.service)? {
        kept.sums = plus(kept.sums, of_server(maps, gone.id)?);
        maps.retired.set(&gone.service, &kept)?;
    }
    maps.statistics.clear(gone.id)?;
    if let Some(signals) = maps.signals.get(gone.id) {
        signals::clear(signals);
    }
    if let Some(cell) = maps.servers.get(gone.id) {
        cell.flags.set(0);
    }
    Ok(())
}
