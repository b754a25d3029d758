//! Loads the BPF programs, owns every map and is the only writer.
//!
//! [`Dataplane::open`] finds the pins of an earlier director or makes new ones; [`Dataplane::apply`] carries out one
//! change; everything else reads. No policy is decided here, no file and no protocol is known. Dropping a
//! [`Dataplane`] changes nothing: what is pinned goes on; [`detach_all`] ends it.

mod agent;
mod apply;
mod attach;
mod attachments;
mod bpffs;
mod capture;
mod checking;
mod clsact;
mod connections;
mod counters;
mod cursor;
mod error;
mod explain;
mod filter;
mod hold;
mod hook;
mod inject;
mod interface;
mod journal;
mod keeper;
mod lane;
mod load;
mod local;
mod lock;
mod mapped;
mod maps;
mod mirror;
mod netlink;
mod passages;
mod pins;
mod plain;
mod privilege;
mod retired;
mod ring;
mod schema;
mod settings;
mod signals;
mod slots;
mod snapshot;
mod statistics;
mod stray;
mod sweep;
mod syscall;
mod table;
#[cfg(test)]
mod tests;
mod translate;
mod trial;
mod tunnel;
mod waiting;
mod watch;

pub use agent::{
    AgentHook, AgentOptions, AgentState, agent_runs_on, agent_state, remove_agent, root_cgroup, set_up_agent,
};
pub use attach::Attachment;
pub use attachments::detach_all;
pub use capture::{Capture, CaptureLoader, CaptureMissed, capture_clock};
pub use connections::{ConnectionEntry, ConnectionsCursor, ConnectionsSlice};
pub use error::Error;
pub use explain::Rehearsed;
pub use journal::Journal;
pub use keeper::{KEEPER_NAME, keeper_main};
pub use lane::Why;
pub use passages::{Passages, Ticket, Way};
pub use signals::Signals;
pub use sweep::{SweepReport, TableUse};
pub use trial::{Trial, WATCHDOG_NAME, watchdog_main};
pub use waiting::WaitingRoom;

use apply::Writer;
use attach::Attacher;
use load::Generation;
use lock::Lock;
use maps::Maps;
use mirror::Mirror;
use model::{Change, Lane, ServerState, ServiceOptions, ServiceState, State};
use pins::Pins;
use schema::Schema;
use snapshot::FoundService;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use sweep::Sweeper;
use watch::Watch;

/// The BPF object, for measurements and tests that load it on their own.
pub static OBJECT: &[u8] = load::OBJECT;

/// The same of the real server's programs.
pub static AGENT_OBJECT: &[u8] = agent::OBJECT;

/// Where the data plane lives and how large it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// Where maps, programs and links are pinned; a bpffs is mounted there if there is none.
    pub pin_directory: PathBuf,
    /// Entries of the IPv4 connection table (NAT uses two per connection).
    pub connections4: u32,
    /// The same for IPv6.
    pub connections6: u32,
}

/// The data plane of one pin directory.
pub struct Dataplane {
    pins: Pins,
    schema_directory: PathBuf,
    maps: Maps,
    mirror: Mirror,
    generation: Generation,
    sweeper: Sweeper,
    checking: checking::Checking,
    book: Option<journal::Book>,
    watch: Watch,
    capture: Option<Capture>,
    /// Held by whatever belongs to a capture, from its loading to its end.
    capture_mark: Arc<()>,
    /// Fragments whose first never came.
    abandoned: Arc<AtomicU64>,
    /// When ids and slots of removed servers were last looked through.
    settled: Instant,
    _lock: Lock,
}

/// Changes come by the thousand: what they left behind is looked through at most this often.
const SETTLE_EVERY: Duration = Duration::from_millis(100);

/// What is found below the pins, or made there.
struct Parts {
    schema_directory: PathBuf,
    maps: Maps,
    mirror: Mirror,
    generation: Generation,
}

impl Parts {
    fn open(pins: &Pins, options: &Options) -> Result<Self, Error> {
        let schema = Schema::of_object(load::OBJECT)?;
        let schema_directory = pins.root.join(schema.directory_name());
        tracing::info!("loading the programs; the kernel verifies them, which takes a second or two");
        let generation = Generation::open(&schema_directory, &schema, options)?;
        for (program, instructions) in &generation.verified {
            tracing::debug!("program {program}: {instructions} instructions verified");
        }
        let maps = Maps::open(&schema_directory, &schema)?;
        if let Some(settings) = maps.settings.get(0) {
            settings::begin(settings);
        }
        let mirror = Mirror::of(&maps, Instant::now())?;
        Attacher { pins, schema_directory: &schema_directory, maps: &maps, generation: &generation, capturing: false }
            .refresh_inherited()?;
        Ok(Self { schema_directory, maps, mirror, generation })
    }
}

impl Dataplane {
    /// Opens the pins of an earlier director, or loads and pins everything anew. Attaches nothing. A second director
    /// on the same pins is refused.
    pub fn open(options: &Options) -> Result<Self, Error> {
        privilege::check()?;
        let (pins, lock) = Pins::claim(&options.pin_directory)?;
        match Parts::open(&pins, options) {
            Ok(Parts { schema_directory, maps, mirror, generation }) => {
                let watch = Watch::begin(&pins, &schema_directory);
                let (sweeper, book, settled, _lock) = (Sweeper::new(), None, Instant::now(), lock);
                let (capture, capture_mark) = (None, Arc::default());
                Ok(Self {
                    pins,
                    schema_directory,
                    maps,
                    mirror,
                    generation,
                    sweeper,
                    checking: checking::Checking::default(),
                    book,
                    watch,
                    capture,
                    capture_mark,
                    abandoned: Arc::default(),
                    settled,
                    _lock,
                })
            }
            Err(error) => {
                drop(lock);
                pins.give_up();
                Err(error)
            }
        }
    }

    /// After a start that fails later: removes what [`Dataplane::open`] made and all that was attached since. False
    /// when there were pins before: they stay.
    pub fn give_up(self) -> bool {
        let Self { pins, _lock: lock, .. } = self;
        let fresh = pins.is_fresh();
        if fresh && let Err(error) = attach::detach_links(&pins.links()) {
            tracing::warn!("{error}");
        }
        drop(lock);
        pins.give_up();
        fresh
    }

    /// What the maps say.
    pub fn actual(&self) -> Result<State, Error> {
        let services = snapshot::services(&self.maps)?;
        let services = services.into_iter().map(|found| (found.key, self.state_of(found)));
        let timeouts = self.maps.settings.get(0).map(settings::timeouts).unwrap_or_default();
        let sysctls = self.maps.settings.get(0).map(settings::sysctls).unwrap_or_default();
        Ok(State { services: services.collect(), timeouts, sysctls })
    }

    /// Names and `any` are not in the maps: they are as last applied here.
    fn state_of(&self, found: FoundService) -> ServiceState {
        let known = self.mirror.services.get(&found.key).map(|service| &service.options);
        let options = ServiceOptions {
            scheduler: found.scheduler,
            scheduler_flags: found.flags,
            any: known.is_some_and(|options| options.any),
            name: known.and_then(|options| options.name.clone()),
            local_addresses: found.local,
            ..ServiceOptions::default()
        };
        let servers: Vec<ServerState> = found.servers.into_iter().rev().map(|server| server.state).collect();
        ServiceState { options, owned: found.owned, servers }
    }

    /// Carries out one change, whole or not at all.
    pub fn apply(&mut self, change: &Change) -> Result<(), Error> {
        let now = Instant::now();
        if now.saturating_duration_since(self.settled) >= SETTLE_EVERY {
            self.settled = now;
            statistics::settle(&self.maps, &mut self.mirror, now)?;
        }
        Writer { maps: &self.maps, mirror: &mut self.mirror }.apply(change)
    }

    /// Every counter by name, since the maps were made.
    pub fn counters(&self) -> BTreeMap<&'static str, u64> {
        let mut counters = counters::read(&self.maps);
        if let Some(dropped) = counters.get_mut(forward::Counter::DropFragment.name()) {
            *dropped += self.abandoned.load(Ordering::Relaxed);
        }
        counters
    }

    /// Sweeps one slice of the connection tables and frees what nobody needs any more.
    pub fn sweep(&mut self) -> Result<SweepReport, Error> {
        statistics::settle(&self.maps, &mut self.mirror, Instant::now())?;
        self.sweeper.step(&self.maps, &self.generation)
    }

    /// One slice of the connections. Each is seen exactly once by a walk from the default cursor on, if it lives as long
    /// as the walk; packets go on meanwhile.
    pub fn connections(&self, cursor: ConnectionsCursor) -> Result<ConnectionsSlice, Error> {
        connections::slice(&self.maps, cursor)
    }

    /// What the loaded programs would do with `frame` if it came in by `interface` (an index): pass it, drop it or send
    /// it on, the frame as it would leave, the reason. Nothing is remembered of it.
    pub fn explain(&self, frame: &[u8], interface: u32) -> Result<Rehearsed, Error> {
        let lane = self.attacher().lane(interface).unwrap_or(Lane::Xdp);
        explain::explain(&self.maps, &self.generation, lane, frame, interface)
    }

    /// Runs `frame` through the loaded programs as if it had arrived by `interface` (an index): connections are made
    /// and everything is counted, only the frame goes nowhere. Gives the XDP action and the frame as it would leave.
    pub fn inject(&self, frame: &[u8], interface: u32) -> Result<(u32, Vec<u8>), Error> {
        let run = inject::run(self.attacher().generation.entry(hold::Hook::Xdp), frame, interface)?;
        Ok((run.result, run.frame))
    }

    /// The lines kept beside the pins. While pins are missing nothing can be kept.
    pub fn journal(&mut self) -> Journal<'_> {
        Journal { path: self.pins.journal(), book: &mut self.book, watch: Some(&self.watch) }
    }

    /// An error when pins of this data plane were removed by somebody else.
    pub fn check_pins(&self) -> Result<(), Error> {
        self.watch.check(self.book.is_some())
    }

    /// Instructions the verifier looked at, by program.
    pub fn verified_instructions(&self) -> &BTreeMap<String, u32> {
        &self.generation.verified
    }
}
