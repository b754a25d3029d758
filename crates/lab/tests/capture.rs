//! Captures between real programs, read by tshark.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use lab::node::{Entry, Finished, Reuse, Xlvs, end, finish, wait};
use lab::{Family, Lab, Mode, Scenario, Topology};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A director with servers, and a place for files.
struct Bench {
    lab: Lab,
    director: Xlvs,
    scenario: Scenario,
}

impl Bench {
    fn new(topology: Topology, family: Family) -> Self {
        Self::in_lane("auto", topology, family)
    }

    fn in_lane(lane: &str, topology: Topology, family: Family) -> Self {
        let lab = Lab::build(topology).unwrap();
        let mut director = lab.director(Entry::Direct).unwrap().in_lane(lane);
        director.start().unwrap();
        let scenario = Scenario::usual(family);
        scenario.configure(&lab, &director).unwrap();
        Self { lab, director, scenario }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.lab.network.work().path().join(name)
    }

    /// Starts `xlvs capture` and waits until it is on.
    fn capture(&self, arguments: &[&str]) -> Child {
        let before = self.told("a capture has begun");
        let mut command = self.director.command(&[&["capture"], arguments].concat()).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        self.wait_for("a capture", || self.told("a capture has begun") > before);
        child
    }

    fn told(&self, what: &str) -> usize {
        self.director.log().matches(what).count()
    }

    fn wait_for(&self, what: &str, condition: impl Fn() -> bool) {
        let begin = Instant::now();
        while !condition() {
            assert!(begin.elapsed() < Duration::from_secs(60), "waited in vain for {what}: {}", self.director.log());
            sleep(Duration::from_millis(10));
        }
    }

    fn requests(&self, count: u64) {
        let tally = self.lab.client.requests(self.scenario.service(), count, Reuse::Close, |_| true).unwrap();
        assert_eq!(tally.ok, count, "{:?}", tally.errors);
    }

    /// Ids of the programs that run on the director's interfaces.
    fn programs(&self) -> String {
        let shown = finish(self.director.host().command("ip").args(["-d", "link"]), Duration::from_secs(20)).unwrap();
        let lines = shown.stdout.lines().filter(|line| line.contains("prog/xdp"));
        let ids = lines.filter_map(|line| line.split_whitespace().skip_while(|word| *word != "id").nth(1));
        ids.collect::<Vec<_>>().join(" ")
    }
}

fn ended(mut child: Child) -> (String, String) {
    let status = wait(&mut child, Duration::from_secs(60)).unwrap();
    end(&mut child);
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(status.is_some_and(|status| status.success()), "{status:?}: {err}");
    (out, err)
}

/// One line for each packet: these fields, between tabs.
fn tshark(file: &std::path::Path, fields: &[&str]) -> Vec<Vec<String>> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args(["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"]);
    command.args(["-o", "udp.check_checksum:TRUE", "-T", "fields", "-E", "occurrence=a"]);
    command.args(fields.iter().flat_map(|field| ["-e", field]));
    let text = finish(&mut command, Duration::from_secs(60)).and_then(Finished::success).unwrap();
    text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

#[test]
#[ignore = "needs root"]
fn a_capture_shows_both_looks_at_each_packet_and_the_verdict() {
    for (topology, family, word) in [
        (Topology::point_to_point(Mode::Nat), Family::V4, " nat, leaves by d"),
        (Topology::bridged(Mode::Dr), Family::V6, " dr, leaves by d"),
        (Topology::bridged(Mode::Tun), Family::V4, ":80 tun, leaves by d"),
    ] {
        let bench = Bench::new(topology, family);
        let ordinary = bench.programs();
        let file = bench.file("capture.pcapng");
        let service = bench.scenario.service().to_string();
        let child = bench.capture(&["-w", file.to_str().unwrap(), "service", &service, "and", "tcp", "--count", "40"]);
        assert_ne!(bench.programs(), ordinary);
        bench.requests(12);
        let (_, said) = ended(child);
        assert!(
            said.starts_with("capturing: service ")
                && said.contains("; ends with Ctrl-C or 40 packets\n40 packets captured, 0 missed"),
            "{said}"
        );
        bench.wait_for("the end of the capture", || bench.told("a capture has ended") == 1);
        assert_eq!(bench.programs(), ordinary, "the capture has left something");
        bench.requests(3);

        let fields =
            ["frame.comment", "frame.interface_name", "ip.checksum.status", "tcp.checksum.status", "tcp.seq_raw"];
        let records = tshark(&file, &fields);
        assert_eq!(records.len(), 80, "two records a packet");
        for pair in records.chunks(2) {
            let [before, after] = pair else { unreachable!() };
            assert_eq!(before[0], after[0], "both carry the comment");
            assert_eq!(before[4], after[4], "they are the same packet");
            assert_ne!((&before[1], topology.mode), (&after[1], Mode::Nat), "{pair:?}");
            for record in pair {
                assert!(record[2].split(',').all(|status| status.is_empty() || status == "1"), "{record:?}");
                assert!(record[3].split(',').all(|status| status == "1"), "{record:?}");
            }
        }
        let forward_in = records.iter().filter(|record| record[0].starts_with("forward_in -> ")).collect::<Vec<_>>();
        assert!(forward_in.iter().all(|record| record[0].contains(word)) && !forward_in.is_empty(), "{records:?}");
    }
}

/// In the stack, where hosts leave checksums to their devices, the same is seen, and nothing of the traffic is lost.
#[test]
#[ignore = "needs root"]
fn a_capture_in_the_tc_lane_shows_both_looks_and_loses_nothing() {
    let bench = Bench::in_lane("tc", Topology::point_to_point(Mode::Nat).with_offload(), Family::V4);
    assert_eq!(bench.director.lane().unwrap(), "tc");
    let file = bench.file("tc.pcapng");
    let service = bench.scenario.service().to_string();
    let child = bench.capture(&["-w", file.to_str().unwrap(), "service", &service, "and", "tcp", "--count", "30"]);
    bench.requests(20);
    let (_, said) = ended(child);
    assert!(said.contains("\n30 packets captured, 0 missed"), "{said}");
    bench.wait_for("the end of the capture", || bench.told("a capture has ended") == 1);
    bench.requests(3);
    let records = tshark(&file, &["frame.comment", "ip.checksum.status", "tcp.seq_raw"]);
    assert_eq!(records.len(), 60, "two records a packet");
    for pair in records.chunks(2) {
        let [before, after] = pair else { unreachable!() };
        assert_eq!((&before[0], &before[2]), (&after[0], &after[2]), "both are the same packet");
        assert!(before[0].starts_with("forward_"), "{before:?}");
        assert!(pair.iter().all(|record| record[1] == "1"), "{pair:?}");
    }
}

#[test]
#[ignore = "needs root"]
fn a_capture_ends_with_whoever_wanted_it() {
    let mut bench = Bench::new(Topology::point_to_point(Mode::Nat), Family::V4);
    let ordinary = bench.programs();
    // Its reader is killed.
    let mut child = bench.capture(&["-w", "-"]);
    let busy = bench.director.run(&["capture", "--count", "1"]).unwrap();
    assert!(busy.stderr.contains("somebody captures already"), "{busy:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    bench.wait_for("the ordinary programs", || bench.programs() == ordinary);
    bench.requests(3);
    // Its daemon is killed: forwarding goes on, and the next daemon finds its own programs.
    let mut child = bench.capture(&["-w", "-"]);
    assert_ne!(bench.programs(), ordinary);
    bench.director.kill_nine().unwrap();
    wait(&mut child, Duration::from_secs(60)).unwrap();
    end(&mut child);
    bench.requests(3);
    bench.director.start().unwrap();
    assert_eq!(bench.programs(), ordinary);
    bench.requests(3);
    // Its time is up; drops only, of which there are none, then some.
    let child = bench.capture(&["drops", "--duration", "1"]);
    bench.requests(3);
    let (out, said) = ended(child);
    assert_eq!((out.as_str(), said.contains("\n0 packets captured")), ("", true), "{said}");
    let server = |number: usize| std::net::SocketAddr::new(bench.lab.servers[number].address.of(Family::V4), 80);
    for number in 0..3 {
        bench.director.ipvsadm(&format!("-e -t {} -r {} -m -w 0", bench.scenario.service(), server(number))).unwrap();
    }
    let child = bench.capture(&["drops", "host", "198.51.100.2", "--count", "1"]);
    assert!(bench.lab.client.get(bench.scenario.service()).is_err());
    let (out, _) = ended(child);
    assert!(
        out.contains(" > 198.51.100.10:80 tcp ") && out.contains("drop_no_server: no real server is eligible"),
        "{out}"
    );
    let refused = bench.director.run(&["capture", "src", "10.0.0.1"]).unwrap();
    assert!(
        refused.stderr.starts_with("xlvs: `src` is not understood") && refused.stderr.lines().count() == 1,
        "{refused:?}"
    );
    let missing = bench.director.run(&["capture", "-i", "lo"]).unwrap();
    assert!(missing.stderr.contains("nothing is attached to lo"), "{missing:?}");
}

/// Whatever ends while the programs of a capture are loaded, or while they run, and whatever is attached meanwhile:
/// nothing is lost on the way, and nothing is left.
#[test]
#[ignore = "needs root"]
fn captures_that_are_cut_off_lose_nothing_and_leave_nothing() {
    let mut bench = Bench::new(Topology::point_to_point(Mode::Nat), Family::V4);
    let ordinary = bench.programs();
    let pins = bench.director.pins().to_owned();
    let generations = || names(&pins.join(layout(&pins)), "p-");
    let before = generations();
    let (over, lab, service) = (AtomicBool::new(false), &bench.lab, bench.scenario.service());
    let tally = std::thread::scope(|scope| {
        let requests = scope.spawn(|| {
            lab.client.requests(service, u64::MAX, Reuse::Close, |_| {
                sleep(Duration::from_millis(3));
                !over.load(Ordering::Relaxed)
            })
        });
        // Whoever wanted it leaves while it is loaded; others want one meanwhile, and lanes change.
        for wait in [0, 100, 400] {
            let mut left = begun(&bench.director);
            sleep(Duration::from_millis(wait));
            end(&mut left);
            let said = bench.director.run(&["capture", "--duration", "1", "proto", "sctp"]).unwrap();
            let refused = said.stderr.contains("somebody captures already");
            assert!(refused || said.stderr.contains("\n0 packets captured"), "{said:?}");
            for lane in ["tc", "xdp"] {
                bench.director.run(&["attach", "d1", "--lane", lane]).unwrap().success().unwrap();
            }
        }
        // The daemon is killed while one is loaded, and while one runs.
        for wait in [50, 500, 3000] {
            let mut cut = begun(&bench.director);
            sleep(Duration::from_millis(wait));
            bench.director.kill_nine().unwrap();
            end(&mut cut);
            bench.director.start().unwrap();
        }
        // It leaves, forwarding goes on.
        let mut cut = begun(&bench.director);
        sleep(Duration::from_millis(200));
        bench.director.stop(true).unwrap();
        end(&mut cut);
        let left = generations();
        bench.director.start().unwrap();
        over.store(true, Ordering::Relaxed);
        assert_eq!(left, before, "forwarding goes on, and so does what was loaded for a capture");
        requests.join().unwrap().unwrap()
    });
    assert!(tally.ok > 500 && tally.ok == tally.requests, "{} of {}: {:?}", tally.ok, tally.requests, tally.errors);
    bench.wait_for("the ordinary programs", || bench.programs() == ordinary);
    assert_eq!(generations(), before, "generations are left");
    // It is stopped while one is loaded: nothing is in the way of the next.
    for wait in [20, 300] {
        let mut cut = begun(&bench.director);
        sleep(Duration::from_millis(wait));
        bench.director.stop(false).unwrap();
        end(&mut cut);
        assert_eq!(names(&pins, ""), [""; 0], "pins are left");
        bench.director.start().unwrap();
    }
}

/// `xlvs capture`, at whatever point of its beginning.
fn begun(director: &Xlvs) -> Child {
    let mut command = director.command(&["capture", "-w", "-"]).unwrap();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn names(directory: &std::path::Path, prefix: &str) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<_> = names.filter(|name| name.starts_with(prefix)).collect();
    names.sort_unstable();
    names
}

/// The directory of maps below these pins.
fn layout(pins: &std::path::Path) -> String {
    names(pins, "v").pop().unwrap()
}
