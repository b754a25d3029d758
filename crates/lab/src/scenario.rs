//! A scenario: the traffic of one run, and what came of it.

use crate::capture::{Flow, Hop};
use crate::content;
use crate::lab::Lab;
use crate::node::{ECHO, Reuse, Tally, WEB, Xlvs};
use crate::topology::{Family, Mode, address};
use anyhow::{Context, Result};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// What shall happen.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Address family of the service.
    pub family: Family,
    /// Scheduler by its name.
    pub scheduler: String,
    /// How many requests.
    pub requests: u64,
    /// How many bytes in one connection, each way.
    pub bulk: u64,
}

/// What came of it, as `demo --json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// nat, dr or fullnat.
    pub mode: Mode,
    /// 4 or 6.
    pub family: u8,
    /// Scheduler by its name.
    pub scheduler: String,
    /// How the programs are attached.
    pub lane: String,
    /// Requests sent.
    pub requests: u64,
    /// Answered as they should be.
    pub ok: u64,
    /// Answers by server.
    pub served_by: BTreeMap<String, u64>,
    /// Client addresses that servers saw.
    pub client_seen: BTreeSet<IpAddr>,
    /// Much data in one connection.
    pub bulk: Bulk,
    /// Packets with a wrong checksum, at all ends.
    pub checksum_errors: u64,
    /// The walk of one packet and its answer.
    pub hops: Vec<Hop>,
    /// What went wrong, the first few; for people.
    #[serde(skip)]
    pub errors: Vec<String>,
}

/// Much data in one connection, each way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Bulk {
    /// Bytes that the server got.
    pub to_server_bytes: u64,
    /// Bytes that the client got.
    pub to_client_bytes: u64,
    /// Both were the right ones.
    pub ok: bool,
}

impl Outcome {
    /// Every request was answered, the bulk was identical, no checksum was wrong, the walk was recorded.
    pub fn is_well(&self) -> bool {
        self.ok == self.requests && self.bulk.ok && self.checksum_errors == 0 && self.hops.len() == 4
    }
}

impl Scenario {
    /// 300 requests and 64 MB each way by rr.
    pub fn usual(family: Family) -> Self {
        Self { family, scheduler: "rr".to_owned(), requests: 300, bulk: crate::BULK }
    }

    /// The virtual web service.
    pub fn service(&self) -> SocketAddr {
        SocketAddr::new(address::VIRTUAL.of(self.family), WEB)
    }

    /// The virtual echo service.
    pub fn echo_service(&self) -> SocketAddr {
        SocketAddr::new(address::VIRTUAL.of(self.family), ECHO)
    }

    /// Tells a director of both services and all servers, and waits until it reaches them.
    pub fn configure(&self, lab: &Lab, director: &Xlvs) -> Result<()> {
        for (flag, service) in [("-t", self.service()), ("-u", self.echo_service())] {
            let local = lab.topology.local().map(|local| format!(" --local-address {}", local.of(self.family)));
            director.ipvsadm(&format!("-A {flag} {service} -s {}{}", self.scheduler, local.unwrap_or_default()))?;
            for server in &lab.servers {
                let family = if lab.topology.mixed { self.family.other() } else { self.family };
                let endpoint = SocketAddr::new(server.address.of(family), service.port());
                director.ipvsadm(&format!("-a {flag} {service} -r {endpoint} {}", lab.topology.flags()))?;
            }
        }
        director.wait_for_servers()
    }

    /// Sends the traffic. `progress` hears of every request.
    pub fn drive(&self, lab: &Lab, lane: &str, mut progress: impl FnMut(&Tally) + Send) -> Result<Outcome> {
        let before = lab.counters()?;
        let tally = lab.client.requests(self.service(), self.requests, Reuse::Close, |tally| {
            progress(tally);
            true
        })?;
        let mut errors = tally.errors;
        let hops = self.follow_one(lab).unwrap_or_else(|error| {
            errors.push(format!("the walk: {error:#}"));
            Vec::new()
        });
        let bulk = self.bulk(lab).unwrap_or_else(|error| {
            errors.push(format!("bulk: {error:#}"));
            Bulk::default()
        });
        Ok(Outcome {
            mode: lab.topology.mode,
            family: self.family.number(),
            scheduler: self.scheduler.clone(),
            lane: lane.to_owned(),
            requests: tally.requests,
            ok: tally.ok,
            served_by: tally.served_by,
            client_seen: tally.client_seen,
            bulk,
            checksum_errors: lab.counters()?.since(before).checksum_errors,
            hops,
            errors,
        })
    }

    /// One more request, recorded at every end.
    fn follow_one(&self, lab: &Lab) -> Result<Vec<Hop>> {
        lab.clear_taps();
        let answer = lab.client.get(self.service())?;
        let local = lab.topology.local().map(|local| local.of(self.family));
        let flow = Flow { client: answer.local, service: self.service(), local };
        // The recorders read a moment later than the hosts.
        let mut hops = Vec::new();
        for _ in 0..50 {
            hops = lab.walk(flow);
            if hops.len() >= 4 {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        Ok(hops)
    }

    fn bulk(&self, lab: &Lab) -> Result<Bulk> {
        let down = lab.client.download(self.service(), self.bulk, |_| ()).context("download")?;
        let answer = lab.client.upload(self.service(), self.bulk).context("upload")?;
        let wanted = (self.bulk, content::digest(self.bulk));
        let up = answer == format!("bytes={}\ndigest={:016x}\n", wanted.0, wanted.1)
            || lab.servers.iter().any(|server| server.stored_upload() == Some(wanted));
        Ok(Bulk { to_server_bytes: self.bulk, to_client_bytes: self.bulk, ok: down && up })
    }

    /// Echoes `count` datagrams, each from another port; returns answers by server and the clients they saw.
    pub fn echoes(&self, lab: &Lab, count: usize) -> Result<(BTreeMap<String, usize>, BTreeSet<IpAddr>)> {
        let (mut served_by, mut seen) = (BTreeMap::new(), BTreeSet::new());
        for number in 0..count {
            let (server, client) = lab.client.echo(self.echo_service(), &format!("datagram {number}"))?;
            *served_by.entry(server).or_default() += 1;
            seen.insert(client);
        }
        Ok((served_by, seen))
    }
}
