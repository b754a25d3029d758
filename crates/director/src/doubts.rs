//! What `xlvs explain` adds to a verdict: where a combination of client and server cannot work although the packet is
//! forwarded, and what does work.

use crate::director::Director;
use crate::observe::Network;
use crate::observe::sight::Route;
use crate::plane::Plane;
use model::{Endpoint, ForwardingMethod, VirtualService};
use std::net::IpAddr;

impl<P: Plane, N: Network> Director<P, N> {
    /// One line for each reason why a forwarded packet of `client` may have no answer.
    pub(crate) fn doubts(&mut self, client: IpAddr, service: &VirtualService, server: Option<Endpoint>) -> Vec<String> {
        let route = self.observer.route(client);
        let mut doubts = Vec::new();
        doubts.extend(of_route(client, route));
        let chosen = server.and_then(|endpoint| service.servers.iter().find(|server| server.endpoint == endpoint));
        if service.servers.iter().any(|server| server.endpoint.ip() == client) {
            doubts.push(format!(
                "{client} is a server of this service: by direct routing its packets never leave it, by NAT the answer \
                 does not pass the director; ask from another host"
            ));
        } else if let Some(server) = chosen
            && server.method == ForwardingMethod::Nat
            && route != Route::Local
            && self.observer.are_neighbours(client, server.endpoint.ip())
        {
            doubts.push(format!(
                "server {} is in the client's own network and answers it directly, past the director, so that the \
                 client refuses the answer; by direct routing (-g) it would be served",
                server.endpoint
            ));
        }
        doubts
    }
}

fn of_route(client: IpAddr, route: Route) -> Option<String> {
    match route {
        Route::Local => Some(format!(
            "{client} is an address of this node: what the director itself sends does not come in by an interface and \
             is not balanced; ask from another host"
        )),
        Route::None | Route::Broadcast => Some(format!(
            "this node has no route to {client}: by which interface its packets come is a guess, and the local stack \
             cannot answer it; add a route (ip route)"
        )),
        Route::Via { .. } => None,
    }
}
