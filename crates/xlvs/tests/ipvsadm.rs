//! The program against a recording of the real ipvsadm 1.31 on a real IPVS: the same command lines in the same
//! order must give the same bytes and exit codes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod support;

use api::{Refusal, RefusalKind, Request};
use model::{ServiceKey, ServiceOptions};
use std::path::Path;
use support::ipvs::Table;
use support::recording::{ERRORS, recorded};
use support::{FakeDaemon, Place, Said};

#[test]
fn every_recorded_line_says_the_same() {
    assert!(Path::new("/etc/services").exists(), "the recording names ports: install netbase (cargo xtask setup)");
    let place = Place::new();
    let mut table = Table::default();
    let _daemon = FakeDaemon::start(&place.socket(), move |request| table.answer(request));
    let cases = recorded(ERRORS);
    assert!(cases.len() >= 60, "only {} lines recorded", cases.len());
    let mut wrong = Vec::new();
    for (command, expected) in &cases {
        let said = place.shell(command);
        if said != *expected {
            wrong.push(format!("$ {command}\n real: {expected:?}\n ours: {said:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} lines differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// A place with a daemon that keeps a table.
fn with_table() -> (Place, FakeDaemon) {
    let place = Place::new();
    let mut table = Table::default();
    let daemon = FakeDaemon::start(&place.socket(), move |request| table.answer(request));
    (place, daemon)
}

#[test]
fn what_is_typed_is_what_is_asked() {
    let (place, daemon) = with_table();
    for line in [
        "ipvsadm -A -t 10.0.0.1:80 -s mh -b mh-port",
        "ipvsadm -a -t 10.0.0.1:80 -r 10.0.0.2:8080 -m -w 3",
        "ipvsadm -a -t 10.0.0.1:80 -r 10.0.0.3:8080 -x 0",
        "ipvsadm -d -t 10.0.0.1:80 -r 10.0.0.2:8080",
        "ipvsadm -D -t 10.0.0.1:80",
        "ipvsadm -Z",
        "ipvsadm --set 100 0 300",
        "ipvsadm -C",
    ] {
        assert_eq!(place.shell(line), Said { out: String::new(), err: String::new(), code: 0 }, "{line}");
    }
    let asked: Vec<String> = daemon.asked().iter().map(|request| serde_json::to_string(request).unwrap()).collect();
    let key = r#"{"protocol":"tcp","endpoint":"10.0.0.1:80"}"#;
    let expected = [
        format!(
            r#"{{"do":"add-service","key":{key},"options":{{"scheduler":"mh","scheduler_flags":{{"port":true}},"any":false}}}}"#
        ),
        format!(
            r#"{{"do":"add-server","service":{key},"server":{{"endpoint":"10.0.0.2:8080","method":"nat","weight":3}}}}"#
        ),
        format!(
            r#"{{"do":"add-server","service":{key},"server":{{"endpoint":"10.0.0.3:80","method":"dr","weight":1}}}}"#
        ),
        format!(r#"{{"do":"delete-server","service":{key},"endpoint":"10.0.0.2:8080"}}"#),
        format!(r#"{{"do":"delete-service","key":{key}}}"#),
        r#"{"do":"zero","service":null}"#.to_owned(),
        r#"{"do":"set-timeouts","tcp":100,"tcp_fin":null,"udp":300}"#.to_owned(),
        r#"{"do":"flush"}"#.to_owned(),
    ];
    assert_eq!(asked, expected);
}

#[test]
fn editing_keeps_what_ipvsadm_cannot_say() {
    let place = Place::new();
    let mut table = Table::default();
    let key = ServiceKey { protocol: model::Protocol::Tcp, endpoint: "10.0.0.1:80".parse().unwrap() };
    let from_file = ServiceOptions {
        scheduler: model::Scheduler::RoundRobin,
        any: true,
        name: Some("web".to_owned()),
        ..ServiceOptions::default()
    };
    table.answer(&Request::AddService { key: key.into(), options: from_file.clone() }).unwrap();
    let daemon = FakeDaemon::start(&place.socket(), move |request| table.answer(request));
    assert_eq!(place.shell("ipvsadm -E -t 10.0.0.1:80 -s wlc").code, 0);
    let options = ServiceOptions { scheduler: model::Scheduler::WeightedLeastConnection, ..from_file };
    assert_eq!(daemon.changes(), [Request::EditService { key: key.into(), options }]);
}

#[test]
fn what_does_not_act_yet_is_done_and_said_once() {
    let (place, daemon) = with_table();
    for (line, about) in [
        ("-A -t 10.0.0.1:80 -p 60", "persistence (-p)"),
        ("-A -f 7", "a service by firewall mark (-f)"),
        ("-A --sctp-service 10.0.0.1:80", "an SCTP service (--sctp-service)"),
        ("--start-daemon master --syncid 7", "connection synchronization (--start-daemon)"),
        ("-A -u 10.0.0.1:53 -o", "one-packet scheduling (-o)"),
        ("-A -u 10.0.0.1:54 --pe sip", "a persistence engine (--pe)"),
        ("-A -t 10.0.0.1:81 -s twos", "scheduler twos"),
        ("-a -t 10.0.0.1:80 -r 10.0.0.3 -x 5 -y 3", "a threshold (-x, -y)"),
        ("-e -t 10.0.0.1:80 -r 10.0.0.3 -y 3 -x 5", "a threshold (-x, -y)"),
    ] {
        let said = place.shell(&format!("ipvsadm {line}"));
        let expected = format!("ipvsadm: {about} is kept and listed, but does not act yet: ");
        assert!(said.err.starts_with(&expected) && said.err.lines().count() == 1, "{line}: {said:?}");
        assert_eq!((said.out.as_str(), said.code), ("", 0), "{line}");
    }
    assert_eq!(daemon.changes().len(), 9);
    let rules: String = (100..200).map(|port| format!("-A -t 10.0.0.1:{port} -p\n")).collect();
    for words in [&["-R"][..], &["-R", "--atomic"]] {
        let said = place.run("ipvsadm", words, &rules);
        assert_eq!((said.code, said.err.lines().count()), (0, 1), "{said:?}");
        place.shell("ipvsadm -C");
    }
    // What was refused has brought nothing, and nothing is said of it.
    let said = place.shell("ipvsadm -E -t 10.0.0.9:80 -p");
    assert_eq!((said.err.as_str(), said.code), ("No such service\n", 255));
}

#[test]
fn an_atomic_restore_is_one_batch() {
    let (place, daemon) = with_table();
    let rules = "# rules\n-A -t 10.0.0.1:80 -s rr\n\nipvsadm -a -t 10.0.0.1:80 -r 10.0.0.2:80 -m\n";
    let said = place.run("ipvsadm", &["-R", "--atomic"], rules);
    assert_eq!(said, Said { out: String::new(), err: String::new(), code: 0 });
    let [Request::Batch { requests }] = &daemon.changes()[..] else { panic!("{:?}", daemon.changes()) };
    assert_eq!(requests.len(), 2);
    let said = place.run("ipvsadm-restore", &["--atomic"], rules);
    assert_eq!(said.code, 0, "{said:?}");
    let Some(Request::Batch { requests }) = daemon.changes().pop() else { panic!("{:?}", daemon.changes()) };
    assert_eq!((requests.len(), &requests[0]), (3, &Request::Flush));
}

#[test]
fn an_atomic_restore_with_a_bad_line_changes_nothing() {
    let (place, daemon) = with_table();
    for (rules, expected) in [
        (
            "-A -t 10.0.0.1:80\n-A -t 10.0.0.1:81 -w 3\n",
            "line 2: Illegal 'weight' option with the 'add-service' command (nothing was changed)\n",
        ),
        ("-A -t 10.0.0.1:80\n-q\n", "line 2: Try `"),
        (
            "-A -t 10.0.0.1:80\n-A -t 10.0.0.1:81 -s nope\n",
            "line 2: Scheduler or persistence engine not found (nothing was changed)\n",
        ),
        ("-A -t 10.0.0.1:80\n-L\n", "line 2: --atomic takes only lines that change the table (nothing was changed)\n"),
    ] {
        let said = place.run("ipvsadm", &["-R", "--atomic"], rules);
        assert!(said.err.starts_with(expected) && said.code != 0, "{rules}: {said:?}");
    }
    assert_eq!(daemon.changes(), []);
    // What only the daemon knows is told with the line of the input, too: comments and blank lines count.
    let rules = "# rules\n-A -t 10.0.0.1:80\n\n-A -t 10.0.0.1:80\n";
    for (program, words) in [("ipvsadm", &["-R", "--atomic"][..]), ("ipvsadm-restore", &["--atomic"])] {
        let said = place.run(program, words, rules);
        assert_eq!(said.err, "line 4: Service already exists (nothing was changed)\n");
        assert_eq!(said.code, 255);
    }
    let said = place.run("ipvsadm", &["-R", "--atomic"], "\n\n-a -t 10.0.0.9:80 -r 10.0.0.2 -m\n");
    assert_eq!(said.err, "line 3: Service not defined (nothing was changed)\n");
    assert_eq!(place.shell("ipvsadm -Sn").out, "");
}

#[test]
fn other_names_for_the_same_program() {
    let (place, _daemon) = with_table();
    assert_eq!(place.shell("xlvs ipvsadm -A -t 10.0.0.1:80 -s rr").code, 0);
    assert_eq!(place.shell("xlvs ipvsadm -L -- foo").err, "unexpected argument foo\n");
    let said = place.shell("xlvs ipvsadm -q");
    assert_eq!(said.err, "Try `xlvs ipvsadm -h' or 'xlvs ipvsadm --help' for more information.\n");
    assert_eq!(said.code, 255);
    assert_eq!(place.shell("xlvs ipvsadm").out, place.shell("ipvsadm").out);
    let path = place.path("ipvsadm").display().to_string();
    let said = place.shell(&format!("{path} -q"));
    assert_eq!(said.err, format!("Try `{path} -h' or '{path} --help' for more information.\n"));
}

#[test]
fn help_and_version() {
    let place = Place::new();
    for line in ["ipvsadm -v", "ipvsadm --version"] {
        let said = place.shell(line);
        assert!(said.out.starts_with("ipvsadm v1.31 ") && said.out.ends_with(" and IPVS v1.2.1)\n"), "{said:?}");
        assert_eq!((said.err.as_str(), said.code), ("", 0));
    }
    for line in ["ipvsadm -h", "ipvsadm --help extra"] {
        let said = place.shell(line);
        assert!(said.out.contains("\n  ipvsadm -A SERVICE") && !said.out.contains("PROGRAM"), "{said:?}");
        assert_eq!((said.err.as_str(), said.code), ("", 0));
    }
    for (line, usage) in
        [("ipvsadm-save -q", "ipvsadm-save: Script to save"), ("ipvsadm-restore -h", "usage: ipvsadm-restore")]
    {
        let said = place.shell(line);
        assert!(said.err.starts_with(usage) && said.code == 1, "{said:?}");
    }
}

#[test]
fn without_a_daemon_one_line_says_so() {
    let place = Place::new();
    let expected = format!(
        "ipvsadm: no daemon at {} (start it with `xlvs run`, or name its socket in $XLVS_SOCKET)\n",
        place.socket().display()
    );
    for line in ["ipvsadm", "ipvsadm -Ln", "ipvsadm -A -t 10.0.0.1:80", "ipvsadm-save", "echo -C | ipvsadm -R"] {
        assert_eq!(place.shell(line), Said { out: String::new(), err: expected.clone(), code: 2 }, "{line}");
    }
    // What is wrong without asking anyone is said first.
    assert_eq!(place.shell("ipvsadm -A").code, 2);
    assert_eq!(place.shell("ipvsadm -q").code, 255);
}

#[test]
fn other_refusals_are_told_in_the_daemons_words() {
    let place = Place::new();
    let message = "server 224.0.0.1:80 is not one host; name a unicast address";
    let refusal = Refusal { kind: RefusalKind::Invalid, message: message.to_owned(), request: Some(0) };
    let _daemon = FakeDaemon::start(&place.socket(), move |_| Err(refusal.clone()));
    let said = place.shell("ipvsadm -a -t 10.0.0.1:80 -r 224.0.0.1:80 -m");
    let original = "Invalid operation.  Possibly wrong module version, address not unicast, ...";
    assert_eq!(said, Said { out: String::new(), err: format!("{original}\nipvsadm: {message}\n"), code: 255 });
    let said = place.run("ipvsadm", &["-R", "--atomic"], "-a -t 10.0.0.1:80 -r 224.0.0.1:80 -m\n");
    assert_eq!(said.err, format!("line 1: {message} (nothing was changed)\n"));
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let (place, _daemon) = with_table();
    let rules: String = (1..3000).map(|port| format!("-A -t 10.0.0.1:{port} -s rr\n")).collect();
    assert_eq!(place.run("ipvsadm", &["-R", "--atomic"], &rules).code, 0);
    let said = place.shell("(ipvsadm -Ln; echo $? >&2) | head -c 1");
    assert_eq!(said.err, "0\n");
}
