//! Listings against what the real ipvsadm printed for the same tables.

use super::*;
use api::{ServerView, TrafficCounters, TrafficRates};
use model::{
    ForwardingMethod, Protocol, RealServer, Scheduler, SchedulerFlags, ServiceKey, ServiceOptions, VirtualService,
    Weight,
};

fn service(protocol: Protocol, endpoint: &str, scheduler: Scheduler, servers: Vec<ServerView>) -> ServiceView {
    let options = ServiceOptions { scheduler, scheduler_flags: SchedulerFlags::default(), ..ServiceOptions::default() };
    let key = ServiceKey { protocol, endpoint: endpoint.parse().unwrap() };
    ServiceView {
        service: VirtualService { key: key.into(), options, servers: Vec::new() },
        servers,
        owned: true,
        counters: TrafficCounters::default(),
        rates: TrafficRates::default(),
    }
}

fn server(endpoint: &str, method: ForwardingMethod, weight: u32) -> ServerView {
    RealServer::new(endpoint.parse().unwrap(), method, Weight::new(weight).unwrap()).into()
}

fn listing(services: Vec<ServiceView>) -> Listing {
    Listing { services, connection_table_size: 4096, ..Listing::default() }
}

fn traffic([connections, in_packets, out_packets, in_bytes, out_bytes]: [u64; 5]) -> TrafficCounters {
    TrafficCounters { connections, in_packets, out_packets, in_bytes, out_bytes }
}

fn per_second([connections, in_packets, out_packets, in_bytes, out_bytes]: [u64; 5]) -> TrafficRates {
    TrafficRates { connections, in_packets, out_packets, in_bytes, out_bytes }
}

/// What the real one printed for `command` in a recording of the lab.
fn recorded(recording: &str, command: &str) -> String {
    let after = recording.split(&format!("$ {command}\n")).nth(1).unwrap();
    after.split_inclusive('\n').take_while(|line| !line.starts_with("# exit")).collect()
}

/// The table of the lab after eight connections: numbers as recorded, for each mode.
fn lab(method: ForwardingMethod, counters: [[u64; 5]; 3], rates: [[u64; 5]; 3]) -> Listing {
    let mut first = server("10.0.1.11:80", method, 1);
    let mut second = server("10.0.1.12:80", method, 3);
    (first.inactive, second.inactive) = (4, 4);
    (first.counters, second.counters) = (traffic(counters[1]), traffic(counters[2]));
    (first.rates, second.rates) = (per_second(rates[1]), per_second(rates[2]));
    let mut service = service(Protocol::Tcp, "10.0.0.100:80", Scheduler::RoundRobin, vec![first, second]);
    (service.counters, service.rates) = (traffic(counters[0]), per_second(rates[0]));
    listing(vec![service])
}

fn check_lab(recording: &str, listing: &Listing) {
    let with = |columns, exact| all(listing, View { columns, exact, ..NUMERIC }, Names::Numbers);
    assert_eq!(with(Columns::Connections, false), recorded(recording, "ipvsadm -Ln"));
    assert_eq!(with(Columns::Traffic, false), recorded(recording, "ipvsadm -Ln --stats"));
    assert_eq!(with(Columns::Traffic, true), recorded(recording, "ipvsadm -Ln --stats --exact"));
    assert_eq!(with(Columns::Rates, false), recorded(recording, "ipvsadm -Ln --rate"));
    assert_eq!(with(Columns::Thresholds, false), recorded(recording, "ipvsadm -Ln --thresholds"));
    assert_eq!(with(Columns::PersistentConnections, false), recorded(recording, "ipvsadm -Ln --persistent-conn"));
    let rates = with(Columns::Rates, true);
    assert_eq!(rates.lines().count(), recorded(recording, "ipvsadm -Ln --rate --exact").lines().count());
    assert_eq!(rules::all(listing, Names::Numbers), recorded(recording, "ipvsadm -Sn"));
    let names = || Names::of(services::Services::parse("http 80/tcp\n"));
    assert_eq!(all(listing, View { numeric: false, ..NUMERIC }, names()), recorded(recording, "ipvsadm -L"));
    let recorded = recorded(recording, "ipvsadm -Lnc");
    let views: Vec<_> = recorded.lines().skip(2).map(connection).collect();
    assert_eq!(views.len(), 8);
    assert_eq!(connections::title(false) + &connections::rows(&views, &Names::Numbers), recorded);
}

/// The connection that a recorded line tells of.
fn connection(line: &str) -> api::ConnectionView {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (minutes, seconds) = words[1].split_once(':').unwrap();
    let [client, service, server] = [3, 4, 5].map(|word| words[word].parse().unwrap());
    let expires = minutes.parse::<u32>().unwrap() * 60 + seconds.parse::<u32>().unwrap();
    let state = words[2].to_owned();
    api::ConnectionView { protocol: Protocol::Tcp, state, expires, client, service, server: Some(server) }
}

#[test]
fn nat_as_recorded() {
    let counters = [[8, 48, 48, 3168, 4048], [4, 24, 24, 1584, 2024], [4, 24, 24, 1584, 2024]];
    let rates = [[0, 1, 1, 93, 119], [0, 1, 1, 50, 64], [0, 1, 1, 43, 55]];
    let recording = include_str!("../../tests/goldens/listing-nat.txt");
    check_lab(recording, &lab(ForwardingMethod::Nat, counters, rates));
}

#[test]
fn direct_routing_as_recorded() {
    let counters = [[8, 49, 0, 3220, 0], [4, 24, 0, 1584, 0], [4, 25, 0, 1636, 0]];
    let rates = [[0, 1, 0, 78, 0], [0, 1, 0, 44, 0], [0, 1, 0, 34, 0]];
    let recording = include_str!("../../tests/goldens/listing-dr.txt");
    check_lab(recording, &lab(ForwardingMethod::DirectRouting, counters, rates));
}

#[test]
fn tunnels_as_recorded() {
    let counters = [[8, 48, 0, 3168, 0], [4, 24, 0, 1584, 0], [4, 24, 0, 1584, 0]];
    let rates = [[0, 2, 0, 128, 0], [0, 1, 0, 64, 0], [0, 1, 0, 64, 0]];
    let recording = include_str!("../../tests/goldens/listing-tun.txt");
    check_lab(recording, &lab(ForwardingMethod::Tunnel(model::Encapsulation::Ipip), counters, rates));
}

#[test]
fn one_service_has_a_title_but_no_version() {
    let service = service(Protocol::Udp, "10.0.0.1:53", Scheduler::SourceHash, Vec::new());
    let expected = "Prot LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\nUDP  10.0.0.1:53 sh\n";
    assert_eq!(one(&service, NUMERIC, Names::Numbers), expected);
}

/// Addresses in the order added, and in the order in which the real one listed them.
#[test]
fn servers_in_the_order_of_the_real_one() {
    let added = [
        "10.0.0.3:80",
        "10.0.0.2:0",
        "10.0.0.4:80",
        "10.0.0.2:8080",
        "10.0.0.5:80",
        "10.0.0.6:80",
        "10.0.0.2:80",
        "10.0.0.1:80",
        "127.0.0.1:80",
        "127.0.0.2:80",
        "10.0.0.10:80",
        "192.168.0.10:80",
        "1.0.0.10:80",
        "10.0.0.10:79",
        "10.0.0.10:81",
    ];
    let listed = [
        "1.0.0.10:80",
        "10.0.0.1:80",
        "10.0.0.2:0",
        "10.0.0.2:80",
        "10.0.0.2:8080",
        "10.0.0.3:80",
        "10.0.0.4:80",
        "10.0.0.5:80",
        "10.0.0.6:80",
        "10.0.0.10:79",
        "10.0.0.10:81",
        "127.0.0.1:80",
        "127.0.0.2:80",
        "192.168.0.10:80",
        "10.0.0.10:80",
    ];
    let servers: Vec<ServerView> = added.map(|endpoint| server(endpoint, ForwardingMethod::Nat, 1)).into();
    let sorted: Vec<String> =
        order::servers(&servers, true).iter().map(|view| view.server.endpoint.to_string()).collect();
    assert_eq!(sorted, listed);
    let unsorted = order::servers(&servers, false);
    assert_eq!(unsorted[0].server.endpoint.to_string(), "10.0.0.10:81", "newest first");
}

#[test]
fn large_numbers_change_their_unit() {
    for (number, abbreviated) in [
        (0, "        0"),
        (99_999_999, " 99999999"),
        (100_000_000, "  100000K"),
        (999_999_999, "  999999K"),
        (1_000_000_000, "    1000M"),
        (99_999_999_999, "   99999M"),
        (100_000_000_000, "     100G"),
        (99_999_999_999_999, "   99999G"),
        (100_000_000_000_000, "     100T"),
        (u64::MAX, "18446744T"),
    ] {
        assert_eq!(row::large(number), abbreviated);
    }
}

#[test]
fn rates_of_a_server_are_abbreviated_in_bytes_only() {
    let mut server = server("10.0.0.2:80", ForwardingMethod::Nat, 1);
    server.rates = per_second([123_456_789, 1, 2, 123_456_789, 4]);
    let mut service = service(Protocol::Tcp, "10.0.0.1:80", Scheduler::RoundRobin, vec![server]);
    service.rates = per_second([123_456_789, 1, 2, 123_456_789, 4]);
    let view = View { columns: Columns::Rates, ..NUMERIC };
    let text = one(&service, view, Names::Numbers);
    let lines: Vec<&str> = text.lines().skip(2).collect();
    assert_eq!(lines[0], "TCP  10.0.0.1:80                   123456K        1        2  123456K        4");
    assert_eq!(lines[1], "  -> 10.0.0.2:80                  123456789        1        2  123456K        4");
    let exact = one(&service, View { exact: true, ..view }, Names::Numbers);
    assert_eq!(
        exact.lines().nth(2).unwrap(),
        "TCP  10.0.0.1:80                  123456789        1        2 123456789        4"
    );
}

#[test]
fn long_names_are_clipped_for_ipv4_only() {
    use std::cell::RefCell;
    let long = "a-very-long-host-name.example.org".to_owned();
    let hosts = ["10.0.0.1", "fd00::1"].map(|address| (address.parse().unwrap(), Some(long.clone())));
    let names = Names::System { services: services::Services::default(), hosts: RefCell::new(hosts.into()) };
    let v4 = service(
        Protocol::Tcp,
        "10.0.0.1:80",
        Scheduler::RoundRobin,
        vec![server("10.0.0.1:80", ForwardingMethod::Nat, 1)],
    );
    assert_eq!(row::service(&v4, NUMERIC, &names), "TCP  a-very-long-host-name.exampl rr");
    let expected = "  -> a-very-long-host-name.exampl Masq    1      0          0         ";
    assert_eq!(row::server(&v4, &v4.servers[0], NUMERIC, &names), expected);
    let v6 = service(Protocol::Tcp, "[fd00::1]:80", Scheduler::RoundRobin, Vec::new());
    assert_eq!(row::service(&v6, NUMERIC, &names), "TCP  [a-very-long-host-name.example.org]:80 rr");
}

#[test]
fn flags_are_shown_by_their_names() {
    let mut service = service(Protocol::Tcp, "[fd00::1]:80", Scheduler::Maglev, Vec::new());
    service.service.options.scheduler_flags.port = true;
    assert_eq!(row::service(&service, NUMERIC, &Names::Numbers), "TCP  [fd00::1]:80 mh (mh-port)");
    assert_eq!(rules::all(&listing(vec![service]), Names::Numbers), "-A -t [fd00::1]:80 -s mh -b mh-port\n");
}
