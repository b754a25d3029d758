//! Files that cannot be: place and remedy, in one message.

use super::{Config, assert_refused};

/// Lines of a service that is right but for them, and what is said of them. They begin at line 3.
const SERVICE_FAULTS: &[(&str, &str)] = &[
    (
        r#"servers = [{ address = "10.0.0.11:80", weight = 2147483648 }]"#,
        "3:49: `weight` is 2147483648; write a whole number from 0 to 2147483647",
    ),
    (
        r#"servers = [{ address = "10.0.0.11:80", weight = -1 }]"#,
        "3:49: `weight` is -1; write a whole number from 0 to 2147483647",
    ),
    (
        r#"servers = [{ address = "10.0.0.11:80", weight = 99999999999999999999999999999999999999999999 }]"#,
        "3:49: `weight` is 99999999999999999999999999999999999999999999; write a whole number from 0 to 2147483647",
    ),
    (
        r#"servers = [{ address = "10.0.0.11:80", weight = "3" }]"#,
        "3:49: `weight` takes a whole number, not a string; write weight = 1",
    ),
    (
        r#"servers = [{ address = "10.0.0.11:80", weight = 1.5 }]"#,
        "3:49: `weight` takes a whole number, not a number with a fraction; write weight = 1",
    ),
    (
        "servers = [\n  \"10.0.0.11:80\",\n  \"10.0.0.12:80\",\n  { address = \"10.0.0.11:80\", weight = 2 },\n]",
        "6:15: server 10.0.0.11:80 is in service tcp 203.0.113.10:80 twice; remove one (first at line 4)",
    ),
    (
        r#"servers = ["10.0.0.300:80"]"#,
        "3:12: `10.0.0.300:80` is not an IP address with a port; write \"10.0.0.12:80\" or \"[2001:db8::12]:80\" (names are not looked up)",
    ),
    (
        r#"servers = ["web1.example:80"]"#,
        "3:12: `web1.example:80` is not an IP address with a port; write \"10.0.0.12:80\" or \"[2001:db8::12]:80\" (names are not looked up)",
    ),
    (r#"servers = ["10.0.0.11"]"#, "3:12: `10.0.0.11` has no port; write \"10.0.0.11:80\""),
    (r#"servers = ["10.0.0.11:0"]"#, "3:12: a server needs a port; write \"10.0.0.11:80\""),
    (r#"servers = ["10.0.0.11:99999"]"#, "3:12: `99999` is not a port from 1 to 65535; write \"10.0.0.11:80\""),
    (
        r#"servers = ["[2001:db8::1]:80"]"#,
        "3:12: server [2001:db8::1]:80 is IPv6, but its service tcp 203.0.113.10:80 is IPv4; NAT and DR need one family: give the server's IPv4 address",
    ),
    (r#"servers = ["0.0.0.0:80"]"#, "3:12: 0.0.0.0 stands for any address; write the one address that is meant"),
    (r#"servers = ["224.0.0.1:80"]"#, "3:12: 224.0.0.1 is no address of one host; write a unicast address"),
    (
        r#"servers = ["10.0.0.11:8080"]"#,
        "3:12: server 10.0.0.11:8080 has another port than its service tcp 203.0.113.10:80, but method dr rewrites no ports (IPVS would silently use 80); write \"10.0.0.11:80\", or method = \"nat\"",
    ),
    (
        "method = \"nat\"\nservers = [{ address = \"10.0.0.11:8080\", method = \"dr\" }]",
        "4:24: server 10.0.0.11:8080 has another port than its service tcp 203.0.113.10:80, but method dr rewrites no ports (IPVS would silently use 80); write \"10.0.0.11:80\", or method = \"nat\"",
    ),
    (r#"servers = [{ weight = 1 }]"#, "3:12: a server needs `address`; write { address = \"10.0.0.12:80\" }"),
    (
        r#"servers = "10.0.0.11:80""#,
        "3:11: `servers` takes a list, not a string; write servers = [{ address = \"10.0.0.11:80\", weight = 3 }, \"10.0.0.12:80\"]",
    ),
    (r#"servers = [80]"#, "3:12: `servers` takes a string, not a number; write \"10.0.0.12:80\""),
    (
        r#"servers = [{ address = "10.0.0.11:80", weigth = 3 }]"#,
        "3:40: unknown key `weigth` in a server; did you mean `weight`? (known: address, weight, method, tunnel, check, inhibit_on_failure, notify_up, notify_down)",
    ),
    (
        r#"servers = [{ address = "10.0.0.11:80", upper_threshold = 3 }]"#,
        "3:40: `upper_threshold` in a server is not supported yet; remove it (supported: address, weight, method, tunnel, check, inhibit_on_failure, notify_up, notify_down)",
    ),
    (
        r#"scheduler = "fastest""#,
        "3:13: unknown scheduler `fastest`; write one of rr, wrr, lc, wlc, dh, sh, sed, nq, fo, ovf, mh",
    ),
    (
        r#"scheduler = "wll""#,
        "3:13: unknown scheduler `wll`; write one of rr, wrr, lc, wlc, dh, sh, sed, nq, fo, ovf, mh (`wlc`?)",
    ),
    (
        r#"scheduler = "twos""#,
        "3:13: scheduler `twos` is not supported yet; write one of rr, wrr, lc, wlc, dh, sh, sed, nq, fo, ovf, mh",
    ),
    (r#"scheduler = true"#, "3:13: `scheduler` takes a string, not true or false; write scheduler = \"wlc\""),
    (
        r#"sched_flags = ["sh-port"]"#,
        "3:16: `sh-port` is a flag of sh, but the scheduler is wlc; write scheduler = \"sh\" or remove the flag",
    ),
    (
        "scheduler = \"mh\"\nsched_flags = [\"sh-fallback\"]",
        "4:16: `sh-fallback` is a flag of sh, but the scheduler is mh; write scheduler = \"sh\" or remove the flag",
    ),
    (
        "scheduler = \"mh\"\nsched_flags = [\"port\"]",
        "4:16: unknown flag `port`; write sh-port or sh-fallback (with sh), mh-port or mh-fallback (with mh)",
    ),
    (r#"method = "masq""#, "3:10: unknown method `masq`; write \"nat\", \"fullnat\", \"dr\" or \"tun\""),
    (
        "method = \"fullnat\"\nservers = [\"10.0.0.11:80\"]",
        "3:10: server 10.0.0.11:80 needs a local address, as FullNAT does; write local_addresses = [\"10.0.9.1-10.0.9.4:20000-29999\"]",
    ),
    (
        r#"local_addresses = ["10.0.9.1:x"]"#,
        "3:20: `10.0.9.1:x` is not ADDRESS[-ADDRESS][:PORT-PORT]; write local_addresses = [\"10.0.9.1-10.0.9.4:20000-29999\"]",
    ),
    (
        r#"local_addresses = ["10.0.9.1", "10.0.9.1:5000-5999"]"#,
        "3:19: local addresses 10.0.9.1 and 10.0.9.1:5000-5999 overlap",
    ),
    (
        r#"local_addresses = ["fd00::1"]"#,
        "3:19: local addresses fd00::1 are not of the family of service tcp 203.0.113.10:80",
    ),
    (r#"tunnel = { type = "gre" }"#, "3:10: method dr has no tunnel; write method = \"tun\", or remove `tunnel`"),
    (
        "method = \"tun\"\ntunnel = { type = \"gue\" }",
        "4:19: type gue needs a port; write tunnel = { type = \"gue\", port = 6080 }",
    ),
    (
        "method = \"tun\"\ntunnel = { type = \"vxlan\" }",
        "4:19: unknown type `vxlan`; write \"ipip\", \"gue\" or \"gre\"",
    ),
    ("method = \"tun\"\ntunnel = { port = 6080 }", "4:19: type ipip has no port; remove it, or write type = \"gue\""),
    (
        "method = \"tun\"\ntunnel = { type = \"gre\", checksum = \"remote\" }",
        "4:37: only type gue has checksum `remote`; write \"none\" or \"full\"",
    ),
    ("method = \"tun\"\ntunnel = \"gue\"", "4:10: `tunnel` is a table; write tunnel = { type = \"gue\", port = 6080 }"),
    (r#"any = "yes""#, "3:7: `any` takes true or false, not a string; write any = true"),
    (r#"name = """#, "3:8: a name needs letters, and no control characters; write name = \"web\""),
    (
        r#"persistence = "5m""#,
        "3:1: `persistence` in [[service]] is not supported yet; remove it (supported: name, listen, scheduler, sched_flags, method, tunnel, any, servers, local_addresses, check, quorum, hysteresis, quorum_up, quorum_down, sorry_server, sorry_server_inhibit, inhibit_on_failure, notify_up, notify_down, omega, ha_suspend, passive)",
    ),
    (
        r#"slow_start = "30s""#,
        "3:1: `slow_start` in [[service]] is not supported yet; remove it (supported: name, listen, scheduler, sched_flags, method, tunnel, any, servers, local_addresses, check, quorum, hysteresis, quorum_up, quorum_down, sorry_server, sorry_server_inhibit, inhibit_on_failure, notify_up, notify_down, omega, ha_suspend, passive)",
    ),
    (
        r#"scale-out = true"#,
        "3:1: `scale-out` in [[service]] is not supported yet; remove it (supported: name, listen, scheduler, sched_flags, method, tunnel, any, servers, local_addresses, check, quorum, hysteresis, quorum_up, quorum_down, sorry_server, sorry_server_inhibit, inhibit_on_failure, notify_up, notify_down, omega, ha_suspend, passive)",
    ),
    (
        r#"real_servers = []"#,
        "3:1: unknown key `real_servers` in [[service]]; did you mean `servers`? (known: name, listen, scheduler, sched_flags, method, tunnel, any, servers, local_addresses, check, quorum, hysteresis, quorum_up, quorum_down, sorry_server, sorry_server_inhibit, inhibit_on_failure, notify_up, notify_down, omega, ha_suspend, passive)",
    ),
    (
        r#"colour = "red""#,
        "3:1: unknown key `colour` in [[service]]; known: name, listen, scheduler, sched_flags, method, tunnel, any, servers, local_addresses, check, quorum, hysteresis, quorum_up, quorum_down, sorry_server, sorry_server_inhibit, inhibit_on_failure, notify_up, notify_down, omega, ha_suspend, passive",
    ),
];

#[test]
fn a_wrong_line_in_a_service_is_named() {
    for (lines, expected) in SERVICE_FAULTS {
        let text = format!("[[service]]\nlisten = \"tcp 203.0.113.10:80\"\n{lines}\n");
        assert_refused(&text, expected);
    }
}

/// Values of `listen`, and what is said of them.
const LISTEN_FAULTS: &[(&str, &str)] = &[
    ("203.0.113.10:80", "`203.0.113.10:80` is not a protocol and an address; write listen = \"tcp 203.0.113.10:80\""),
    ("tcp", "`tcp` is not a protocol and an address; write listen = \"tcp 203.0.113.10:80\""),
    ("http 203.0.113.10:80", "unknown protocol `http`; write tcp or udp: listen = \"tcp 203.0.113.10:80\""),
    ("sctp 203.0.113.10:80", "`sctp` services are not supported yet; write tcp or udp"),
    ("tcp 203.0.113.10", "`203.0.113.10` has no port; write \"203.0.113.10:80\""),
    ("tcp 2001:db8::1", "`2001:db8::1` has no port (IPv6 addresses stand in brackets); write \"[2001:db8::1]:80\""),
    ("tcp [2001:db8::1]", "`[2001:db8::1]` has no port (IPv6 addresses stand in brackets); write \"[2001:db8::1]:80\""),
    ("tcp 203.0.113.10:http", "`http` is not a port from 1 to 65535; write \"203.0.113.10:80\""),
    ("tcp 203.0.113.10:0", "port 0 (all ports) needs persistence, which is not supported yet; write one port"),
    ("tcp 0.0.0.0:80", "0.0.0.0 stands for any address; write the one address that is meant"),
    (
        "tcp 127.0.0.1:80",
        "127.0.0.1 cannot be a virtual address: no packet for it comes by the wire; write the address that clients use",
    ),
    ("tcp [fe80::1%2]:80", "fe80::1 is a link-local address; write a global one"),
    ("tcp [2001:db8::1%2]:80", "2001:db8::1 is given with a zone; write it without `%`"),
    (
        "tcp [::ffff:203.0.113.10]:80",
        "::ffff:203.0.113.10 is an IPv4 address in IPv6 clothes and never on the wire; write the IPv4 address",
    ),
];

#[test]
fn a_wrong_listen_is_named() {
    for (value, expected) in LISTEN_FAULTS {
        assert_refused(&format!("[[service]]\nlisten = \"{value}\"\n"), &format!("2:10: {expected}"));
    }
}

/// Whole files, and what is said of them.
const FILE_FAULTS: &[(&str, &str)] = &[
    (
        "[[service]]\nlisten = \"tcp 203.0.113.10:80\"\n\n[[service]]\nname = \"again\"\nlisten = \"tcp 203.0.113.10:80\"\n",
        "6:10: service tcp 203.0.113.10:80 is defined twice; put its servers into one [[service]] (first at line 2)",
    ),
    ("\n[[service]]\nname = \"web\"\n", "2:1: a service needs `listen`; write listen = \"tcp 203.0.113.10:80\""),
    (
        "[service]\nlisten = \"tcp 203.0.113.10:80\"\n",
        "1:1: `service` takes a list, not a table; write [[service]], with two brackets on each side",
    ),
    ("service = [1]\n", "1:12: `service` takes tables, not a number; write [[service]] and its keys below"),
    ("[[director]]\n", "1:1: `director` takes a table, not a list; write [director] and its keys below"),
    (
        "[[services]]\n",
        "1:3: unknown key `services` in the file; did you mean `service`? (known: director, real_server, service, timeouts)",
    ),
    (
        "[vrrp]\n",
        "1:2: `vrrp` in the file is not supported yet; remove it (supported: director, real_server, service, timeouts)",
    ),
    (
        "[director]\ninterface = [\"eth0\"]\n",
        "2:1: unknown key `interface` in [director]; did you mean `interfaces`? (known: interfaces, attach, connections, metrics, conn_reuse_mode, expire_nodest_conn, schedule_icmp, sloppy_tcp, toa_kind, toa_kind6, uoa)",
    ),
    ("[director]\nattach = \"native\"\n", "2:10: `native` is no lane; write auto, xdp, xdp-generic or tc"),
    (
        "[director]\ninterfaces = [\"eth0\"]\nattach = { eth1 = \"tc\" }\n",
        "3:19: `eth1` is not one of `interfaces`; name it there, too",
    ),
    (
        "[director]\nattach = 1\n",
        "2:10: `attach` takes a string, not a number; write \"auto\", \"xdp\", \"xdp-generic\" or \"tc\"",
    ),
    (
        "[director]\ninterfaces = \"eth0\"\n",
        "2:14: `interfaces` takes a list, not a string; write interfaces = [\"eth0\", \"eth1\"]",
    ),
    ("[director]\ninterfaces = [\"eth0\", \"eth0\"]\n", "2:23: interface `eth0` is named twice; remove one"),
    (
        "[director]\ninterfaces = [\"sixteen-letters-\"]\n",
        "2:15: `sixteen-letters-` cannot be the name of an interface; write one that `ip link` shows, such as \"eth0\"",
    ),
    ("[director]\nsloppy_tcp = 2\n", "2:14: `sloppy_tcp` is 2; write a whole number from 0 to 1"),
    (
        "[director]\nsloppy_tcp = true\n",
        "2:14: `sloppy_tcp` takes a whole number, not true or false; write sloppy_tcp = 1",
    ),
    ("[director]\nconnections = 0\n", "2:15: `connections` is 0; write a whole number from 1 to 134217728"),
    (
        "[timeouts]\ntcp = 900\n",
        "2:7: `tcp` takes a length of time, not a number; write tcp = \"90s\", \"15m\" or \"2h\"",
    ),
    (
        "[timeouts]\nudp = \"0s\"\n",
        "2:7: `0s` is not a length of time from 1 s to 31 days; write udp = \"90s\", \"15m\" or \"2h\"",
    ),
    (
        "[timeouts]\nudp = \"99999999h\"\n",
        "2:7: `99999999h` is not a length of time from 1 s to 31 days; write udp = \"90s\", \"15m\" or \"2h\"",
    ),
    (
        "[timeouts]\ntcpfin = \"2m\"\n",
        "2:1: unknown key `tcpfin` in [timeouts]; did you mean `tcp_fin`? (known: tcp, tcp_fin, udp)",
    ),
    ("[director\n", "1:10: this is not TOML: unclosed table, expected `]`"),
    ("[[service]]\nname = \"web\n", "2:12: this is not TOML: invalid basic string, expected `\"`"),
    (
        "[[service]]\nlisten = tcp 203.0.113.10:80\n",
        "2:10: this is not TOML: string values must be quoted, expected literal string",
    ),
    ("[director]\nconnections = 1\nconnections = 2\n", "3:1: this key is written twice in one table; remove one"),
    ("ü = 1 = 2\n", "1:7: this is not TOML: unexpected key or value, expected newline, `#`"),
];

#[test]
fn a_wrong_file_is_named() {
    for (text, expected) in FILE_FAULTS {
        assert_refused(text, expected);
    }
}

#[test]
fn columns_count_characters() {
    assert_refused(
        "[[service]]\nlisten = \"tcp 203.0.113.10:80\"\nservers = [{ address = \"10.0.0.11:80\", \"ü\" = 1, weigth = 3 }]",
        "3:40: unknown key `ü` in a server; known: address, weight, method, tunnel, check, inhibit_on_failure, notify_up, notify_down",
    );
    assert_refused(
        "[[service]]\nname = \"ü\"  ; x\n",
        "2:13: this is not TOML: unexpected key or value, expected newline, `#`",
    );
}

#[test]
fn two_services_of_one_name_are_refused() {
    let text = "[[service]]\nname = \"web\"\nlisten = \"tcp 203.0.113.10:80\"\n\
                [[service]]\nname = \"web\"\nlisten = \"tcp 203.0.113.10:81\"\n";
    let error = Config::parse_toml(text, "xlvs.toml").unwrap_err().to_string();
    assert_eq!(error, "xlvs.toml:5:8: two services have the name `web`; rename one (first at line 2)");
}

/// The data plane has no room for more: said before anything is applied.
#[test]
fn more_servers_than_a_director_can_have_are_refused() {
    let servers: Vec<_> =
        (0..1024).map(|number| format!("\"10.0.{}.{}:80\"", number / 250, 1 + number % 250)).collect();
    let service = |number: usize| {
        format!("[[service]]\nlisten = \"tcp 203.0.113.{number}:80\"\nservers = [{}]\n", servers.join(", "))
    };
    let all: String = (1..=65).map(service).collect();
    let error = Config::parse_toml(&all, "xlvs.toml").unwrap_err().to_string();
    assert!(error.contains("more than 65536 servers in all services"), "{error}");
    let fits: String = (1..=64).map(service).collect();
    assert_eq!(Config::parse_toml(&fits, "xlvs.toml").unwrap().services.len(), 64);
}
