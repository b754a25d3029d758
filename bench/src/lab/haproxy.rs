//! Debian's HAProxy as director: TCP mode, one thread, every backend in turn.

use super::address::{self, ALL, FIRST, SERVERS, VIRTUAL};
use ::lab::net::Namespace;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

/// HAProxy until dropped.
pub(super) struct Haproxy {
    child: Child,
}

impl Haproxy {
    pub(super) fn start(host: &Namespace, folder: &Path) -> Result<Self> {
        let file = folder.join("haproxy.cfg");
        fs::write(&file, configuration())?;
        let mut command = host.command("haproxy");
        let log = fs::File::create(folder.join("haproxy.log"))?;
        let child = command.args(["-db", "-f"]).arg(&file).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let mut this = Self { child: child.spawn().context("starting haproxy")? };
        std::thread::sleep(Duration::from_millis(300));
        let ended = this.child.try_wait()?;
        ensure!(ended.is_none(), "haproxy ended at once: {}", fs::read_to_string(folder.join("haproxy.log"))?);
        Ok(this)
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        // It is ours alone and keeps nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration() -> String {
    let mut text = "global\n nbthread 1\n maxconn 4000\n\
                    defaults\n mode tcp\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n"
        .to_owned();
    for (port, servers) in [(ALL, SERVERS), (FIRST, 1)] {
        text.push_str(&format!("listen port{port}\n bind {}:{port}\n balance roundrobin\n", VIRTUAL.v4));
        for number in 1..=servers {
            text.push_str(&format!(" server server{number} {}:{port}\n", address::server(number).v4));
        }
    }
    text
}
