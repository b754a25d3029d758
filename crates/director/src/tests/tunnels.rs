//! Servers that are reached by tunnel.

use super::changes::{THEIRS, add_server, add_service, key, network, reach, server, start};
use super::fakes::{FakePlane, OUR_IPV4, OUR_IPV6, OURS};
use api::Request;
use model::{Encapsulation, ForwardingMethod, Hop, Reach, TunnelChecksum};
use std::net::IpAddr;

const IPIP: ForwardingMethod = ForwardingMethod::Tunnel(Encapsulation::Ipip);

fn via(address: Option<IpAddr>) -> Reach {
    Reach::Via(Hop { interface: 7, destination: THEIRS, source: OURS, vlan: 0, mtu: 1500, address })
}

#[test]
fn a_tunnel_begins_at_this_hosts_address_of_the_servers_family() {
    let (plane, network) = (FakePlane::default(), network());
    network.wire().answering.insert("fd00::2".parse().unwrap(), THEIRS);
    let mut director = start(&plane, &network);
    director.answer(&add_service()).unwrap();
    for endpoint in ["10.0.0.1:80", "[fd00::2]:80"] {
        director.answer(&Request::AddServer { service: key().into(), server: server(endpoint, IPIP) }).unwrap();
    }
    assert_eq!([reach(&plane, 0), reach(&plane, 1)], [via(Some(OUR_IPV4)), via(Some(OUR_IPV6))]);
    plane.kernel().changes.clear();
    director.heal();
    assert_eq!(plane.kernel().changes, [], "no drift");
    drop(director);
    start(&plane, &network);
    assert_eq!(plane.kernel().changes, [], "a restart plans nothing");
}

#[test]
fn an_edit_digs_it_and_fills_it_in() {
    let (plane, network) = (FakePlane::default(), network());
    let mut director = start(&plane, &network);
    director.answer(&add_service()).unwrap();
    director.answer(&add_server("10.0.0.1:80")).unwrap();
    let gue = ForwardingMethod::Tunnel(Encapsulation::Gue { port: 6080, checksum: TunnelChecksum::Full });
    for (method, address) in [(IPIP, Some(OUR_IPV4)), (gue, Some(OUR_IPV4)), (ForwardingMethod::DirectRouting, None)] {
        let server = server("10.0.0.1:80", method);
        director.answer(&Request::EditServer { service: key().into(), server }).unwrap();
        assert_eq!(reach(&plane, 0), via(address), "{method:?}");
        assert_eq!(plane.kernel().state.services[&key()].servers[0].server.method, method);
    }
}

#[test]
fn without_an_address_of_this_host_there_is_no_tunnel_and_the_status_says_so() {
    let (plane, network) = (FakePlane::default(), network());
    network.wire().nameless = true;
    let mut director = start(&plane, &network);
    director.answer(&add_service()).unwrap();
    director.answer(&Request::AddServer { service: key().into(), server: server("10.0.0.1:80", IPIP) }).unwrap();
    assert_eq!(reach(&plane, 0), Reach::Unresolved);
    let notes = director.status().unwrap().notes;
    let expected = "server 10.0.0.1:80 of tcp 192.0.2.1:80 is not in the rotation: this host has no address to send from in a tunnel; add one to the interface towards it";
    assert!(notes.iter().any(|note| note == expected), "{notes:?}");
}
