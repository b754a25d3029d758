//! The answer to `xlvs explain`: the client's first packet goes through the loaded program, whose tables remember
//! nothing of it; what came out is put in words.

use crate::datagram::first_frame;
use crate::desired::{endpoint_in_maps, is_owned, obstacle, reach};
use crate::director::{Director, refusal};
use crate::observe::Network;
use crate::observe::sight::{Neighbour, Route};
use crate::plane::Plane;
use crate::store::refuse;
use api::{ExplainRequest, Explanation, Refusal, RefusalKind};
use dataplane::Rehearsed;
use forward::{Action, Counter};
use model::{Dormant, Endpoint, ForwardingMethod, Lane, Protocol, Reach, RealServer, Scheduler, VirtualService};
use std::borrow::Cow;
use std::net::IpAddr;
use wire::MacAddress;

/// Sender where the client's own link-layer address is not known: it does not matter to the verdict.
const SOMEBODY: MacAddress = MacAddress([0x02, 0, 0, 0, 0, 0xfe]);

/// Where the client's packet would arrive.
struct Arrival {
    interface: u32,
    name: String,
    lane: Lane,
    receiver: MacAddress,
    sender: MacAddress,
}

impl<P: Plane, N: Network> Director<P, N> {
    /// What would happen to the first packet of a client.
    pub(crate) fn explain(&mut self, request: &ExplainRequest) -> Result<Explanation, Refusal> {
        if request.service.protocol == Protocol::Sctp {
            return Err(refuse(RefusalKind::Unsupported, "SCTP is not supported yet; ask for TCP or UDP"));
        }
        let arrival = self.arrival(request.client.ip())?;
        let link = (arrival.sender, arrival.receiver);
        let frame = first_frame(request.service.protocol, request.client, request.service.endpoint, link);
        let frame = frame.ok_or_else(|| {
            refuse(RefusalKind::Invalid, "client and service are of different address families; name two of one family")
        })?;
        let outcome = self.plane.explain(&frame, arrival.interface).map_err(|error| refusal(&error))?;
        let Rehearsed { action, frame: after, reason: counter, server: told } = outcome;
        let service = self.store.services().get(&request.service.into()).map(|service| self.health.effective(service));
        let forwarded = action == Action::Forward;
        let shown = || {
            service.as_deref().and_then(|service| self.chosen(service, counter, forwarded.then_some(after.as_slice())))
        };
        let server = told.or_else(shown);
        let verdict = match action {
            Action::Pass => "pass",
            Action::Forward => "forward",
            Action::Drop => "drop",
        };
        let because = self.because(request, counter, &arrival, server);
        let service = service.filter(|_| forwarded).map(Cow::into_owned);
        let mut warnings =
            service.map(|service| self.doubts(request.client.ip(), &service, server)).unwrap_or_default();
        if forwarded {
            warnings.extend(self.lost(&arrival, server));
        }
        Ok(Explanation {
            verdict: verdict.to_owned(),
            reason: counter.name().to_owned(),
            because,
            warnings,
            server,
            // The frame of FullNAT has no local address yet.
            frame: (forwarded && told.is_none()).then(|| hexadecimal(&after)),
        })
    }

    /// The attached interface towards the client, or the first attached one.
    fn arrival(&mut self, client: IpAddr) -> Result<Arrival, Refusal> {
        let attachments = self.plane.attachments().map_err(|error| refusal(&error))?;
        let route = self.observer.route(client);
        let towards = match route {
            Route::Via { interface, .. } => attachments.iter().find(|attachment| attachment.index == interface),
            _ => None,
        };
        let Some(attachment) = towards.or(attachments.first()) else {
            let message = "attached to no interface: no packet arrives here; attach one first (xlvs attach IF)";
            return Err(refuse(RefusalKind::Conflict, message));
        };
        let sender = match route {
            Route::Via { interface, next_hop, .. } if interface == attachment.index => {
                self.observer.neighbour(interface, next_hop).and_then(|Neighbour { mac, .. }| mac)
            }
            _ => None,
        };
        let link = self.observer.links().get(&attachment.index);
        Ok(Arrival {
            interface: attachment.index,
            name: attachment.name.clone(),
            lane: attachment.lane,
            receiver: link.and_then(|link| link.mac).unwrap_or_default(),
            sender: sender.unwrap_or(SOMEBODY),
        })
    }

    /// What is lost of the packet, or of its answer, on the way out.
    fn lost(&self, arrival: &Arrival, server: Option<Endpoint>) -> Vec<String> {
        let attachments = self.plane.attachments().unwrap_or_default();
        let way = server.and_then(|server| self.observer.way(server.ip()));
        let concerns =
            |way_out: u32, name: &str| arrival.lane == Lane::Xdp && Some(way_out) == way || name == arrival.name;
        let lossy = self.lossy_ways(&attachments).into_iter();
        lossy.filter(|(index, way)| concerns(*index, &way.interface)).map(|(_, way)| way.to_string()).collect()
    }

    /// The server that a frame goes to, by what was rewritten in it.
    fn chosen(&self, service: &VirtualService, counter: Counter, after: Option<&[u8]>) -> Option<Endpoint> {
        let reached = |server: &&RealServer| {
            let reach = reach(service, server, &self.observer);
            match (after, reach) {
                (Some(frame), Reach::Via(hop)) => match server.method {
                    ForwardingMethod::Nat => {
                        let endpoint = endpoint_in_maps(service, server.endpoint);
                        endpoint.is_some() && destination(frame) == endpoint
                    }
                    ForwardingMethod::DirectRouting => frame.starts_with(&hop.destination.0),
                    // The data plane tells it.
                    ForwardingMethod::FullNat => false,
                    ForwardingMethod::Tunnel(_) => {
                        destination(frame).is_some_and(|outer| outer.ip() == server.endpoint.ip())
                    }
                },
                (None, Reach::Local) => counter == Counter::PassLocalServer,
                _ => false,
            }
        };
        service.servers.iter().find(reached).map(|server| server.endpoint)
    }

    fn because(&self, request: &ExplainRequest, counter: Counter, at: &Arrival, server: Option<Endpoint>) -> String {
        let key = request.service;
        let service = self.store.services().get(&key.into());
        let named = |server| {
            let sorry = if self.health.is_sorry(&key.into(), server) { ", the sorry server" } else { "" };
            format!("{server}{sorry}")
        };
        let server = server.map_or_else(|| "a server".to_owned(), named);
        match (counter, service) {
            (Counter::ForwardIn, Some(service)) => {
                format!("it arrives on {} and {} chooses {server}", at.name, service.options.scheduler)
            }
            (Counter::DropNoLocalPort, Some(service)) => {
                format!(
                    "no local port of service {key} is free towards its server ({})",
                    service.options.local_addresses
                )
            }
            (Counter::PassLocalServer, Some(service)) => {
                format!("{} chooses {server}, which is this host: the local stack gets it", service.options.scheduler)
            }
            (Counter::PassNotOurs | Counter::PassNoService, None) => {
                format!("there is no service {key}: the local stack gets it")
            }
            (Counter::PassNotOurs | Counter::PassNotOwned, Some(service)) if !is_owned(service, &self.observer) => {
                let address = key.endpoint.ip();
                format!("{address} is not an address of this node outside lo: this node does not forward the service")
            }
            (Counter::DropNoServer, Some(service)) => self.why_no_server(service),
            (counter, _) => format!("it arrives on {} and is counted as {}", at.name, counter.name()),
        }
    }

    fn why_no_server(&self, service: &VirtualService) -> String {
        if service.servers.is_empty() {
            return format!("service {} has no server; add one (-a)", service.key);
        }
        let scheduler = service.options.scheduler;
        if scheduler == Scheduler::Nobody {
            return format!("service {} has no scheduler (none): nothing is scheduled", service.key);
        }
        if !scheduler.acts() {
            return format!("service {}: {}", service.key, Dormant::Scheduler(scheduler));
        }
        let effective = self.health.effective(service);
        let sorry = effective.servers.iter().filter(|it| self.health.is_sorry(&service.key, it.endpoint));
        let sorry =
            sorry.map(|server| format!("{}, the sorry server: {}", server.endpoint, self.hindrance(service, server)));
        let servers = service.servers.iter().take(8);
        let reasons = servers.map(|server| format!("{}: {}", server.endpoint, self.why_not(service, server)));
        format!("no server is eligible: {}", reasons.chain(sorry).collect::<Vec<_>>().join("; "))
    }

    /// Why a server of a service gets no connections: its health comes first.
    fn why_not(&self, service: &VirtualService, server: &RealServer) -> String {
        self.health.objection(&service.key, server).unwrap_or_else(|| self.hindrance(service, server))
    }

    /// The same, whatever its health.
    fn hindrance(&self, service: &VirtualService, server: &RealServer) -> String {
        if server.weight.get() == 0 {
            return "has weight 0".to_owned();
        }
        obstacle(service, server, &self.observer).map_or("is eligible".to_owned(), |it| it.to_string())
    }
}

/// Destination address and port of a frame without options or extension headers; what is in the place of the port where
/// there is none.
fn destination(frame: &[u8]) -> Option<Endpoint> {
    let (address, port): (IpAddr, usize) = match frame.get(12..14)? {
        [0x08, 0x00] => (<[u8; 4]>::try_from(frame.get(30..34)?).ok()?.into(), 36),
        [0x86, 0xdd] => (<[u8; 16]>::try_from(frame.get(38..54)?).ok()?.into(), 56),
        _ => return None,
    };
    let port = <[u8; 2]>::try_from(frame.get(port..port + 2)?).ok()?;
    Some(Endpoint::new(address, u16::from_be_bytes(port)))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
