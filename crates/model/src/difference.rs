//! What becomes other between two configurations: what `xlvs plan` shows and `xlvs apply` does, one line for each thing.
//!
//! Settings are compared by the names and values that serde gives them, so that none can be forgotten here.

mod setting;

use crate::health::{Check, Connection, ServerHealth, ServiceHealth, SorryServer};
use crate::{Config, DirectorSettings, Endpoint, Key, RealServer, Sysctl, Timeouts, VirtualService};
use serde::{Deserialize, Serialize};
use setting::{Settings, changed, settings, spelled, summary};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What becomes of a thing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// It is new.
    Added,
    /// It goes.
    Removed,
    /// It stays and is otherwise.
    Changed,
}

/// One thing that becomes other.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Difference {
    /// What becomes of it.
    pub fate: Fate,
    /// The service it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<Key>,
    /// The server it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Endpoint>,
    /// Its name; none where it is the service or the server itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setting: Option<String>,
    /// As it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// As it will be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

impl fmt::Display for Difference {
    /// `+` added, `-` removed, `~` changed.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.fate {
            Fate::Added => "+",
            Fate::Removed => "-",
            Fate::Changed => "~",
        })?;
        self.service.map_or(Ok(()), |service| write!(formatter, " {service}"))?;
        self.server.map_or(Ok(()), |server| write!(formatter, " -> {server}"))?;
        self.setting.as_ref().map_or(Ok(()), |setting| write!(formatter, " {}", spelled(setting)))?;
        match (self.fate, &self.before, &self.after) {
            (Fate::Changed, before, after) => {
                let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
                write!(formatter, " {} (was {})", text(after), text(before))
            }
            (_, Some(text), _) | (_, None, Some(text)) if !text.is_empty() => write!(formatter, " {text}"),
            _ => Ok(()),
        }
    }
}

/// What lies between two configurations: settings of the director, then services by key, each with its servers.
pub fn differences(before: &Config, after: &Config) -> Vec<Difference> {
    let mut found = Vec::new();
    compare_director(&before.director, &after.director, &mut found);
    compare_timeouts(before.timeouts, after.timeouts, &mut found);
    let (old, new) = (Side::of(before), Side::of(after));
    let keys: BTreeSet<Key> = old.services.keys().chain(new.services.keys()).copied().collect();
    for key in keys {
        match (old.get(&key), new.get(&key)) {
            (Some(_), None) => found.push(Place::of(key).whole(Fate::Removed, String::new())),
            (None, Some(new)) => new.tell_added(&mut found),
            (Some(old), Some(new)) if old != new => compare_services(&old, &new, &mut found),
            _ => {}
        }
    }
    found
}

/// One configuration, by service.
struct Side<'c> {
    services: BTreeMap<Key, &'c VirtualService>,
    health: &'c BTreeMap<Key, ServiceHealth>,
}

impl<'c> Side<'c> {
    fn of(config: &'c Config) -> Self {
        let services = config.services.iter().map(|service| (service.key, service)).collect();
        Self { services, health: &config.health }
    }

    fn get(&self, key: &Key) -> Option<Checked<'c>> {
        Some(Checked { service: self.services.get(key)?, health: self.health.get(key) })
    }
}

/// A service and its health.
#[derive(PartialEq)]
struct Checked<'c> {
    service: &'c VirtualService,
    health: Option<&'c ServiceHealth>,
}

impl Checked<'_> {
    fn place(&self) -> Place {
        Place::of(self.service.key)
    }

    /// All but its servers.
    fn settings(&self) -> Settings {
        let mut all = settings(&self.service.options);
        // As they are without checks.
        all.extend(USUAL.map(|(name, value)| (name.to_owned(), value.to_owned())));
        if let Some(health) = self.health {
            all.extend(settings(&ServiceHealth { servers: Vec::new(), sorry_server: None, ..health.clone() }));
            all.extend(health.sorry_server.iter().flat_map(sorry_settings));
        }
        all.retain(|_, value| value != "false");
        all
    }

    fn health_of(&self, server: Endpoint) -> Option<&ServerHealth> {
        self.health?.servers.iter().find(|it| it.endpoint == server)
    }

    fn server_settings(&self, server: &RealServer) -> Settings {
        let mut all = bare_settings(server);
        let Some(health) = self.health_of(server.endpoint) else { return all };
        let mut of_health = settings(&ServerHealth { checks: Vec::new(), ..health.clone() });
        of_health.retain(|name, value| name != "endpoint" && value != "false");
        all.extend(of_health);
        all
    }

    fn checks(&self, server: Endpoint) -> &[Check] {
        self.health_of(server).map_or(&[], |health| &health.checks)
    }

    fn tell_added(&self, found: &mut Vec<Difference>) {
        let mut settings = self.settings();
        settings.retain(|name, value| !USUAL.contains(&(name, value)));
        found.push(self.place().whole(Fate::Added, summary(&settings, &["scheduler"])));
        self.service.servers.iter().for_each(|server| found.push(self.added_server(server)));
    }

    fn added_server(&self, server: &RealServer) -> Difference {
        let mut text = summary(&self.server_settings(server), &["method", "weight"]);
        let checks = self.checks(server.endpoint);
        if !checks.is_empty() {
            text = format!("{text}, checked by {}", outline(checks));
        }
        self.place().at(server.endpoint).whole(Fate::Added, text)
    }
}

/// A server without its health.
fn bare_settings(server: &RealServer) -> Settings {
    let mut all = settings(server);
    let tunnel = settings(&server.method).into_iter().filter(|(name, _)| name.starts_with("tunnel."));
    all.retain(|name, _| name != "endpoint" && !name.starts_with("method"));
    all.extend(tunnel);
    all.insert("method".to_owned(), server.method.to_string());
    all
}

/// The sorry server in one text: `10.0.0.9:80 nat weight 1`.
fn sorry_settings(sorry: &SorryServer) -> Settings {
    let mut rest = bare_settings(&sorry.server);
    let mut text = sorry.server.endpoint.to_string();
    rest.remove("method").into_iter().for_each(|method| text += &format!(" {method}"));
    rest.remove("weight").into_iter().for_each(|weight| text += &format!(" weight {weight}"));
    rest.iter().for_each(|(name, value)| text += &format!(" {} {value}", spelled(name)));
    let inhibited = ("sorry_server_inhibit".to_owned(), sorry.inhibited.to_string());
    Settings::from([("sorry_server".to_owned(), text), inhibited])
}

/// A check. Of the way through the service only that it is taken: where it leads is the server's to say.
fn check_settings(check: &Check) -> Settings {
    let connection = Connection { through: None, ..check.connection.clone() };
    let mut all = settings(&Check { connection, ..check.clone() });
    let way = if check.connection.through.is_some() { "service" } else { "server" };
    all.insert("through".to_owned(), way.to_owned());
    all
}

/// Settings of health that a service without checks has, too.
const USUAL: [(&str, &str); 2] = [("hysteresis", "0"), ("quorum", "1")];

fn compare_services(old: &Checked<'_>, new: &Checked<'_>, found: &mut Vec<Difference>) {
    let place = new.place();
    found.extend(changed(&old.settings(), &new.settings()).into_iter().map(|change| place.changed(change)));
    let endpoints = |it: &Checked<'_>| it.service.servers.iter().map(|server| server.endpoint).collect::<Vec<_>>();
    let (before, after) = (endpoints(old), endpoints(new));
    let gone = before.iter().filter(|endpoint| !after.contains(endpoint));
    found.extend(gone.map(|endpoint| place.at(*endpoint).whole(Fate::Removed, String::new())));
    for server in &new.service.servers {
        match old.service.servers.iter().find(|it| it.endpoint == server.endpoint) {
            None => found.push(new.added_server(server)),
            Some(present) => compare_servers((old, present), (new, server), found),
        }
    }
    let common = |these: &[Endpoint], others: &[Endpoint]| {
        let common: Vec<_> = these.iter().filter(|it| others.contains(it)).map(ToString::to_string).collect();
        common.join(" ")
    };
    let order = (common(&before, &after), common(&after, &before));
    if order.0 != order.1 {
        found.push(place.changed(("order".to_owned(), Some(order.0), Some(order.1))));
    }
}

fn compare_servers(
    (old, before): (&Checked<'_>, &RealServer),
    (new, after): (&Checked<'_>, &RealServer),
    found: &mut Vec<Difference>,
) {
    let place = new.place().at(after.endpoint);
    let changes = changed(&old.server_settings(before), &new.server_settings(after));
    found.extend(changes.into_iter().map(|change| place.changed(change)));
    let (before, after) = (old.checks(before.endpoint), new.checks(after.endpoint));
    if before == after {
        return;
    }
    let kinds = |checks: &[Check]| checks.iter().map(|check| settings(&check.probe).remove("kind")).collect::<Vec<_>>();
    if kinds(before) != kinds(after) {
        let text = |checks: &[Check]| (!checks.is_empty()).then(|| outline(checks));
        found.push(place.changed(("checks".to_owned(), text(before), text(after))));
        return;
    }
    let is_only = after.len() == 1;
    for (number, (before, after)) in before.iter().zip(after).enumerate() {
        let name = if is_only { "check".to_owned() } else { format!("check {}", number + 1) };
        let changes = changed(&check_settings(before), &check_settings(after)).into_iter();
        found.extend(changes.map(|(setting, was, is)| place.changed((format!("{name}.{setting}"), was, is))));
    }
}

/// Checks in a few words: `tcp every 5s, http every 2s`.
fn outline(checks: &[Check]) -> String {
    let one = |check: &Check| {
        let kind = settings(&check.probe).remove("kind").unwrap_or_default();
        let way = if check.connection.through.is_some() { " through the service" } else { "" };
        format!("{kind} every {:?}{way}", check.pace.interval)
    };
    checks.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn compare_director(before: &DirectorSettings, after: &DirectorSettings, found: &mut Vec<Difference>) {
    let director = Place { service: None, server: None };
    let lane = |settings: &DirectorSettings, name: &str| settings.lane_of(name).map(|lane| lane.to_string());
    for name in before.interfaces.iter().filter(|name| !after.interfaces.contains(name)) {
        found.push(director.setting(Fate::Removed, format!("interface {name}"), String::new()));
    }
    for name in &after.interfaces {
        let setting = format!("interface {name}");
        if !before.interfaces.contains(name) {
            let lane = lane(after, name).map(|lane| format!("lane {lane}")).unwrap_or_default();
            found.push(director.setting(Fate::Added, setting, lane));
        } else if lane(before, name) != lane(after, name) {
            found.push(director.changed((format!("{setting} lane"), lane(before, name), lane(after, name))));
        }
    }
    let sysctl = |settings: &DirectorSettings, sysctl: Sysctl| {
        settings.sysctls.get(&sysctl).copied().unwrap_or_else(|| sysctl.default_value())
    };
    let mut compare = |name: String, was: String, is: String| {
        if was != is {
            found.push(director.changed((name, Some(was), Some(is))));
        }
    };
    for name in Sysctl::ALL {
        compare(format!("sysctl {name}"), sysctl(before, name).to_string(), sysctl(after, name).to_string());
    }
    compare("connections".to_owned(), before.connections.to_string(), after.connections.to_string());
    let metrics = |settings: &DirectorSettings| settings.metrics.map_or("none".to_owned(), |it| it.address.to_string());
    compare("metrics".to_owned(), metrics(before), metrics(after));
}

fn compare_timeouts(before: Timeouts, after: Timeouts, found: &mut Vec<Difference>) {
    let director = Place { service: None, server: None };
    let changes = changed(&settings(&before), &settings(&after)).into_iter();
    found.extend(changes.map(|(name, was, is)| director.changed((format!("timeout {name}"), was, is))));
}

/// Where a difference is.
#[derive(Clone, Copy)]
struct Place {
    service: Option<Key>,
    server: Option<Endpoint>,
}

impl Place {
    fn of(service: Key) -> Self {
        Self { service: Some(service), server: None }
    }

    fn at(self, server: Endpoint) -> Self {
        Self { server: Some(server), ..self }
    }

    fn whole(self, fate: Fate, text: String) -> Difference {
        let Self { service, server } = self;
        let after = (fate == Fate::Added).then_some(text);
        Difference { fate, service, server, setting: None, before: None, after }
    }

    fn setting(self, fate: Fate, setting: String, text: String) -> Difference {
        Difference { setting: Some(setting), ..self.whole(fate, text) }
    }

    fn changed(self, (setting, before, after): setting::Changed) -> Difference {
        let Self { service, server } = self;
        Difference { fate: Fate::Changed, service, server, setting: Some(setting), before, after }
    }
}

#[cfg(test)]
mod tests;
