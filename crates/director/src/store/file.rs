//! The configuration file as a source: the truth for what it names, each time it says something new.

use super::{Receipt, Store, rules};
use api::Refusal;
use model::{Config, Key, Sysctl, Timeouts, VirtualService};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

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
}

impl Store {
    /// Takes a configuration file over: it is the truth for what it names, now or at the last time. `None`: it says
    /// what it said before, so that what was edited since then stays.
    pub(crate) fn adopt(&mut self, config: &Config) -> Result<Option<Receipt>, Refusal> {
        let services = &config.services;
        let named = services.iter().map(|service| service.key).collect();
        let timeouts = config.timeouts != Timeouts::default();
        let sysctls = config.director.sysctls.keys().copied().collect();
        let mark = FileMark { hash: hash(config), named, timeouts, sysctls };
        if self.file.as_ref().is_some_and(|file| file.hash == mark.hash) {
            return Ok(None);
        }
        for service in services {
            rules::check_service(&service.key)?;
            rules::check_name(&service.key, service.options.name.as_deref())?;
            rules::check_size(service)?;
            service.servers.iter().try_for_each(|server| rules::check_server(&service.key, server))?;
        }
        let mut receipt = self.receipt();
        let forgotten = self.file.take();
        if mark.timeouts || forgotten.as_ref().is_some_and(|file| file.timeouts) {
            self.timeouts = config.timeouts;
        }
        for sysctl in forgotten.iter().flat_map(|file| &file.sysctls) {
            self.sysctls.set(*sysctl, sysctl.default_value());
        }
        for (sysctl, value) in &config.director.sysctls {
            self.sysctls.set(*sysctl, *value);
        }
        for key in forgotten.iter().flat_map(|file| &file.named).filter(|key| !mark.named.contains(key)) {
            self.put(*key, None, &mut receipt);
        }
        for service in services {
            self.put(service.key, Some(as_kept(service)), &mut receipt);
        }
        if let Err(refusal) = rules::check_services(self.services.len()) {
            self.take_back(receipt);
            return Err(refusal);
        }
        self.file = Some(mark);
        self.generation += 1;
        Ok(Some(receipt))
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

/// FNV-1a over the canonical JSON of what is taken over: the same on every machine and in every build.
fn hash(config: &Config) -> u64 {
    let text = serde_json::to_vec(&(&config.services, config.timeouts, &config.director.sysctls)).unwrap_or_default();
    text.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
