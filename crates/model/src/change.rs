//! What a change does: to a state, and in words.

use crate::{Change, Reach, SchedulerFlags, ServerState, ServiceOptions, ServiceState, State};
use std::fmt;

impl State {
    /// What a change makes of this state where nothing goes wrong. As in a data plane, a change that names what is
    /// not there does nothing, and adding what is there edits it.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::AddService { service, options, owned } | Change::EditService { service, options, owned } => {
                let adding = matches!(change, Change::AddService { .. });
                let fresh = || ServiceState { options: options.clone(), owned: *owned, servers: Vec::new() };
                if adding {
                    self.services.entry(*service).or_insert_with(fresh);
                }
                if let Some(state) = self.services.get_mut(service) {
                    state.options = options.clone();
                    state.owned = *owned;
                }
            }
            Change::RemoveService { service } => {
                self.services.remove(service);
            }
            Change::AddServer { service, server } | Change::EditServer { service, server } => {
                if let Some(state) = self.services.get_mut(service) {
                    state.put(server.clone(), matches!(change, Change::AddServer { .. }));
                }
            }
            Change::RemoveServer { service, server } => {
                if let Some(state) = self.services.get_mut(service) {
                    state.servers.retain(|present| present.server.endpoint != *server);
                }
            }
            Change::SetTimeouts(timeouts) => self.timeouts = *timeouts,
            Change::SetSysctls(sysctls) => self.sysctls = sysctls.clone(),
        }
    }
}

impl ServiceState {
    fn put(&mut self, server: ServerState, adding: bool) {
        let endpoint = server.server.endpoint;
        match self.servers.iter_mut().find(|present| present.server.endpoint == endpoint) {
            Some(present) => *present = server,
            None if adding => self.servers.push(server),
            None => {}
        }
    }
}

impl Change {
    /// One line, with the name of the interface by which a server is reached where `name` knows it by its index.
    pub fn text(&self, name: impl Fn(u32) -> Option<String>) -> String {
        match self {
            Self::AddServer { service, server } => format!("+ {service} -> {}", server.text(name)),
            Self::EditServer { service, server } => format!("~ {service} -> {}", server.text(name)),
            _ => self.to_string(),
        }
    }
}

impl ServerState {
    fn text(&self, name: impl Fn(u32) -> Option<String>) -> String {
        let server = &self.server;
        let reach = match self.reach {
            Reach::Unresolved => "unresolved".to_owned(),
            Reach::Local => "local".to_owned(),
            Reach::Via(hop) => {
                let interface = name(hop.interface).unwrap_or_else(|| hop.interface.to_string());
                format!("via {} on interface {interface}", hop.destination)
            }
        };
        format!("{} {} weight {}, {reach}", server.endpoint, server.method, server.weight.get())
    }
}

impl fmt::Display for Change {
    /// One line: `+` added, `-` removed, `~` changed.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddService { service, options, owned } => {
                write!(formatter, "+ {service} {}", Options(options, *owned))
            }
            Self::EditService { service, options, owned } => {
                write!(formatter, "~ {service} {}", Options(options, *owned))
            }
            Self::RemoveService { service } => write!(formatter, "- {service}"),
            Self::AddServer { .. } | Self::EditServer { .. } => formatter.write_str(&self.text(|_| None)),
            Self::RemoveServer { service, server } => write!(formatter, "- {service} -> {server}"),
            Self::SetSysctls(sysctls) => write!(formatter, "~ sysctls {sysctls}"),
            Self::SetTimeouts(timeouts) => {
                let (tcp, tcp_fin, udp) = (timeouts.tcp, timeouts.tcp_fin, timeouts.udp);
                write!(formatter, "~ timeouts tcp {tcp} s, tcp fin {tcp_fin} s, udp {udp} s")
            }
        }
    }
}

struct Options<'o>(&'o ServiceOptions, bool);

impl fmt::Display for Options<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(options, owned) = self;
        let scheduler = options.scheduler;
        let SchedulerFlags { port, fallback, .. } = options.scheduler_flags;
        let named = [(port, "port"), (fallback, "fallback")].into_iter().filter(|(is_set, _)| *is_set);
        let flag: String = named.map(|(_, name)| format!(" {scheduler}-{name}")).collect();
        let owned = if *owned { "" } else { ", not owned" };
        let watched = if options.watched { ", watched" } else { "" };
        write!(formatter, "{scheduler}{flag}{owned}{watched}")?;
        if options.local_addresses.is_empty() {
            return Ok(());
        }
        write!(formatter, ", local addresses {}", options.local_addresses)
    }
}
