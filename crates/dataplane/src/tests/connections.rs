//! Walking over the connection tables.

use super::{add_service, in_namespace, ip, key, options, server};
use crate::{ConnectionEntry, ConnectionsCursor, Dataplane, Options};
use forward::TcpState;
use forward::host::packet::{CLIENT_MAC, DIRECTOR_MAC, packet};
use model::{Change, Endpoint, Scheduler};
use std::collections::BTreeSet;
use std::net::IpAddr;
use wire::TcpFlags;

/// More than two slices have room for, with NAT's second entry for each.
const FLOWS: u16 = 5000;

/// All connections, and the largest number in one slice.
fn walk(plane: &Dataplane) -> (Vec<ConnectionEntry>, usize) {
    let (mut all, mut largest) = (Vec::new(), 0);
    let mut next = Some(ConnectionsCursor::default());
    while let Some(cursor) = next {
        let slice = plane.connections(cursor).unwrap();
        largest = largest.max(slice.connections.len());
        all.extend(slice.connections);
        next = slice.next;
    }
    (all, largest)
}

#[test]
#[ignore = "needs root"]
fn a_walk_sees_every_connection_once() {
    in_namespace("connections", |directory| {
        ip(&format!("link set xlvs-a address {DIRECTOR_MAC}"));
        let size = Options { connections4: 20_000, connections6: 20_000, ..options(directory) };
        let mut plane = Dataplane::open(&size).unwrap();
        assert_eq!(walk(&plane), (Vec::new(), 0));
        let interface = plane.attach("xlvs-a", None, false).unwrap().index;
        for (service, client, real) in
            [("10.9.0.1:80", "192.0.2.7", "10.8.0.1:8080"), ("[fd00:9::1]:80", "2001:db8::7", "[fd00:8::1]:8080")]
        {
            let service = key(service);
            plane.apply(&add_service(service, Scheduler::RoundRobin)).unwrap();
            plane.apply(&Change::AddServer { service, server: server(real, 1) }).unwrap();
            let client: IpAddr = client.parse().unwrap();
            for port in 1..=FLOWS {
                let packet = packet().ethernet(CLIENT_MAC, DIRECTOR_MAC).ip(client, service.endpoint.ip());
                let packet = packet.tcp(port, service.endpoint.port()).flags(TcpFlags::SYN);
                plane.inject(&packet.build().bytes, interface).unwrap();
            }
            let (all, largest) = walk(&plane);
            let found: Vec<_> = all.iter().filter(|connection| connection.service == service.endpoint).collect();
            let clients: BTreeSet<_> = found.iter().map(|connection| connection.client).collect();
            assert_eq!((found.len(), clients.len()), (FLOWS as usize, FLOWS as usize), "{service}");
            assert!(largest <= 4096 && largest < found.len(), "a slice of {largest}");
            let (real, received): (Endpoint, _) = (real.parse().unwrap(), Some(TcpState::SynReceived));
            assert!(found.iter().all(|connection| connection.server == Some(real) && connection.state == received));
            assert!(found.iter().all(|connection| connection.expires <= 60 && connection.expires > 20));
            let gone = Change::RemoveServer { service, server: real };
            plane.apply(&gone).unwrap();
            let kept = walk(&plane).0.iter().filter(|connection| connection.server == Some(real)).count();
            assert_eq!(kept, FLOWS as usize, "connections of a removed server are listed with it");
        }
    });
}
