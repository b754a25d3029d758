//! Rules of a firewall that do not see balanced packets, because XDP comes before it: which they are, and what takes
//! their place.
//!
//! `iptables-save`, `ip6tables-save` and `nft list ruleset` are read, as far as it takes to know what a rule may concern;
//! a match that is not understood narrows nothing, so that no rule is overlooked for it.

mod iptables;
mod nftables;
mod rule;
#[cfg(test)]
mod tests;

use crate::{Config, Endpoint, ForwardingMethod, Key, ServiceKey, VirtualService};
use rule::{Effect, Rule};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;

/// A rule that balanced packets pass by.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Bypassed {
    /// Table and chain.
    pub place: String,
    /// The rule as it stands there.
    pub rule: String,
    /// The services and real servers whose packets it would concern; none: all of them.
    pub concerns: Vec<String>,
    /// What it does not do, and what takes its place.
    pub instead: String,
}

impl fmt::Display for Bypassed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, rule, concerns, instead } = self;
        let concerns = if concerns.is_empty() { String::new() } else { format!(" ({})", concerns.join(", ")) };
        write!(formatter, "{place}: {rule}{concerns}: {instead}")
    }
}

/// The rules that would concern packets of a configuration's services and do not see them, in their order.
pub fn bypassed(rules: &str, config: &Config) -> Vec<Bypassed> {
    let is_nftables =
        rules.lines().any(|line| line.trim_start().starts_with("table ") && line.trim_end().ends_with('{'));
    let rules = if is_nftables { nftables::read(rules) } else { iptables::read(rules) };
    rules.into_iter().filter_map(|rule| judge(rule, config)).collect()
}

fn judge(rule: Rule, config: &Config) -> Option<Bypassed> {
    let marked = marked_service(&rule, config);
    let services: Vec<ServiceKey> = endpoints(config).filter(|key| rule.may_match(*key)).collect();
    let servers: BTreeSet<Endpoint> = behind(config).filter(|server| rule.names_server(*server)).collect();
    let reached: Vec<ServiceKey> = endpoints(config).filter(|key| rule.leads_to(*key)).collect();
    let is_concerned = marked.is_some() || !reached.is_empty() || !services.is_empty() || !servers.is_empty();
    let is_relevant = match rule.effect {
        Effect::Nothing => false,
        // Rules for everybody block clients of services, too.
        Effect::Block | Effect::Limit | Effect::Translate | Effect::Untrack => is_concerned && !rule.is_for_answers,
        // Marks are given for services of theirs, or for routing.
        Effect::Mark(_) => is_concerned && !rule.is_for_answers,
        Effect::Allow | Effect::Other => (rule.is_narrow() && !services.is_empty()) || !servers.is_empty(),
        Effect::Source => !servers.is_empty(),
    };
    let instead = is_relevant.then(|| instead(&rule, &services, &reached, marked))?;
    let named = services.iter().filter(|_| rule.is_narrow()).chain(&reached).map(ToString::to_string);
    let concerns = named.chain(servers.iter().map(|server| format!("server {server}"))).collect();
    Some(Bypassed { place: rule.place, rule: rule.text, concerns, instead })
}

/// The service that the rule's mark is for.
fn marked_service(rule: &Rule, config: &Config) -> Option<Key> {
    let Effect::Mark(Some(mark)) = rule.effect else { return None };
    let keys = config.services.iter().map(|service| service.key);
    keys.into_iter().find(|key| matches!(key, Key::Mark(it) if it.mark == mark))
}

fn endpoints(config: &Config) -> impl Iterator<Item = ServiceKey> {
    config.services.iter().filter_map(|service| match service.key {
        Key::Endpoint(key) => Some(key),
        Key::Mark(_) => None,
    })
}

/// Servers whose answers come back through this host.
fn behind(config: &Config) -> impl Iterator<Item = Endpoint> {
    let servers = |service: &VirtualService| service.servers.clone();
    let servers = config.services.iter().flat_map(servers);
    servers.filter(|server| server.method == ForwardingMethod::Nat).map(|server| server.endpoint)
}

fn instead(rule: &Rule, services: &[ServiceKey], reached: &[ServiceKey], marked: Option<Key>) -> String {
    match rule.effect {
        Effect::Mark(_) => match (marked, rule.listens().as_slice()) {
            (Some(key), []) => {
                format!("{key} matches nothing: packets get their mark after XDP; name addresses and ports in `listen`")
            }
            (Some(key), listens) => {
                let listens = listens.join(", ");
                format!(
                    "{key} matches nothing: packets get their mark after XDP; write services with listen = {listens}"
                )
            }
            (None, _) => "balanced packets get no mark: nothing that routes or shapes by it sees them".to_owned(),
        },
        Effect::Translate if !reached.is_empty() => {
            let listens = rule.listens();
            let listens = if listens.is_empty() { "what clients use".to_owned() } else { listens.join(", ") };
            format!(
                "what it translates comes to the service after XDP and is not balanced; write a service with listen = {listens}"
            )
        }
        Effect::Translate => {
            "packets are balanced as they come, before this: let `listen` name the address and port that clients use"
                .to_owned()
        }
        Effect::Untrack => "not needed: balanced packets do not come to connection tracking".to_owned(),
        Effect::Block if services.is_empty() => "does not block what is balanced".to_owned(),
        Effect::Block => {
            "does not block clients of services any more: block them before this host; xlvs has no deny lists yet"
                .to_owned()
        }
        Effect::Limit => {
            "does not limit clients of services any more: limit them before this host; xlvs has no limits yet"
                .to_owned()
        }
        Effect::Allow => {
            "not needed for what is balanced, which passes without it; keep it for what is left to the kernel"
                .to_owned()
        }
        Effect::Source => {
            "not needed for balanced connections: their answers leave with the virtual address".to_owned()
        }
        Effect::Other | Effect::Nothing => "does not see what is balanced; `xlvs capture` does".to_owned(),
    }
}
