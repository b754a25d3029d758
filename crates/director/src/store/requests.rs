//! What each request makes of the [`Store`].

use super::{Receipt, Store, refuse, rules};
use api::{Refusal, RefusalKind, Request};
use model::{Endpoint, Key, RealServer, ServiceOptions, SyncDaemon, SyncRole, Sysctl, Timeouts, VirtualService};
use std::collections::BTreeMap;

impl Store {
    pub(super) fn carry_out(&mut self, request: &Request, receipt: &mut Receipt) -> Result<(), Refusal> {
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
            Request::SetSysctls { values } => self.set_sysctls(values),
            Request::StartSync { role, daemon } => self.start_sync(*role, daemon),
            Request::StopSync { role } => self.stop_sync(*role),
            Request::Batch { requests } => self.batch(requests, receipt),
            _ => Err(refuse(RefusalKind::Invalid, "this request does not change the configuration")),
        }
    }

    fn service(&self, key: Key) -> Result<&VirtualService, Refusal> {
        let missing = || refuse(RefusalKind::NoSuchService, format!("there is no service {key}; add it first (-A)"));
        self.services.get(&key).ok_or_else(missing)
    }

    fn add_service(&mut self, key: Key, options: &ServiceOptions, receipt: &mut Receipt) -> Result<(), Refusal> {
        rules::check_service(&key)?;
        if self.services.contains_key(&key) {
            return Err(refuse(RefusalKind::ServiceExists, format!("service {key} is there already; edit it (-E)")));
        }
        rules::check_name(&key, options.name.as_deref())?;
        rules::check_options(&key, options)?;
        rules::check_services(self.services.len() + 1)?;
        let service = VirtualService { key, options: options.clone(), servers: Vec::new() };
        self.put(key, Some(service), receipt);
        Ok(())
    }

    fn edit_service(&mut self, key: Key, options: &ServiceOptions, receipt: &mut Receipt) -> Result<(), Refusal> {
        let mut service = self.service(key)?.clone();
        rules::check_name(&key, options.name.as_deref())?;
        rules::check_options(&key, options)?;
        // ipvsadm knows neither the name nor `any`: an edit that does not mention them keeps them.
        let name = options.name.clone().or(service.options.name);
        let any = options.any || service.options.any;
        service.options = ServiceOptions { name, any, ..options.clone() };
        rules::check_local(&service)?;
        self.put(key, Some(service), receipt);
        Ok(())
    }

    fn add_server(&mut self, key: Key, server: RealServer, receipt: &mut Receipt) -> Result<(), Refusal> {
        let mut service = self.service(key)?.clone();
        let server = server.in_service(&key);
        self.check_sync_with(&key, &server)?;
        rules::check_server(&key, &server)?;
        rules::check_room(&service)?;
        if position(&service, server.endpoint).is_some() {
            let message = format!("server {} of {key} is there already; edit it (-e)", server.endpoint);
            return Err(refuse(RefusalKind::ServerExists, message));
        }
        service.servers.push(server);
        rules::check_local(&service)?;
        self.put(key, Some(service), receipt);
        Ok(())
    }

    fn edit_server(&mut self, key: Key, server: RealServer, receipt: &mut Receipt) -> Result<(), Refusal> {
        let mut service = self.service(key)?.clone();
        let server = server.in_service(&key);
        self.check_sync_with(&key, &server)?;
        rules::check_server(&key, &server)?;
        let place = position(&service, server.endpoint).ok_or_else(|| no_such_server(key, server.endpoint))?;
        if let Some(old) = service.servers.get_mut(place) {
            *old = server;
        }
        rules::check_local(&service)?;
        self.put(key, Some(service), receipt);
        Ok(())
    }

    fn delete_server(&mut self, key: Key, endpoint: Endpoint, receipt: &mut Receipt) -> Result<(), Refusal> {
        let mut service = self.service(key)?.clone();
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

    fn set_sysctls(&mut self, values: &BTreeMap<Sysctl, u32>) -> Result<(), Refusal> {
        values.iter().try_for_each(|(sysctl, value)| rules::check_sysctl(*sysctl, *value))?;
        values.iter().for_each(|(sysctl, value)| self.sysctls.set(*sysctl, *value));
        Ok(())
    }

    fn start_sync(&mut self, role: SyncRole, daemon: &SyncDaemon) -> Result<(), Refusal> {
        rules::check_sync(daemon)?;
        if self.services.values().any(mixes_families) {
            let message = "synchronization knows no servers of another family than their service's; delete those first";
            return Err(refuse(RefusalKind::Invalid, message));
        }
        if self.synchronization.contains_key(&role) {
            let message = format!("the synchronization {role} runs already; stop it first (--stop-daemon)");
            return Err(refuse(RefusalKind::DaemonRuns, message));
        }
        self.synchronization.insert(role, daemon.clone());
        Ok(())
    }

    fn stop_sync(&mut self, role: SyncRole) -> Result<(), Refusal> {
        let missing = || refuse(RefusalKind::NoDaemon, format!("no synchronization {role} runs"));
        self.synchronization.remove(&role).map(drop).ok_or_else(missing)
    }

    /// Synchronization cannot tell of a server whose family is not its service's.
    fn check_sync_with(&self, key: &Key, server: &RealServer) -> Result<(), Refusal> {
        if self.synchronization.is_empty() || key.is_ipv6() == server.endpoint.is_ipv6() {
            return Ok(());
        }
        let message = format!(
            "server {} of {key}: while connections are synchronized its family must be the service's (--stop-daemon)",
            server.endpoint
        );
        Err(refuse(RefusalKind::Invalid, message))
    }

    fn batch(&mut self, requests: &[Request], receipt: &mut Receipt) -> Result<(), Refusal> {
        for (index, request) in requests.iter().enumerate() {
            if matches!(request, Request::Batch { .. }) {
                let refusal = refuse(RefusalKind::Invalid, "a batch inside a batch; send one list");
                return Err(Refusal { request: Some(index), ..refusal });
            }
            self.carry_out(request, receipt).map_err(|refusal| Refusal { request: Some(index), ..refusal })?;
        }
        Ok(())
    }
}

fn mixes_families(service: &VirtualService) -> bool {
    service.servers.iter().any(|server| server.endpoint.is_ipv6() != service.key.is_ipv6())
}

fn position(service: &VirtualService, endpoint: Endpoint) -> Option<usize> {
    service.servers.iter().position(|server| server.endpoint == endpoint)
}

fn no_such_server(key: Key, endpoint: Endpoint) -> Refusal {
    refuse(RefusalKind::NoSuchServer, format!("service {key} has no server {endpoint}; add it first (-a)"))
}
