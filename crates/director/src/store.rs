//! The configuration: what the operator asked for, with a generation number.
//!
//! Pure. A request changes it whole or not at all; the [`Receipt`] of a change can take it back, so that what
//! could not be kept or could not be written into the maps leaves no trace.

mod record;
mod rules;
#[cfg(test)]
mod tests;

pub(crate) use record::{Record, Snapshot, restore};

use api::{Refusal, RefusalKind, Request};
use model::{Config, Endpoint, RealServer, ServiceKey, ServiceOptions, Timeouts, VirtualService};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Services, servers and time-outs as configured.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Store {
    generation: u64,
    services: BTreeMap<ServiceKey, VirtualService>,
    timeouts: Timeouts,
    file: Option<FileMark>,
}

/// What was last taken over from a configuration file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct FileMark {
    /// Hash of the services as parsed: comments and layout do not count.
    pub(crate) hash: u64,
    /// The services it named.
    pub(crate) named: BTreeSet<ServiceKey>,
    /// It set time-outs.
    pub(crate) timeouts: bool,
}

/// What a change touched, as it was before.
#[derive(Debug)]
pub(crate) struct Receipt {
    services: BTreeMap<ServiceKey, Option<VirtualService>>,
    timeouts: Timeouts,
    generation: u64,
    file: Option<FileMark>,
}

impl Receipt {
    /// The services that are other than before.
    pub(crate) fn touched(&self) -> BTreeSet<ServiceKey> {
        self.services.keys().copied().collect()
    }
}

/// The refusal of that kind.
pub(crate) fn refuse(kind: RefusalKind, message: impl Into<String>) -> Refusal {
    Refusal { kind, message: message.into() }
}

impl Store {
    /// Grows by one with every change.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// The services by key.
    pub(crate) fn services(&self) -> &BTreeMap<ServiceKey, VirtualService> {
        &self.services
    }

    /// The time-outs.
    pub(crate) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Number of servers in all services.
    pub(crate) fn server_count(&self) -> usize {
        self.services.values().map(|service| service.servers.len()).sum()
    }

    /// Carries out a request that changes the configuration: whole, or not at all.
    pub(crate) fn change(&mut self, request: &Request) -> Result<Receipt, Refusal> {
        let mut receipt = self.receipt();
        match self.carry_out(request, &mut receipt) {
            Ok(()) => {
                self.generation += 1;
                Ok(receipt)
            }
            Err(refusal) => {
                self.take_back(receipt);
                Err(refusal)
            }
        }
    }

    /// Takes a change back. Receipts are given back in the reverse order of their changes.
    pub(crate) fn take_back(&mut self, receipt: Receipt) {
        for (key, before) in receipt.services {
            match before {
                Some(service) => self.services.insert(key, service),
                None => self.services.remove(&key),
            };
        }
        self.timeouts = receipt.timeouts;
        self.generation = receipt.generation;
        self.file = receipt.file;
    }

    /// Takes a configuration file over: it is the truth for what it names, now or at the last time. `None`: it says
    /// what it said before, so that what was edited since then stays.
    pub(crate) fn adopt(&mut self, config: &Config) -> Result<Option<Receipt>, Refusal> {
        let services = &config.services;
        let named = services.iter().map(|service| service.key).collect();
        let mark = FileMark { hash: hash(config), named, timeouts: config.timeouts != Timeouts::default() };
        if self.file.as_ref().is_some_and(|file| file.hash == mark.hash) {
            return Ok(None);
        }
        for service in services {
            rules::check_service(&service.key)?;
            service.servers.iter().try_for_each(|server| rules::check_server(&service.key, server))?;
        }
        let mut receipt = self.receipt();
        let forgotten = self.file.take();
        if mark.timeouts || forgotten.as_ref().is_some_and(|file| file.timeouts) {
            self.timeouts = config.timeouts;
        }
        for key in forgotten.iter().flat_map(|file| &file.named).filter(|key| !mark.named.contains(key)) {
            self.put(*key, None, &mut receipt);
        }
        for service in services {
            let mut service = service.clone();
            service.servers.iter_mut().for_each(|server| rules::settle_port(&service.key, server));
            self.put(service.key, Some(service), &mut receipt);
        }
        self.file = Some(mark);
        self.generation += 1;
        Ok(Some(receipt))
    }

    fn receipt(&self) -> Receipt {
        Receipt {
            services: BTreeMap::new(),
            timeouts: self.timeouts,
            generation: self.generation,
            file: self.file.clone(),
        }
    }

    /// The only place where `services` changes: remembers what was there first.
    fn put(&mut self, key: ServiceKey, after: Option<VirtualService>, receipt: &mut Receipt) {
        let before = match after {
            Some(service) => self.services.insert(key, service),
            None => self.services.remove(&key),
        };
        receipt.services.entry(key).or_insert(before);
    }

    fn carry_out(&mut self, request: &Request, receipt: &mut Receipt) -> Result<(), Refusal> {
        match request {
            Request::AddService { key, options } => self.add_service(*key, options, receipt),
            Request::EditService { key, options } => self.edit_service(*key, options, receipt),
            Request::DeleteService { key } => {
                self.service(*key)?;
                self.put(*key, None, receipt);
                Ok(())
            }
            Request::Flush => {
                let keys: Vec<_> = self.services.keys().copied().collect();
                keys.into_iter().for_each(|key| self.put(key, None, receipt));
                Ok(())
            }
            Request::AddServer { service, server } => self.add_server(*service, *server, receipt),
            Request::EditServer { service, server } => self.edit_server(*service, *server, receipt),
            Request::DeleteServer { service, endpoint } => self.delete_server(*service, *endpoint, receipt),
            Request::SetTimeouts { tcp, tcp_fin, udp } => self.set_timeouts(*tcp, *tcp_fin, *udp),
            Request::Batch { requests } => self.batch(requests, receipt),
            _ => Err(refuse(RefusalKind::Invalid, "this request does not change the configuration")),
        }
    }

    fn service(&self, key: ServiceKey) -> Result<&VirtualService, Refusal> {
        let missing = || refuse(RefusalKind::NoSuchService, format!("there is no service {key}; add it first (-A)"));
        self.services.get(&key).ok_or_else(missing)
    }

    fn add_service(&mut self, key: ServiceKey, options: &ServiceOptions, receipt: &mut Receipt) -> Result<(), Refusal> {
        rules::check_service(&key)?;
        if self.services.contains_key(&key) {
            return Err(refuse(RefusalKind::ServiceExists, format!("service {key} is there already; edit it (-E)")));
        }
        let service = VirtualService { key, options: options.clone(), servers: Vec::new() };
        self.put(key, Some(service), receipt);
        Ok(())
    }

    fn edit_service(
        &mut self,
        key: ServiceKey,
        options: &ServiceOptions,
        receipt: &mut Receipt,
    ) -> Result<(), Refusal> {
        let mut service = self.service(key)?.clone();
        // ipvsadm knows neither the name nor `any`: an edit that does not mention them keeps them.
        let name = options.name.clone().or(service.options.name);
        let any = options.any || service.options.any;
        service.options = ServiceOptions { name, any, ..options.clone() };
        self.put(key, Some(service), receipt);
        Ok(())
    }

    fn add_server(&mut self, key: ServiceKey, mut server: RealServer, receipt: &mut Receipt) -> Result<(), Refusal> {
        let mut service = self.service(key)?.clone();
        rules::settle_port(&key, &mut server);
        rules::check_server(&key, &server)?;
        rules::check_room(&service)?;
        if position(&service, server.endpoint).is_some() {
            let message = format!("server {} of {key} is there already; edit it (-e)", server.endpoint);
            return Err(refuse(RefusalKind::ServerExists, message));
        }
        service.servers.push(server);
        self.put(key, Some(service), receipt);
        Ok(())
    }

    fn edit_server(&mut self, key: ServiceKey, mut server: RealServer, receipt: &mut Receipt) -> Result<(), Refusal> {
        let mut service = self.service(key)?.clone();
        rules::settle_port(&key, &mut server);
        let place = position(&service, server.endpoint).ok_or_else(|| no_such_server(key, server.endpoint))?;
        if let Some(old) = service.servers.get_mut(place) {
            *old = server;
        }
        self.put(key, Some(service), receipt);
        Ok(())
    }

    fn delete_server(&mut self, key: ServiceKey, mut endpoint: Endpoint, receipt: &mut Receipt) -> Result<(), Refusal> {
        let mut service = self.service(key)?.clone();
        if endpoint.port() == 0 {
            endpoint.set_port(key.endpoint.port());
        }
        let place = position(&service, endpoint).ok_or_else(|| no_such_server(key, endpoint))?;
        service.servers.remove(place);
        self.put(key, Some(service), receipt);
        Ok(())
    }

    fn set_timeouts(&mut self, tcp: Option<u32>, tcp_fin: Option<u32>, udp: Option<u32>) -> Result<(), Refusal> {
        let Timeouts { tcp: old_tcp, tcp_fin: old_fin, udp: old_udp } = self.timeouts;
        self.timeouts = Timeouts {
            tcp: rules::timeout("tcp", tcp, old_tcp)?,
            tcp_fin: rules::timeout("tcpfin", tcp_fin, old_fin)?,
            udp: rules::timeout("udp", udp, old_udp)?,
        };
        Ok(())
    }

    fn batch(&mut self, requests: &[Request], receipt: &mut Receipt) -> Result<(), Refusal> {
        for (index, request) in requests.iter().enumerate() {
            if matches!(request, Request::Batch { .. }) {
                return Err(refuse(RefusalKind::Invalid, "a batch inside a batch; send one list"));
            }
            self.carry_out(request, receipt).map_err(|refusal| Refusal {
                kind: refusal.kind,
                message: format!("request {} of the batch: {}; nothing was changed", index + 1, refusal.message),
            })?;
        }
        Ok(())
    }
}

fn position(service: &VirtualService, endpoint: Endpoint) -> Option<usize> {
    service.servers.iter().position(|server| server.endpoint == endpoint)
}

fn no_such_server(key: ServiceKey, endpoint: Endpoint) -> Refusal {
    refuse(RefusalKind::NoSuchServer, format!("service {key} has no server {endpoint}; add it first (-a)"))
}

/// FNV-1a over the canonical JSON of what is taken over: the same on every machine and in every build.
fn hash(config: &Config) -> u64 {
    let text = serde_json::to_vec(&(&config.services, config.timeouts)).unwrap_or_default();
    text.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
