use super::*;

/// Everything that xlvs.toml can say.
const FULL: &str = r#"
[director]
interfaces = ["eth0", "eth1"]
attach = { eth0 = "tc", eth1 = "auto" }
connections = 5000
conn_reuse_mode = 0
toa_kind = 200
metrics = "public 0.0.0.0:9100"
[timeouts]
tcp = "2h"
udp = "90s"
[[service]]
name = "web \"quoted\" \\ and é"
listen = "tcp 203.0.113.10:80"
scheduler = "sh"
sched_flags = ["sh-port", "sh-fallback"]
method = "nat"
any = true
check = [
  { http = ["/", { path = "/h", host = "a.example", status = [200, "300-304"], digest = "D41D8CD98F00B204E9800998ECF8427E", body = "a\\d+" }], interval = "500ms", timeout = "250ms", rise = 1, fall = 1, jitter = "100ms", warmup = "0s", through = "service" },
  { https = { path = "/", host = "a.example", body = { regex = "\"e\"", inverted = true, options = ["caseless"], first = 2, last = 9 } }, sni = false, version = "1.0C", fast_recovery = true, delay_before_retry = "0s" },
]
quorum = 3
hysteresis = 1
quorum_up = ["/bin/true", "a b"]
quorum_down = { command = ["/bin/false"], user = "nobody", group = "nogroup" }
sorry_server = { address = "10.0.0.99:80", method = "nat", weight = 2 }
sorry_server_inhibit = true
inhibit_on_failure = true
notify_up = ["/bin/up"]
omega = true
ha_suspend = true
passive = { failures = 6, within = "2500ms", clients = 4, share = 70, out_for = "30s" }
servers = [{ address = "10.0.0.11:8080", weight = 3 }, "10.0.0.12:80"]
[[service]]
listen = "udp [2001:db8::10]:53"
method = "tun"
tunnel = { type = "gue", port = 6080, checksum = "remote" }
servers = [
  { address = "[fd00::1]:53", check = "dns" },
  { address = "[fd00::2]:53", weight = 0, check = { udp = { payload = "00 ff", reply = "0X", shortest = 2, longest = 512 }, bind_address = "fd00::9", bind_port = 9, bind_interface = "eth0", mark = 7 } },
  { address = "[fd00::3]:53", tunnel = { type = "gre", checksum = "full" }, check = { script = { command = ["/bin/c"], user = "nobody", sets_weight = true }, timeout = "3s", starts_down = true } },
  { address = "[fd00::4]:53", method = "dr", check = [{ file = { path = "/run/w", weight = -2, sets_weight = true } }, { smtp = "lb" , address = "fd00::44", port = 25, log_all_failures = true }, "ping", "tcp", "udp", { grpc = "a.B" }, { grpc = { host = "g.example" }, tls = true }] },
  { address = "10.0.0.5:53", tunnel = { type = "ipip" }, inhibit_on_failure = true, notify_down = ["/bin/down"] },
]
[[service]]
listen = "tcp 203.0.113.10:81"
method = "fullnat"
local_addresses = ["10.0.9.1-10.0.9.4:20000-29999", "10.0.9.9"]
servers = ["10.0.0.1:81"]
[[service]]
listen = "tcp 203.0.113.10:82"
quorum = 1
"#;

#[test]
fn what_is_written_is_read_as_the_same() {
    let config = Config::parse_toml(FULL, "full").unwrap();
    let written = config.to_toml();
    assert_eq!((&written.omitted, &written.differences), (&BTreeMap::new(), &Vec::new()), "{}", written.text);
    assert!(Config::parse_toml(&written.text, "written").unwrap() == config, "{}", written.text);
    assert_eq!(Config::default().to_toml().text, "");
    insta::assert_snapshot!("full", written.text);
}

#[test]
fn what_cannot_be_written_is_told() {
    let mut config = Config::parse_toml(FULL, "full").unwrap();
    config.services[0].options.one_packet = true;
    config.services[1].servers[0].thresholds.upper = 9;
    config.services[3].key = Key::Mark(crate::FirewallMark { mark: 7, ipv6: false });
    let written = config.to_toml();
    let differences: Vec<String> = written.differences.iter().map(ToString::to_string).collect();
    assert_eq!(
        differences,
        [
            "~ tcp 203.0.113.10:80 one_packet none (was true)",
            "~ udp [2001:db8::10]:53 -> [fd00::1]:53 thresholds lower none (was 0)",
            "~ udp [2001:db8::10]:53 -> [fd00::1]:53 thresholds upper none (was 9)",
        ]
    );
    assert_eq!(written.omitted.len(), 1, "{:?}", written.omitted);
}
