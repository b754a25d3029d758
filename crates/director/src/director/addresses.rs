//! Which addresses can be a server's, as far as only the routing table knows.

use super::Director;
use crate::observe::Network;
use crate::observe::sight::Route;
use crate::plane::Plane;
use crate::store::refuse;
use api::{Refusal, RefusalKind, Request};
use std::net::IpAddr;

impl<P: Plane, N: Network> Director<P, N> {
    /// Refuses new servers that IPVS refuses: the broadcast address of a network on a link, and a link-local address
    /// that is not this host's own.
    pub(super) fn check_addresses(&mut self, request: &Request) -> Result<(), Refusal> {
        match request {
            Request::AddServer { service, server } => {
                let what = self.unfit(server.endpoint.ip());
                let refused =
                    |what| refuse(RefusalKind::Invalid, format!("server {} of {service}: {what}", server.endpoint));
                what.map_or(Ok(()), |what| Err(refused(what)))
            }
            Request::Batch { requests } => {
                let mut all = requests.iter().enumerate();
                all.try_for_each(|(index, request)| {
                    let place = |refusal| Refusal { request: Some(index), ..refusal };
                    // A batch in a batch is refused as such.
                    if matches!(request, Request::Batch { .. }) {
                        return Ok(());
                    }
                    self.check_addresses(request).map_err(place)
                })
            }
            _ => Ok(()),
        }
    }

    fn unfit(&mut self, address: IpAddr) -> Option<&'static str> {
        if self.observer.watches(address) {
            return None;
        }
        match address {
            IpAddr::V4(_) if self.observer.route(address) == Route::Broadcast => {
                Some("this is the broadcast address of a network; name a unicast address")
            }
            IpAddr::V6(v6) if v6.is_unicast_link_local() && self.observer.route(address) != Route::Local => {
                Some("a link-local address says nothing without its link; name a global one")
            }
            _ => None,
        }
    }
}
