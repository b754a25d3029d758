//! `SSL_GET` against a real nginx: names in the handshake, certificates that say nothing good, digests of pages.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "common/certificate.rs"]
mod certificate;

use certificate::certify;
use lab::net::Namespace;
use lab::node::{Entry, Xlvs};
use lab::topology::address;
use lab::{Family, Lab, Mode, Topology};
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for what the settings say takes a second.
const PATIENCE: Duration = Duration::from_secs(60);
const PAGE: &str = "all well\n";
/// Of that page, by `md5sum`.
const DIGEST: &str = "36059628abb220b1e7c5b5095d3b96f5";

/// nginx until dropped.
struct Tls(Child);

impl Tls {
    /// Under one name it shows a page; to whoever asks for another name, or for none, it closes the handshake.
    fn start(host: &Namespace, directory: &Path) -> Self {
        fs::create_dir_all(directory).unwrap();
        certify(directory);
        fs::write(directory.join("page"), PAGE).unwrap();
        let server = |name: &str, more: &str| {
            format!("server {{ listen 443 {name}; ssl_certificate cert.pem; ssl_certificate_key key.pem; {more} }}\n")
        };
        let configuration = format!(
            "daemon off; master_process off; pid nginx.pid; user root; error_log error.log;\nevents {{ }}\nhttp {{ access_log off;\n\
             client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n\
             {}{}}}\n",
            server("ssl default_server", "ssl_reject_handshake on;"),
            server(
                "ssl",
                "server_name www.example.org; root .; location / { try_files /page =404; } location /gone { return 503; }"
            ),
        );
        fs::write(directory.join("nginx.conf"), configuration).unwrap();
        let mut command = host.command("nginx");
        command.arg("-p").arg(directory).args(["-c", "nginx.conf", "-e", "error.log"]);
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Three servers, asked for: the name and the page; no name; the name and a page that is another.
fn configuration(lab: &Lab) -> String {
    let checks = [
        format!("enable_sni\nurl {{\n path /\n virtualhost www.example.org\n digest {DIGEST}\n }}"),
        "url {\n path /\n virtualhost www.example.org\n status_code 200\n }".to_owned(),
        format!(
            "enable_sni\nurl {{\n path /other\n virtualhost www.example.org\n digest {}\n }}",
            DIGEST.replace('d', "e")
        ),
    ];
    let servers = lab.servers.iter().zip(checks).map(|(server, check)| {
        format!(
            "real_server {} 443 {{\n weight 1\n SSL_GET {{\n {check}\n connect_timeout 5\n retry 0\n }}\n }}\n",
            server.address.of(Family::V4)
        )
    });
    format!(
        "virtual_server {} 443 {{\n lb_algo rr\n lb_kind NAT\n protocol TCP\n delay_loop 0.3\n warmup 0\n alpha\n{}}}\n",
        address::VIRTUAL.of(Family::V4),
        servers.collect::<String>()
    )
}

fn served(director: &Xlvs) -> usize {
    director.ipvsadm("-Ln").unwrap().lines().filter(|line| line.starts_with("  -> 10.")).count()
}

#[test]
#[ignore = "needs root"]
fn pages_are_asked_for_over_tls() {
    let lab = Lab::build(Topology::point_to_point(Mode::Nat)).unwrap();
    let work = lab.network.work().path();
    let nginx = |number: usize| Tls::start(&lab.servers[number].host, &work.join(format!("tls{number}")));
    let _servers: Vec<Tls> = (0..3).map(nginx).collect();
    let mut director = lab.director(Entry::Direct).unwrap();
    director.configure_as("keepalived.conf", &configuration(&lab)).unwrap();
    director.start().unwrap();
    let begin = Instant::now();
    let status = loop {
        let status = director.run(&["status"]).unwrap().stdout;
        let told = ["UnrecognisedName", "MD5 sum"].iter().all(|word| status.contains(word));
        if served(&director) == 1 && told {
            break status;
        }
        assert!(begin.elapsed() < PATIENCE, "{status}");
        std::thread::sleep(Duration::from_millis(50));
    };
    // The first alone: who is not told the name closes, and the other page is not that one.
    let lines: Vec<&str> = status.lines().filter(|line| line.contains("https")).collect();
    assert!(
        director.ipvsadm("-Ln").unwrap().contains(&format!("{}:443", lab.servers[0].address.of(Family::V4))),
        "{lines:?}"
    );
    director.stop(false).unwrap();
}
