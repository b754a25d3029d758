//! A real server: a host with a web server and a UDP echo.

use super::echo::Echo;
use super::nginx::{self, Nginx};
use super::web::WebServer;
use crate::net::Namespace;
use crate::topology::Dual;
use anyhow::Result;
use clap::ValueEnum;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// Which program answers HTTP.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum ServerKind {
    /// The lab's own.
    #[default]
    Embedded,
    /// Debian's nginx.
    Nginx,
}

/// A running real server.
pub struct RealServer {
    /// Its name, which it puts into every answer.
    pub name: String,
    /// Its host.
    pub host: Namespace,
    /// Its own address (RIP).
    pub address: Dual,
    web: Web,
    _echo: Echo,
}

enum Web {
    Stopped,
    Embedded(#[expect(dead_code, reason = "kept so that it serves")] WebServer),
    Nginx(#[expect(dead_code, reason = "kept so that it serves")] Nginx, PathBuf),
}

/// How to start one.
pub struct ServerPlan<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its host.
    pub host: &'a Namespace,
    /// Its own address.
    pub address: Dual,
    /// Every address it answers UDP on.
    pub listens: &'a [IpAddr],
    /// Which web server.
    pub kind: ServerKind,
    /// Where it may keep files.
    pub directory: &'a Path,
    /// How much can be downloaded from an nginx.
    pub bulk: u64,
    /// Whether it logs its clients.
    pub logs: bool,
}

impl RealServer {
    /// Starts it.
    pub fn start(plan: &ServerPlan<'_>) -> Result<Self> {
        let web = match plan.kind {
            ServerKind::Embedded => Web::Embedded(WebServer::start(plan.host, plan.name)?),
            ServerKind::Nginx => {
                let prefix = plan.directory.join(plan.name);
                Web::Nginx(Nginx::start(plan.host, plan.name, &prefix, (plan.bulk, plan.logs))?, prefix)
            }
        };
        Ok(Self {
            name: plan.name.to_owned(),
            host: plan.host.clone(),
            address: plan.address,
            web,
            _echo: Echo::start(plan.host, plan.name, plan.listens)?,
        })
    }

    /// Nobody answers HTTP any more: connections are refused.
    pub fn stop_web(&mut self) {
        self.web = Web::Stopped;
    }

    /// The embedded web server answers again.
    pub fn start_web(&mut self) -> Result<()> {
        self.web = Web::Embedded(WebServer::start(&self.host, &self.name)?);
        Ok(())
    }

    /// Clients of all requests that an nginx has logged.
    pub fn logged_clients(&self) -> Result<Vec<SocketAddr>> {
        let Web::Nginx(_, prefix) = &self.web else { return Ok(Vec::new()) };
        nginx::logged(prefix)
    }

    /// Bytes and digest of the last upload to an nginx, which cannot say so itself.
    pub fn stored_upload(&self) -> Option<(u64, u64)> {
        let Web::Nginx(_, prefix) = &self.web else { return None };
        let digest = nginx::uploaded(prefix).ok()?;
        Some((digest.length(), digest.finish()))
    }
}
