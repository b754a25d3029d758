//! What the BPF programs shall do for a setup, and where.

use crate::error::Error;
use crate::network::Network;
use dataplane::{AgentHook, AgentOptions};
use model::{Decapsulation, RealServerSetup, ServerMode};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// True when a setup needs programs at all.
pub(crate) fn are_needed(setup: &RealServerSetup) -> bool {
    match setup.mode {
        ServerMode::Dr => false,
        ServerMode::Tun => setup.decapsulation == Decapsulation::Bpf,
        ServerMode::FullNat => true,
    }
}

/// What they shall do.
pub(crate) fn options(setup: &RealServerSetup, pins: &Path, network: &Network) -> Result<AgentOptions, Error> {
    let full_nat = setup.mode == ServerMode::FullNat;
    let entrances = entrances(setup, network)?;
    let attach = if full_nat {
        // Answers are routed to clients.
        let links = network.links()?;
        let outward = network.outward().into_iter().flatten().filter_map(|route| links.get(&route.interface));
        let exits = outward.map(|link| link.name.clone()).chain(entrances.iter().cloned()).collect();
        BTreeMap::from([(AgentHook::DatagramsIn, entrances), (AgentHook::DatagramsOut, exits)])
    } else {
        BTreeMap::from([(AgentHook::Decapsulate, entrances)])
    };
    Ok(AgentOptions {
        pin_directory: pins.to_owned(),
        directors: setup.directors.clone(),
        virtual_addresses: setup.virtual_addresses.clone(),
        gue_port: setup.gue_port,
        toa_kinds: setup.toa_kinds,
        attach,
        cgroup: if full_nat { Some(cgroup(setup)?) } else { None },
    })
}

/// Where packets of directors come in: at the interface that is named, else by the ways to the directors.
fn entrances(setup: &RealServerSetup, network: &Network) -> Result<BTreeSet<String>, Error> {
    if let Some(name) = &setup.interface {
        return Ok([name.clone()].into());
    }
    let links = network.links()?;
    let mut names = BTreeSet::new();
    for prefix in &setup.directors {
        let way = network.route(prefix.member()).and_then(|route| links.get(&route.interface));
        match way {
            Some(link) if link.loopback => {}
            Some(link) => drop(names.insert(link.name.clone())),
            None => {
                let reason = format!("there is no route to the director {prefix}: name the interface with --interface");
                return Err(Error::Refused(reason));
            }
        }
    }
    if names.is_empty() {
        let reason = "no director is another host: name the interface that their packets come in by, with --interface";
        return Err(Error::Refused(reason.to_owned()));
    }
    Ok(names)
}

fn cgroup(setup: &RealServerSetup) -> Result<std::path::PathBuf, Error> {
    let missing = || {
        let reason = if is_hidden(&read("/proc/self/mounts"), &read("/proc/1/mounts")) {
            let name = crate::namespace::name();
            let place = name.unwrap_or_else(|| "/run/netns/NAME".into());
            format!(
                "the cgroups of version 2 are hidden from this process, as `ip netns exec` does: \
                 `nsenter --net={} xlvs real-server up …` leaves them where they are, or name one with --cgroup",
                place.display()
            )
        } else {
            "no cgroups of version 2 are mounted: `mount -t cgroup2 none /sys/fs/cgroup`, or name one with --cgroup"
                .to_owned()
        };
        Error::Refused(reason)
    };
    setup.cgroup.clone().or_else(dataplane::root_cgroup).ok_or_else(missing)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// True when the host has cgroups of version 2 mounted, and this process does not see them.
fn is_hidden(ours: &str, hosts: &str) -> bool {
    let has = |mounts: &str| mounts.lines().any(|line| line.split(' ').nth(2) == Some("cgroup2"));
    has(hosts) && !has(ours)
}

#[cfg(test)]
mod tests {
    use super::is_hidden;

    #[test]
    fn cgroups_that_only_the_host_sees_are_hidden() {
        let host = "proc /proc proc rw 0 0\nnone /sys/fs/cgroup cgroup2 rw 0 0\n";
        let inside = "proc /proc proc rw 0 0\nred /sys sysfs rw 0 0\n";
        for (ours, hosts, expected) in [(inside, host, true), (host, host, false), (inside, inside, false)] {
            assert_eq!(is_hidden(ours, hosts), expected, "{ours}");
        }
    }
}
