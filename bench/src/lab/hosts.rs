//! A contender's network for real traffic: a client, the director, and servers with nginx, each a host of its own.

use super::address::{self, CLIENT, DIRECTOR, PREFIX, SERVERS, VIRTUAL};
use super::contender::{self, Contender, Running};
use ::lab::net::{Device, Namespace, Offload};
use ::lab::network::{DEFAULT, Network, add_addresses, add_routes, hold_virtual_address};
use ::lab::node::{RealServer, ServerKind, ServerPlan};
use anyhow::{Context, Result};
use std::net::Ipv4Addr;

/// A network with its director.
pub(super) struct Hosts {
    pub(super) contender: Contender,
    pub(super) client: Namespace,
    pub(super) servers: Vec<Namespace>,
    _director: Namespace,
    _web: Vec<RealServer>,
    _running: Running,
}

impl Hosts {
    /// With nginx on every server if `web`.
    pub(super) fn build(contender: Contender, network: &mut Network, web: bool) -> Result<Self> {
        let tag = contender.tag();
        let client = network.host(&format!("bench-{tag}c"))?;
        let director = network.router(&format!("bench-{tag}d"))?;
        let servers =
            (1..=SERVERS).map(|number| network.host(&format!("bench-{tag}s{number}"))).collect::<Result<Vec<_>>>()?;
        let mut devices = Vec::new();
        for (number, host) in (0..).zip(std::iter::once(&client).chain(&servers)) {
            let (near, far) = (Device::new(host, "e0"), Device::new(&director, format!("d{number}")));
            join(&near, &far, number, contender, network)?;
            devices.push(far);
        }
        let running = contender::start(contender, &director, &devices, network)?;
        let web = if web { start_web(contender, &servers, network)? } else { Vec::new() };
        Ok(Self { contender, client, servers, _director: director, _web: web, _running: running })
    }
}

fn join(near: &Device, far: &Device, number: u8, contender: Contender, network: &mut Network) -> Result<()> {
    near.connect(far)?;
    let (outside, inside) =
        if number == 0 { (CLIENT, DIRECTOR) } else { (address::server(number), address::director(number)) };
    add_addresses(near, outside.with_prefix(PREFIX))?;
    add_addresses(far, inside.with_prefix(PREFIX))?;
    add_routes(&near.namespace, DEFAULT, inside)?;
    if number == 0 {
        add_addresses(far, VIRTUAL.host())?;
    } else if contender.is_direct() {
        // Replies pass the director as any router, which takes them from its own address only if told so.
        hold_virtual_address(&near.namespace, VIRTUAL, network.work())?;
        far.namespace.sysctl(&format!("ipv4/conf/{}/accept_local", far.name), "1")?;
    }
    if contender.is_xdp() {
        network.face_director(near)?;
    } else if !contender.has_offloads() {
        near.set_offload(Offload::TransmitChecksum, false)?;
        far.set_offload(Offload::TransmitChecksum, false)?;
    }
    Ok(())
}

fn start_web(contender: Contender, servers: &[Namespace], network: &Network) -> Result<Vec<RealServer>> {
    let directory = network.work().path().join(format!("web-{}", contender.tag()));
    std::fs::create_dir_all(&directory)?;
    (1..)
        .zip(servers)
        .map(|(number, host)| {
            // Connections of one round must not stand in the way of the next one's, except where that is the question.
            if !contender.is_full() {
                host.sysctl("ipv4/tcp_max_tw_buckets", "0")?;
            }
            let name = format!("server{number}");
            RealServer::start(&ServerPlan {
                name: &name,
                host,
                address: address::server(number),
                listens: &[Ipv4Addr::UNSPECIFIED.into()],
                kind: ServerKind::Nginx,
                directory: &directory,
                bulk: 0,
                logs: false,
            })
            .with_context(|| name.clone())
        })
        .collect()
}
