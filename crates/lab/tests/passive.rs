//! Servers that leave by what their clients meet, long before a check would find them; and what forged packets do not do.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use forward::host::packet::packet;
use lab::node::{Client, Entry, Xlvs};
use lab::topology::address;
use lab::{Family, Lab, Mode, Scenario, Topology};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, sendto, socket};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::{Duration, Instant};

/// Longest wait for what takes seconds; checks come once an hour.
const PATIENCE: Duration = Duration::from_secs(100);
/// How many clients ask.
const CLIENTS: u8 = 4;
/// A frame's Ethernet header.
const ETHERNET: usize = 14;

/// Two servers that are checked once an hour.
fn configuration(lab: &Lab, family: Family) -> String {
    let servers: Vec<String> =
        lab.servers.iter().map(|it| format!("\"{}\"", SocketAddr::new(it.address.of(family), 80))).collect();
    let local = lab
        .topology
        .local()
        .map(|it| format!("local_addresses = [\"{}-29999\"]\n", SocketAddr::new(it.of(family), 20000)));
    format!(
        "[[service]]\nlisten = \"tcp {service}\"\nscheduler = \"rr\"\nmethod = \"{mode}\"\n{local}\
         check = {{ tcp = true, interval = \"1h\", warmup = \"0s\", rise = 1 }}\n\
         passive = {{ failures = 5, within = \"10s\", clients = 3, out_for = \"15s\" }}\nservers = [{servers}]\n",
        service = Scenario::usual(family).service(),
        mode = lab.topology.mode,
        local = local.unwrap_or_default(),
        servers = servers.join(", "),
    )
}

/// A lab with four clients on one host, and its director at work.
fn started(topology: Topology, family: Family) -> (Lab, Xlvs) {
    let lab = Lab::build(topology.with_servers(2)).unwrap();
    for number in 0..CLIENTS {
        let (client, length) = (client(number, family), if family == Family::V4 { 24 } else { 64 });
        let nodad = if family == Family::V4 { "" } else { " nodad" };
        ip(&lab.client.host, &format!("address add {client}/{length} dev c0{nodad}"));
    }
    let mut director = lab.director(Entry::Direct).unwrap();
    director.configure(&configuration(&lab, family)).unwrap();
    director.start().unwrap();
    director.wait_for_servers().unwrap();
    (lab, director)
}

fn client(number: u8, family: Family) -> IpAddr {
    address::front(20 + number).of(family)
}

fn ip(host: &lab::net::Namespace, line: &str) {
    let status = host.command("ip").args(line.split_whitespace()).status().unwrap();
    assert!(status.success(), "ip {line}");
}

/// One request of one client on a connection of its own: the server that answered.
fn ask(asking: &Client, number: u8, family: Family) -> Option<String> {
    let url = format!("http://{}/", Scenario::usual(family).service());
    let from = client(number, family).to_string();
    let got = asking.curl(&["--max-time", "3", "--interface", &from, &url]).unwrap();
    let server = got.stdout.lines().find_map(|line| line.strip_prefix("server=").map(str::to_owned));
    server.filter(|_| got.code == Some(0))
}

/// Every client asks so many times, all of them at once: how many answers each server gave.
fn round(lab: &Lab, family: Family, requests: usize) -> Vec<String> {
    thread::scope(|scope| {
        let clients = (0..CLIENTS).map(|number| {
            let asking = lab.client.clone();
            scope.spawn(move || (0..requests).filter_map(|_| ask(&asking, number, family)).collect::<Vec<_>>())
        });
        let clients: Vec<_> = clients.collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    })
}

/// Clients ask until something has come about; the service has a server all the while.
fn ask_until(lab: &Lab, director: &Xlvs, family: Family, what: &str, done: impl Fn() -> bool) -> Duration {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < PATIENCE, "{what}:\n{}\n{}", status(director), director.log());
        round(lab, family, 1);
        assert!(served(director) >= 1, "{what}: the last server is gone\n{}", director.log());
    }
    begin.elapsed()
}

fn wait_for(director: &Xlvs, servers: usize, what: &str) {
    let begin = Instant::now();
    while served(director) != servers {
        assert!(begin.elapsed() < PATIENCE, "{what}:\n{}\n{}", status(director), director.log());
        thread::sleep(Duration::from_millis(50));
    }
}

/// Servers that the service has in its table.
fn served(director: &Xlvs) -> usize {
    director.ipvsadm("-Ln").unwrap().lines().filter(|line| line.starts_with("  -> ") && line.contains(":80 ")).count()
}

fn status(director: &Xlvs) -> String {
    director.run(&["status"]).unwrap().stdout
}

/// What the status says of connections, one number after another.
fn counts(director: &Xlvs) -> Vec<String> {
    let status = status(director);
    let lines = status.lines().filter_map(|line| line.trim().strip_prefix("passive in, 0 bursts, now: "));
    lines.map(str::to_owned).collect()
}

/// SYNs from these addresses, as whoever forges them sends them.
fn forge(lab: &Lab, sources: impl Iterator<Item = (Ipv4Addr, u16)> + Send) {
    let SocketAddr::V4(service) = Scenario::usual(Family::V4).service() else { unreachable!() };
    let sent = lab.client.host.run(|| {
        let raw = socket(AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Raw)?;
        let to = SockaddrIn::from(service);
        let mut sent = 0;
        for (source, port) in sources {
            let frame = packet().ipv4(source, *service.ip()).tcp(port, service.port()).syn().build();
            sent += usize::from(sendto(raw.as_raw_fd(), &frame.bytes[ETHERNET..], &to, MsgFlags::empty()).is_ok());
        }
        Ok(sent)
    });
    assert!(sent.unwrap() > 0);
}

/// The same SYNs three times, each after a client's time to wait.
fn forge_again(lab: &Lab, sources: impl Iterator<Item = (Ipv4Addr, u16)> + Send + Clone) {
    for _ in 0..3 {
        forge(lab, sources.clone());
        thread::sleep(Duration::from_millis(1_100));
    }
}

#[test]
#[ignore = "needs root"]
fn a_silent_server_leaves_by_its_clients_and_returns() {
    const FAMILY: Family = Family::V4;
    let (lab, mut director) = started(Topology::point_to_point(Mode::Nat), FAMILY);
    assert_eq!(round(&lab, FAMILY, 2).len(), 8);
    // Known clients' addresses, forged: the servers answer, and nothing is missed.
    let known = (0..CLIENTS).flat_map(|number| {
        let IpAddr::V4(address) = client(number, FAMILY) else { unreachable!() };
        (0..10).map(move |port| (address, 7000 + port))
    });
    forge_again(&lab, known);
    assert_eq!(served(&director), 2);
    assert!(counts(&director).iter().all(|it| it.contains(" 0 unanswered, 0 reset")), "{}", status(&director));

    // Server 2 hears clients, and they do not hear it; its check would.
    let silence = "route add blackhole 198.51.100.0/24";
    ip(&lab.servers[1].host, silence);
    let strangers = (1..=250).map(|number| (Ipv4Addr::new(203, 0, 113, number), 5000));
    forge_again(&lab, strangers);
    let flows = director.ipvsadm("-Lnc").unwrap();
    assert!(
        flows.contains("203.0.113.1:5000") && flows.contains("203.0.113.250:5000"),
        "they have come through\n{flows}"
    );
    assert_eq!((served(&director), counts(&director).len()), (2, 2), "{}", status(&director));
    assert!(counts(&director).iter().all(|it| it.contains(" 0 unanswered, 0 reset")), "{}", status(&director));

    let took = ask_until(&lab, &director, FAMILY, "the silent server leaves", || served(&director) == 1);
    println!("a silent server was out after {} ms of traffic", took.as_millis());
    let shown = status(&director);
    assert!(shown.contains("passive OUT for"), "{shown}");
    let told = director.log();
    assert!(told.contains("is down: passive: ") && told.contains("clients unanswered in 10 s"), "{told}");
    assert_eq!(round(&lab, FAMILY, 2), ["server1"; 8]);

    ip(&lab.servers[1].host, &silence.replace("add", "delete"));
    wait_for(&director, 2, "it returns");
    assert_eq!(round(&lab, FAMILY, 2).len(), 8);

    // Both fall silent: one leaves, and the other stays, since nobody would be left.
    lab.servers.iter().for_each(|server| ip(&server.host, silence));
    let told = || director.log().contains("it stays, since its service has no quorum without it");
    ask_until(&lab, &director, FAMILY, "the last server stays", told);
    director.stop(false).unwrap();
}

#[test]
#[ignore = "needs root"]
fn a_server_that_refuses_leaves_by_its_clients() {
    const FAMILY: Family = Family::V6;
    let (mut lab, mut director) = started(Topology::bridged(Mode::FullNat), FAMILY);
    assert_eq!(round(&lab, FAMILY, 2).len(), 8);
    assert_eq!(served(&director), 2);
    lab.servers[1].stop_web();
    let took = ask_until(&lab, &director, FAMILY, "the server that refuses leaves", || served(&director) == 1);
    println!("a server that refuses was out after {} ms of traffic", took.as_millis());
    let told = director.log();
    assert!(told.contains("is down: passive: ") && told.contains("clients reset in 10 s"), "{told}");
    assert_eq!(round(&lab, FAMILY, 2), ["server1"; 8]);
    director.stop(false).unwrap();
}
