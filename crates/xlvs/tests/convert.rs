//! `xlvs convert`: other languages as xlvs.toml, and what they say that it cannot.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod support;

use std::fs;
use support::{Place, Said};

const KEEPALIVED: &str = "virtual_server 203.0.113.10 80 {\n lb_algo wlc\n lb_kind NAT\n protocol TCP\n quorum 2\n \
    sorry_server 10.0.0.99 80\n real_server 10.0.0.11 80 {\n weight 3\n HTTP_GET {\n url {\n path /health\n status_code 200\n }\n \
    connect_timeout 3\n }\n }\n real_server 10.0.0.12 80 {\n TCP_CHECK {\n }\n }\n}\n";
const RULES: &str = "-A -t 203.0.113.10:80 -s wrr\n-a -t 203.0.113.10:80 -r 10.0.0.11:8080 -m -w 3\n\
    -a -t 203.0.113.10:80 -r 10.0.0.12:80 -g -w 1\n-A -u [2001:db8::10]:53 -s sh -b sh-port\n\
    -a -u [2001:db8::10]:53 -r [fd00::1]:53 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum\n";
const FIREWALL: &str =
    "*filter\n:INPUT DROP [0:0]\n-A INPUT -d 203.0.113.10/32 -p tcp -m tcp --dport 80 -j ACCEPT\nCOMMIT\n";

/// A folder with these files; commands run in it.
struct Folder(Place);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        let place = Place::new();
        files.iter().for_each(|(name, text)| fs::write(place.path(name), text).unwrap());
        fs::write(place.path("none.rules"), "").unwrap();
        Self(place)
    }

    fn say(&self, line: &str) -> Said {
        self.0.shell(&format!("cd {} && {line}", self.0.path("").display()))
    }
}

#[test]
fn keepalived_conf_becomes_xlvs_toml() {
    let folder = Folder::with(&[("k.conf", KEEPALIVED), ("rules", FIREWALL)]);
    let said = folder.say("xlvs convert k.conf -o new.toml --firewall rules");
    assert_eq!((said.out.as_str(), said.code), ("", 0), "{said:?}");
    let lines: Vec<&str> = said.err.lines().collect();
    assert_eq!(lines.len(), 2, "{said:?}");
    assert!(lines[0].starts_with("firewall: filter INPUT: policy DROP: does not block clients"), "{said:?}");
    assert!(
        lines[1].contains("--dport 80 -j ACCEPT (tcp 203.0.113.10:80): not needed for what is balanced"),
        "{said:?}"
    );
    let same = folder.say("xlvs plan -c new.toml --against k.conf");
    assert_eq!((same.out.as_str(), same.code), ("nothing would change (against k.conf)\n", 0), "{same:?}");
    let text = fs::read_to_string(folder.0.path("new.toml")).unwrap();
    assert!(text.contains("check = { http = { path = \"/health\", status = [200] }, version = \"1.0\""), "{text}");
    // What is there is not written over.
    let again = folder.say("xlvs convert k.conf -o new.toml --firewall none.rules");
    assert_eq!((again.err.as_str(), again.code), ("xlvs: cannot write new.toml: File exists (os error 17)\n", 1));
}

#[test]
fn rules_of_ipvsadm_become_xlvs_toml() {
    let folder = Folder::with(&[("rules.txt", RULES)]);
    let said = folder.say("xlvs convert rules.txt --firewall none.rules");
    assert_eq!((said.err.as_str(), said.code), ("", 0));
    assert_eq!(
        folder.say("xlvs convert - --firewall none.rules < rules.txt").out.lines().count(),
        said.out.lines().count()
    );
    fs::write(folder.0.path("new.toml"), &said.out).unwrap();
    let plan = folder.say("xlvs plan -c new.toml");
    let expected = "+ tcp 203.0.113.10:80 wrr\n\
        + tcp 203.0.113.10:80 -> 10.0.0.11:8080 nat weight 3\n\
        + tcp 203.0.113.10:80 -> 10.0.0.12:80 dr weight 1\n\
        + udp [2001:db8::10]:53 sh, scheduler_flags port true\n\
        + udp [2001:db8::10]:53 -> [fd00::1]:53 tun weight 1, tunnel checksum none, tunnel port 6080, tunnel type gue\n\
        5 changes: 5 added (against nothing: no daemon is running)\n";
    assert_eq!((plan.out.as_str(), plan.code), (expected, 2), "{plan:?}");
}

#[test]
fn what_cannot_be_said_is_told_and_left_out_only_on_demand() {
    let rules = "-A -t 203.0.113.10:80 -s wlc -p 300\n-A -f 5 -s rr\n";
    let folder = Folder::with(&[("rules.txt", rules)]);
    let refused = folder.say("xlvs convert rules.txt --firewall none.rules");
    let expected = "left out: service fwmark 5: `fwmark` services are not supported yet; write tcp or udp\n\
        left out: ~ tcp 203.0.113.10:80 persistence timeout none (was 300)\n\
        xlvs: nothing is written: say --accept to do without what is named here\n";
    assert_eq!(refused, Said { out: String::new(), err: expected.to_owned(), code: 1 });
    let accepted = folder.say("xlvs convert rules.txt --accept --firewall none.rules");
    assert_eq!(accepted.code, 0);
    assert!(accepted.out.contains("\n# left out: ~ tcp 203.0.113.10:80 persistence timeout none (was 300)\n"));
    let json = folder.say("xlvs convert rules.txt --accept --json --firewall none.rules");
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((json["is"].as_str(), json["left_out"].as_array().map(Vec::len)), (Some("conversion"), Some(2)));
}

#[test]
fn what_is_not_done_is_a_comment_and_a_refusal_is_json_on_demand() {
    let election =
        "vrrp_instance VI {\n interface eth0\n virtual_router_id 5\n virtual_ipaddress {\n 203.0.113.10\n }\n}\n";
    let folder = Folder::with(&[("k.conf", &format!("{election}{KEEPALIVED}"))]);
    let accepted = folder.say("xlvs convert k.conf --accept --firewall none.rules");
    assert_eq!(accepted.code, 0, "{accepted:?}");
    let comment = accepted.out.lines().find(|line| line.starts_with("# left out: k.conf:1: ")).unwrap();
    assert!(accepted.err.contains(comment.rsplit(": ").next().unwrap()), "{accepted:?}");
    let refused = folder.say("xlvs convert k.conf --json --firewall none.rules -o new.toml");
    let why = "xlvs: nothing is written: say --accept to do without what is named here\n";
    assert_eq!((refused.err.as_str(), refused.code), (why, 1));
    let json: serde_json::Value = serde_json::from_str(&refused.out).unwrap();
    assert!(
        json["text"].is_null() && json["notices"][0].as_str().unwrap().starts_with("k.conf:1: refused: "),
        "{json}"
    );
    assert!(!folder.0.path("new.toml").exists());
}

/// 2 is what a plan says that changes something.
#[test]
fn a_plan_that_is_typed_wrongly_fails_with_1() {
    let folder = Folder::with(&[("k.conf", KEEPALIVED)]);
    for line in ["xlvs plan --colour", "xlvs plan -c", "xlvs plan --against k.conf"] {
        let said = folder.say(line);
        assert_eq!((said.out.as_str(), said.err.lines().count(), said.code), ("", 1, 1), "{line}: {said:?}");
    }
    assert_eq!(folder.say("xlvs apply --colour").code, 2);
}

#[test]
fn what_cannot_be_read_is_one_line() {
    let folder = Folder::with(&[
        ("a.rules", "-A -t 203.0.113.10:80 -s rr\n-A -t 203.0.113.10:80 -s rr\n"),
        ("b.rules", "-a -t 203.0.113.10:80 -r 10.0.0.1 -m\n"),
        ("c.rules", "-A -t 203.0.113.10:80 -s rr\n-C\n"),
        ("d.rules", "-A -t 203.0.113.10:80 -x\n"),
        ("bad.conf", "virtual_server 203.0.113.10 {\n"),
        ("x.toml", ""),
    ]);
    for (file, error) in [
        ("a.rules", "a.rules:2: service tcp 203.0.113.10:80 is there already; remove the line"),
        ("b.rules", "b.rules:1: there is no service tcp 203.0.113.10:80 before this line; add it first (-A)"),
        ("c.rules", "c.rules:2: only -A and -a make a table; remove the line"),
        ("d.rules", "d.rules:1: "),
        ("bad.conf", "bad.conf:1:"),
        ("x.toml", "x.toml is xlvs.toml already"),
        ("none", "cannot read none: No such file"),
    ] {
        let said = folder.say(&format!("xlvs convert {file} --firewall none.rules"));
        assert!(said.err.starts_with(&format!("xlvs: {error}")) && said.err.lines().count() == 1, "{file}: {said:?}");
        assert_eq!((said.out.as_str(), said.code), ("", 1), "{file}");
    }
    let said = folder.say("xlvs convert a.rules --firewall missing");
    assert_eq!(said.code, 1);
}
