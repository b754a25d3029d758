//! The BPF object loaded for a test, with maps filled from host tables: nothing pinned, nothing attached.
#![expect(unsafe_code, reason = "lays map values over bytes")]
#![expect(clippy::unwrap_used, reason = "part of a test")]

pub(crate) mod agent;

use aya::maps::{Array, HashMap, MapData, PerCpuArray, PerCpuValues, ProgramArray};
use aya::programs::{Program, ProgramFd, SchedClassifier, TestRun, TestRunOptions, Xdp};
use aya::{Ebpf, EbpfLoader, Pod};
use dataplane::OBJECT;
use forward::Counter;
use forward::abi::{
    Address4, Address6, CLIENTS, Connection, FlowKey, Fragment, Load, Locals, RealServer, Service, ServiceKey, Signals,
    Statistics, TAIL_CALLED,
};
use forward::cases::{Case, Step};
use forward::host::{HashTables, SliceFrame};
use forward::pace::BUCKETS;

/// Servers and services that the tests' maps have room for: as many as host tables.
const SERVERS: u32 = 2048;

/// Ids that the cases use.
const USED_SERVERS: u32 = 8;
/// Slots of lists and hash tables that the cases use.
const USED_SLOTS: usize = 4200;

/// What a program made of a frame.
pub(crate) struct Outcome {
    pub(crate) action: u32,
    pub(crate) bytes: Vec<u8>,
}

/// One kind of programs that frames come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lane {
    Xdp,
    Tc,
}

impl Lane {
    /// The name of a step's program in this lane.
    pub(crate) fn program(self, step: &str) -> String {
        match self {
            Self::Xdp => step.to_owned(),
            Self::Tc => format!("tc_{step}"),
        }
    }

    /// True for cases that can be run in this lane.
    pub(crate) fn takes(self, case: &Case) -> bool {
        match self {
            Self::Xdp => {
                !case
                    .steps
                    .iter()
                    .any(|step| matches!(step, Step::Send(frame, _) if frame.ingress == 0 || frame.joined))
                    && !case.steps.iter().any(|step| matches!(step, Step::Pass(..)))
            }
            Self::Tc => !case.name.starts_with("VLAN"),
        }
    }

    /// Why it does not take the others.
    pub(crate) fn lacks(self) -> &'static str {
        match self {
            Self::Xdp => "this host sends frames of its own, or joins several to one, which XDP does not see",
            Self::Tc => "frames have tags, which this lane has beside them",
        }
    }

    /// Longest frame that a test run takes: the kernel gives tc programs one page, with room before and behind.
    pub(crate) fn largest_frame(self) -> usize {
        match self {
            Self::Xdp => usize::MAX,
            Self::Tc => 3400,
        }
    }

    fn jumps(self) -> &'static str {
        match self {
            Self::Xdp => "JUMPS",
            Self::Tc => "TC_JUMPS",
        }
    }
}

/// The loaded programs.
pub(crate) struct Kernel {
    ebpf: Ebpf,
    /// Slots written by the last configuration.
    slots: usize,
    /// Places of known clients that may be taken.
    places: Vec<u32>,
}

impl Kernel {
    /// Loads every program; says how many instructions the verifier followed.
    pub(crate) fn load(connections: u32) -> (Self, Vec<(String, u32)>) {
        let mut ebpf = EbpfLoader::new()
            .map_max_entries("CONNECTIONS4", connections)
            .map_max_entries("CONNECTIONS6", connections)
            .map_max_entries("SERVERS", SERVERS)
            .map_max_entries("TUNNELS", SERVERS)
            .map_max_entries("LOADS", SERVERS)
            .map_max_entries("SIGNALS", SERVERS)
            .map_max_entries("STATISTICS", SERVERS)
            .map_max_entries("SCHEDULE", 1 << 16)
            .load(OBJECT)
            .expect("the object opens");
        let mut names: Vec<String> = ebpf.programs().map(|(name, _)| name.to_string()).collect();
        names.sort();
        let verified = names
            .into_iter()
            .map(|name| {
                let program = ebpf.program_mut(&name).unwrap();
                if let Err(error) = load(program) {
                    panic!("{name} is refused: {error:?}");
                }
                let count = program.info().unwrap().verified_instruction_count().unwrap_or(0);
                (name, count)
            })
            .collect();
        let mut kernel = Self { ebpf, slots: USED_SLOTS, places: Vec::new() };
        for lane in [Lane::Xdp, Lane::Tc] {
            for (index, name) in TAIL_CALLED.into_iter().enumerate() {
                let program = kernel.descriptor(&lane.program(name));
                let mut jumps = ProgramArray::try_from(kernel.ebpf.map_mut(lane.jumps()).unwrap()).unwrap();
                jumps.set(index as u32, &program, 0).unwrap();
            }
        }
        (kernel, verified)
    }

    fn descriptor(&self, program: &str) -> ProgramFd {
        self.ebpf.program(program).unwrap().fd().unwrap().try_clone().unwrap()
    }

    fn array<const N: usize>(&mut self, name: &str) -> Array<&mut MapData, [u8; N]> {
        Array::try_from(self.ebpf.map_mut(name).unwrap()).unwrap()
    }

    fn hash<const K: usize, const V: usize>(&mut self, name: &str) -> HashMap<&mut MapData, [u8; K], [u8; V]> {
        HashMap::try_from(self.ebpf.map_mut(name).unwrap()).unwrap()
    }

    /// As after loading: nothing configured, nothing counted, no connections.
    pub(crate) fn reset(&mut self) {
        self.empty::<16, 64>("CONNECTIONS4");
        self.empty::<40, 64>("CONNECTIONS6");
        self.empty::<16, 56>("FRAGMENTS4");
        self.empty::<40, 56>("FRAGMENTS6");
        self.empty::<16, 72>("PASSAGES4");
        self.empty::<24, 72>("PASSAGES6");
        let four: Vec<_> = self.hash::<16, 32>("SERVICES4").keys().map(Result::unwrap).collect();
        four.iter().for_each(|key| self.hash::<16, 32>("SERVICES4").remove(key).unwrap());
        let six: Vec<_> = self.hash::<24, 32>("SERVICES6").keys().map(Result::unwrap).collect();
        six.iter().for_each(|key| self.hash::<24, 32>("SERVICES6").remove(key).unwrap());
        for id in 0..USED_SERVERS {
            self.array::<64>("SERVERS").set(id, [0; 64], 0).unwrap();
            self.array::<32>("TUNNELS").set(id, [0; 32], 0).unwrap();
            self.array::<16>("LOADS").set(id, [0; 16], 0).unwrap();
            self.array::<8>("CURSORS").set(id, [0; 8], 0).unwrap();
            self.array::<128>("LOCALS").set(id, [0; 128], 0).unwrap();
            self.array::<32>("SIGNALS").set(id, [0; 32], 0).unwrap();
            self.zero("STATISTICS", id, [0_u64; 5]);
        }
        for place in std::mem::take(&mut self.places) {
            self.array::<8>("CLIENT_PLACES").set(place, [0; 8], 0).unwrap();
        }
        (0..BUCKETS).for_each(|bucket| self.array::<8>("BUCKETS").set(bucket, [0; 8], 0).unwrap());
        (0..Counter::COUNT).for_each(|index| self.zero("COUNTERS", index, 0_u64));
        self.zero("INTERFACE_COUNTERS", 1, [0_u64; 2]);
    }

    fn zero<V: Pod>(&mut self, map: &str, index: u32, zero: V) {
        let cpus = aya::util::nr_cpus().unwrap();
        let mut map = PerCpuArray::<_, V>::try_from(self.ebpf.map_mut(map).unwrap()).unwrap();
        map.set(index, PerCpuValues::try_from(vec![zero; cpus]).unwrap(), 0).unwrap();
    }

    /// Writes everything that the daemon writes: services, servers, weights, lists, settings, filter, interfaces.
    pub(crate) fn configure(&mut self, tables: &HashTables) {
        self.array::<{ size_of::<forward::filter::Filter>() }>("FILTER").set(0, bytes(&tables.filter), 0).unwrap();
        self.array::<80>("SETTINGS").set(0, bytes(&tables.settings), 0).unwrap();
        let interface = tables.interfaces()[1];
        self.array::<16>("INTERFACES").set(1, bytes(&interface), 0).unwrap();
        let used = tables.schedule.iter().take(USED_SLOTS).rposition(|server| *server != 0).map_or(0, |last| last + 1);
        let written = std::mem::replace(&mut self.slots, used).max(used);
        let mut schedule = self.array::<4>("SCHEDULE");
        for (slot, server) in tables.schedule.iter().enumerate().take(written) {
            schedule.set(slot as u32, server.to_ne_bytes(), 0).unwrap();
        }
        for (key, service) in tables.services4() {
            self.hash::<16, 32>("SERVICES4")
                .insert(bytes::<ServiceKey<_>, 16>(key), bytes::<Service, 32>(service), 0)
                .unwrap();
        }
        for (key, service) in tables.services6() {
            self.hash::<24, 32>("SERVICES6")
                .insert(bytes::<ServiceKey<_>, 24>(key), bytes::<Service, 32>(service), 0)
                .unwrap();
        }
        for (key, passage) in tables.passages4() {
            self.hash::<16, 72>("PASSAGES4").insert(bytes::<ServiceKey<_>, 16>(key), bytes(passage), 0).unwrap();
        }
        for (key, passage) in tables.passages6() {
            self.hash::<24, 72>("PASSAGES6").insert(bytes::<ServiceKey<_>, 24>(key), bytes(passage), 0).unwrap();
        }
        for (id, locals) in (0..USED_SERVERS).zip(&tables.locals) {
            self.array::<128>("LOCALS").set(id, bytes::<Locals, 128>(locals), 0).unwrap();
        }
        self.configure_servers(tables);
    }

    /// Writes servers and their weights; their loads stay as they are.
    pub(crate) fn configure_servers(&mut self, tables: &HashTables) {
        for id in (0..USED_SERVERS).filter(|id| tables.servers[*id as usize].flags.get() != 0) {
            let server: &RealServer = &tables.servers[id as usize];
            self.array::<64>("SERVERS").set(id, bytes(server), 0).unwrap();
            self.array::<32>("TUNNELS").set(id, bytes(&tables.tunnels[id as usize]), 0).unwrap();
            let mut load = self.array::<16>("LOADS").get(&id, 0).unwrap();
            let weight = std::mem::offset_of!(Load, weight);
            load[weight..weight + 4].copy_from_slice(&tables.loads[id as usize].weight.get().to_ne_bytes());
            self.array::<16>("LOADS").set(id, load, 0).unwrap();
        }
    }

    /// Active and inactive connections and the weight of a server.
    pub(crate) fn load_of(&mut self, id: u32) -> (u32, u32, u32) {
        let words = self.array::<16>("LOADS").get(&id, 0).unwrap();
        let word = |at: usize| u32::from_ne_bytes(words[at..at + 4].try_into().unwrap());
        (word(0), word(4), word(8))
    }

    /// Signals of a server: begun, unanswered and reset connections, and the marks of clients that failed and were served.
    pub(crate) fn signals(&mut self, id: u32) -> ([u32; 3], [u64; 2]) {
        let bytes = self.array::<32>("SIGNALS").get(&id, 0).unwrap();
        let signals: Signals = from_bytes(&bytes);
        let counts = [signals.begun.get(), signals.unanswered.get(), signals.reset.get()];
        (counts, [signals.failed.get(), signals.served.get()])
    }

    /// The same clients are known as on the host, which knows these places; they are emptied with the rest.
    pub(crate) fn known_clients(&mut self, host: &HashTables) -> Vec<(u32, u64)> {
        let taken = (0..CLIENTS).zip(&host.clients).filter(|(_, place)| place.get() != 0).map(|(place, _)| place);
        let places: Vec<u32> = taken.collect();
        self.places.clone_from(&places);
        let map = self.array::<8>("CLIENT_PLACES");
        places.into_iter().map(|place| (place, u64::from_ne_bytes(map.get(&place, 0).unwrap()))).collect()
    }

    /// The cursor of a service.
    pub(crate) fn cursor(&mut self, service: u32) -> u64 {
        u64::from_ne_bytes(self.array::<8>("CURSORS").get(&service, 0).unwrap())
    }

    /// All counters, summed over CPUs, by number.
    pub(crate) fn counters(&mut self) -> Vec<u64> {
        let map = PerCpuArray::<_, u64>::try_from(self.ebpf.map_mut("COUNTERS").unwrap()).unwrap();
        (0..Counter::COUNT).map(|index| map.get(&index, 0).unwrap().iter().sum()).collect()
    }

    /// Statistics of a server, summed over CPUs.
    pub(crate) fn statistics(&mut self, id: u32) -> Statistics {
        let map = PerCpuArray::<_, [u64; 5]>::try_from(self.ebpf.map_mut("STATISTICS").unwrap()).unwrap();
        let mut sum = [0; 5];
        for values in map.get(&id, 0).unwrap().iter() {
            sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
        let [connections, in_packets, in_bytes, out_packets, out_bytes] = sum;
        Statistics { connections, in_packets, in_bytes, out_packets, out_bytes }
    }

    /// Checksums looked at and partial ones among them, counted on interface 1.
    pub(crate) fn checksums(&mut self) -> [u64; 2] {
        let map = PerCpuArray::<_, [u64; 2]>::try_from(self.ebpf.map_mut("INTERFACE_COUNTERS").unwrap()).unwrap();
        map.get(&1, 0).unwrap().iter().fold([0; 2], |sum, one| [sum[0] + one[0], sum[1] + one[1]])
    }

    /// Keys of all entries, both families.
    pub(crate) fn keys(&mut self) -> (Vec<[u8; 16]>, Vec<[u8; 40]>) {
        let four = self.hash::<16, 64>("CONNECTIONS4").keys().map(Result::unwrap).collect();
        let six = self.hash::<40, 64>("CONNECTIONS6").keys().map(Result::unwrap).collect();
        (four, six)
    }

    /// Lets ticks go by for every entry.
    pub(crate) fn wait(&mut self, ticks: u32) {
        self.change::<16, 64>("CONNECTIONS4", |key, value| age::<16, Address4>(key, value, ticks));
        self.change::<40, 64>("CONNECTIONS6", |key, value| age::<40, Address6>(key, value, ticks));
        self.change::<16, 56>("FRAGMENTS4", |_, value| age_fragment(value, ticks));
        self.change::<40, 56>("FRAGMENTS6", |_, value| age_fragment(value, ticks));
    }

    /// Changes every element of a map.
    fn change<const K: usize, const V: usize>(&mut self, name: &str, change: impl Fn(&[u8; K], &[u8; V]) -> [u8; V]) {
        let mut map = self.hash::<K, V>(name);
        let keys: Vec<[u8; K]> = map.keys().map(Result::unwrap).collect();
        for key in keys {
            let value = map.get(&key, 0).unwrap();
            map.insert(key, change(&key, &value), 0).unwrap();
        }
    }

    fn empty<const K: usize, const V: usize>(&mut self, name: &str) {
        let mut map = self.hash::<K, V>(name);
        let keys: Vec<[u8; K]> = map.keys().map(Result::unwrap).collect();
        keys.iter().for_each(|key| map.remove(key).unwrap());
    }

    /// Runs a program over a frame that arrives on interface 1, or that this host sends.
    pub(crate) fn run(&self, program: &str, frame: &SliceFrame) -> Outcome {
        let mut out = vec![0; frame.bytes.len() + 256];
        // struct __sk_buff up to gso_size, with ingress_ifindex, ifindex, gso_segs and gso_size.
        let parts = u32::from(frame.joined);
        let mut context = [0_u32; 45];
        (context[9], context[10], context[41], context[44]) = (frame.ingress, 1, 2 * parts, 1400 * parts);
        let context: Vec<u8> = context.into_iter().flat_map(u32::to_ne_bytes).collect();
        let options =
            TestRunOptions { data_in: Some(&frame.bytes), data_out: Some(&mut out), repeat: 1, ..Default::default() };
        let result = match self.ebpf.program(program).unwrap() {
            Program::Xdp(program) => program.test_run(options),
            Program::SchedClassifier(program) => program.test_run(TestRunOptions { ctx_in: Some(&context), ..options }),
            _ => panic!("{program} is of no known kind"),
        };
        let result = result.expect("BPF_PROG_TEST_RUN");
        out.truncate(result.data_size_out as usize);
        Outcome { action: result.return_value, bytes: out }
    }

    /// Runs the expiry programs over every entry, as the sweeper does; says how many were removed.
    pub(crate) fn sweep(&mut self) -> usize {
        let (four, six) = self.keys();
        self.expire("expire4", &four.concat(), size_of::<FlowKey<Address4>>())
            + self.expire("expire6", &six.concat(), size_of::<FlowKey<Address6>>())
    }

    fn expire(&self, program: &str, keys: &[u8], size: usize) -> usize {
        let batches = keys.chunks(size * 64);
        batches
            .map(|batch| {
                let bytes = [&[0; 14][..], batch].concat();
                self.run(program, &SliceFrame { bytes, ingress: 1, joined: false }).action as usize
            })
            .sum()
    }
}

fn load(program: &mut Program) -> Result<(), aya::programs::ProgramError> {
    match program {
        Program::Xdp(program) => Xdp::load(program),
        Program::SchedClassifier(program) => SchedClassifier::load(program),
        _ => panic!("a program of no known kind"),
    }
}

/// A connection so many ticks older.
fn age<const K: usize, A>(key: &[u8; K], value: &[u8; 64], ticks: u32) -> [u8; 64] {
    let (key, entry): (FlowKey<A>, Connection) = (from_bytes(key), from_bytes(value));
    forward::host::world::age(&key, &entry, ticks);
    bytes(&entry)
}

/// A fragmented datagram so many ticks older.
fn age_fragment(value: &[u8; 56], ticks: u32) -> [u8; 56] {
    let entry: Fragment = from_bytes(value);
    entry.seen.set(entry.seen.get().wrapping_sub(ticks));
    bytes(&entry)
}

/// A map value or key from its bytes.
fn from_bytes<T, const N: usize>(bytes: &[u8; N]) -> T {
    assert_eq!(size_of::<T>(), N);
    // SAFETY: every pattern of bytes is a value of the map layouts, the length was checked above.
    unsafe { std::ptr::from_ref(bytes).cast::<T>().read_unaligned() }
}

/// The bytes of a map value or key.
pub(crate) fn bytes<T, const N: usize>(value: &T) -> [u8; N]
where
    [u8; N]: Pod,
{
    assert_eq!(size_of::<T>(), N);
    // SAFETY: map layouts have no padding (asserted in forward::abi by size), the length was checked above.
    unsafe { std::ptr::from_ref(value).cast::<[u8; N]>().read() }
}
