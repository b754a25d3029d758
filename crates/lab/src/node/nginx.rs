//! Debian's nginx as real server: its own configuration and prefix, the same answers as the embedded one.

use super::process::end;
use super::{DEFERRED, WEB};
use crate::content;
use crate::net::Namespace;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};

/// nginx until dropped.
pub(super) struct Nginx {
    child: Child,
}

impl Nginx {
    /// Starts it with `prefix` as its directory and a file of `bulk` bytes to download; `logs` its clients or not.
    pub(super) fn start(host: &Namespace, name: &str, prefix: &Path, (bulk, logs): (u64, bool)) -> Result<Self> {
        fs::create_dir_all(prefix.join("files"))?;
        fs::write(prefix.join("nginx.conf"), configuration(name, logs))?;
        write_bulk(&prefix.join("files/bulk"), bulk)?;
        let mut command = host.command("nginx");
        command.arg("-p").arg(prefix).args(["-c", "nginx.conf", "-e", "error.log"]);
        let log = fs::File::create(prefix.join("output.log"))?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("starting nginx; without it: apt-get install nginx-light, or use --server embedded")?;
        std::thread::sleep(std::time::Duration::from_millis(200));
        ensure!(child.try_wait()?.is_none(), "nginx ended at once, see {}", prefix.display());
        Ok(Self { child })
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Digest of what was uploaded to this nginx, once per upload.
pub(super) fn uploaded(prefix: &Path) -> Result<content::Digest> {
    let mut digest = content::Digest::default();
    digest.add(&fs::read(prefix.join("files/upload"))?);
    Ok(digest)
}

/// Clients of all requests that this nginx has logged: address and port.
pub(super) fn logged(prefix: &Path) -> Result<Vec<SocketAddr>> {
    let log = fs::read_to_string(prefix.join("access.log"))?;
    let end = |line: &str| -> Result<SocketAddr> {
        let (address, port) = line.split_once(' ').context("an address and a port")?;
        Ok(SocketAddr::new(address.parse()?, port.parse()?))
    };
    log.lines().map(end).collect()
}

fn configuration(name: &str, logs: bool) -> String {
    let log = if logs { "access.log ends" } else { "off" };
    format!(
        "daemon off; master_process off; pid nginx.pid; user root;
events {{ worker_connections 1024; }}
http {{
  log_format ends '$remote_addr $remote_port'; access_log {log}; client_max_body_size 0; keepalive_requests 100000;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {{
    listen {WEB}; listen [::]:{WEB}; listen {DEFERRED} deferred; listen [::]:{DEFERRED} deferred; root files;
    location = / {{ default_type text/plain; return 200 \"server={name}\\nclient=$remote_addr\\n\"; }}
    location = /peer {{ default_type text/plain; return 200 \"$remote_addr $remote_port\n\"; }}
    location = /bulk {{ default_type application/octet-stream; }}
    location = /upload {{ dav_methods PUT; }}
  }}
}}
"
    )
}

fn write_bulk(path: &Path, bytes: u64) -> Result<()> {
    use std::io::Write;
    let mut file = fs::File::create(path)?;
    let mut buffer = vec![0; content::CHUNK];
    let mut offset = 0;
    while offset < bytes {
        let size = content::chunk(bytes - offset);
        content::fill(offset, &mut buffer[..size]);
        file.write_all(&buffer[..size])?;
        offset += size as u64;
    }
    Ok(())
}
