//! gRPC health checks of Python's grpc, with TLS and without: a server that says NOT_SERVING leaves, and returns.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "common/certificate.rs"]
mod certificate;

use certificate::certify;
use lab::net::Namespace;
use lab::node::{Entry, Xlvs};
use lab::topology::address;
use lab::{Family, Lab, Mode, Topology};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for what the settings say takes a second.
const PATIENCE: Duration = Duration::from_secs(60);
/// Debian's, which has grpc, whichever other one is found first.
const PYTHON: &str = "/usr/bin/python3";

/// A gRPC server until dropped.
struct Grpc {
    child: Child,
    status: PathBuf,
}

impl Grpc {
    fn start(host: &Namespace, directory: &Path, tls: bool) -> Self {
        fs::create_dir_all(directory).unwrap();
        let status = directory.join("status");
        fs::write(&status, "SERVING").unwrap();
        let mut command = host.command(PYTHON);
        command.args(["-c", include_str!("grpc/server.py")]).arg(&status);
        if tls {
            certify(directory);
            command.args([directory.join("key.pem"), directory.join("cert.pem")]);
        }
        Self { child: command.stdin(Stdio::null()).spawn().unwrap(), status }
    }

    /// A whole file takes the place of the other: none is read half written.
    fn says(&self, status: &str) {
        let next = self.status.with_extension("next");
        fs::write(&next, status).unwrap();
        fs::rename(&next, &self.status).unwrap();
    }
}

impl Drop for Grpc {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first server is asked for a service on the way of clients, the second one over TLS, the third for what it has not.
fn configuration(lab: &Lab) -> String {
    let checks = [
        "grpc = \"shop.Orders\", through = \"service\"",
        "grpc = { service = \"shop.Orders\", host = \"orders.example.org\" }, tls = true",
        "grpc = \"shop.Nothing\"",
    ];
    let servers: Vec<String> = lab
        .servers
        .iter()
        .zip(checks)
        .map(|(server, check)| {
            format!(
                "{{ address = \"{}:50051\", check = {{ {check}, interval = \"300ms\", timeout = \"10s\", fall = 1, rise = 1, \
                 warmup = \"0s\", starts_down = true }} }}",
                server.address.of(Family::V4)
            )
        })
        .collect();
    format!(
        "[[service]]\nlisten = \"tcp {}:50051\"\nmethod = \"nat\"\nservers = [{}]\n",
        address::VIRTUAL.of(Family::V4),
        servers.join(", ")
    )
}

/// Waits until these servers are in the table and the status says this.
fn wait_for(lab: &Lab, director: &Xlvs, present: &[usize], word: &str) {
    let wanted = |listing: &str| {
        let is_in = |number: usize| listing.contains(&format!("{}:50051", lab.servers[number].address.of(Family::V4)));
        (0..lab.servers.len()).all(|number| is_in(number) == present.contains(&number))
    };
    let begin = Instant::now();
    loop {
        let (listing, status) = (director.ipvsadm("-Ln").unwrap(), director.run(&["status"]).unwrap().stdout);
        if wanted(&listing) && status.contains(word) {
            return;
        }
        assert!(begin.elapsed() < PATIENCE, "{present:?}, {word}:\n{listing}{status}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
#[ignore = "needs root"]
fn servers_that_do_not_serve_leave_and_return() {
    let lab = Lab::build(Topology::point_to_point(Mode::Nat)).unwrap();
    let work = lab.network.work().path();
    let server =
        |number: usize| Grpc::start(&lab.servers[number].host, &work.join(format!("grpc{number}")), number == 1);
    let mut servers: Vec<Grpc> = (0..3).map(server).collect();
    let mut director = lab.director(Entry::Direct).unwrap();
    director.configure(&configuration(&lab)).unwrap();
    director.start().unwrap();
    wait_for(&lab, &director, &[0, 1], "grpc-status 5 (the server knows no service `shop.Nothing`): unknown service");

    servers[0].says("NOT_SERVING");
    wait_for(&lab, &director, &[1], "the server says NOT_SERVING");
    servers[0].says("SERVING");
    wait_for(&lab, &director, &[0, 1], "grpc through the service");

    servers[1].says("UNKNOWN");
    wait_for(&lab, &director, &[0], "the server says UNKNOWN");
    servers.remove(1);
    wait_for(&lab, &director, &[0], "connection refused");
    servers.push(server(1));
    wait_for(&lab, &director, &[0, 1], "");
    director.stop(false).unwrap();
}
