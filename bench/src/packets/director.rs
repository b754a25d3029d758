//! The data plane's object, loaded for one case: nothing pinned, nothing attached, filled from a world in memory.
#![expect(unsafe_code, reason = "keys and values as bytes")]

use super::network::SERVERS;
use super::object::Object;
use anyhow::{Context, Result, ensure};
use aya::maps::{Array, HashMap, MapData, PerCpuArray, ProgramArray};
use aya::programs::Xdp;
use aya::{Ebpf, EbpfLoader};
use forward::Counter;
use forward::abi::{Connection, DEFAULT_CONNECTIONS, Settings, Statistics, TAIL_CALLED};
use forward::connection::StateWord;
use forward::filter::Filter;
use forward::fullnat::Handshake;
use forward::host::HashTables;
use std::os::fd::{AsFd, BorrowedFd};

/// Slots of lists and hash tables that a world of one service has.
const SLOTS: usize = 4200;
/// Initial sequence number of servers that nobody asked: not what requests acknowledge.
const SERVERS_NUMBER: u32 = 1000;

/// The loaded programs of one case.
pub(super) struct Director {
    ebpf: Ebpf,
    six: bool,
    /// Its counters can be read by number.
    is_own: bool,
}

/// Everything that counts packets, at one moment.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Counts {
    /// None of another tree's object, whose numbers may be others.
    pub(super) counters: Vec<u64>,
    /// Of all servers together.
    pub(super) servers: Statistics,
}

impl Director {
    /// Loads an object with a connection table of the default size for one family.
    pub(super) fn new(object: &Object, six: bool, tables: &HashTables) -> Result<Self> {
        let mut ebpf = EbpfLoader::new()
            .map_max_entries("CONNECTIONS4", if six { 1 } else { DEFAULT_CONNECTIONS })
            .map_max_entries("CONNECTIONS6", if six { DEFAULT_CONNECTIONS } else { 1 })
            .load(&object.bytes)
            .context("opening the BPF object")?;
        for (name, index) in TAIL_CALLED.into_iter().zip(0..) {
            if !object.is_own && ebpf.program(name).is_none() {
                continue;
            }
            let program = load(&mut ebpf, name)?.fd()?.try_clone()?;
            ProgramArray::try_from(map(&mut ebpf, "JUMPS")?)?.set(index, &program, 0)?;
        }
        load(&mut ebpf, "entry")?;
        let mut director = Self { ebpf, six, is_own: object.is_own };
        let hint = if object.is_own { "filling the maps" } else { "its maps have other shapes: no comparison" };
        director.configure(tables).context(hint)?;
        Ok(director)
    }

    fn array<const N: usize>(&mut self, name: &str) -> Result<Array<&mut MapData, [u8; N]>> {
        Ok(Array::try_from(map(&mut self.ebpf, name)?)?)
    }

    fn set<T, const N: usize>(&mut self, name: &str, index: u32, value: &T) -> Result<()> {
        Ok(self.array::<N>(name)?.set(index, array_of::<N>(bytes_of(value))?, 0)?)
    }

    /// Writes what the daemon would write.
    fn configure(&mut self, tables: &HashTables) -> Result<()> {
        self.set::<_, { size_of::<Filter>() }>("FILTER", 0, &tables.filter)?;
        self.set::<_, { size_of::<Settings>() }>("SETTINGS", 0, &tables.settings)?;
        self.set::<_, 16>("INTERFACES", 1, &tables.interfaces()[1])?;
        for (slot, server) in (0..).zip(tables.schedule.iter().take(SLOTS)) {
            self.set::<_, 4>("SCHEDULE", slot, server)?;
        }
        for (key, service) in tables.services4() {
            self.add_service::<16>("SERVICES4", bytes_of(key), bytes_of(service))?;
        }
        for (key, service) in tables.services6() {
            self.add_service::<24>("SERVICES6", bytes_of(key), bytes_of(service))?;
        }
        // Older programs have no local addresses.
        if tables.locals[0].size.get() != 0 {
            self.set::<_, 128>("LOCALS", 0, &tables.locals[0])?;
        }
        for id in 1..=SERVERS {
            self.set::<_, 64>("SERVERS", id, &tables.servers[id as usize])?;
            self.set::<_, 16>("LOADS", id, &tables.loads[id as usize])?;
            // Older programs have no tunnels.
            if tables.tunnels[id as usize].outer.get() != 0 {
                self.set::<_, 32>("TUNNELS", id, &tables.tunnels[id as usize])?;
            }
        }
        Ok(())
    }

    fn add_service<const K: usize>(&mut self, name: &str, key: Vec<u8>, service: Vec<u8>) -> Result<()> {
        let mut services = HashMap::<_, [u8; K], [u8; 32]>::try_from(map(&mut self.ebpf, name)?)?;
        Ok(services.insert(array_of::<K>(key)?, array_of::<32>(service)?, 0)?)
    }

    /// Where frames come in.
    pub(super) fn entry(&self) -> Result<BorrowedFd<'_>> {
        let program: &Xdp = self.ebpf.program("entry").context("no program entry")?.try_into()?;
        Ok(program.fd()?.as_fd())
    }

    /// The connection table of the case's family.
    pub(super) fn connections_map(&self) -> Result<BorrowedFd<'_>> {
        let map = self.ebpf.map(self.connections_name()).context("no connection table")?;
        let aya::maps::Map::HashMap(map) = map else { anyhow::bail!("the connection table is of another type") };
        Ok(map.fd().as_fd())
    }

    fn connections_name(&self) -> &'static str {
        if self.six { "CONNECTIONS6" } else { "CONNECTIONS4" }
    }

    /// Everything counted so far.
    pub(super) fn counts(&self) -> Result<Counts> {
        let sum = |map: &PerCpuArray<&MapData, u64>, index| Ok(map.get(&index, 0)?.iter().sum());
        let map = PerCpuArray::try_from(self.ebpf.map("COUNTERS").context("no map COUNTERS")?)?;
        let numbers = if self.is_own { 0..Counter::COUNT } else { 0..0 };
        let counters = numbers.map(|index| sum(&map, index)).collect::<Result<_>>()?;
        let map = PerCpuArray::<_, [u64; 5]>::try_from(self.ebpf.map("STATISTICS").context("no map STATISTICS")?)?;
        let mut total = [0; 5];
        for id in 1..=SERVERS {
            for values in map.get(&id, 0)?.iter() {
                total.iter_mut().zip(values).for_each(|(total, value)| *total += value);
            }
        }
        let [connections, in_packets, in_bytes, out_packets, out_bytes] = total;
        Ok(Counts { counters, servers: Statistics { connections, in_packets, in_bytes, out_packets, out_bytes } })
    }

    /// Makes all connections of FullNAT such as a whole handshake leaves them: the server is known and told.
    pub(super) fn tell(&mut self) -> Result<()> {
        let six = self.six;
        let map = map(&mut self.ebpf, if six { "CONNECTIONS6" } else { "CONNECTIONS4" })?;
        if six { tell::<40>(map) } else { tell::<16>(map) }
    }

    /// Every entry of the connection table.
    pub(super) fn connections(&self) -> Result<Vec<Connection>> {
        let map = self.ebpf.map(self.connections_name()).context("no connection table")?;
        if self.six { entries::<40>(map) } else { entries::<16>(map) }
    }
}

fn entries<const K: usize>(map: &aya::maps::Map) -> Result<Vec<Connection>> {
    let map = HashMap::<_, [u8; K], [u8; size_of::<Connection>()]>::try_from(map)?;
    map.iter().map(|entry| Ok(connection(entry?.1))).collect()
}

fn tell<const K: usize>(map: &mut aya::maps::Map) -> Result<()> {
    let mut map = HashMap::<_, [u8; K], [u8; size_of::<Connection>()]>::try_from(map)?;
    let tables = HashTables::new(1, 1);
    for entry in map.iter().collect::<Vec<_>>() {
        let (key, value) = entry?;
        let entry = connection(value);
        if !StateWord(entry.state.get()).has(StateWord::REPLY) {
            Handshake(&entry).answered(&tables, SERVERS_NUMBER);
            Handshake(&entry).tell(&tables);
            map.insert(key, array_of(bytes_of(&entry))?, 0)?;
        }
    }
    Ok(())
}

fn connection(bytes: [u8; size_of::<Connection>()]) -> Connection {
    // SAFETY: a connection is made of numbers without padding (its size is asserted in `forward::abi`).
    unsafe { std::mem::transmute(bytes) }
}

fn map<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut aya::maps::Map> {
    ebpf.map_mut(name).with_context(|| format!("the object has no map {name}"))
}

fn load<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a Xdp> {
    let program = ebpf.program_mut(name).with_context(|| format!("the object has no program {name}"))?;
    let program: &mut Xdp = program.try_into()?;
    program.load().with_context(|| format!("loading {name}"))?;
    ensure!(program.fd().is_ok(), "{name} was not loaded");
    Ok(program)
}

/// The bytes of a map's key or value.
pub(super) fn bytes_of<T>(value: &T) -> Vec<u8> {
    // SAFETY: the layouts of `forward::abi` have no padding (asserted there by size).
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(value).cast(), size_of::<T>()) }.to_vec()
}

fn array_of<const N: usize>(bytes: Vec<u8>) -> Result<[u8; N]> {
    <[u8; N]>::try_from(bytes).ok().context("a value has another size than its map's")
}
