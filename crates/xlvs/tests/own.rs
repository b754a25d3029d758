//! xlvs's own verbs against a daemon that answers from a list: output, errors and exit codes of the real executable.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod support;

use api::{
    ConnectionFilter, ConnectionTableStatus, ConnectionView, ConnectionsPage, ConnectionsPlace, ConnectionsRequest,
    ExplainRequest, Explanation, Listing, Refusal, RefusalKind, Reply, Request, Response, Status, SysctlView,
};
use model::{Protocol, ServiceKey, Sysctl};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use support::{FakeDaemon, Place, Said};

fn status(pin_directory: &str) -> Status {
    Status {
        health: Vec::new(),
        version: "0.1.0".to_owned(),
        pid: 42,
        generation: 7,
        pin_directory: pin_directory.to_owned(),
        interfaces: Vec::new(),
        lossy: Vec::new(),
        trials: Vec::new(),
        configuration: None,
        trial: None,
        services: 1,
        servers: 2,
        connections: vec![ConnectionTableStatus { family: 4, used: 1, size: 1024, entry_bytes: 80 }],
        counters: BTreeMap::from([("forwarded".to_owned(), 5)]),
        notes: vec!["mind the gap".to_owned()],
    }
}

fn explanation() -> Explanation {
    Explanation {
        verdict: "forward".to_owned(),
        reason: "forwarded".to_owned(),
        because: "the scheduler chose it".to_owned(),
        warnings: Vec::new(),
        server: Some("10.0.0.2:80".parse().unwrap()),
        frame: None,
    }
}

fn answer(request: &Request) -> Reply {
    match request {
        Request::Status => Ok(Response::Status(status("/sys/fs/bpf/xlvs-test"))),
        Request::Explain(_) => Ok(Response::Explanation(explanation())),
        Request::Attach { interface, .. } if interface == "busy" => {
            let message = "interface busy already runs XDP program 9; take it over with --force".to_owned();
            Err(Refusal { kind: RefusalKind::Conflict, message, request: None })
        }
        Request::Sysctls => {
            let view = |name: Sysctl| SysctlView { name, value: 0, default: name.default_value() };
            Ok(Response::Sysctls { sysctls: Sysctl::ALL.map(view).to_vec() })
        }
        Request::Connections(question) => Ok(Response::Connections(page(question))),
        Request::List => Ok(Response::Listing(Listing { connection_table_size: 4096, ..Listing::default() })),
        _ => Ok(Response::Done { generation: 8 }),
    }
}

/// Three pages of two connections; the second page is empty.
fn page(question: &ConnectionsRequest) -> ConnectionsPage {
    let place = question.from.map_or(0, |place| place.position.unwrap());
    let connection = |number: u32| ConnectionView {
        protocol: Protocol::Tcp,
        state: "ESTABLISHED".to_owned(),
        expires: 900 - number,
        client: format!("192.0.2.7:{}", 4000 + number).parse().unwrap(),
        service: "10.0.0.1:80".parse().unwrap(),
        server: Some("10.0.1.11:80".parse().unwrap()),
    };
    let numbers = if place == 1 { 0..0 } else { place * 2..place * 2 + 2 };
    let next = (place < 2).then_some(ConnectionsPlace { family: 4, position: Some(place + 1) });
    ConnectionsPage { connections: numbers.map(connection).collect(), next }
}

fn with_daemon() -> (Place, FakeDaemon) {
    let place = Place::new();
    let daemon = FakeDaemon::start(&place.socket(), answer);
    (place, daemon)
}

fn said(out: &str, err: &str, code: i32) -> Said {
    Said { out: out.to_owned(), err: err.to_owned(), code }
}

#[test]
fn status_for_people_and_for_programs() {
    let (place, _daemon) = with_daemon();
    let text = place.shell("xlvs status");
    assert!(text.out.starts_with("xlvs 0.1.0, process 42, generation 7\n"), "{text:?}");
    assert!(text.out.ends_with("note: mind the gap\n"), "{text:?}");
    assert_eq!((text.err.as_str(), text.code), ("", 0));
    let json = place.shell("xlvs status --json");
    let response: Response = serde_json::from_str(&json.out).unwrap();
    assert_eq!(response, Response::Status(status("/sys/fs/bpf/xlvs-test")));
    let value: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(value["counters"]["forwarded"], 5);
}

#[test]
fn explain_asks_for_the_packet_that_was_typed() {
    let (place, daemon) = with_daemon();
    let text = place.shell("xlvs explain 192.0.2.1:4000 10.0.0.1:53 --udp");
    assert_eq!(text, said("forward (forwarded)\nthe scheduler chose it\nserver  10.0.0.2:80\n", "", 0));
    let json = place.shell("xlvs explain --json '[fd00::9]:1' '[fd00::1]:80'");
    assert_eq!(serde_json::from_str::<Response>(&json.out).unwrap(), Response::Explanation(explanation()));
    let asked = |protocol, client: &str, service: &str| {
        let service = ServiceKey { protocol, endpoint: service.parse().unwrap() };
        Request::Explain(ExplainRequest { service, client: client.parse().unwrap() })
    };
    let expected =
        [asked(Protocol::Udp, "192.0.2.1:4000", "10.0.0.1:53"), asked(Protocol::Tcp, "[fd00::9]:1", "[fd00::1]:80")];
    assert_eq!(daemon.asked(), expected);
    let mixed = place.shell("xlvs explain 192.0.2.1:4000 '[fd00::1]:80'");
    assert!(mixed.err.contains("different address families") && mixed.code == 2, "{mixed:?}");
}

#[test]
fn attach_detach_and_stop() {
    let (place, daemon) = with_daemon();
    for line in [
        "xlvs attach eth0",
        "xlvs attach eth0 --force",
        "xlvs attach eth0 --confirm-within 2m",
        "xlvs confirm eth0",
        "xlvs confirm",
        "xlvs detach eth0",
        "xlvs detach --all --pin-dir /sys/fs/bpf/xlvs-test",
        "xlvs stop",
        "xlvs stop --keep-forwarding",
    ] {
        assert_eq!(place.shell(line), said("", "", 0), "{line}");
    }
    let interface = "eth0".to_owned();
    let expected = [
        Request::Attach { interface: interface.clone(), force: false, lane: None, confirm_within: None },
        Request::Attach { interface: interface.clone(), force: true, lane: None, confirm_within: None },
        Request::Attach { interface: interface.clone(), force: false, lane: None, confirm_within: Some(120) },
        Request::Confirm { interface: Some(interface.clone()) },
        Request::Confirm { interface: None },
        Request::Detach { interface: Some(interface) },
        Request::Detach { interface: None },
        Request::Stop { keep_forwarding: false },
        Request::Stop { keep_forwarding: true },
    ];
    assert_eq!(daemon.changes(), expected);
    let json = place.shell("xlvs attach eth0 --json");
    assert_eq!(serde_json::from_str::<Response>(&json.out).unwrap(), Response::Done { generation: 8 });
}

#[test]
fn sysctls_are_shown_and_set() {
    let (place, daemon) = with_daemon();
    let all = "conn_reuse_mode = 0 (default 1)\nexpire_nodest_conn = 0\nschedule_icmp = 0\nsloppy_tcp = 0\n\
               toa_kind = 0 (default 254)\ntoa_kind6 = 0 (default 253)\nuoa = 0 (default 1)\n";
    assert_eq!(place.shell("xlvs sysctl"), said(all, "", 0));
    assert_eq!(place.shell("xlvs sysctl net.ipv4.vs.sloppy_tcp"), said("sloppy_tcp = 0\n", "", 0));
    let set = place.shell("xlvs sysctl conn_reuse_mode=0 expire_nodest_conn=0");
    assert_eq!(set, said("conn_reuse_mode = 0 (default 1)\nexpire_nodest_conn = 0\n", "", 0));
    let values = [(Sysctl::ConnReuseMode, 0), (Sysctl::ExpireNodestConn, 0)];
    assert_eq!(daemon.changes(), [Request::SetSysctls { values: values.into() }]);
    let json = place.shell("xlvs sysctl --json sloppy_tcp");
    let value: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(value["sysctls"][0], serde_json::json!({ "name": "sloppy_tcp", "value": 0, "default": 0 }));
    let wrong = "xlvs: sloppy_tcp takes a number from 0 to 1, not `x`\n";
    assert_eq!(place.shell("xlvs sysctl sloppy_tcp=x"), said("", wrong, 2));
}

#[test]
fn a_refusal_is_one_line_and_exit_code_1() {
    let (place, _daemon) = with_daemon();
    let expected = "xlvs: interface busy already runs XDP program 9; take it over with --force\n";
    assert_eq!(place.shell("xlvs attach busy"), said("", expected, 1));
}

#[test]
fn detaching_all_of_other_pins_does_not_ask_this_daemon_to_detach() {
    let (place, daemon) = with_daemon();
    place.shell("xlvs detach --all --pin-dir /nonexistent/xlvs-cli-none");
    assert_eq!(daemon.changes(), []);
}

#[test]
fn what_is_typed_wrongly_is_exit_code_2() {
    let (place, daemon) = with_daemon();
    for line in [
        "xlvs",
        "xlvs nonsense",
        "xlvs status --nonsense",
        "xlvs explain 10.0.0.1:80",
        "xlvs explain nonsense 10.0.0.1:80",
        "xlvs explain 10.0.0.1 10.0.0.1:80",
        "xlvs attach",
        "xlvs attach eth0 --confirm-within soon",
        "xlvs attach eth0 --confirm-within 0",
        "xlvs detach",
        "xlvs detach eth0 --all",
        "xlvs run --nonsense",
    ] {
        let text = place.shell(line);
        assert!(!text.err.is_empty() && text.out.is_empty() && text.code == 2, "{line}: {text:?}");
        assert!(text.err.lines().count() == 1 || line == "xlvs", "{line}: {text:?}");
    }
    assert_eq!(daemon.asked(), []);
}

#[test]
fn help_and_version_are_data() {
    let place = Place::new();
    assert_eq!(place.shell("xlvs --version"), said(concat!("xlvs ", env!("CARGO_PKG_VERSION"), "\n"), "", 0));
    let help = place.shell("xlvs --help");
    for verb in ["run", "status", "explain", "attach", "detach", "stop", "ipvsadm"] {
        assert!(help.out.contains(&format!("\n  {verb} ")), "{verb}: {}", help.out);
    }
    assert_eq!((help.err.as_str(), help.code), ("", 0));
}

#[test]
fn without_a_daemon_one_line_says_so() {
    let place = Place::new();
    let expected = format!(
        "xlvs: no daemon at {} (start it with `xlvs run`, or name its socket in $XLVS_SOCKET)\n",
        place.socket().display()
    );
    for line in
        ["xlvs status", "xlvs explain 10.0.0.9:1 10.0.0.1:80", "xlvs attach eth0", "xlvs detach eth0", "xlvs stop"]
    {
        assert_eq!(place.shell(line), said("", &expected, 1), "{line}");
    }
}

#[test]
#[ignore = "needs root"]
fn a_daemon_of_someone_else_is_permission_denied() {
    let (place, _daemon) = with_daemon();
    std::fs::set_permissions(place.path(""), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::set_permissions(place.socket(), std::fs::Permissions::from_mode(0o600)).unwrap();
    // The build may lie where nobody may read it: a copy can be run.
    std::fs::copy(env!("CARGO_BIN_EXE_xlvs"), place.path("copy")).unwrap();
    let output = place.command(place.path("copy").to_str().unwrap()).arg("status").uid(65534).gid(65534).output();
    let expected = format!(
        "xlvs: permission denied at {}: only its owner, usually root, may talk to the daemon\n",
        place.socket().display()
    );
    assert_eq!(Said::from(output.unwrap()), said("", &expected, 1));
    // Nor may nobody run a daemon.
    let output = place.command(place.path("copy").to_str().unwrap()).arg("run").uid(65534).gid(65534).output();
    let expected = "xlvs: `xlvs run` must be started by root, or with CAP_BPF and CAP_NET_ADMIN \
                    (this process lacks CAP_BPF and CAP_NET_ADMIN)\n";
    assert_eq!(Said::from(output.unwrap()), said("", expected, 1));
}

#[test]
fn what_keeps_the_daemon_from_starting() {
    let place = Place::new();
    let file = place.path("bad.toml");
    std::fs::write(&file, "[[service]]\nlisten = 5\n").unwrap();
    let run = |words: &str| place.shell(&format!("xlvs run {words}"));
    for (words, expected) in [
        (
            "-c /nonexistent/xlvs.toml".to_owned(),
            "xlvs: cannot read the configuration /nonexistent/xlvs.toml: No such file",
        ),
        (format!("-c {}", file.display()), "xlvs: "),
        ("--interface xlvs-none".to_owned(), "xlvs: there is no interface xlvs-none in this network namespace"),
    ] {
        let text = run(&words);
        assert!(text.err.starts_with(expected) && text.code == 1 && text.out.is_empty(), "{words}: {text:?}");
    }
    let malformed = run(&format!("-c {}", file.display())).err;
    assert!(malformed.contains("bad.toml:2:"), "names the place: {malformed}");
    let text = place.shell("XLVS_LOG='=!' xlvs run");
    assert!(text.err.starts_with("xlvs: $XLVS_LOG: cannot read `=!`") && text.code == 1, "{text:?}");
}

#[test]
fn conns_shows_page_after_page() {
    let (place, daemon) = with_daemon();
    let all = place.shell("xlvs conns --state established --server 10.0.1.11");
    let rows = [4000, 4001, 4004, 4005].map(|port| format!("ESTABLISHED 192.0.2.7:{port}"));
    assert_eq!(all.out.lines().count(), 2 + rows.len());
    for (line, row) in all.out.lines().skip(2).zip(rows) {
        assert!(line.starts_with("TCP 1") && line.contains(&row), "{line}");
    }
    assert_eq!((all.err.as_str(), all.code), ("", 0));
    let asked = daemon.asked();
    assert_eq!(asked.len(), 3);
    let filter = ConnectionFilter {
        server: Some("10.0.1.11".parse().unwrap()),
        state: Some("ESTABLISHED".to_owned()),
        ..ConnectionFilter::default()
    };
    assert_eq!(asked[0], Request::Connections(ConnectionsRequest { filter, ..ConnectionsRequest::default() }));
    let some = place.shell("xlvs conns --json --limit 3");
    let lines: Vec<serde_json::Value> = some.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), lines[2]["client"].as_str()), (3, Some("192.0.2.7:4004")));
}

#[test]
fn list_is_the_table_and_its_value() {
    let (place, _daemon) = with_daemon();
    assert_eq!(place.shell("xlvs list"), place.shell("ipvsadm -Ln"));
    assert!(place.shell("xlvs list --json").out.contains("\"connection_table_size\": 4096"));
}
