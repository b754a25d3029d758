//! A configuration as xlvs.toml. What xlvs.toml cannot say is left out and told.

mod check;
mod inline;
mod service;

use super::{Config, DirectorSettings};
use crate::{Difference, Key, Timeouts, differences};
use inline::{quoted, seconds, strings};
use std::collections::BTreeMap;

/// xlvs.toml, and what it does not say of the configuration that it was written from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Written {
    /// The file.
    pub text: String,
    /// Services that it cannot have at all, with the reason.
    pub omitted: BTreeMap<Key, String>,
    /// What else is otherwise in it.
    pub differences: Vec<Difference>,
}

impl Config {
    /// The same in xlvs.toml. What was written is read back, so that nothing is lost in silence.
    pub fn to_toml(&self) -> Written {
        let mut text = director(&self.director);
        text += &timeouts(self.timeouts);
        let mut omitted = BTreeMap::new();
        for service in &self.services {
            let written = service::write(service, self.health.get(&service.key));
            match Self::parse_toml(&written, "") {
                Ok(_) => text += &written,
                Err(error) => drop(omitted.insert(service.key, error.message)),
            }
        }
        let mut rest = self.clone();
        rest.services.retain(|service| !omitted.contains_key(&service.key));
        rest.health.retain(|key, _| !omitted.contains_key(key));
        // Every part was read already, and no two have the same key.
        let read = Self::parse_toml(&text, "").unwrap_or_default();
        Written { text: text.trim_start().to_owned(), omitted, differences: differences(&rest, &read) }
    }
}

fn director(settings: &DirectorSettings) -> String {
    let usual = DirectorSettings::default();
    let mut lines = Vec::new();
    if !settings.interfaces.is_empty() {
        lines.push(format!("interfaces = {}", strings(&settings.interfaces)));
    }
    if !settings.attach_each.is_empty() {
        let lane = |name: &String| Some(format!("{} = \"{}\"", quoted(name), settings.lane_of(name)?));
        let lanes: Vec<String> = settings.interfaces.iter().filter_map(lane).collect();
        lines.push(format!("attach = {{ {} }}", lanes.join(", ")));
    } else if let Some(lane) = settings.attach {
        lines.push(format!("attach = \"{lane}\""));
    }
    if settings.connections != usual.connections {
        lines.push(format!("connections = {}", settings.connections));
    }
    lines.extend(settings.sysctls.iter().map(|(sysctl, value)| format!("{sysctl} = {value}")));
    if let Some(metrics) = settings.metrics {
        let public = if metrics.public { "public " } else { "" };
        lines.push(format!("metrics = \"{public}{}\"", metrics.address));
    }
    section("[director]", &lines)
}

fn timeouts(timeouts: Timeouts) -> String {
    let usual = Timeouts::default();
    let all = [
        ("tcp", timeouts.tcp, usual.tcp),
        ("tcp_fin", timeouts.tcp_fin, usual.tcp_fin),
        ("udp", timeouts.udp, usual.udp),
    ];
    let other = all.into_iter().filter(|(_, value, usual)| value != usual);
    let lines: Vec<String> = other.map(|(name, value, _)| format!("{name} = {}", seconds(value))).collect();
    section("[timeouts]", &lines)
}

fn section(name: &str, lines: &[String]) -> String {
    if lines.is_empty() { String::new() } else { format!("\n{name}\n{}\n", lines.join("\n")) }
}

#[cfg(test)]
mod tests;
