//! `virtual_server`: one service, or one for each member of a group.

use super::group::{self, Member};
use super::inherited::Inherited;
use super::notice::Notices;
use super::room::Room;
use super::server::{self, Above, Server};
use super::{Statement, method, unknown};
use crate::health::{Script, ServiceHealth, SorryServer};
use crate::{
    ConfigError, Endpoint, FirewallMark, ForwardingMethod, Granularity, Key, Persistence, PersistenceEngine, Protocol,
    RealServer, Scheduler, ServiceKey, ServiceOptions, VirtualService, Weight,
};
use std::collections::HashMap;

/// A service, and what its health goes by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckedService {
    /// The service with its servers.
    pub service: VirtualService,
    /// Checks, quorum, sorry server.
    pub health: ServiceHealth,
}

/// The groups of a file, by name.
pub(super) type Groups<'a> = HashMap<&'a str, &'a Statement>;

/// The services of one `virtual_server`.
pub(super) fn read(
    statement: &Statement,
    groups: &Groups<'_>,
    room: &mut Room,
    notices: &mut Notices,
) -> Result<Vec<CheckedService>, ConfigError> {
    let members = members(statement, groups, room)?;
    let mut draft = Draft::default();
    for inner in statement.statements() {
        draft.take(inner, notices)?;
    }
    room.take(statement, members.len(), draft.servers.len())?;
    draft.finish(statement, &members, notices)
}

/// `IP [port]`, `fwmark N`, `group NAME`
fn members(statement: &Statement, groups: &Groups<'_>, room: &Room) -> Result<Vec<Member>, ConfigError> {
    match statement.argument() {
        Some("fwmark") => Ok(vec![group::mark(statement, 1)?]),
        Some("group") => {
            let name = statement.arguments().nth(1).unwrap_or("");
            let message = || format!("there is no virtual_server_group `{name}`; write one, or correct the name");
            group::members(groups.get(name).ok_or_else(|| statement.fault_at(name, message()))?, room)
        }
        _ => Ok(vec![Member::Endpoint(statement.endpoint(0)?)]),
    }
}

/// What a service is that names no protocol.
const DEFAULT_PROTOCOL: Protocol = Protocol::Udp;

/// A service as its block says it.
#[derive(Default)]
struct Draft {
    options: ServiceOptions,
    flags: Vec<Statement>,
    granularity: Option<Statement>,
    protocol: Option<Protocol>,
    ipv6: Option<bool>,
    method: Option<ForwardingMethod>,
    weight: Weight,
    own: Inherited,
    servers: Vec<Server>,
    quorum: Option<u32>,
    hysteresis: u32,
    quorum_up: Option<Script>,
    quorum_down: Option<Script>,
    sorry: Option<Endpoint>,
    sorry_inhibited: bool,
    sorry_method: Option<ForwardingMethod>,
    omega: bool,
    suspended: bool,
}

impl Draft {
    fn take(&mut self, statement: &Statement, notices: &mut Notices) -> Result<(), ConfigError> {
        let known =
            self.take_options(statement)? || self.take_health(statement)? || self.own.take(statement, notices)?;
        match statement.keyword() {
            _ if known => {}
            "real_server" => self.servers.push(server::read(statement, notices)?),
            "hashed" => notices.cosmetic(statement, "`hashed` is what every service is; remove it"),
            _ => unknown(statement, "virtual_server", &KNOWN, notices),
        }
        Ok(())
    }

    fn take_options(&mut self, statement: &Statement) -> Result<bool, ConfigError> {
        match statement.keyword() {
            "lvs_sched" | "lb_algo" => self.options.scheduler = scheduler(statement)?,
            "lvs_method" | "lb_kind" => self.method = Some(method::read(statement)?),
            "protocol" => self.protocol = Some(protocol(statement)?),
            "ops" => self.options.one_packet = true,
            "weight" => self.weight = server::weight(statement)?,
            "persistence_engine" => {
                let name = statement.only("sip")?;
                let message = || format!("`{name}` is no persistence engine; there is only sip");
                let engine = PersistenceEngine::by_name(name);
                self.options.persistence_engine = Some(engine.ok_or_else(|| statement.fault_at(name, message()))?);
            }
            "persistence_timeout" => {
                let timeout = match statement.argument() {
                    None => Persistence::DEFAULT_TIMEOUT,
                    Some(_) => statement.number(1, i32::MAX as u32)?,
                };
                self.options.persistence = Some(Persistence { timeout, granularity: None });
            }
            "persistence_granularity" => self.granularity = Some(statement.clone()),
            "ip_family" => self.ipv6 = Some(family(statement)?),
            "sh-port" | "sh-fallback" | "mh-port" | "mh-fallback" | "flag-1" | "flag-2" | "flag-3" => {
                self.flags.push(statement.clone());
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn take_health(&mut self, statement: &Statement) -> Result<bool, ConfigError> {
        match statement.keyword() {
            "quorum" => self.quorum = Some(statement.number(1, u32::MAX)?),
            "hysteresis" => self.hysteresis = statement.number(0, u32::MAX)?,
            "quorum_up" => self.quorum_up = Some(statement.script()?),
            "quorum_down" => self.quorum_down = Some(statement.script()?),
            "sorry_server" => self.sorry = Some(statement.endpoint(0)?),
            "sorry_server_inhibit" => self.sorry_inhibited = statement.switch()?,
            "sorry_server_lvs_method" => self.sorry_method = Some(method::read(statement)?),
            "omega" => self.omega = statement.switch()?,
            "ha_suspend" => self.suspended = statement.switch()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn finish(
        mut self,
        statement: &Statement,
        members: &[Member],
        notices: &mut Notices,
    ) -> Result<Vec<CheckedService>, ConfigError> {
        self.set_flags(notices);
        self.check_protocol(statement, members, notices);
        self.check_quorum(statement, notices)?;
        self.lower_quorum(statement, notices);
        let method = self.method.unwrap_or(ForwardingMethod::Nat);
        let tunnelled = self.servers.iter().all(|server| server.method().unwrap_or(method).mixes_families());
        let mut servers: Vec<Server> = std::mem::take(&mut self.servers);
        check_servers(&servers)?;
        let first = servers.first().map(|server| server.endpoint().is_ipv6());
        let above = Above { method, weight: self.weight, settings: &self.own };
        let families: Vec<(Statement, Endpoint, bool)> = servers
            .iter()
            .map(|server| {
                let mixes = server.method().unwrap_or(method).mixes_families();
                (server.statement().clone(), server.endpoint(), mixes)
            })
            .collect();
        let servers: Vec<_> =
            servers.drain(..).map(|server| server.finish(&above, notices)).collect::<Result<_, _>>()?;
        let mut services = Vec::new();
        for member in members {
            let key = self.key(statement, *member, if tunnelled { None } else { first })?;
            let odd = families.iter().find(|(_, endpoint, mixes)| !mixes && endpoint.is_ipv6() != key.is_ipv6());
            if let Some((server, endpoint, _)) = odd {
                let message =
                    format!("{} is of another family than the service; only TUN mixes families", endpoint.ip());
                return Err(server.fault(message));
            }
            services.push(self.service(key, &servers)?);
        }
        services.iter_mut().skip(1).for_each(|member| silence(&mut member.health));
        Ok(services)
    }

    fn key(&self, statement: &Statement, member: Member, servers_ipv6: Option<bool>) -> Result<Key, ConfigError> {
        match member {
            Member::Mark { mark, ipv6 } => {
                let ipv6 = ipv6.or(self.ipv6).or(servers_ipv6).unwrap_or(false);
                Ok(Key::Mark(FirewallMark { mark, ipv6 }))
            }
            Member::Endpoint(endpoint) => {
                if endpoint.port() == 0 && self.options.persistence.is_none() {
                    let message = "a service without a port needs persistence_timeout; write the port, or that";
                    return Err(statement.fault(message));
                }
                Ok(ServiceKey { protocol: self.protocol.unwrap_or(DEFAULT_PROTOCOL), endpoint }.into())
            }
        }
    }

    fn service(
        &self,
        key: Key,
        servers: &[(RealServer, crate::health::ServerHealth)],
    ) -> Result<CheckedService, ConfigError> {
        let mut options = self.options.clone();
        if let (Some(granularity), Some(persistence)) = (&self.granularity, &mut options.persistence) {
            persistence.granularity = read_granularity(granularity, key.is_ipv6())?;
        }
        let default = self.method.unwrap_or(ForwardingMethod::Nat);
        let sorry_server = self.sorry.map(|endpoint| {
            let method = self.sorry_method.unwrap_or(default);
            let server = RealServer::new(endpoint, method, Weight::default()).in_service(&key);
            SorryServer { server, inhibited: self.sorry_inhibited }
        });
        let health = ServiceHealth {
            passive: None,
            quorum: self.quorum.unwrap_or(1),
            hysteresis: self.hysteresis,
            quorum_up: self.quorum_up.clone(),
            quorum_down: self.quorum_down.clone(),
            sorry_server,
            omega: self.omega,
            suspended_without_address: self.suspended,
            servers: servers.iter().map(|(_, health)| health.clone()).collect(),
        };
        let servers = servers.iter().map(|(server, _)| server.in_service(&key)).collect();
        Ok(CheckedService { service: VirtualService { key, options, servers }, health })
    }

    /// Flags of the scheduler, which may be named after them.
    fn set_flags(&mut self, notices: &mut Notices) {
        for statement in std::mem::take(&mut self.flags) {
            let flags = &mut self.options.scheduler_flags;
            match (statement.keyword(), self.options.scheduler) {
                ("sh-port" | "flag-2", Scheduler::SourceHash) | ("mh-port" | "flag-2", Scheduler::Maglev) => {
                    flags.port = true;
                }
                ("sh-fallback" | "flag-1", Scheduler::SourceHash) | ("mh-fallback" | "flag-1", Scheduler::Maglev) => {
                    flags.fallback = true;
                }
                (keyword, scheduler) => {
                    notices.cosmetic(&statement, format!("`{keyword}` means nothing to {scheduler}; remove it"));
                }
            }
        }
    }

    /// keepalived 2.2 takes a service without a protocol for UDP, with a line in its log.
    fn check_protocol(&self, statement: &Statement, members: &[Member], notices: &mut Notices) {
        let endpoints = members.iter().any(|member| matches!(member, Member::Endpoint(_)));
        if self.protocol.is_none() && endpoints {
            notices.cosmetic(statement, "no protocol is named, which means UDP; write `protocol TCP` if that is meant");
        }
    }

    /// A quorum that can never be reached is lowered, as by keepalived.
    fn lower_quorum(&mut self, statement: &Statement, notices: &mut Notices) {
        let weights = self.servers.iter().map(|server| server.weight().unwrap_or(self.weight).get());
        let sum = weights.fold(0, u32::saturating_add);
        let quorum = self.quorum.unwrap_or(1);
        if sum == 0 || quorum <= sum {
            return;
        }
        (self.quorum, self.hysteresis) = (Some(sum), self.hysteresis.min(sum - 1));
        let asks = statement.statements().iter().find(|inner| inner.keyword() == "quorum").unwrap_or(statement);
        notices.cosmetic(
            asks,
            format!("the quorum {quorum} is above the weight of all servers, {sum}; it is lowered to that"),
        );
    }

    fn check_quorum(&self, statement: &Statement, notices: &mut Notices) -> Result<(), ConfigError> {
        let quorum = self.quorum.unwrap_or(1);
        if self.hysteresis >= quorum && self.hysteresis != 0 {
            let message = format!("hysteresis {} is not below the quorum {quorum}; lower it", self.hysteresis);
            return Err(statement.fault(message));
        }
        if self.granularity.is_some() && self.options.persistence.is_none() {
            notices.cosmetic(statement, "persistence_granularity means nothing without persistence_timeout");
        }
        Ok(())
    }
}

/// Members of a group have their servers and checks in common: what happens to one happens to all, and the scripts run
/// once.
fn silence(health: &mut ServiceHealth) {
    (health.quorum_up, health.quorum_down) = (None, None);
    for server in &mut health.servers {
        (server.notify_up, server.notify_down) = (None, None);
    }
}

fn check_servers(servers: &[Server]) -> Result<(), ConfigError> {
    let mut seen = HashMap::new();
    for server in servers {
        if let Some(first) = seen.insert(server.endpoint(), &server.statement().place) {
            let first = first.seen_from(&server.statement().place);
            let message = format!("real_server {} is there twice (first at {first}); remove one", server.endpoint());
            return Err(server.statement().fault(message));
        }
    }
    Ok(())
}

fn scheduler(statement: &Statement) -> Result<Scheduler, ConfigError> {
    let name = statement.only("a scheduler")?;
    let found = Scheduler::by_name(name).filter(|scheduler| *scheduler != Scheduler::Nobody);
    let message = || {
        let names: Vec<_> =
            Scheduler::ALL.iter().map(|scheduler| scheduler.name()).filter(|name| *name != "none").collect();
        format!("`{name}` is no scheduler; write one of {}", names.join(", "))
    };
    found.ok_or_else(|| statement.fault_at(name, message()))
}

fn protocol(statement: &Statement) -> Result<Protocol, ConfigError> {
    match statement.only("TCP, UDP or SCTP")? {
        "TCP" => Ok(Protocol::Tcp),
        "UDP" => Ok(Protocol::Udp),
        "SCTP" => Ok(Protocol::Sctp),
        other => Err(statement.fault_at(other, format!("`{other}` is no protocol here; write TCP, UDP or SCTP"))),
    }
}

fn family(statement: &Statement) -> Result<bool, ConfigError> {
    match statement.only("inet or inet6")? {
        "inet" => Ok(false),
        "inet6" => Ok(true),
        other => Err(statement.fault_at(other, format!("`{other}` is no family; write inet or inet6"))),
    }
}

fn read_granularity(statement: &Statement, ipv6: bool) -> Result<Option<Granularity>, ConfigError> {
    let text = statement.only("a mask")?;
    let read = if ipv6 {
        text.parse().ok().filter(|length| (1..=128).contains(length)).map(Granularity::prefix)
    } else {
        text.parse().ok().map(Granularity::mask)
    };
    let message = || {
        let example = if ipv6 { "64" } else { "255.255.255.0" };
        format!("`{text}` is no mask of this family; write one such as {example}")
    };
    read.ok_or_else(|| statement.fault_at(text, message()))
}

const KNOWN: [&str; 33] = [
    "alpha",
    "connect_timeout",
    "delay_before_retry",
    "delay_loop",
    "ha_suspend",
    "hysteresis",
    "inhibit_on_failure",
    "ip_family",
    "lb_algo",
    "lb_kind",
    "lvs_method",
    "lvs_sched",
    "mh-fallback",
    "mh-port",
    "omega",
    "ops",
    "persistence_engine",
    "persistence_granularity",
    "persistence_timeout",
    "protocol",
    "quorum",
    "quorum_down",
    "quorum_up",
    "real_server",
    "retry",
    "sh-fallback",
    "sh-port",
    "sorry_server",
    "sorry_server_inhibit",
    "sorry_server_lvs_method",
    "virtualhost",
    "warmup",
    "weight",
];
