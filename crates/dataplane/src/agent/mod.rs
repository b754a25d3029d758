//! The real server's programs: loaded from an object of their own, told whom to trust, attached, and taken off again.
//!
//! They have a pin directory of their own, laid out as the director's; nothing of the director is loaded or opened.

mod cgroup;
mod load;
mod told;

use crate::error::{Doing, Error};
use crate::hold::{Hold, Hook};
use crate::hook::called;
use crate::interface::{self, Link};
use crate::lock::Lock;
use crate::pins::{Pins, make_directory};
use crate::{attach, privilege, stray};
use cgroup::CgroupLink;
use load::Loaded;
use model::Prefix;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

/// The BPF object, built from crate `ebpf`.
pub(super) static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/xlvs-agent-bpf"));

/// What a program does with the frames of an interface.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum AgentHook {
    /// Takes packets out of tunnels.
    Decapsulate,
    /// Shows datagrams as their client's.
    DatagramsIn,
    /// Sends answers back to the director.
    DatagramsOut,
}

impl AgentHook {
    const ALL: [Self; 3] = [Self::Decapsulate, Self::DatagramsIn, Self::DatagramsOut];

    /// Name of the program, and of what it does in listings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Decapsulate => "decapsulate",
            Self::DatagramsIn => "datagrams_in",
            Self::DatagramsOut => "datagrams_out",
        }
    }

    const fn place(self) -> Hook {
        match self {
            Self::Decapsulate | Self::DatagramsIn => Hook::Ingress,
            Self::DatagramsOut => Hook::Egress,
        }
    }
}

/// What the programs shall do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AgentOptions {
    /// Where they are pinned.
    pub pin_directory: PathBuf,
    /// Networks of the directors.
    pub directors: BTreeSet<Prefix>,
    /// Addresses to which tunnels are believed.
    pub virtual_addresses: BTreeSet<IpAddr>,
    /// UDP port of tunnels by GUE.
    pub gue_port: u16,
    /// Kinds of the TCP options that name a client, IPv4 and IPv6.
    pub toa_kinds: [u8; 2],
    /// Interfaces, by what shall be done there.
    pub attach: BTreeMap<AgentHook, BTreeSet<String>>,
    /// The cgroup whose programs are shown real clients.
    pub cgroup: Option<PathBuf>,
}

/// What the programs do.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AgentState {
    /// Interfaces, by what is done there.
    pub attached: BTreeMap<&'static str, BTreeSet<String>>,
    /// Number of the cgroup whose programs are shown real clients.
    pub cgroup: Option<u64>,
    /// What happened, by name.
    pub counters: BTreeMap<&'static str, u64>,
}

/// Loads the programs, or finds those of an earlier call, and makes them do exactly what `options` say.
pub fn set_up_agent(options: &AgentOptions) -> Result<(), Error> {
    privilege::check()?;
    let (pins, lock) = Pins::claim(&options.pin_directory)?;
    let done = make(&pins, options);
    drop(lock);
    if done.is_err() {
        if pins.is_fresh() {
            attach::detach_links(&pins.links())?;
        }
        pins.give_up();
    }
    done
}

fn make(pins: &Pins, options: &AgentOptions) -> Result<(), Error> {
    let mut wanted = Vec::new();
    for (hook, names) in &options.attach {
        for name in names {
            let link = Link::by_name(name)?;
            if !link.is_ethernet {
                let reason = "its frames have no Ethernet header, with which the programs begin".to_owned();
                return Err(Error::Attach { interface: link.name, reason });
            }
            wanted.push((*hook, link));
        }
    }
    let loaded = Loaded::open(&pins.root)?;
    told::tell(&loaded, options)?;
    let links = pins.links();
    make_directory(&links)?;
    for (hook, link) in &wanted {
        attach_to(&links, link, *hook, &loaded)?;
    }
    for hold in Hold::all(&links) {
        if !wanted.iter().any(|(hook, link)| link.index == hold.index && hook.place() == hold.hook) {
            hold.release(&links).doing(|| format!("detach from interface {}", hold.index))?;
        }
    }
    CgroupLink::set_all(&links, options.cgroup.as_deref(), &loaded)?;
    loaded.tidy(&pins.root)
}

fn attach_to(links: &Path, link: &Link, hook: AgentHook, loaded: &Loaded) -> Result<(), Error> {
    let (program, doing) = (loaded.program(hook.name())?, || format!("attach to {}", link.name));
    let found = Hold::find(links, link.index, hook.place());
    match found.map(|hold| hold.named(links)).transpose().doing(doing)? {
        Some(hold) if hold.program().doing(doing)? == loaded.id(hook.name())? => Ok(()),
        Some(hold) => hold.replace(program.as_fd()).doing(doing),
        None => {
            // The pin of an interface that had this number before.
            crate::pins::remove_tree(&hook.place().pin(links, link.index))?;
            let attach = || Hold::tc(links, link.index, program.as_fd(), hook.place());
            patiently(attach).doing(doing)
        }
    }
}

/// The link of a process that was killed just now may not be gone yet: its program is there already, for a moment.
fn patiently(attach: impl Fn() -> io::Result<()>) -> io::Result<()> {
    for _ in 0..100 {
        match attach() {
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => sleep(Duration::from_millis(20)),
            other => return other,
        }
    }
    attach()
}

/// Interfaces by what is done there: known by the names of the programs, which are those of whatever build.
fn attached(links: &Path) -> BTreeMap<&'static str, BTreeSet<String>> {
    let mut attached: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for hold in Hold::all(links) {
        let program = hold.program().ok();
        let hook = AgentHook::ALL.into_iter().find(|hook| program.is_some_and(|id| called(id, hook.name())));
        if let Some((hook, name)) = hook.zip(interface::name_of(hold.index)) {
            attached.entry(hook.name()).or_default().insert(name);
        }
    }
    attached
}

/// What the programs pinned there do; `None` when there are none.
pub fn agent_state(pin_directory: &Path) -> Result<Option<AgentState>, Error> {
    let Some(pins) = Pins::existing(pin_directory)?.filter(Pins::are_there) else { return Ok(None) };
    let links = pins.links();
    Ok(Some(AgentState {
        attached: attached(&links),
        cgroup: CgroupLink::cgroup(&links),
        counters: told::counters(&pins.root)?,
    }))
}

/// Interfaces of this network namespace where programs like these run, wherever they are pinned.
pub fn agent_runs_on() -> BTreeSet<String> {
    let is_ours = |id: &u32| AgentHook::ALL.iter().any(|hook| called(*id, hook.name()));
    let runs = |index: u32| {
        let hooks = [Hook::Ingress, Hook::Egress].into_iter();
        hooks.flat_map(|hook| stray::running(index, hook)).any(|id| is_ours(&id))
    };
    let interfaces = nix::net::if_::if_nameindex();
    let interfaces = interfaces.iter().flat_map(|interfaces| interfaces.iter());
    let running = interfaces.filter(|interface| runs(interface.index()));
    running.map(|interface| interface.name().to_string_lossy().into_owned()).collect()
}

/// Takes the programs off and removes them. Nothing there is no error.
pub fn remove_agent(pin_directory: &Path) -> Result<(), Error> {
    privilege::check()?;
    let Some(pins) = Pins::existing(pin_directory)? else {
        let _ = std::fs::remove_dir(pin_directory);
        return Ok(());
    };
    let lock = Lock::take(&pins.root, &pins.shown)?;
    CgroupLink::release_all(&pins.links())?;
    attach::detach_links(&pins.links())?;
    drop(lock);
    pins.remove()?;
    // Made for them, as a place to mount a file system; what others keep there stays.
    let _ = std::fs::remove_dir(pin_directory);
    Ok(())
}

/// The cgroup above all others, where cgroups of version 2 are mounted.
pub fn root_cgroup() -> Option<PathBuf> {
    cgroup::root()
}
