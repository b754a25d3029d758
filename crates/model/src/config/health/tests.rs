//! Health as xlvs.toml says it, and what is said of what cannot be.

use super::*;
use crate::health::{BodyMatch, Connection, GrpcProbe, HttpProbe, HttpVersion, Pace, Page, Probe, UdpProbe};
use crate::{Config, Protocol};
use std::time::Duration;

/// A service with these lines, which begin at line 4.
fn file(lines: &str) -> String {
    format!("[[service]]\nlisten = \"tcp 203.0.113.10:80\"\nmethod = \"nat\"\n{lines}\n")
}

fn health(lines: &str) -> ServiceHealth {
    let mut config = Config::parse_toml(&file(lines), "xlvs.toml").unwrap_or_else(|error| panic!("{lines}: {error}"));
    let key = ServiceKey { protocol: Protocol::Tcp, endpoint: ([203, 0, 113, 10], 80).into() };
    config.health.remove(&key.into()).unwrap_or_else(|| panic!("{lines}: no health"))
}

fn check(text: &str) -> Check {
    let health = health(&format!("check = {text}\nservers = [\"10.0.0.1:80\"]"));
    let [server] = health.servers.as_slice() else { panic!("{health:?}") };
    let [check] = server.checks.as_slice() else { panic!("{server:?}") };
    check.clone()
}

fn fault(lines: &str) -> String {
    match Config::parse_toml(&file(lines), "xlvs.toml") {
        Ok(config) => panic!("{lines}: {config:?}"),
        Err(error) => error.to_string().replace("xlvs.toml:", ""),
    }
}

#[test]
fn a_check_has_usual_times() {
    let usual = Pace {
        interval: Duration::from_secs(2),
        timeout: Duration::from_secs(1),
        retries: 2,
        delay_before_retry: Duration::from_secs(1),
        warmup: Duration::from_secs(2),
        rise: 2,
        jitter: Duration::ZERO,
    };
    for text in ["\"tcp\"", "{ tcp = true }", "[\"tcp\"]", "[{ tcp = true, fall = 3, rise = 2 }]"] {
        let check = check(text);
        assert_eq!((check.probe, check.pace, check.connection), (Probe::Tcp, usual, Connection::default()), "{text}");
    }
    let quick = check("{ ping = true, interval = \"250ms\", fall = 1, jitter = \"50ms\", warmup = \"0s\" }");
    assert_eq!(quick.pace.interval, Duration::from_millis(250));
    assert_eq!(quick.pace.delay_before_retry, Duration::from_millis(250));
    assert_eq!((quick.pace.retries, quick.pace.warmup), (0, Duration::ZERO));
    assert_eq!(quick.pace.jitter, Duration::from_millis(50));
}

#[test]
fn pages_are_paths_or_say_more() {
    let page = |path: &str| Page { path: path.into(), host: None, status: vec![(200, 299)], digest: None, body: None };
    let http = |tls, pages| HttpProbe {
        tls,
        server_name_indication: false,
        version: HttpVersion::V11,
        fast_recovery: false,
        pages,
    };
    assert_eq!(check("\"http\"").probe, Probe::Http(http(false, vec![page("/")])));
    assert_eq!(check("{ https = \"/health?x=1\" }").probe, Probe::Http(http(true, vec![page("/health?x=1")])));
    let rich = Page {
        host: Some("www.example.org".into()),
        status: vec![(200, 200), (300, 304)],
        body: Some(BodyMatch { pattern: "fail".into(), inverted: true, ..BodyMatch::default() }),
        ..page("/a")
    };
    let text = r#"{ https = [{ path = "/a", host = "www.example.org", status = [200, "300-304"],
        body = { regex = "fail", inverted = true } }, "/b"], version = "1.0C", fast_recovery = true }"#;
    let wanted = HttpProbe {
        server_name_indication: true,
        version: HttpVersion::V10Close,
        fast_recovery: true,
        ..http(true, vec![rich, page("/b")])
    };
    assert_eq!(check(text).probe, Probe::Http(wanted));
}

#[test]
fn every_kind_can_be_written() {
    let script = |timeout, sets_weight| Probe::Script {
        script: Script { words: vec!["/bin/check".into(), "-v".into()], user: None, group: None },
        timeout,
        sets_weight,
    };
    let udp = UdpProbe { payload: Some(vec![0xc0, 1]), reply: Some(vec![Some(1), None]), shortest: 2, longest: 9 };
    let file = |weight, sets_weight| Probe::File { name: "/run/weight".into(), weight, reverse: false, sets_weight };
    let dns = |record: &str, name: &str| Probe::Dns { record: record.into(), name: name.into() };
    let grpc = |service: &str, tls, host: Option<&str>| {
        Probe::Grpc(GrpcProbe { service: service.into(), tls, host: host.map(str::to_owned) })
    };
    for (text, probe) in [
        ("\"ping\"", Probe::Ping),
        ("\"grpc\"", grpc("", false, None)),
        ("{ grpc = \"\" }", grpc("", false, None)),
        ("{ grpc = \"shop.Orders\", tls = true }", grpc("shop.Orders", true, None)),
        ("{ grpc = { service = \"a.B\", host = \"b.example\" }, tls = true }", grpc("a.B", true, Some("b.example"))),
        ("\"dns\"", dns("SOA", ".")),
        ("{ dns = \"www.example.org\" }", dns("A", "www.example.org")),
        ("{ dns = { name = \"example.org\", record = \"MX\" } }", dns("MX", "example.org")),
        ("{ smtp = \"lb.example.org\" }", Probe::Smtp { helo: "lb.example.org".into() }),
        ("{ udp = { payload = \"c0 1\", reply = \"1X\", shortest = 2, longest = 9 } }", Probe::Udp(udp)),
        ("{ script = [\"/bin/check\", \"-v\"] }", script(None, false)),
        (
            "{ script = { command = [\"/bin/check\", \"-v\"], sets_weight = true }, timeout = \"3s\" }",
            script(Some(Duration::from_secs(3)), true),
        ),
        ("{ file = \"/run/weight\" }", file(1, false)),
        ("{ file = { path = \"/run/weight\", weight = -2, sets_weight = true } }", file(-2, true)),
    ] {
        assert_eq!(check(text).probe, probe, "{text}");
    }
    let elsewhere = check(
        "{ tcp = true, address = \"10.0.1.1\", port = 81, bind_address = \"10.0.0.9\", bind_port = 999, \
         bind_interface = \"eth0\", mark = 7, starts_down = true, log_all_failures = true }",
    );
    let connection = Connection {
        address: Some([10, 0, 1, 1].into()),
        port: Some(81),
        bind_address: Some([10, 0, 0, 9].into()),
        bind_interface: Some("eth0".into()),
        bind_port: Some(999),
        mark: 7,
        through: None,
    };
    assert_eq!(elsewhere.connection, connection);
    assert!(elsewhere.starts_down && elsewhere.logs_every_failure);
}

#[test]
fn servers_have_what_their_service_has_or_their_own() {
    let health = health(
        r#"check = "tcp"
inhibit_on_failure = true
notify_down = { command = ["/bin/down"], user = "nobody" }
quorum = 3
hysteresis = 1
quorum_up = ["/bin/up", "web"]
quorum_down = ["/bin/lost"]
omega = true
ha_suspend = true
sorry_server = { address = "10.0.0.99:8080", weight = 5 }
sorry_server_inhibit = true
servers = [
  "10.0.0.1:80",
  { address = "10.0.0.2:80", check = ["http", "ping"], inhibit_on_failure = false },
  { address = "10.0.0.3:80", check = [], notify_up = ["/bin/came"] },
]"#,
    );
    assert_eq!((health.quorum, health.hysteresis), (3, 1));
    assert!(health.omega && health.suspended_without_address);
    assert_eq!(health.quorum_up.unwrap().words, ["/bin/up", "web"]);
    let sorry = health.sorry_server.unwrap();
    assert_eq!((sorry.server.endpoint.to_string(), sorry.server.weight.get()), ("10.0.0.99:8080".into(), 5));
    assert!(sorry.inhibited);
    let [one, two, three] = health.servers.as_slice() else { panic!("{:?}", health.servers) };
    assert_eq!((one.checks.len(), two.checks.len(), three.checks.len()), (1, 2, 0));
    assert_eq!((one.inhibit_on_failure, two.inhibit_on_failure, three.inhibit_on_failure), (true, false, true));
    assert!(one.notify_up.is_none() && three.notify_up.is_some());
    assert!([one, two, three].iter().all(|server| server.notify_down.as_ref().unwrap().user.is_some()));
}

#[test]
fn a_check_through_the_service_knows_the_way_to_each_server() {
    let health = health(
        "check = { http = \"/\", through = \"service\" }\nservers = [\"10.0.0.1:80\", { address = \"10.0.0.2:80\", method = \"dr\" }]",
    );
    let way = |place: usize| health.servers[place].checks[0].connection.through.as_ref().unwrap();
    assert_eq!(way(0).service.to_string(), "tcp 203.0.113.10:80");
    assert_eq!((way(0).method, way(1).method), (ForwardingMethod::Nat, ForwardingMethod::DirectRouting));
    assert_eq!(check("{ tcp = true, through = \"server\" }").connection.through, None);
}

#[test]
fn a_service_that_says_nothing_of_health_has_none() {
    let config = Config::parse_toml(&file("servers = [\"10.0.0.1:80\"]"), "xlvs.toml").unwrap();
    assert!(config.health.is_empty());
}

/// What cannot be, and what is said of it.
const FAULTS: &[(&str, &str)] = &[
    (
        "check = \"htttp\"",
        "4:9: unknown check `htttp` (`http`?); there are tcp, http, https, smtp, dns, udp, ping, grpc, script, file",
    ),
    ("check = \"script\"", "4:9: a check by script has to say what; write check = { script = … }"),
    ("check = { script = true }", "4:20: a check by script has to say what; write check = { script = … }"),
    (
        "check = 5",
        "4:9: `check` takes a string, not a number; write check = { http = \"/health\", interval = \"2s\" }, or check = \"tcp\"",
    ),
    (
        "check = { interval = \"2s\" }",
        "4:9: a check needs one of tcp, http, https, smtp, dns, udp, ping, grpc, script, file; write check = { http = \"/health\", interval = \"2s\" }, or check = \"tcp\"",
    ),
    ("check = { tcp = true, http = \"/\" }", "4:30: a check by both tcp and http; write two: check = [{ … }, { … }]"),
    ("check = { tcp = false }", "4:17: write true, or remove the key"),
    ("check = { tcp = true, bfd = true }", "4:23: `bfd` in a check is not supported yet; remove it (supported: "),
    ("check = { grpc = 5 }", "4:18: `grpc` takes a string, not a number; write grpc = \"shop.Orders\" or "),
    ("check = { grpc = { name = \"x\" } }", "4:20: unknown key `name` in `grpc`"),
    ("check = { grpc = { host = \"a b\" } }", "4:27: `a b` is no name of a host"),
    ("check = { http = \"/\", tls = true }", "4:29: `tls` is said by the kind: write http or https, and remove it"),
    ("check = { tcp = true, tls = true }", "4:29: `tls` means nothing to a check by tcp; remove it"),
    ("check = { grpc = \"\", sni = true }", "4:28: `sni` means nothing to a check by grpc; remove it"),
    (
        "check = { tcp = true, intervall = \"2s\" }",
        "4:23: unknown key `intervall` in a check; did you mean `interval`?",
    ),
    (
        "check = { tcp = true, delay_loop = \"2s\" }",
        "4:23: unknown key `delay_loop` in a check; did you mean `interval`?",
    ),
    ("check = { tcp = true, retry = 2 }", "4:23: unknown key `retry` in a check; did you mean `fall`?"),
    (
        "check = { tcp = true, interval = 2 }",
        "4:34: `interval` takes a length of time, not a number; write interval = \"500ms\", \"2s\" or \"5m\"",
    ),
    (
        "check = { tcp = true, interval = \"0s\" }",
        "4:34: `0s` is not a length of time from 1ms to 31 days; write interval = \"500ms\", \"2s\" or \"5m\"",
    ),
    ("check = { tcp = true, jitter = \"3s\" }", "4:32: a jitter longer than the interval of 2s; shorten it"),
    ("check = { tcp = true, rise = 0 }", "4:30: `rise` is 0; write a whole number from 1 to 10000"),
    ("check = { tcp = true, sni = true }", "4:29: `sni` means nothing to a check by tcp; remove it"),
    ("check = { http = \"/\", sni = true }", "4:29: `sni` belongs to TLS; write https, or remove it"),
    ("check = { http = \"health\" }", "4:18: `health` is no path of a page: it begins with / and has no spaces"),
    ("check = { http = [] }", "4:18: a check of no page; write \"/health\" or { path = \"/health\", status = [200] }"),
    (
        "check = { http = { path = \"/\", status = [\"299-200\"] } }",
        "4:42: `299-200` ends before it begins; write \"200-299\"",
    ),
    (
        "check = { http = { path = \"/\", status = [\"2xx\"] } }",
        "4:42: `2xx` is no range of status codes from 100 to 999; write status = [\"200-299\", 304]",
    ),
    (
        "check = { http = { path = \"/\", digest = \"abc\" } }",
        "4:41: `abc` is no MD5 sum; write the 32 hexadecimal digits that `md5sum` prints",
    ),
    ("check = { http = { path = \"/\", body = \"(\" } }", "4:39: this regular expression is not understood: "),
    ("check = { http = { path = \"/\", hosts = \"x\" } }", "4:32: unknown key `hosts` in a page; did you mean `host`?"),
    (
        "check = { dns = { name = \".\", record = \"SRV\" } }",
        "4:40: `SRV` is no record type here; write one of A, NS, CNAME, SOA, MX, TXT, AAAA",
    ),
    ("check = { udp = { payload = \"xyz\" } }", "4:29: `xyz` is not made of hexadecimal digits"),
    ("check = { udp = { payload = \"0X\" } }", "4:29: a payload has no X; write its bytes in hexadecimal digits"),
    (
        "check = { script = [\"check\"] }",
        "4:20: `check` is not the whole path of a program; write [\"/usr/local/bin/notify\", \"argument\"]",
    ),
    (
        "check = { script = \"/bin/check\" }",
        "4:20: `script` takes a list, not a string; write [\"/usr/local/bin/notify\"",
    ),
    ("check = { file = \"weight\" }", "4:18: `weight` is not the whole path of a file; write file = \"/run/weight\""),
    ("check = { tcp = true, address = \"web1\" }", "4:33: `web1` is no IP address; write \"10.0.0.11\""),
    (
        "check = { ping = true, through = \"service\" }",
        "4:34: a check by ping cannot go through the service; remove `through`",
    ),
    (
        "check = { udp = true, through = \"service\" }",
        "4:33: through the service a refusal is not seen; write `reply`, too: ",
    ),
    ("check = { tcp = true, through = \"vip\" }", "4:33: `vip` is no way to a server; write \"service\" or \"server\""),
    (
        "check = { tcp = true, through = \"service\", port = 81 }",
        "4:51: a check through the service goes where clients go; remove `port`, or `through`",
    ),
    (
        "check = { tcp = true, through = \"service\" }\nservers = [{ address = \"[2001:db8::1]:80\", method = \"tun\" }]",
        "4:9: no check goes through a tunnel to [2001:db8::1]:80, which is of another family than its service",
    ),
    (
        "check = { tcp = true, through = \"service\" }\nlocal_addresses = [\"10.0.9.1:1024-65535\"]\nservers = [{ address = \"10.0.0.1:80\", method = \"fullnat\" }]",
        "4:9: the local addresses 10.0.9.1 leave no port to checks; name ports, such as 10.0.9.1:20000-59999",
    ),
    ("quorum = 2\nhysteresis = 2", "5:14: hysteresis 2 is not below the quorum 2; lower it, or raise `quorum`"),
    ("quorum_up = { command = [\"/bin/up\"], group = \"x\" }", "4:46: `group` without `user`; write that, too"),
    (
        "sorry_server_inhibit = true",
        "4:24: `sorry_server_inhibit` without a sorry server; write sorry_server = \"10.0.0.99:80\", or remove it",
    ),
    ("sorry_server = \"10.0.0.99\"", "4:16: `10.0.0.99` has no port; write \"10.0.0.99:80\""),
    (
        "sorry_server = { address = \"10.0.0.99:80\", method = \"fullnat\" }",
        "3:10: server 10.0.0.99:80 needs a local address, as FullNAT does; write ",
    ),
    (
        "servers = [{ address = \"10.0.0.1:80\", check = \"htp\" }]",
        "4:47: unknown check `htp` (`http`?); there are tcp, http, https, smtp, dns, udp, ping, grpc, script, file",
    ),
];

#[test]
fn faults_name_their_place_and_what_is_right() {
    for (lines, wanted) in FAULTS {
        let found = fault(lines);
        assert!(found.starts_with(wanted), "{lines}\n found {found}\nwanted {wanted}");
    }
}
