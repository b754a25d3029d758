//! `[[service]]` and its servers.

use super::check;
use super::inline::{Table, duration, list, quoted};
use crate::health::{Passive, ServerHealth, ServiceHealth};
use crate::{
    Encapsulation, ForwardingMethod, RealServer, Scheduler, SchedulerFlags, TunnelChecksum, VirtualService, Weight,
};

/// A service with everything that xlvs.toml can say of it.
pub(super) fn write(service: &VirtualService, health: Option<&ServiceHealth>) -> String {
    let mut table = Table::default();
    let options = &service.options;
    table.set_some("name", options.name.as_ref(), |name| quoted(name));
    table.set("listen", quoted(&service.key.to_string()));
    table.set("scheduler", quoted(options.scheduler.name()));
    write_flags(options.scheduler, options.scheduler_flags, &mut table);
    let method = service.servers.first().map_or(ForwardingMethod::DirectRouting, |server| server.method);
    write_method(method, &mut table);
    table.set_if(options.any, "any", true);
    if !options.local_addresses.is_empty() {
        let ranges = options.local_addresses.to_string();
        table.set("local_addresses", list(ranges.split([',', ' ']).filter(|it| !it.is_empty()).map(quoted)));
    }
    let of_server = |server: &RealServer| health?.servers.iter().find(|it| it.endpoint == server.endpoint);
    let servers: Vec<_> = service.servers.iter().map(|server| (server, of_server(server))).collect();
    let common = Common::of(health.map_or(&[], |health| &health.servers));
    if let Some(health) = health {
        write_health(health, &common, method, &mut table);
    }
    let lines =
        servers.iter().map(|(server, health)| format!("  {},\n", write_server(server, *health, method, &common)));
    let lines: String = lines.collect();
    table.set_if(!servers.is_empty(), "servers", format!("[\n{lines}]"));
    format!("\n[[service]]\n{}", table.lines())
}

/// What all servers have in common, so that it stands once.
struct Common<'h>(Option<&'h ServerHealth>);

impl<'h> Common<'h> {
    fn of(servers: &'h [ServerHealth]) -> Self {
        let same = |one: &ServerHealth, other: &ServerHealth| {
            ServerHealth { endpoint: other.endpoint, ..one.clone() } == *other
        };
        Self(servers.split_first().and_then(|(first, rest)| rest.iter().all(|it| same(first, it)).then_some(first)))
    }
}

fn write_health(health: &ServiceHealth, common: &Common<'_>, method: ForwardingMethod, table: &mut Table) {
    if let Common(Some(server)) = common {
        write_server_health(server, table);
    }
    // Said even where it is usual: the service has something of health.
    table.set("quorum", health.quorum);
    table.set_if(health.hysteresis != 0, "hysteresis", health.hysteresis);
    table.set_some("quorum_up", health.quorum_up.as_ref(), check::script);
    table.set_some("quorum_down", health.quorum_down.as_ref(), check::script);
    if let Some(sorry) = &health.sorry_server {
        table.set("sorry_server", write_address(&sorry.server, Table::default(), method));
        table.set_if(sorry.inhibited, "sorry_server_inhibit", true);
    }
    table.set_if(health.omega, "omega", true);
    table.set_if(health.suspended_without_address, "ha_suspend", true);
    table.set_some("passive", health.passive.as_ref(), passive);
}

/// All of it, even what is usual.
fn passive(passive: &Passive) -> String {
    let mut table = Table::default();
    table.set("failures", passive.failures);
    table.set("within", duration(passive.within));
    table.set("clients", passive.clients);
    table.set("share", passive.share);
    table.set_some("out_for", passive.out_for.as_ref(), |time| duration(*time));
    table.inline()
}

fn write_server_health(health: &ServerHealth, table: &mut Table) {
    table.set_if(!health.checks.is_empty(), "check", check::list(&health.checks));
    table.set_if(health.inhibit_on_failure, "inhibit_on_failure", true);
    table.set_some("notify_up", health.notify_up.as_ref(), check::script);
    table.set_some("notify_down", health.notify_down.as_ref(), check::script);
}

fn write_server(
    server: &RealServer,
    health: Option<&ServerHealth>,
    method: ForwardingMethod,
    common: &Common<'_>,
) -> String {
    let mut more = Table::default();
    if let (Common(None), Some(health)) = (common, health) {
        write_server_health(health, &mut more);
    }
    write_address(server, more, method)
}

/// A server that says what is not usual, or its address alone.
fn write_address(server: &RealServer, more: Table, usual: ForwardingMethod) -> String {
    let mut table = Table::default();
    table.set("address", quoted(&server.endpoint.to_string()));
    table.set_if(server.weight != Weight::default(), "weight", server.weight.get());
    if server.method != usual {
        write_method(server.method, &mut table);
    }
    table.extend(more);
    if table.len() == 1 { quoted(&server.endpoint.to_string()) } else { table.inline() }
}

fn write_method(method: ForwardingMethod, table: &mut Table) {
    table.set("method", quoted(&method.to_string()));
    if let ForwardingMethod::Tunnel(encapsulation) = method {
        let mut tunnel = Table::default();
        let checksum = match encapsulation {
            Encapsulation::Ipip => {
                // Said, because a server would have its service's.
                tunnel.set("type", quoted("ipip"));
                TunnelChecksum::None
            }
            Encapsulation::Gue { port, checksum } => {
                tunnel.set("type", quoted("gue"));
                tunnel.set("port", port);
                checksum
            }
            Encapsulation::Gre { checksum } => {
                tunnel.set("type", quoted("gre"));
                checksum
            }
        };
        match checksum {
            TunnelChecksum::None => {}
            TunnelChecksum::Full => tunnel.set("checksum", quoted("full")),
            TunnelChecksum::Remote => tunnel.set("checksum", quoted("remote")),
        }
        table.set("tunnel", tunnel.inline());
    }
}

fn write_flags(scheduler: Scheduler, flags: SchedulerFlags, table: &mut Table) {
    let named = [(flags.port, "port"), (flags.fallback, "fallback")].into_iter().filter(|(is_set, _)| *is_set);
    let named: Vec<String> = named.map(|(_, name)| quoted(&format!("{scheduler}-{name}"))).collect();
    table.set_if(!named.is_empty(), "sched_flags", list(named));
}
