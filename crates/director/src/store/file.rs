//! The configuration file as a source: the truth for what it names, each time it says something new.

use super::{Receipt, Store, rules};
use api::Refusal;
use model::{Config, Key, Sysctl, Timeouts, VirtualService};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What was last taken over from a configuration file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct FileMark {
    /// Hash of the services as parsed: comments and layout do not count.
    pub(crate) hash: u64,
    /// The services it named.
    pub(crate) named: BTreeSet<Key>,
    /// It set time-outs.
    pub(crate) timeouts: bool,
    /// The sysctls it set.
    #[serde(default)]
    pub(crate) sysctls: BTreeSet<Sysctl>,
    /// What it asked for and is not done, with its place.
    #[serde(default)]
    pub(crate) not_done: Vec<String>,
}

impl FileMark {
    fn of(config: &Config) -> Self {
        Self {
            hash: hash(&(&config.services, config.timeouts, &config.director.sysctls)),
            named: config.services.iter().map(|service| service.key).collect(),
            timeouts: config.timeouts != Timeouts::default(),
            sysctls: config.director.sysctls.keys().copied().collect(),
            not_done: config.not_done.clone(),
        }
    }
}

impl Store {
    /// Takes a configuration file over: it is the truth for what it names, now or at the last time. `None`: nothing is
    /// otherwise. A file that says what it said before leaves alone what was edited since then, unless `again`.
    pub(crate) fn adopt(&mut self, config: &Config, again: bool) -> Result<Option<Receipt>, Refusal> {
        let mut receipt = self.receipt();
        match self.take_over(config, again, &mut receipt) {
            Ok(false) => Ok(None),
            Ok(true) => {
                self.generation += 1;
                self.rejected = None;
                Ok(Some(receipt))
            }
            Err(refusal) => {
                self.take_back(receipt);
                Err(refusal)
            }
        }
    }

    fn take_over(&mut self, config: &Config, again: bool, receipt: &mut Receipt) -> Result<bool, Refusal> {
        let is_checked_otherwise = *self.health != config.health;
        if is_checked_otherwise {
            self.health = Arc::new(config.health.clone());
        }
        let mark = FileMark::of(config);
        if let Some(file) = self.file.as_mut().filter(|file| !again && file.hash == mark.hash) {
            // Places move with comments, which are no news.
            file.not_done = mark.not_done;
            return Ok(is_checked_otherwise);
        }
        config.services.iter().try_for_each(check)?;
        let forgotten = self.file.replace(mark.clone());
        self.set_values(config, &mark, forgotten.as_ref());
        for key in forgotten.iter().flat_map(|file| &file.named).filter(|key| !mark.named.contains(key)) {
            self.put(*key, None, receipt);
        }
        for service in config.services.iter().map(as_kept) {
            if self.services.get(&service.key) != Some(&service) {
                self.put(service.key, Some(service), receipt);
            }
        }
        rules::check_services(self.services.len())?;
        let is_set_otherwise = (self.timeouts, &self.sysctls) != (receipt.timeouts, &receipt.sysctls);
        let is_said_otherwise = forgotten.as_ref() != Some(&mark);
        Ok(is_checked_otherwise || is_set_otherwise || is_said_otherwise || !receipt.services.is_empty())
    }

    /// Time-outs and sysctls, which are as by default when they are no longer named.
    fn set_values(&mut self, config: &Config, mark: &FileMark, forgotten: Option<&FileMark>) {
        if mark.timeouts || forgotten.is_some_and(|file| file.timeouts) {
            self.timeouts = config.timeouts;
        }
        for sysctl in forgotten.iter().flat_map(|file| &file.sysctls) {
            self.sysctls.set(*sysctl, sysctl.default_value());
        }
        for (sysctl, value) in &config.director.sysctls {
            self.sysctls.set(*sysctl, *value);
        }
    }

    /// How much of what a file names is otherwise by now: services, sysctls, and the time-outs as one.
    pub(crate) fn differences(&self, config: &Config) -> usize {
        let differs = |service: &&VirtualService| self.services.get(&service.key) != Some(&as_kept(service));
        let services = config.services.iter().filter(differs).count();
        let timeouts = config.timeouts != Timeouts::default() && config.timeouts != self.timeouts;
        let sysctls = config.director.sysctls.iter().filter(|(sysctl, value)| self.sysctls.get(**sysctl) != **value);
        services + usize::from(timeouts) + sysctls.count()
    }
}

/// A service of a file as the store keeps it: direct routing gives servers the service's port.
fn as_kept(service: &VirtualService) -> VirtualService {
    let servers = service.servers.iter().map(|server| server.in_service(&service.key)).collect();
    VirtualService { servers, ..service.clone() }
}

/// What can be in the store.
fn check(service: &VirtualService) -> Result<(), Refusal> {
    rules::check_service(&service.key)?;
    rules::check_name(&service.key, service.options.name.as_deref())?;
    rules::check_size(service)?;
    service.servers.iter().try_for_each(|server| rules::check_server(&service.key, server))
}

/// What a whole configuration is known by.
pub(super) fn fingerprint(config: &Config) -> u64 {
    hash(config)
}

/// FNV-1a over canonical JSON: the same on every machine and in every build.
fn hash(value: &impl Serialize) -> u64 {
    let text = serde_json::to_vec(value).unwrap_or_default();
    text.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
