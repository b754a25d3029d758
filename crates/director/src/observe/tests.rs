//! The real kernel: what any user may ask it, and, for root, a link between two namespaces of our own.

use super::Observer;
use super::events::Events;
use super::features;
use super::netlink::Netlink;
use super::outlet::Outlet;
use super::sight::{Neighbour, NeighbourState, Route, Sight, Why};
use nix::sched::{CloneFlags, unshare};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

#[test]
fn the_kernel_knows_its_loopback() {
    let mut netlink = Netlink::open().unwrap();
    let links = netlink.links().unwrap();
    assert!(links.get(&1).is_some_and(|link| link.loopback && link.name == "lo"));
    for address in ["127.0.0.1", "127.9.9.9"] {
        assert_eq!(netlink.route(address.parse().unwrap()), Route::Local);
    }
    let addresses = netlink.addresses().unwrap();
    assert!(addresses.iter().any(|local| local.interface == 1 && local.address.to_string() == "127.0.0.1"));
}

/// Runs `ip` in the namespace of this thread; gives what it wrote.
fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A namespace with a name, removed at the end.
struct Peer(String);

impl Peer {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("xlvs-dir-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        ip(&format!("netns add {name}"));
        Self(name)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

/// Runs `test` on a thread in a network namespace of its own, with link `near` (10.9.0.1, 2001:db8:9::1) to `far` in
/// the peer (… .2, ::2).
fn on_a_link(test: impl FnOnce(&Peer) + Send + 'static) {
    let thread = std::thread::spawn(move || {
        let peer = Peer::new();
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        ip(&format!("link add near type veth peer name far netns {}", peer.0));
        for (namespace, link, number) in [("", "near", 1), (&*format!("-n {} ", peer.0), "far", 2)] {
            ip(&format!("{namespace}address add 10.9.0.{number}/24 dev {link}"));
            ip(&format!("{namespace}address add 2001:db8:9::{number}/64 dev {link} nodad"));
            ip(&format!("{namespace}link set {link} up"));
        }
        ip("route add 10.10.0.0/16 via 10.9.0.2");
        test(&peer);
    });
    thread.join().unwrap();
}

fn addresses(list: &[&str]) -> BTreeSet<IpAddr> {
    list.iter().map(|address| address.parse().unwrap()).collect()
}

fn wait_for(mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < end, "waited in vain");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
#[ignore = "needs root"]
fn servers_on_a_link_are_resolved_kept_and_given_back() {
    on_a_link(|peer| {
        let mut observer = Observer::new(Netlink::open().unwrap());
        let direct = addresses(&["10.9.0.2", "2001:db8:9::2"]);
        let servers = addresses(&["10.9.0.2", "2001:db8:9::2", "10.10.1.1", "10.9.0.1", "198.51.100.1", "10.9.0.77"]);
        observer.look(&servers, Instant::now()).unwrap();
        wait_for(|| {
            observer.ask_again(Instant::now());
            direct.iter().all(|address| matches!(observer.sight(*address), Sight::Via(_)))
        });
        let far = ip(&format!("-n {} link show far", peer.0));
        for address in direct.iter().chain(&addresses(&["10.10.1.1"])) {
            let Sight::Via(hop) = observer.sight(*address) else { panic!("{address}") };
            assert!(far.contains(&hop.destination.to_string()), "{address}: {hop:?}");
        }
        assert_eq!(observer.sight("10.9.0.1".parse().unwrap()), Sight::Local);
        assert_eq!(observer.route("10.9.0.255".parse().unwrap()), Route::Broadcast);
        assert_eq!(observer.sight("198.51.100.1".parse().unwrap()), Sight::Lost(Why::NoRoute));
        assert!(observer.owns("10.9.0.1".parse().unwrap()) && observer.owns("2001:db8:9::1".parse().unwrap()));
        assert!(!observer.owns("127.0.0.1".parse().unwrap()));
        assert!(ip("neigh show 10.9.0.2").contains("managed"));
        // Nobody has .77: the kernel asks three times and gives up.
        wait_for(|| {
            observer.ask_again(Instant::now());
            observer.sight("10.9.0.77".parse().unwrap()) == Sight::Lost(Why::NoAnswer)
        });
        observer.release_all();
        assert!(!ip("neigh show").contains("managed"), "{}", ip("neigh show"));
        assert!(ip("neigh show 10.9.0.2").contains("lladdr"));
    });
}

#[test]
#[ignore = "needs root"]
fn a_fixed_neighbour_stays_fixed_and_a_lost_link_is_seen() {
    on_a_link(|_| {
        ip("neigh add 10.9.0.5 lladdr 02:00:00:00:00:55 dev near nud permanent");
        let mut observer = Observer::new(Netlink::open().unwrap());
        let fixed: IpAddr = "10.9.0.5".parse().unwrap();
        observer.look(&BTreeSet::from([fixed]), Instant::now()).unwrap();
        assert!(matches!(observer.sight(fixed), Sight::Via(hop) if hop.destination.0 == [2, 0, 0, 0, 0, 0x55]));
        assert!(ip("neigh show 10.9.0.5").contains("PERMANENT"));
        let mut netlink = Netlink::open().unwrap();
        let index = *netlink.links().unwrap().iter().find(|(_, link)| link.name == "near").unwrap().0;
        let expected = Neighbour { state: NeighbourState::Fixed, mac: Some(wire::MacAddress([2, 0, 0, 0, 0, 0x55])) };
        assert_eq!(netlink.neighbour(index, fixed), Some(expected));
        ip("link set near down");
        observer.look(&BTreeSet::from([fixed]), Instant::now()).unwrap();
        assert!(matches!(observer.sight(fixed), Sight::Lost(_)));
        assert!(!observer.owns("10.9.0.1".parse().unwrap()));
    });
}

#[test]
#[ignore = "needs root"]
fn a_veth_link_is_a_way_out_while_its_peer_is_ready() {
    on_a_link(|peer| {
        ip("link add br0 type bridge");
        let outlet = |name: &str| {
            let links = Netlink::open().unwrap().links().unwrap();
            Outlet::of(links.values().find(|link| link.name == name).unwrap())
        };
        if features::ask().is_err() {
            assert_eq!((outlet("near"), outlet("br0")), (Outlet::Open, Outlet::Closed));
            return;
        }
        assert_eq!((outlet("near"), outlet("br0")), (Outlet::PeerNotReady, Outlet::Closed));
        let peer = ["netns", "exec", &peer.0, "ethtool", "-K", "far", "gro", "on"];
        assert!(Command::new("ip").args(peer).status().unwrap().success());
        assert_eq!(outlet("near"), Outlet::Open);
    });
}

#[test]
#[ignore = "needs root"]
fn the_kernel_tells_of_neighbours_and_addresses() {
    on_a_link(|_| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let events = Events::open().unwrap();
            let mut netlink = Netlink::open().unwrap();
            let far: IpAddr = "10.9.0.2".parse().unwrap();
            let Route::Via { interface, next_hop, .. } = netlink.route(far) else { panic!() };
            assert_eq!(next_hop, far);
            netlink.resolve(interface, far).unwrap();
            let told = async { while !events.next().await.unwrap().neighbours.contains(&far) {} };
            tokio::time::timeout(Duration::from_secs(5), told).await.unwrap();
            ip("address add 192.0.2.1/32 dev near");
            let told = async { while !events.next().await.unwrap().everything {} };
            tokio::time::timeout(Duration::from_secs(5), told).await.unwrap();
        });
    });
}
