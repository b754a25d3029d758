//! The operator's words and the maps' words for the same things.

use crate::tunnel;
use forward::abi::{self, Address4, Address6, KeyTail, Port, SchedulerKind};
use forward::{Address, Cell64, address};
use model::{
    Endpoint, ForwardingMethod, Hop, Protocol, Reach, RealServer, Scheduler, SchedulerFlags, ServerState, ServiceKey,
    ServiceOptions, Weight,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{Ordering, fence};
use wire::protocol;

/// The key of a service in the table of its family.
pub(crate) enum TableKey {
    V4(abi::ServiceKey<Address4>),
    V6(abi::ServiceKey<Address6>),
}

/// Where a service stands.
pub(crate) fn table_key(key: &ServiceKey) -> TableKey {
    let (port, protocol) = (Port::new(key.endpoint.port()), key.protocol.number());
    match key.endpoint.ip() {
        IpAddr::V4(address) => TableKey::V4(abi::ServiceKey::new(address.into(), port, protocol)),
        IpAddr::V6(address) => TableKey::V6(abi::ServiceKey::new(address.into(), port, protocol)),
    }
}

/// An address of one family, back from its map form.
pub(crate) trait ToIp: Copy {
    fn to_ip(self) -> IpAddr;
}

impl ToIp for Address4 {
    fn to_ip(self) -> IpAddr {
        Ipv4Addr::from(self.0.to_ne_bytes()).into()
    }
}

impl ToIp for Address6 {
    fn to_ip(self) -> IpAddr {
        let mut bytes = [0; 16];
        for (to, from) in bytes.iter_mut().zip(self.0.iter().flat_map(|half| half.to_ne_bytes())) {
            *to = from;
        }
        Ipv6Addr::from(bytes).into()
    }
}

/// The protocol with this number, if a service can have it.
pub(crate) const fn protocol(number: u8) -> Option<Protocol> {
    match number {
        protocol::TCP => Some(Protocol::Tcp),
        protocol::UDP => Some(Protocol::Udp),
        _ => None,
    }
}

/// The service a table key stands for; `None` for protocols that no service has.
pub(crate) fn service_key<A: ToIp + KeyTail>(key: &abi::ServiceKey<A>) -> Option<ServiceKey> {
    let protocol = protocol(key.protocol)?;
    Some(ServiceKey { protocol, endpoint: SocketAddr::new(key.address.to_ip(), key.port.get()) })
}

/// Schedulers that the programs do not know have numbers from here on, so that they are told apart when read back:
/// nothing is scheduled by them.
const UNKNOWN_TO_PROGRAMS: u8 = 128;

pub(crate) const fn scheduler_number(scheduler: Scheduler) -> u8 {
    let kind = match scheduler {
        Scheduler::RoundRobin => SchedulerKind::RoundRobin,
        Scheduler::WeightedRoundRobin => SchedulerKind::WeightedRoundRobin,
        Scheduler::LeastConnection => SchedulerKind::LeastConnection,
        Scheduler::WeightedLeastConnection => SchedulerKind::WeightedLeastConnection,
        Scheduler::SourceHash => SchedulerKind::SourceHash,
        Scheduler::Maglev => SchedulerKind::Maglev,
        Scheduler::ShortestExpectedDelay => SchedulerKind::ShortestExpectedDelay,
        Scheduler::NeverQueue => SchedulerKind::NeverQueue,
        Scheduler::DestinationHash => SchedulerKind::DestinationHash,
        Scheduler::Failover => SchedulerKind::Failover,
        Scheduler::Overflow => SchedulerKind::Overflow,
        Scheduler::LocalityBasedLeastConnection
        | Scheduler::LocalityBasedLeastConnectionWithReplication
        | Scheduler::TwoRandomChoices
        | Scheduler::Nobody => return UNKNOWN_TO_PROGRAMS + scheduler as u8,
    };
    kind as u8
}

pub(crate) fn scheduler(number: u8) -> Option<Scheduler> {
    Scheduler::ALL.into_iter().find(|scheduler| scheduler_number(*scheduler) == number)
}

/// Flags of a service.
pub(crate) const fn service_flags(owned: bool, options: &ServiceOptions) -> u8 {
    let flags = options.scheduler_flags;
    (if owned { abi::Service::OWNED } else { 0 })
        | (if options.watched { abi::Service::WATCHED } else { 0 })
        | (if flags.port { abi::Service::HASH_PORT } else { 0 })
        | (if flags.fallback { abi::Service::HASH_FALLBACK } else { 0 })
}

/// The flags of the scheduler among those of a service.
pub(crate) const fn scheduler_flags(flags: u8) -> SchedulerFlags {
    let (port, fallback) = (flags & abi::Service::HASH_PORT != 0, flags & abi::Service::HASH_FALLBACK != 0);
    SchedulerFlags { port, fallback, third: false }
}

/// Flags of a configured server.
pub(crate) const fn server_flags(owned: bool, reach: Reach) -> u32 {
    let reached = match reach {
        Reach::Unresolved => 0,
        Reach::Local => abi::RealServer::RESOLVED | abi::RealServer::LOCAL,
        Reach::Via(_) => abi::RealServer::RESOLVED,
    };
    let owned = if owned { abi::RealServer::OWNED } else { 0 };
    abi::RealServer::TAKEN | abi::RealServer::AVAILABLE | owned | reached
}

/// The weight that schedulers see.
pub(crate) fn effective_weight(owned: bool, server: &ServerState) -> u32 {
    let ready = server_flags(owned, server.reach) & abi::RealServer::READY == abi::RealServer::READY;
    if ready { server.server.weight.get() } else { 0 }
}

/// The number of a method.
pub(crate) const fn method(method: ForwardingMethod) -> abi::Method {
    match method {
        ForwardingMethod::Nat => abi::Method::Nat,
        ForwardingMethod::DirectRouting => abi::Method::DirectRouting,
        ForwardingMethod::Tunnel(_) => abi::Method::Tunnel,
        ForwardingMethod::FullNat => abi::Method::FullNat,
    }
}

/// Writes a configured server; its flags last, so that nobody believes a half-written one.
pub(crate) fn write_server(
    (cell, tunnel): (&abi::RealServer, &abi::Tunnel),
    service: u32,
    (owned, watched): (bool, bool),
    server: &ServerState,
    last_weight: u32,
) {
    let endpoint = server.server.endpoint;
    let method = method(server.server.method) as u32;
    cell.service.set(service);
    store(&cell.address, endpoint.ip());
    let room = tunnel::write(tunnel, server);
    cell.port_and_method.set(u32::from(Port::new(endpoint.port()).0) | method << 16);
    cell.weight.set(server.server.weight.get());
    cell.last_weight.set(last_weight);
    if let Reach::Via(Hop { interface, vlan, destination, source, mtu, .. }) = server.reach {
        cell.mtu.set(mtu.saturating_sub(room));
        cell.hop.set(abi::NextHop { interface: abi::NextHop::through(interface, vlan), destination, source });
    }
    fence(Ordering::Release);
    let six = if endpoint.is_ipv6() { abi::RealServer::IPV6 } else { 0 };
    let watched = watched && server.server.method.replies_here();
    let watched = if watched { abi::RealServer::WATCHED } else { 0 };
    cell.flags.set(server_flags(owned, server.reach) | six | watched);
}

/// Writes an address of either family.
pub(crate) fn store([first, second]: &[Cell64; 2], address: IpAddr) {
    let [low, high] = match address {
        IpAddr::V4(address) => Address4::from(address).words(),
        IpAddr::V6(address) => Address6::from(address).words(),
    };
    first.set(low);
    second.set(high);
}

/// Reads it back.
pub(crate) fn load(words: &[Cell64; 2], is_ipv6: bool) -> IpAddr {
    if is_ipv6 { address::load::<Address6>(words).to_ip() } else { address::load::<Address4>(words).to_ip() }
}

/// Address and port of a server.
pub(crate) fn endpoint(cell: &abi::RealServer) -> Endpoint {
    let ip = load(&cell.address, cell.flags.get() & abi::RealServer::IPV6 != 0);
    SocketAddr::new(ip, Port(cell.port_and_method.get() as u16).get())
}

/// A server as its cells tell. One that is listed but not available (a removal was cut short) is unresolved.
pub(crate) fn read_server((cell, tunnel): (&abi::RealServer, &abi::Tunnel)) -> ServerState {
    let has = |method: abi::Method| cell.port_and_method.get() >> 16 == method as u32;
    let tunnel = has(abi::Method::Tunnel).then(|| tunnel::read(tunnel));
    let method = match tunnel {
        Some(tunnel) => ForwardingMethod::Tunnel(tunnel.encapsulation),
        None if has(abi::Method::Nat) => ForwardingMethod::Nat,
        None if has(abi::Method::FullNat) => ForwardingMethod::FullNat,
        None => ForwardingMethod::DirectRouting,
    };
    let weight = Weight::new(cell.weight.get()).unwrap_or_default();
    ServerState { server: RealServer::new(endpoint(cell), method, weight), reach: read_reach(cell, tunnel) }
}

fn read_reach(cell: &abi::RealServer, tunnel: Option<tunnel::Found>) -> Reach {
    let flags = cell.flags.get();
    if flags & abi::RealServer::AVAILABLE == 0 || flags & abi::RealServer::RESOLVED == 0 {
        Reach::Unresolved
    } else if flags & abi::RealServer::LOCAL != 0 {
        Reach::Local
    } else {
        let hop = cell.hop.get();
        let abi::NextHop { destination, source, .. } = hop;
        let (room, address) = tunnel.map_or((0, None), |tunnel| (tunnel.room, Some(tunnel.source)));
        let mtu = cell.mtu.get().checked_add(room).filter(|mtu| *mtu != room).unwrap_or(0);
        Reach::Via(Hop { interface: hop.index(), vlan: hop.vlan(), destination, source, mtu, address })
    }
}

/// The place of an address in the prefilter.
pub(crate) fn filter_hash(ip: IpAddr) -> u16 {
    match ip {
        IpAddr::V4(address) => Address4::from(address).filter_hash(),
        IpAddr::V6(address) => Address6::from(address).filter_hash(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Encapsulation, TunnelChecksum};
    use wire::MacAddress;

    fn check(method: ForwardingMethod, endpoint: Endpoint, reach: Reach, mtu: u32) {
        let weight = Weight::new(7).unwrap();
        let written = ServerState { server: RealServer::new(endpoint, method, weight), reach };
        let (cell, tunnel) = (abi::RealServer::default(), abi::Tunnel::default());
        write_server((&cell, &tunnel), 5, (true, true), &written, 9);
        assert_eq!(cell.flags.get() & abi::RealServer::WATCHED != 0, method == ForwardingMethod::Nat);
        assert_eq!(read_server((&cell, &tunnel)), written);
        assert_eq!((cell.service.get(), cell.last_weight.get()), (5, 9));
        assert_eq!(effective_weight(true, &written), if reach == Reach::Unresolved { 0 } else { 7 });
        assert_eq!(effective_weight(false, &written), 0);
        if matches!(reach, Reach::Via(_)) {
            assert_eq!(cell.mtu.get(), mtu, "{method:?} {endpoint}");
        }
    }

    #[test]
    fn servers_come_back_as_they_were_written() {
        let (destination, source) = (MacAddress([2; 6]), MacAddress([4; 6]));
        let hop = Hop { interface: 3, destination, source, vlan: 100, mtu: 1500, address: None };
        let (gue, gre) =
            (|checksum| Encapsulation::Gue { port: 6080, checksum }, |checksum| Encapsulation::Gre { checksum });
        let (none, full) = (TunnelChecksum::None, TunnelChecksum::Full);
        let tunnels = [(Encapsulation::Ipip, 0), (gue(none), 12), (gue(full), 12), (gre(none), 4), (gre(full), 8)];
        let remote = (gue(TunnelChecksum::Remote), 12);
        for (endpoint, header) in [("10.1.2.3:8080", 20), ("[fd00::1:2]:443", 40)] {
            let endpoint: Endpoint = endpoint.parse().unwrap();
            for reach in [Reach::Unresolved, Reach::Local, Reach::Via(hop)] {
                check(ForwardingMethod::Nat, endpoint, reach, 1500);
                check(ForwardingMethod::DirectRouting, endpoint, reach, 1500);
            }
            for (encapsulation, envelope) in tunnels.into_iter().chain([remote]) {
                let reach = Reach::Via(Hop { address: Some(endpoint.ip()), ..hop });
                check(ForwardingMethod::Tunnel(encapsulation), endpoint, reach, 1500 - header - envelope);
                check(ForwardingMethod::Tunnel(encapsulation), endpoint, Reach::Unresolved, 0);
            }
        }
    }

    #[test]
    fn service_keys_come_back_as_they_went_in() {
        for (protocol, endpoint) in [(Protocol::Tcp, "10.0.0.1:80"), (Protocol::Udp, "[fd00::5]:53")] {
            let key = ServiceKey { protocol, endpoint: endpoint.parse().unwrap() };
            let back = match table_key(&key) {
                TableKey::V4(key) => service_key(&key),
                TableKey::V6(key) => service_key(&key),
            };
            assert_eq!(back, Some(key));
        }
        assert!(Scheduler::ALL.into_iter().all(|kind| scheduler(scheduler_number(kind)) == Some(kind)));
    }
}
