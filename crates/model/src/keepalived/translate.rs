//! Statements as a configuration.

use super::check::file_weight;
use super::global::Global;
use super::notice::{Notice, Notices, Severity};
use super::room::Room;
use super::service::{self, CheckedService, Groups};
use super::{Document, Place, Statement, global, unknown, user};
use crate::health::Probe;
use crate::{Config, ConfigError, Dormant, Key, RealServer, Timeouts};
use std::collections::{BTreeSet, HashMap};

/// What a keepalived.conf asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Translation {
    /// Its services, in the order of the file.
    pub services: Vec<CheckedService>,
    /// `lvs_timeouts`
    pub timeouts: Timeouts,
    /// VRRP and what belongs to it, kept as it was written.
    pub election: Vec<Statement>,
    /// What is not done.
    pub notices: Vec<Notice>,
}

impl Document {
    /// What the statements ask for.
    pub fn translate(&self) -> Result<Translation, ConfigError> {
        let mut notices = Notices::default();
        for missing in &self.missing {
            let message = format!("no file matches `{}`", missing.pattern);
            notices.add(Severity::Cosmetic, &missing.place, message);
        }
        let (groups, files) = (groups(&self.statements)?, tracked_files(&self.statements)?);
        let (mut services, mut election, mut global) = (Services::default(), Vec::new(), Global::default());
        let mut room = Room::new();
        for statement in &self.statements {
            match statement.keyword() {
                "global_defs" => global::read(statement, &mut global, &mut notices)?,
                "virtual_server_group" => {}
                "virtual_server" => {
                    let mut found = service::read(statement, &groups, &mut room, &mut notices)?;
                    name_files(statement, &mut found, &files)?;
                    tell_dormant(statement, &found, &mut notices);
                    services.add(statement, found)?;
                }
                keyword if ELECTION.contains(&keyword) => election.push(statement.clone()),
                keyword if COSMETIC.contains(&keyword) => {
                    notices.cosmetic(statement, format!("`{keyword}` has no effect here"));
                }
                "net_namespace" | "net_namespace_ipvs" => {
                    let message = "the daemon does not change its network namespace; start it there by `ip netns exec`";
                    notices.changing(statement, message);
                }
                "SSL" => notices.changing(statement, "client certificates of SSL_GET are not supported"),
                _ => unknown(statement, "the file", &KNOWN, &mut notices),
            }
        }
        user::give(global.script_user.as_ref(), &mut services.list);
        Ok(Translation { services: services.list, timeouts: global.timeouts, election, notices: notices.0 })
    }
}

impl Translation {
    /// As a configuration, and what of the file is not done; first what matters.
    pub fn into_config(self) -> (Config, Vec<Notice>) {
        let mut notices = self.notices;
        if let Some(first) = self.election.iter().find(|statement| statement.keyword() == "vrrp_instance") {
            let message = "VRRP is not run yet: virtual addresses stay where they are, and no other node takes over";
            notices.push(Notice {
                severity: Severity::Changing,
                place: first.place.clone(),
                message: message.to_owned(),
            });
        }
        notices.sort_by_key(|notice| std::cmp::Reverse(notice.severity));
        let health = self.services.iter().map(|checked| (checked.service.key, checked.health.clone())).collect();
        let services = self.services.into_iter().map(|checked| checked.service).collect();
        let changing = notices.iter().filter(|notice| notice.severity == Severity::Changing);
        let not_done = changing.map(Notice::unjudged).collect();
        (Config { services, timeouts: self.timeouts, health, not_done, ..Config::default() }, notices)
    }
}

/// A file that is tracked: its path, what its number is multiplied by, and whether the sign is turned.
type TrackedFile<'s> = (&'s str, i32, bool);

/// Files that are tracked, by name.
fn tracked_files(statements: &[Statement]) -> Result<HashMap<&str, TrackedFile<'_>>, ConfigError> {
    let mut files = HashMap::new();
    for statement in statements.iter().filter(|it| matches!(it.keyword(), "track_file" | "vrrp_track_file")) {
        let name = statement.only("a name")?;
        let inner = |keyword| statement.statements().iter().find(|inner| inner.keyword() == keyword);
        let missing = || statement.fault("a track_file needs `file` in its braces; write its path");
        let path = inner("file").ok_or_else(missing)?.only("a path")?;
        let (weight, reverse) = inner("weight").map_or(Ok((1, false)), file_weight)?;
        files.insert(name, (path, weight, reverse));
    }
    Ok(files)
}

/// Checks of files look at the file that their name stands for. A weight of 0 is the file's own; where that is 0, too,
/// every number but 0 is a failure.
fn name_files(
    statement: &Statement,
    services: &mut [CheckedService],
    files: &HashMap<&str, TrackedFile<'_>>,
) -> Result<(), ConfigError> {
    let servers = services.iter_mut().flat_map(|service| &mut service.health.servers);
    for check in servers.flat_map(|server| &mut server.checks) {
        if let Probe::File { name, weight, reverse, sets_weight } = &mut check.probe {
            let missing = || format!("FILE_CHECK asks for the track_file `{name}`, which is not there; write one");
            let file = *files.get(name.as_str()).ok_or_else(|| statement.fault(missing()))?;
            *name = file.0.to_owned();
            if *weight == 0 {
                (*weight, *reverse) = (file.1, file.2);
            }
            *sets_weight = *weight != 0;
        }
    }
    Ok(())
}

/// What of these services is kept and does not act yet, each thing once.
fn tell_dormant(statement: &Statement, services: &[CheckedService], notices: &mut Notices) {
    let mut told = BTreeSet::new();
    let within = |keyword: &str| {
        let inner = statement.statements().iter().position(|inner| inner.keyword() == keyword);
        inner.map_or(0, |at| at + 1)
    };
    for CheckedService { service, health } in services {
        told.extend(service.key.dormant().map(|what| (0, what.to_string())));
        told.extend(
            service.options.dormant().iter().map(|what| (keyword_of(*what).map_or(0, within), what.to_string())),
        );
        told.extend(service.servers.iter().flat_map(RealServer::dormant).map(|what| (0, what.to_string())));
        let checks = health.servers.iter().flat_map(|server| &server.checks);
        if checks.into_iter().any(|check| matches!(check.probe, Probe::Bfd { .. })) {
            told.insert((0, "BFD_CHECK is not made yet: its server counts as up".to_owned()));
        }
    }
    for (at, what) in told {
        let inner = at.checked_sub(1).and_then(|at| statement.statements().get(at));
        notices.changing(inner.unwrap_or(statement), what);
    }
}

/// The keyword of a service that asks for this.
fn keyword_of(dormant: Dormant) -> Option<&'static str> {
    match dormant {
        Dormant::Persistence => Some("persistence_timeout"),
        Dormant::PersistenceEngine => Some("persistence_engine"),
        Dormant::OnePacket => Some("ops"),
        _ => None,
    }
}

fn groups(statements: &[Statement]) -> Result<Groups<'_>, ConfigError> {
    let mut groups = HashMap::new();
    for statement in statements.iter().filter(|statement| statement.keyword() == "virtual_server_group") {
        let name = statement.only("a name")?;
        if groups.insert(name, statement).is_some() {
            return Err(statement.fault_at(name, format!("the group `{name}` is there twice; rename one")));
        }
    }
    Ok(groups)
}

/// Services, no two of which are the same.
#[derive(Default)]
struct Services {
    list: Vec<CheckedService>,
    places: HashMap<Key, Place>,
}

impl Services {
    fn add(&mut self, statement: &Statement, services: Vec<CheckedService>) -> Result<(), ConfigError> {
        for service in services {
            let key = service.service.key;
            if let Some(first) = self.places.insert(key, statement.place.clone()) {
                let first = first.seen_from(&statement.place);
                let message = format!("{key} is a service already (first at {first}); put its servers into one block");
                return Err(statement.fault(message));
            }
            self.list.push(service);
        }
        Ok(())
    }
}

/// Kept for the election, which has its own reader.
const ELECTION: [&str; 12] = [
    "bfd_instance",
    "garp_group",
    "static_ipaddress",
    "static_routes",
    "static_rules",
    "track_file",
    "track_group",
    "vrrp_instance",
    "vrrp_script",
    "vrrp_sync_group",
    "vrrp_track_file",
    "vrrp_track_process",
];

const COSMETIC: [&str; 8] = [
    "child_wait_time",
    "garp_interval",
    "instance",
    "interface_up_down_delays",
    "linkbeat_interfaces",
    "linkbeat_use_polling",
    "namespace_with_ipsets",
    "use_pid_dir",
];

const KNOWN: [&str; 7] = [
    "global_defs",
    "virtual_server",
    "virtual_server_group",
    "vrrp_instance",
    "vrrp_script",
    "vrrp_sync_group",
    "track_file",
];
