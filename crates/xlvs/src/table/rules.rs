//! The table as rules that `-R` reads: `ipvsadm -S`.
//!
//! What the original loses is lost here, too: thresholds, and the server that is on this host. What it does not know
//! (FullNAT) is written for ours alone.

use super::{Names, order, push_line, row};
use api::{Listing, ServerView, ServiceView};
use model::{
    Encapsulation, FirewallMark, ForwardingMethod, Granularity, Key, Protocol, ServiceOptions, TunnelChecksum,
};

/// All rules: every service, followed by its servers.
pub(crate) fn all(listing: &Listing, names: Names) -> String {
    let mut text = String::new();
    for service in order::services(&listing.services, true) {
        let key = service_key(service, &names);
        push_line(&mut text, format_args!("-A {key}{}", options(&service.service.options)));
        for server in order::servers(&service.servers, true) {
            push_line(&mut text, format_args!("-a {key} {}", server_rule(service, server, &names)));
        }
    }
    text
}

fn service_key(view: &ServiceView, names: &Names) -> String {
    let key = match view.service.key {
        Key::Endpoint(key) => key,
        // The original prints marks as signed numbers, and does not read them back.
        Key::Mark(FirewallMark { mark, ipv6 }) => {
            return format!("-f {}{}", mark.cast_signed(), if ipv6 { " -6" } else { "" });
        }
    };
    let option = match key.protocol {
        Protocol::Tcp => "-t",
        Protocol::Udp => "-u",
        Protocol::Sctp => "--sctp-service",
    };
    format!("{option} {}", names.endpoint(key.endpoint, Some(key.protocol)))
}

fn options(options: &ServiceOptions) -> String {
    let mut text = format!(" -s {}", options.scheduler);
    if let Some(persistence) = options.persistence {
        text += &format!(" -p {}", persistence.timeout);
        text += &match persistence.granularity {
            None => String::new(),
            Some(Granularity::Mask(mask)) => format!(" -M {mask}"),
            Some(Granularity::Prefix(length)) => format!(" -M {length}"),
        };
    }
    if let Some(engine) = options.persistence_engine {
        text += &format!(" --pe {}", engine.name());
    }
    if options.one_packet {
        text += " -o";
    }
    if let Some(flags) = row::flag_names(options) {
        text += &format!(" -b {flags}");
    }
    if !options.local_addresses.is_empty() {
        text += &format!(" --local-address {}", options.local_addresses);
    }
    text
}

fn server_rule(service: &ServiceView, view: &ServerView, names: &Names) -> String {
    let server = view.server;
    let (method, tunnel) = match server.method {
        ForwardingMethod::Nat => ("-m", String::new()),
        ForwardingMethod::DirectRouting => ("-g", String::new()),
        ForwardingMethod::FullNat => ("--fullnat", String::new()),
        ForwardingMethod::Tunnel(encapsulation) => ("-i", tunnel_rule(encapsulation)),
    };
    let endpoint = names.endpoint(server.endpoint, service.service.key.protocol());
    format!("-r {endpoint} {method} -w {}{tunnel}", server.weight.get())
}

fn tunnel_rule(encapsulation: Encapsulation) -> String {
    let checksum = |checksum| match checksum {
        TunnelChecksum::None => "--tun-nocsum",
        TunnelChecksum::Full => "--tun-csum",
        TunnelChecksum::Remote => "--tun-remcsum",
    };
    match encapsulation {
        Encapsulation::Ipip => " --tun-type ipip".to_owned(),
        Encapsulation::Gue { port, checksum: kind } => format!(" --tun-type gue --tun-port {port} {}", checksum(kind)),
        Encapsulation::Gre { checksum: kind } => format!(" --tun-type gre {}", checksum(kind)),
    }
}
