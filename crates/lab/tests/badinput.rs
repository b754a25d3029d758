//! What is wrong is answered by one clear line and an exit code, and changes nothing.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use lab::node::{Entry, Finished, Xlvs, finish, restrain, xlvs};
use lab::{Family, Lab, Mode, Scenario, Topology};
use std::fs;
use std::process::Command;
use std::time::Duration;

/// What is typed, and what must be in the answer: ipvsadm's own words where it has some.
const LINES: [(&str, &str); 26] = [
    ("ipvsadm -A -t 198.51.100.10 -s rr", "Zero port"),
    ("ipvsadm -A -t 198.51.100.10:99999 -s rr", "illegal virtual server address"),
    ("ipvsadm -A -t 198.51.100.300:80 -s rr", "illegal virtual server address"),
    ("ipvsadm -A -t 198.51.100.10:81 -s fastest", "Scheduler or persistence engine not found"),
    ("ipvsadm -A -t 198.51.100.10:80 -s rr", "Service already exists"),
    ("ipvsadm -A -s rr", "need to supply the 'service-address' option"),
    ("ipvsadm -A -f 0 -s rr", "invalid fwmark value"),
    ("ipvsadm -A -t 198.51.100.10:81 -s rr -p 0", "invalid timeout value"),
    ("ipvsadm -E -t 198.51.100.10:81 -s wrr", "No such service"),
    ("ipvsadm -D -t 198.51.100.10:81", "No such service"),
    ("ipvsadm -a -t 198.51.100.10:80 -r 10.0.1.2:80 -m", "Destination already exists"),
    ("ipvsadm -a -t 198.51.100.10:80 -r 10.0.1.9:80 -m -w 2147483648", "illegal weight"),
    ("ipvsadm -a -t 198.51.100.10:80 -r 10.0.1.9:80 -m -w -1", "illegal weight"),
    ("ipvsadm -a -t 198.51.100.10:80 -r 10.0.1.9:80 -i --tun-type gue", "need to supply the 'tun-port' option"),
    ("ipvsadm -a -t 198.51.100.10:80 -r [fd00::9]:80 -m", "family"),
    ("ipvsadm -a -t 198.51.100.10:81 -r 10.0.1.9:80 -m", "Service not defined"),
    ("ipvsadm -a -t 198.51.100.10:80", "need to supply the 'real-server' option"),
    ("ipvsadm -e -t 198.51.100.10:80 -r 10.0.1.9:80 -m -w 2", "No such destination"),
    ("ipvsadm -e -t 198.51.100.10:80 -r 10.0.1.2:80 -m -w 2147483648", "illegal weight"),
    ("ipvsadm -d -t 198.51.100.10:80 -r 10.0.1.9:80", "No such destination"),
    ("ipvsadm --set 1 2", "3 timeout values"),
    ("ipvsadm --frobnicate", "--help"),
    ("frobnicate", "frobnicate"),
    ("attach xlvs-none0", "xlvs-none0"),
    ("detach xlvs-none0", "xlvs-none0"),
    ("explain 198.51.100.2 198.51.100.10:80", "198.51.100.2"),
];

#[test]
#[ignore = "needs root"]
fn malformed_command_lines_change_nothing() {
    let (lab, director) = ready();
    let before = picture(&director);
    for (line, word) in LINES {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_refused(line, word, &director.run(&words).unwrap());
        assert_eq!(picture(&director), before, "xlvs {line}");
    }
    assert_eq!(lab.client.get(Scenario::usual(Family::V4).service()).unwrap().client.to_string(), "198.51.100.2");
}

#[test]
#[ignore = "needs root"]
fn malformed_files_start_nothing() {
    let (lab, director) = ready();
    let service = "[[service]]\nlisten = \"tcp 198.51.100.10:90\"\nscheduler = \"rr\"\nmethod = \"nat\"\n";
    let files = [
        ("[director\n".to_owned(), ":1"),
        ("[director]\ninterface = [\"d0\"]\n".to_owned(), ":2"),
        (service.replace("rr", "fastest"), ":3"),
        (service.replace("tcp ", "tpc "), ":2"),
        (format!("{service}servers = [{{ address = \"10.0.1.2:80\", weight = 2147483648 }}]\n"), ":5"),
        (format!("{service}servers = [\"10.0.1.2:80\", \"10.0.1.2:80\"]\n"), "10.0.1.2:80"),
        (format!("{service}servers = [\"[fd00::1]:80\"]\n"), ":5"),
    ];
    for (number, (text, word)) in files.into_iter().enumerate() {
        let path = lab.network.work().path().join(format!("bad{number}.toml"));
        fs::write(&path, &text).unwrap();
        let mut command = other(&lab, &format!("other{number}"));
        let finished = run(command.arg("-c").arg(&path));
        assert_refused(&text, word, &finished);
        assert!(finished.stderr.contains(path.to_str().unwrap()), "the file is not named: {}", finished.stderr);
        assert!(!pins(&lab, &format!("other{number}")), "{text}: pins were made");
    }
    let mut command = other(&lab, "other");
    assert_refused("-c nothing.toml", "nothing.toml", &run(command.args(["-c", "nothing.toml"])));
    drop(director);
}

#[test]
#[ignore = "needs root"]
fn a_daemon_that_cannot_work_says_why_and_leaves_nothing() {
    let lab = Lab::build(Topology::point_to_point(Mode::Nat)).unwrap();
    let without = |what: &str| format!("setpriv --bounding-set {what} --inh-caps {what}");
    let nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups";
    for (before, word) in [
        (nobody, "root"),
        (without("-bpf,-sys_admin").as_str(), "CAP_BPF"),
        (without("-net_admin,-sys_admin").as_str(), "CAP_NET_ADMIN"),
    ] {
        let mut command = lab.director.command("/usr/bin/env");
        command.args(before.split(' ')).arg(xlvs::binary().unwrap());
        assert_refused(before, word, &run(daemon(&lab, "other", &mut command).args(["--interface", "d0"])));
        assert!(!pins(&lab, "other"), "{before}: pins were made");
    }
    let mut command = other(&lab, "other");
    restrain::refuse_bpf(&mut command);
    assert_refused("seccomp", "seccomp", &run(command.args(["--interface", "d0"])));
    assert_refused("interface", "xlvs-none0", &run(other(&lab, "other").args(["--interface", "xlvs-none0"])));
    assert!(!pins(&lab, "other"), "pins were made");
    assert_refused("typed", "frobnicate", &run(other(&lab, "other").arg("--frobnicate")));
}

#[test]
#[ignore = "needs root"]
fn a_second_director_is_refused() {
    let (lab, director) = ready();
    let before = picture(&director);
    // Other socket, same pins.
    let mut command = lab.director.command(xlvs::binary().unwrap());
    command
        .arg("run")
        .arg("--pin-dir")
        .arg(director.pins())
        .env("XLVS_SOCKET", lab.network.work().path().join("other.sock"));
    assert_refused("same pins", director.pins().to_str().unwrap(), &run(&mut command));
    // Other pins, same socket.
    let mut command = lab.director.command(xlvs::binary().unwrap());
    command
        .arg("run")
        .arg("--pin-dir")
        .arg(lab.network.work().bpf().join("other"))
        .env("XLVS_SOCKET", director.socket());
    assert_refused("same socket", director.socket().to_str().unwrap(), &run(&mut command));
    assert!(!pins(&lab, "other"), "pins were made");
    // Other pins and socket, same interface: another owner of the hook.
    assert_refused("same interface", "d0", &run(other(&lab, "other").args(["--interface", "d0"])));
    assert!(!pins(&lab, "other"), "pins were made");
    assert_eq!(picture(&director), before);
    assert!(lab.client.get(Scenario::usual(Family::V4).service()).is_ok());
}

fn ready() -> (Lab, Xlvs) {
    let lab = Lab::build(Topology::point_to_point(Mode::Nat)).unwrap();
    let mut director = lab.director(Entry::Direct).unwrap();
    director.start().unwrap();
    Scenario::usual(Family::V4).configure(&lab, &director).unwrap();
    (lab, director)
}

/// Another daemon on the director's host, with pins and a socket of its own.
fn other(lab: &Lab, name: &str) -> Command {
    let mut command = lab.director.command(xlvs::binary().unwrap());
    daemon(lab, name, &mut command);
    command
}

fn daemon<'a>(lab: &Lab, name: &str, command: &'a mut Command) -> &'a mut Command {
    let work = lab.network.work();
    command.arg("run").arg("--pin-dir").arg(work.bpf().join(name)).env("XLVS_SOCKET", work.path().join("other.sock"))
}

/// Whether something lies in the pin directory of that name.
fn pins(lab: &Lab, name: &str) -> bool {
    fs::read_dir(lab.network.work().bpf().join(name)).is_ok_and(|mut entries| entries.next().is_some())
}

fn run(command: &mut Command) -> Finished {
    finish(command, Duration::from_secs(20)).unwrap()
}

/// What can be seen of a director's configuration.
fn picture(director: &Xlvs) -> (String, String, String) {
    let status = director.status().unwrap();
    let interfaces: Vec<_> =
        status["interfaces"].as_array().unwrap().iter().map(|one| one["name"].to_string()).collect();
    (director.ipvsadm("-Sn").unwrap(), status["generation"].to_string(), interfaces.join(" "))
}

/// Not successful, nothing on standard output, one line on standard error that holds `word`; a daemon may have
/// logged before.
fn assert_refused(typed: &str, word: &str, finished: &Finished) {
    assert!(finished.code.is_some_and(|code| code != 0), "{typed}: exit code {:?}", finished.code);
    assert_eq!(finished.stdout, "", "{typed}");
    let lines: Vec<&str> = finished.stderr.lines().filter(|line| !line.contains(" INFO ")).collect();
    assert_eq!(lines.len(), 1, "{typed}: {}", finished.stderr);
    assert!(lines[0].to_lowercase().contains(&word.to_lowercase()), "{typed}: want `{word}` in `{}`", lines[0]);
}
