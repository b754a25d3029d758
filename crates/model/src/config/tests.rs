//! Files and what becomes of them: values, or the one message.

mod faults;

use super::*;
use crate::{Encapsulation, ForwardingMethod, LaneChoice, Protocol, Scheduler, TunnelChecksum};

const EXAMPLE: &str = r#"
[director]
interfaces = ["eth0", "eth1"]
connections = 200000
conn_reuse_mode = 0

[timeouts]
tcp = "15m"
udp = "90s"

[[service]]
name = "web"
listen = "tcp 203.0.113.10:80"
scheduler = "wrr"
method = "nat"
servers = [
    { address = "10.0.0.11:8080", weight = 3 },
    "10.0.0.12:80",
    { address = "10.0.0.13:80", weight = 0, method = "dr" },
]

[[service]]
listen = "udp [2001:db8::10]:53"
scheduler = "mh"
sched_flags = ["mh-port", "mh-fallback"]
any = true
servers = ["[2001:db8:1::53]:53"]

[[service]]
listen = "tcp 203.0.113.10:443"
"#;

fn parse(text: &str) -> Config {
    Config::parse_toml(text, "xlvs.toml").unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_example_says_what_it_means() {
    let config = parse(EXAMPLE);
    assert_eq!(config.director.interfaces, ["eth0", "eth1"]);
    assert_eq!(config.director.connections, 200_000);
    assert_eq!(config.director.sysctls, BTreeMap::from([(Sysctl::ConnReuseMode, 0)]));
    assert_eq!(config.timeouts, Timeouts { tcp: 900, tcp_fin: 120, udp: 90 });
    let [web, dns, empty] = config.services.as_slice() else { panic!("{config:?}") };
    assert_eq!(web.key.to_string(), "tcp 203.0.113.10:80");
    assert_eq!(web.options.name.as_deref(), Some("web"));
    assert_eq!(web.options.scheduler, Scheduler::WeightedRoundRobin);
    let servers: Vec<_> = web.servers.iter().map(|s| (s.endpoint.to_string(), s.weight.get(), s.method)).collect();
    let nat = ForwardingMethod::Nat;
    assert_eq!(
        servers,
        [
            ("10.0.0.11:8080".to_owned(), 3, nat),
            ("10.0.0.12:80".to_owned(), 1, nat),
            ("10.0.0.13:80".to_owned(), 0, ForwardingMethod::DirectRouting)
        ]
    );
    assert_eq!(dns.key.protocol(), Some(Protocol::Udp));
    assert!(dns.options.any && dns.options.scheduler_flags.port);
    assert_eq!(dns.servers[0].method, ForwardingMethod::DirectRouting);
    assert_eq!(empty.options.scheduler, Scheduler::WeightedLeastConnection);
    assert!(empty.servers.is_empty());
}

#[test]
fn nothing_said_means_the_defaults() {
    for text in ["", "# only a comment\n", "[director]\n", "[timeouts]\n", "service = []\n"] {
        assert_eq!(parse(text), Config::default(), "{text:?}");
    }
    assert_eq!(Config::default().director.connections, forward::abi::DEFAULT_CONNECTIONS);
    assert!(Config::default().director.interfaces.is_empty());
}

#[test]
fn what_looks_odd_but_is_right_is_accepted() {
    for line in [
        "servers = [\"127.0.0.1:80\"]",
        "servers = [\"203.0.113.10:80\"]",
        "servers = [{ address = \"10.0.0.1:80\", weight = 2147483647 }]",
        "servers = [{ address = \"10.0.0.1:80\", weight = 0x10 }]",
        "method = \"nat\"\nservers = [\"10.0.0.1:80\", \"10.0.0.1:81\"]",
        "scheduler = \"sh\"\nsched_flags = []",
    ] {
        let config = parse(&format!("[[service]]\nlisten = \"tcp 203.0.113.10:80\"\n{line}\n"));
        assert_eq!(config.services.len(), 1, "{line}");
    }
}

#[test]
fn tunnels_are_a_services_or_a_servers() {
    let text = r#"
        [[service]]
        listen = "tcp 203.0.113.10:80"
        method = "tun"
        tunnel = { type = "gue", port = 6080, checksum = "remote" }
        servers = [
            "10.0.0.11:80",
            "[2001:db8::12]:80",
            { address = "10.0.0.13:80", tunnel = { type = "gre", checksum = "full" } },
            { address = "10.0.0.14:80", tunnel = { type = "ipip" } },
            { address = "10.0.0.15:8080", method = "nat" },
        ]
    "#;
    let config = Config::parse_toml(text, "xlvs.toml").unwrap();
    let methods: Vec<_> = config.services[0].servers.iter().map(|server| server.method).collect();
    let gue = ForwardingMethod::Tunnel(Encapsulation::Gue { port: 6080, checksum: TunnelChecksum::Remote });
    let gre = ForwardingMethod::Tunnel(Encapsulation::Gre { checksum: TunnelChecksum::Full });
    let ipip = ForwardingMethod::Tunnel(Encapsulation::Ipip);
    assert_eq!(methods, [gue, gue, gre, ipip, ForwardingMethod::Nat]);
}

#[test]
fn limits_of_the_maps_are_limits_of_the_file() {
    let servers = |count: u32| {
        let list: Vec<_> = (1..=count).map(|n| format!("\"10.0.{}.{}:80\"", n / 250, n % 250 + 1)).collect();
        format!("[[service]]\nlisten = \"tcp 203.0.113.10:80\"\nservers = [\n{}\n]\n", list.join(",\n"))
    };
    assert_eq!(parse(&servers(1024)).services[0].servers.len(), 1024);
    assert_refused(&servers(1025), "1028:1: a service can have 1024 servers; remove the rest");
}

/// Every file cut off at every place is a value or a message of one line, never a panic.
#[test]
fn no_cut_makes_it_panic() {
    for cut in (0..EXAMPLE.len()).filter(|cut| EXAMPLE.is_char_boundary(*cut)) {
        if let Err(error) = Config::parse_toml(&EXAMPLE[..cut], "xlvs.toml") {
            assert!(!error.message.contains('\n'), "{error}");
        }
    }
}

#[track_caller]
fn assert_refused(text: &str, expected: &str) {
    match Config::parse_toml(text, "xlvs.toml") {
        Ok(config) => panic!("accepted:\n{text}\n{config:?}"),
        Err(error) => assert_eq!(error.to_string(), format!("xlvs.toml:{expected}"), "{text}"),
    }
}

#[test]
fn metrics_of_this_host_and_of_others() {
    let with = |value: &str| Config::parse_toml(&format!("[director]\nmetrics = {value}\n"), "xlvs.toml");
    let address = with("\"127.0.0.1:9100\"").unwrap().director.metrics;
    assert_eq!(address.map(|metrics| metrics.to_string()).as_deref(), Some("127.0.0.1:9100"));
    for (value, expected) in [("\"192.0.2.1:9100\"", "\"public 192.0.2.1:9100\""), ("9100", "write \"127.0.0.1:9100\"")]
    {
        let error = with(value).unwrap_err().to_string();
        assert!(error.contains("xlvs.toml:2:") && error.contains(expected), "{error}");
    }
}

#[test]
fn a_lane_for_all_or_for_each() {
    let read = |text: &str| Config::parse_toml(text, "xlvs.toml").unwrap().director;
    let all = read("[director]\ninterfaces = [\"eth0\"]\nattach = \"tc\"\n");
    assert_eq!(all.lane_of("eth0"), Some(LaneChoice::Tc));
    let each = read("[director]\ninterfaces = [\"eth0\", \"eth1\"]\nattach = { eth1 = \"xdp\" }\n");
    assert_eq!([each.lane_of("eth0"), each.lane_of("eth1")], [None, Some(LaneChoice::Xdp)]);
}

#[test]
fn a_real_server_is_a_setup_that_goes_together() {
    let text = "[real_server]\nmode = \"tun\"\nvirtual_addresses = [\"203.0.113.10\", \"2001:db8::10\"]\ndirectors = [\"10.0.0.0/24\"]\n";
    let setup = parse(text).real_server.unwrap();
    assert_eq!((setup.mode, setup.virtual_addresses.len(), setup.directors.len()), (crate::ServerMode::Tun, 2, 1));
    for (text, expected) in [
        ("[real_server]\n", "1:1: [real_server] needs `mode`"),
        ("[real_server]\nmode = \"nat\"\n", "2:8: a real server of NAT needs nothing"),
        ("[real_server]\nmode = \"dr\"\n", "1:1: mode dr needs a virtual address"),
        ("[real_server]\nmode = \"dr\"\nvirtual_addresses = [\"web\"]\n", "3:22: `web` is no IP address"),
        ("[real_server]\nmode = \"dr\"\nvips = []\n", "3:1: unknown key `vips`"),
        (
            "[real_server]\nmode = \"tun\"\nvirtual_addresses = [\"10.1.1.1\"]\ndirectors = [\"10.0.0.1/8\"]\n",
            "4:14: `10.0.0.1/8` has bits",
        ),
    ] {
        let error = Config::parse_toml(text, "xlvs.toml").unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
