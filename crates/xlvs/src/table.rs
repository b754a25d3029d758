//! Listings as ipvsadm prints them, to the byte: pure functions from [`api::Listing`] to text.

pub(crate) mod connections;
mod names;
mod order;
mod row;
pub(crate) mod rules;
pub(crate) mod services;

#[cfg(test)]
mod tests;

use api::{Listing, ServiceView};
use model::SyncDaemon;
pub(crate) use names::Names;
use std::fmt::Write;

/// The version of IPVS whose listings these are.
const IPVS_VERSION: &str = "1.2.1";

/// Which columns follow the addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Columns {
    /// Forwarding method, weight and connections.
    Connections,
    /// `--stats`
    Traffic,
    /// `--rate`
    Rates,
    /// `--thresholds`
    Thresholds,
    /// `--persistent-conn`
    PersistentConnections,
    /// `--tun-info`: as `Connections`, with the kind of tunnel.
    Tunnels,
}

/// How a listing is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct View {
    pub(crate) columns: Columns,
    /// `-n`: numbers instead of names.
    pub(crate) numeric: bool,
    /// `--exact`: all digits.
    pub(crate) exact: bool,
    /// Without `--nosort`.
    pub(crate) sorted: bool,
}

/// `-Ln`
pub(crate) const NUMERIC: View = View { columns: Columns::Connections, numeric: true, exact: false, sorted: true };

/// The names for a listing: numbers, or what this host's files and DNS say.
pub(crate) fn names(numeric: bool) -> Names {
    if numeric { Names::Numbers } else { Names::system() }
}

/// `ipvsadm -L`
pub(crate) fn all(listing: &Listing, view: View, names: Names) -> String {
    let mut text = format!("IP Virtual Server version {IPVS_VERSION} (size={})\n", listing.connection_table_size);
    text.push_str(&row::title(view.columns));
    for service in order::services(&listing.services, view.sorted) {
        push_service(&mut text, service, view, &names);
    }
    text
}

/// `ipvsadm -L -t SERVICE`
pub(crate) fn one(service: &ServiceView, view: View, names: Names) -> String {
    let mut text = row::title(view.columns);
    push_service(&mut text, service, view, &names);
    text
}

/// `ipvsadm -L --timeout`
pub(crate) fn timeouts(listing: &Listing) -> String {
    let timeouts = listing.timeouts;
    format!("Timeout (tcp tcpfin udp): {} {} {}\n", timeouts.tcp, timeouts.tcp_fin, timeouts.udp)
}

/// `ipvsadm -L --daemon`
pub(crate) fn daemons(listing: &Listing) -> String {
    let mut text = String::new();
    for (role, daemon) in &listing.synchronization {
        let SyncDaemon { interface, id, maximum_length, group, port, ttl } = daemon;
        let how =
            format!("mcast={interface}, syncid={id}, maxlen={maximum_length}, group={group}, port={port}, ttl={ttl}");
        push_line(&mut text, format_args!("{role} sync daemon ({how})"));
    }
    text
}

fn push_service(text: &mut String, service: &ServiceView, view: View, names: &Names) {
    push_line(text, format_args!("{}", row::service(service, view, names)));
    for server in order::servers(&service.servers, view.sorted) {
        push_line(text, format_args!("{}", row::server(service, server, view, names)));
    }
}

fn push_line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{line}");
}
