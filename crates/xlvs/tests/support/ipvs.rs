//! A table of services that takes and refuses requests as IPVS does, without a kernel.

use api::{Listing, Refusal, RefusalKind, Reply, Request, Response, ServerView, ServiceView};
use api::{TrafficCounters, TrafficRates};
use model::{Key, RealServer, ServiceOptions, SyncDaemon, SyncRole, Timeouts, VirtualService};
use std::collections::BTreeMap;

/// The table.
#[derive(Clone, Default)]
pub(crate) struct Table {
    services: BTreeMap<Key, (ServiceOptions, Vec<RealServer>)>,
    timeouts: Timeouts,
    synchronization: BTreeMap<SyncRole, SyncDaemon>,
    generation: u64,
}

impl Table {
    /// Answers a request.
    pub(crate) fn answer(&mut self, request: &Request) -> Reply {
        match request {
            Request::List => Ok(Response::Listing(self.listing())),
            Request::Batch { requests } => {
                let mut whole = self.clone();
                for (index, request) in requests.iter().enumerate() {
                    whole.change(request).map_err(|refusal| Refusal { request: Some(index), ..refusal })?;
                }
                *self = whole;
                self.done()
            }
            request => {
                self.change(request)?;
                self.done()
            }
        }
    }

    fn done(&mut self) -> Reply {
        self.generation += 1;
        Ok(Response::Done { generation: self.generation })
    }

    fn change(&mut self, request: &Request) -> Result<(), Refusal> {
        match request {
            Request::AddService { key, options } => {
                if self.services.contains_key(key) {
                    return Err(refusal(RefusalKind::ServiceExists));
                }
                self.services.insert(*key, (options.clone(), Vec::new()));
            }
            Request::EditService { key, options } => self.service(key)?.0 = options.clone(),
            Request::DeleteService { key } => {
                self.services.remove(key).ok_or(refusal(RefusalKind::NoSuchService))?;
            }
            Request::Flush => self.services.clear(),
            Request::AddServer { service, server } => {
                let servers = &mut self.service(service)?.1;
                if servers.iter().any(|known| known.endpoint == server.endpoint) {
                    return Err(refusal(RefusalKind::ServerExists));
                }
                servers.push(*server);
            }
            Request::EditServer { service, server } => {
                let known = self.service(service)?.1.iter_mut().find(|known| known.endpoint == server.endpoint);
                *known.ok_or(refusal(RefusalKind::NoSuchServer))? = *server;
            }
            Request::DeleteServer { service, endpoint } => {
                let servers = &mut self.service(service)?.1;
                let position = servers.iter().position(|known| known.endpoint == *endpoint);
                servers.remove(position.ok_or(refusal(RefusalKind::NoSuchServer))?);
            }
            Request::StartSync { role, daemon } => _ = self.synchronization.insert(*role, daemon.clone()),
            Request::StopSync { role } => {
                self.synchronization.remove(role).ok_or(refusal(RefusalKind::NoDaemon))?;
            }
            Request::Zero { service: Some(key) } => _ = self.service(key)?,
            Request::Zero { service: None } => {}
            Request::SetTimeouts { tcp, tcp_fin, udp } => {
                let Timeouts { tcp: old_tcp, tcp_fin: old_fin, udp: old_udp } = self.timeouts;
                self.timeouts = Timeouts {
                    tcp: tcp.unwrap_or(old_tcp),
                    tcp_fin: tcp_fin.unwrap_or(old_fin),
                    udp: udp.unwrap_or(old_udp),
                };
            }
            other => panic!("not a change: {other:?}"),
        }
        Ok(())
    }

    fn service(&mut self, key: &Key) -> Result<&mut (ServiceOptions, Vec<RealServer>), Refusal> {
        self.services.get_mut(key).ok_or(refusal(RefusalKind::NoSuchService))
    }

    fn listing(&self) -> Listing {
        let services = self.services.iter().map(|(key, (options, servers))| ServiceView {
            service: VirtualService { key: *key, options: options.clone(), servers: Vec::new() },
            servers: servers.iter().copied().map(ServerView::from).collect(),
            owned: true,
            counters: TrafficCounters::default(),
            rates: TrafficRates::default(),
        });
        let synchronization = self.synchronization.clone();
        Listing { services: services.collect(), timeouts: self.timeouts, synchronization, connection_table_size: 4096 }
    }
}

/// A refusal whose words are not IPVS's: those come from the program.
fn refusal(kind: RefusalKind) -> Refusal {
    Refusal { kind, message: format!("the table says {kind:?}"), request: None }
}
