//! A server that is edited to another method: its connections keep theirs, as in the kernel.

use super::{add_service, in_namespace, key, options, server};
use crate::Dataplane;
use crate::interface::Link;
use forward::host::packet;
use model::{Change, ForwardingMethod, Scheduler, ServerState};
use std::net::Ipv4Addr;

const SERVICE: &str = "10.9.0.1:80";
const SERVER: &str = "10.8.0.1:80";

/// Where a packet of the client with this port is sent: a SYN, or one of a connection that is known.
fn way(plane: &Dataplane, port: u16, is_first: bool) -> Ipv4Addr {
    let link = Link::by_name("xlvs-a").unwrap();
    let packet = packet()
        .ethernet(wire::MacAddress([2, 0, 0, 0, 0, 7]), link.address)
        .ip("198.51.100.7".parse().unwrap(), "10.9.0.1".parse().unwrap())
        .tcp(port, 80);
    let frame = if is_first { packet.syn() } else { packet.flags(wire::TcpFlags::ACK) }.build();
    let (_, out) = plane.inject(&frame.bytes, link.index).unwrap();
    Ipv4Addr::from(*out[30..].first_chunk::<4>().unwrap())
}

fn in_method(method: ForwardingMethod) -> ServerState {
    let mut state = server(SERVER, 1);
    state.server.method = method;
    state
}

#[test]
#[ignore = "needs root"]
fn connections_keep_the_method_they_began_with() {
    in_namespace("methods", |directory| {
        let (nat, direct): (Ipv4Addr, Ipv4Addr) = ([10, 8, 0, 1].into(), [10, 9, 0, 1].into());
        let service = key(SERVICE);
        let mut plane = Dataplane::open(&options(directory)).unwrap();
        plane.apply(&add_service(service, Scheduler::RoundRobin)).unwrap();
        let add = |method| Change::AddServer { service, server: in_method(method) };
        let edit = |method| Change::EditServer { service, server: in_method(method) };
        plane.apply(&add(ForwardingMethod::Nat)).unwrap();
        plane.attach("xlvs-a", None, false).unwrap();
        assert_eq!(way(&plane, 4000, true), nat);
        plane.apply(&edit(ForwardingMethod::DirectRouting)).unwrap();
        assert_eq!((way(&plane, 4000, false), way(&plane, 4001, true)), (nat, direct));
        // Another daemon knows it, too.
        drop(plane);
        let mut plane = Dataplane::open(&options(directory)).unwrap();
        let ways = |plane: &Dataplane| (way(plane, 4000, false), way(plane, 4001, false));
        assert_eq!(ways(&plane), (nat, direct));
        let endpoint = SERVER.parse().unwrap();
        let both = plane.load(&service, &endpoint).unwrap();
        assert_eq!(both.0 + both.1, 2, "the server has them all");
        assert_eq!(plane.statistics(&service, Some(&endpoint)).connections, 2);
        plane.apply(&edit(ForwardingMethod::Nat)).unwrap();
        assert_eq!((ways(&plane), way(&plane, 4002, true)), ((nat, direct), nat));
        // Removed, nobody gets anything; back in another method, each goes on in its own.
        plane.apply(&Change::RemoveServer { service, server: endpoint }).unwrap();
        let dropped = |plane: &Dataplane| plane.counters()["drop_server_removed"];
        ways(&plane);
        assert_eq!(dropped(&plane), 2);
        plane.apply(&add(ForwardingMethod::DirectRouting)).unwrap();
        assert_eq!((ways(&plane), way(&plane, 4002, false), way(&plane, 4003, true)), ((nat, direct), nat, direct));
        assert_eq!(dropped(&plane), 2);
        let (active, inactive) = plane.load(&service, &endpoint).unwrap();
        assert_eq!(active + inactive, 4);
        plane.apply(&Change::RemoveService { service }).unwrap();
        plane.apply(&add_service(service, Scheduler::RoundRobin)).unwrap();
        plane.apply(&add(ForwardingMethod::Nat)).unwrap();
        assert_eq!(ways(&plane), (nat, direct), "revived with its service");
    });
}
