//! xlvs.toml: what the operator wrote, as a value that is valid, or one error that says where and what instead.
//!
//! A file is taken whole or not at all. Reading it in is the caller's business.

mod address;
mod error;
mod health;
mod method;
mod metrics;
mod real_server;
mod service;
pub(crate) mod suggest;
mod table;
#[cfg(test)]
mod tests;
mod write;

pub use error::ConfigError;
pub use metrics::MetricsAddress;
pub use write::Written;

use crate::health::ServiceHealth;
use crate::{Key, LaneChoice, RealServerSetup, Sysctl, Timeouts, VirtualService};
use error::Fault;
pub(crate) use error::printable;
use serde::{Deserialize, Serialize};
use service::Read;
use std::collections::BTreeMap;
use table::{Keys, Table, Value};

/// A whole configuration.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// `[director]`
    pub director: DirectorSettings,
    /// `[[service]]`, in the order of the file; no two have the same key.
    pub services: Vec<VirtualService>,
    /// `[timeouts]`
    pub timeouts: Timeouts,
    /// `[real_server]`, of which the director knows nothing.
    pub real_server: Option<RealServerSetup>,
    /// What decides whether servers take part; services without any have all their servers.
    #[serde(with = "crate::key::pairs")]
    pub health: BTreeMap<Key, ServiceHealth>,
    /// What the file asks for, and what matters, and is not done: a line each, with its place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_done: Vec<String>,
}

/// Settings of the director itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct DirectorSettings {
    /// Interfaces to attach to; none unless named.
    pub interfaces: Vec<String>,
    /// The lane of the interfaces; as they are, else automatic, unless named.
    pub attach: Option<LaneChoice>,
    /// The lane of interfaces that have one of their own.
    pub attach_each: BTreeMap<String, LaneChoice>,
    /// Entries of the connection table of each family; NAT takes two per connection.
    pub connections: u32,
    /// IPVS's sysctls that the file names.
    pub sysctls: BTreeMap<Sysctl, u32>,
    /// Where metrics are offered by TCP; nowhere unless named.
    pub metrics: Option<MetricsAddress>,
}

impl Default for DirectorSettings {
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            attach: None,
            attach_each: BTreeMap::new(),
            connections: forward::abi::DEFAULT_CONNECTIONS,
            sysctls: BTreeMap::new(),
            metrics: None,
        }
    }
}

impl DirectorSettings {
    /// The lane that the file names for an interface.
    pub fn lane_of(&self, interface: &str) -> Option<LaneChoice> {
        self.attach_each.get(interface).copied().or(self.attach)
    }
}

const FILE: Keys = Keys {
    place: "the file",
    known: &["director", "real_server", "service", "timeouts"],
    planned: &["api", "defence", "fleet", "gslb", "health", "local_addresses", "sync", "vrrp"],
};

const DIRECTOR: Keys = Keys {
    place: "[director]",
    known: &[
        "interfaces",
        "attach",
        "connections",
        "metrics",
        "conn_reuse_mode",
        "expire_nodest_conn",
        "schedule_icmp",
        "sloppy_tcp",
        "toa_kind",
        "toa_kind6",
        "uoa",
    ],
    planned: &[
        "am_droprate",
        "amemthresh",
        "announce_when",
        "backup_only",
        "cache_bypass",
        "conntrack",
        "drop_entry",
        "drop_packet",
        "expire_quiescent_template",
        "ignore_tunneled",
        "local_addresses",
        "nat_icmp_send",
        "pmtu_disc",
        "run_estimation",
        "secure_tcp",
        "sloppy_sctp",
        "snat_reroute",
    ],
};

const TIMEOUTS: Keys = Keys {
    place: "[timeouts]",
    known: &["tcp", "tcp_fin", "udp"],
    planned: &["sctp", "syn_received", "syn_sent", "time_wait", "close", "close_wait", "last_ack"],
};

/// Most entries of a connection table: what a kernel of today will allocate at once.
const MOST_CONNECTIONS: u32 = 1 << 27;
/// Most services of a director: the data plane numbers them from 1.
pub const MAX_SERVICES: usize = forward::abi::MAX_SERVICES as usize - 1;
/// Most servers of a service: schedulers look at all of them.
pub const MAX_SERVERS_PER_SERVICE: usize = forward::abi::MAX_SERVERS_PER_SERVICE as usize;
/// Most servers of a director, each counted once for each service that has it.
pub const MAX_SERVERS: usize = forward::abi::MAX_SERVERS as usize;
/// Longest interface name (`IFNAMSIZ` without its end).
const LONGEST_INTERFACE: usize = 15;

impl Config {
    /// Reads xlvs.toml. `file_name` only appears in errors.
    pub fn parse_toml(text: &str, file_name: &str) -> Result<Self, ConfigError> {
        Self::read(text).map_err(|fault| fault.located(text, file_name))
    }

    fn read(text: &str) -> Result<Self, Fault> {
        let document = toml::de::DeTable::parse(text).map_err(|error| Fault::syntax(&error))?;
        let file = Table::new(document.get_ref(), 0, &FILE)?;
        let mut config = Self::default();
        if let Some(director) = file.get("director") {
            config.director = read_director(&director.table(&DIRECTOR)?)?;
        }
        if let Some(timeouts) = file.get("timeouts") {
            config.timeouts = read_timeouts(&timeouts.table(&TIMEOUTS)?)?;
        }
        if let Some(services) = file.get("service") {
            (config.services, config.health) = read_services(&services)?;
        }
        config.real_server = file.get("real_server").map(|value| real_server::read(&value)).transpose()?;
        Ok(config)
    }
}

fn read_director(table: &Table<'_>) -> Result<DirectorSettings, Fault> {
    let mut settings = DirectorSettings::default();
    if let Some(interfaces) = table.get("interfaces") {
        for value in interfaces.array("interfaces = [\"eth0\", \"eth1\"]")? {
            let name = interface_name(&value)?;
            if settings.interfaces.contains(&name) {
                return Err(value.fault(format!("interface `{name}` is named twice; remove one")));
            }
            settings.interfaces.push(name);
        }
    }
    if let Some(attach) = table.get("attach") {
        read_lanes(&attach, &mut settings)?;
    }
    if let Some(connections) = table.get("connections") {
        settings.connections = connections.number(1, MOST_CONNECTIONS)?;
    }
    for sysctl in Sysctl::ALL {
        if let Some(value) = table.get(sysctl.name()) {
            settings.sysctls.insert(sysctl, value.number(0, sysctl.largest())?);
        }
    }
    if let Some(metrics) = table.get("metrics") {
        let address = metrics.string("\"127.0.0.1:9100\"")?.parse();
        settings.metrics = Some(address.map_err(|message: String| metrics.fault(message))?);
    }
    Ok(settings)
}

/// `attach = "tc"`, or `attach = { eth0 = "tc" }`.
fn read_lanes(attach: &Value<'_>, settings: &mut DirectorSettings) -> Result<(), Fault> {
    let lane = |value: &Value<'_>| {
        let text = value.string("\"auto\", \"xdp\", \"xdp-generic\" or \"tc\"")?;
        text.parse().map_err(|message: String| value.fault(message))
    };
    let Some(each) = attach.entries() else {
        settings.attach = Some(lane(attach)?);
        return Ok(());
    };
    for (name, value) in each {
        if !settings.interfaces.iter().any(|interface| interface == name) {
            return Err(value.fault(format!("`{name}` is not one of `interfaces`; name it there, too")));
        }
        settings.attach_each.insert(name.to_owned(), lane(&value)?);
    }
    Ok(())
}

fn interface_name(value: &Value<'_>) -> Result<String, Fault> {
    let name = value.string("\"eth0\"")?;
    let strange = |letter: char| letter == '/' || letter == ':' || letter.is_whitespace() || letter.is_control();
    if name.is_empty() || name.len() > LONGEST_INTERFACE || name.contains(strange) || matches!(name, "." | "..") {
        let message = format!(
            "`{}` cannot be the name of an interface; write one that `ip link` shows, such as \"eth0\"",
            name.escape_debug()
        );
        return Err(value.fault(message));
    }
    Ok(name.to_owned())
}

fn read_timeouts(table: &Table<'_>) -> Result<Timeouts, Fault> {
    let mut timeouts = Timeouts::default();
    for (key, field) in [("tcp", &mut timeouts.tcp), ("tcp_fin", &mut timeouts.tcp_fin), ("udp", &mut timeouts.udp)] {
        if let Some(value) = table.get(key) {
            *field = value.seconds()?;
        }
    }
    Ok(timeouts)
}

fn read_services(value: &Value<'_>) -> Result<(Vec<VirtualService>, BTreeMap<Key, ServiceHealth>), Fault> {
    let (mut services, mut checked) = (Vec::new(), BTreeMap::new());
    let mut places = BTreeMap::new();
    let mut names = BTreeMap::new();
    let mut servers = 0;
    for element in value.tables("service")? {
        let Read { service, health, listen: place, name: name_place } = service::read(&element)?;
        if let (Some(name), Some(place)) = (service.options.name.clone(), name_place)
            && let Some(first) = names.insert(name.clone(), place)
        {
            let message = format!("two services have the name `{name}`; rename one");
            return Err(Fault::at(place, message).seen_first(first));
        }
        if let Some(first) = places.insert(service.key, place) {
            let message = format!("service {} is defined twice; put its servers into one [[service]]", service.key);
            return Err(Fault::at(place, message).seen_first(first));
        }
        checked.extend(health.map(|health| (service.key, health)));
        servers += service.servers.len();
        if servers > MAX_SERVERS {
            let message =
                format!("more than {MAX_SERVERS} servers in all services; run a second director for the rest");
            return Err(element.fault(message));
        }
        services.push(service);
        if services.len() > MAX_SERVICES {
            let message = format!("more than {MAX_SERVICES} services; run a second director for the rest");
            return Err(element.fault(message));
        }
    }
    Ok((services, checked))
}
