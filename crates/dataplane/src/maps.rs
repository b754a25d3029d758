//! Every map of the data plane, open and typed.

use crate::error::Error;
use crate::mapped::Mapped;
use crate::retired::Retired;
use crate::schema::{RETIRED, Schema};
use crate::syscall;
use crate::table::{PerCpu, Table};
use forward::abi::{
    Address4, Address6, Connection, FILTER_BITS, FlowKey, Interface, InterfaceCounters, Load, Locals, Passage,
    RealServer, Service, ServiceKey, Settings, Signals, Statistics, Tunnel,
};
use forward::{Cell32, Cell64};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// The prefilter as shared words.
pub(crate) type FilterCells = [Cell64; FILTER_BITS as usize / 64];

/// The maps.
pub(crate) struct Maps {
    pub(crate) connections4: Table<FlowKey<Address4>, Connection>,
    pub(crate) connections6: Table<FlowKey<Address6>, Connection>,
    pub(crate) services4: Table<ServiceKey<Address4>, Service>,
    pub(crate) services6: Table<ServiceKey<Address6>, Service>,
    pub(crate) passages4: Table<ServiceKey<Address4>, Passage>,
    pub(crate) passages6: Table<ServiceKey<Address6>, Passage>,
    pub(crate) servers: Mapped<RealServer>,
    pub(crate) tunnels: Mapped<Tunnel>,
    pub(crate) loads: Mapped<Load>,
    pub(crate) signals: Mapped<Signals>,
    pub(crate) cursors: Mapped<Cell64>,
    pub(crate) locals: Mapped<Locals>,
    pub(crate) schedule: Mapped<Cell32>,
    pub(crate) settings: Mapped<Settings>,
    pub(crate) filter: Mapped<FilterCells>,
    pub(crate) interfaces: Table<u32, Interface>,
    pub(crate) interface_counters: PerCpu<InterfaceCounters>,
    pub(crate) statistics: PerCpu<Statistics>,
    pub(crate) counters: PerCpu<u64>,
    /// Why the last rehearsed packet met its fate.
    pub(crate) explanation: Mapped<Cell32>,
    /// What outlives a service, by its id.
    pub(crate) retired: Table<u32, Retired>,
}

impl Maps {
    /// Opens the maps pinned in `directory`, each compared with the schema first.
    pub(crate) fn open(directory: &Path, schema: &Schema) -> Result<Self, Error> {
        let opener = Opener { directory, schema };
        Ok(Self {
            connections4: opener.view("CONNECTIONS4", Table::new)?,
            connections6: opener.view("CONNECTIONS6", Table::new)?,
            services4: opener.view("SERVICES4", Table::new)?,
            services6: opener.view("SERVICES6", Table::new)?,
            passages4: opener.view("PASSAGES4", Table::new)?,
            passages6: opener.view("PASSAGES6", Table::new)?,
            servers: opener.view("SERVERS", |map| Mapped::new(&map))?,
            tunnels: opener.view("TUNNELS", |map| Mapped::new(&map))?,
            loads: opener.view("LOADS", |map| Mapped::new(&map))?,
            signals: opener.view("SIGNALS", |map| Mapped::new(&map))?,
            cursors: opener.view("CURSORS", |map| Mapped::new(&map))?,
            locals: opener.view("LOCALS", |map| Mapped::new(&map))?,
            schedule: opener.view("SCHEDULE", |map| Mapped::new(&map))?,
            settings: opener.view("SETTINGS", |map| Mapped::new(&map))?,
            filter: opener.view("FILTER", |map| Mapped::new(&map))?,
            interfaces: opener.view("INTERFACES", Table::new)?,
            interface_counters: opener.view("INTERFACE_COUNTERS", PerCpu::new)?,
            statistics: opener.view("STATISTICS", PerCpu::new)?,
            counters: opener.view("COUNTERS", PerCpu::new)?,
            explanation: opener.view("EXPLANATION", |map| Mapped::new(&map))?,
            retired: opener.view(RETIRED, Table::new)?,
        })
    }

    /// Entries there is room for in the connection tables of both families.
    pub(crate) fn connection_sizes(&self) -> io::Result<(u32, u32)> {
        let size = |map| syscall::map_shape(map).map(|shape| shape.max_entries);
        Ok((size(self.connections4.descriptor())?, size(self.connections6.descriptor())?))
    }
}

struct Opener<'a> {
    directory: &'a Path,
    schema: &'a Schema,
}

impl Opener<'_> {
    fn view<V>(&self, name: &str, view: impl FnOnce(OwnedFd) -> io::Result<V>) -> Result<V, Error> {
        let path = self.directory.join(name);
        let pins = |error: io::Error| Error::Pins { path: path.clone(), reason: error.to_string() };
        let map = syscall::open_pin(&path).map_err(pins)?;
        self.schema.check(name, map.as_fd(), &path)?;
        view(map).map_err(pins)
    }
}
