//! The answer to `-L`: services and servers as configured, with what is known of them.

use crate::desired::{endpoint_in_maps, is_owned, obstacle, reach};
use crate::director::Director;
use crate::observe::Network;
use crate::plane::Plane;
use api::{Listing, ReachView, ServerView, ServiceView};
use model::{Reach, RealServer, VirtualService};

impl<P: Plane, N: Network> Director<P, N> {
    /// Everything, sorted by key.
    pub(crate) fn listing(&self) -> Listing {
        Listing {
            services: self.store.services().values().map(|service| self.service_view(service)).collect(),
            timeouts: self.store.timeouts(),
            synchronization: self.store.synchronization().clone(),
            connection_table_size: self.sweeper.size(),
        }
    }

    fn service_view(&self, service: &VirtualService) -> ServiceView {
        let service = &*self.health.effective(service);
        let subject = (service.key, None);
        ServiceView {
            service: VirtualService { servers: Vec::new(), ..service.clone() },
            servers: service.servers.iter().map(|server| self.server_view(service, server)).collect(),
            owned: is_owned(service, &self.observer),
            counters: self.zero.since(&subject, self.current(&subject)),
            rates: self.rates.read(&subject),
        }
    }

    fn server_view(&self, service: &VirtualService, server: &RealServer) -> ServerView {
        let subject = (service.key, Some(server.endpoint));
        let in_maps = endpoint_in_maps(service, server.endpoint).zip(service.key.acting());
        let load = in_maps.and_then(|(endpoint, key)| self.plane.load(&key, &endpoint));
        let (active, inactive) = load.unwrap_or_default();
        let reach = self.reach_view(service, server);
        ServerView {
            server: *server,
            obstacle: (reach == ReachView::Unresolved).then(|| obstacle(service, server, &self.observer)).flatten(),
            reach,
            active,
            inactive,
            counters: self.zero.since(&subject, self.current(&subject)),
            rates: self.rates.read(&subject),
        }
    }

    fn reach_view(&self, service: &VirtualService, server: &RealServer) -> ReachView {
        match reach(service, server, &self.observer) {
            Reach::Unresolved => ReachView::Unresolved,
            Reach::Local => ReachView::Local,
            Reach::Via(hop) => {
                let link = self.observer.links().get(&hop.interface);
                let interface = link.map_or_else(|| hop.interface.to_string(), |link| link.name.clone());
                ReachView::Via { interface, address: hop.destination.to_string() }
            }
        }
    }
}
