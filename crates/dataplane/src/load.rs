//! Loading: maps that are not pinned yet, then one generation of programs with its own PROG_ARRAY, all pinned.
//!
//! A generation is known by the hash of its object. A daemon of the same build opens the pinned programs; one of
//! another build loads its own beside them, and [`crate::attach`] puts them behind the links.

use crate::Options;
use crate::error::{Doing, Error};
use crate::hold::Hook;
use crate::pins::{make_directory, names_in, remove_tree};
use crate::schema::{Fnv, JUMPS, RETIRED, Schema};
use crate::syscall;
use aya::maps::MapError;
use aya::programs::{Program, ProgramError};
use aya::{Ebpf, EbpfLoader};
use forward::abi::TAIL_CALLED;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// The BPF object, built from crate `ebpf`.
pub(crate) static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/xlvs-bpf"));

/// What stands before the names of a lane's programs, in the order of [`JUMPS`].
const PREFIXES: [&str; 2] = ["", "tc_"];
/// Pinned last: where it is, the generation is whole.
pub(crate) const ENTRY: &str = "entry";
/// Where frames come in, by lane, and where they go out.
pub(crate) const ENTRIES: [&str; 3] = [ENTRY, "tc_entry", "tc_exit"];
/// Prefix of the directory of a generation.
const GENERATION: &str = "p-";

/// The programs of one build, loaded and pinned.
pub(crate) struct Generation {
    entry: OwnedFd,
    tc_entry: OwnedFd,
    tc_exit: OwnedFd,
    pub(crate) check_out: OwnedFd,
    pub(crate) check_in: OwnedFd,
    pub(crate) explain: OwnedFd,
    pub(crate) tc_explain: OwnedFd,
    pub(crate) expire4: OwnedFd,
    pub(crate) expire6: OwnedFd,
    /// Instructions the verifier looked at, by program.
    pub(crate) verified: BTreeMap<String, u32>,
}

impl Generation {
    /// Opens this build's programs in `directory` (of maps), or loads them and whatever maps are missing.
    pub(crate) fn open(directory: &Path, schema: &Schema, options: &Options) -> Result<Self, Error> {
        let was_there = directory.exists();
        let place = directory.join(generation_name());
        if !place.join(ENTRY).exists() {
            remove_tree(&place)?;
            make_directory(&place)?;
            if let Err(error) = load(directory, &place, schema, options, Variant::Ordinary) {
                let leftovers = if was_there { &place } else { directory };
                if let Err(second) = remove_tree(leftovers) {
                    tracing::warn!("{second}");
                }
                return Err(error);
            }
        }
        Self::of_pins(&place)
    }

    pub(crate) fn of_pins(place: &Path) -> Result<Self, Error> {
        let mut verified = BTreeMap::new();
        for name in names_in(place).into_iter().filter(|name| !JUMPS.contains(&name.as_str())) {
            let program = open(place, &name)?;
            let facts = syscall::program_facts(program.as_fd()).doing(|| format!("look at program {name}"))?;
            verified.insert(name, facts.verified_instructions);
        }
        Ok(Self {
            entry: open(place, ENTRY)?,
            tc_entry: open(place, "tc_entry")?,
            tc_exit: open(place, "tc_exit")?,
            check_out: open(place, "tc_check_out")?,
            check_in: open(place, "tc_check_in")?,
            explain: open(place, "explain")?,
            tc_explain: open(place, "tc_explain")?,
            expire4: open(place, "expire4")?,
            expire6: open(place, "expire6")?,
            verified,
        })
    }

    /// The program that belongs on a hook.
    pub(crate) fn entry(&self, hook: Hook) -> BorrowedFd<'_> {
        match hook {
            Hook::Xdp => self.entry.as_fd(),
            Hook::Ingress => self.tc_entry.as_fd(),
            Hook::Egress => self.tc_exit.as_fd(),
        }
    }

    /// Its id.
    pub(crate) fn entry_id(&self, hook: Hook) -> Result<u32, Error> {
        let facts = syscall::program_facts(self.entry(hook));
        Ok(facts.doing(|| "look at the program".to_owned())?.id)
    }
}

/// Name of the directory of this build's generation.
pub(crate) fn generation_name() -> String {
    let mut hash = Fnv::new();
    hash.add(OBJECT);
    format!("{GENERATION}{:016x}", hash.0)
}

/// Name of the directory of this build's generation for captures.
pub(crate) fn capture_name() -> String {
    generation_name() + "-capture"
}

/// True for the directory of a generation.
pub(crate) fn is_generation(name: &str) -> bool {
    name.starts_with(GENERATION)
}

/// Directories of other generations beside ours.
pub(crate) fn other_generations(directory: &Path) -> Vec<PathBuf> {
    let ours = generation_name();
    let others = names_in(directory).into_iter().filter(|name| is_generation(name) && *name != ours);
    others.map(|name| directory.join(name)).collect()
}

/// Ids of the entry programs of a generation.
pub(crate) fn entries_of(place: &Path) -> Vec<u32> {
    let id = |name: &&str| syscall::program_facts(open(place, name).ok()?.as_fd()).ok().map(|facts| facts.id);
    ENTRIES.iter().filter_map(id).collect()
}

fn open(place: &Path, name: &str) -> Result<OwnedFd, Error> {
    let path = place.join(name);
    syscall::open_pin(&path).map_err(|error| Error::Pins { path, reason: error.to_string() })
}

/// What a generation is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Variant {
    Ordinary,
    /// It copies frames, too.
    Capture,
}

/// Value of the programs' constant `CAPTURE` that turns copying on, and the size of their ring in bytes.
static CAPTURE_ON: u32 = 1;
const CAPTURE_RING: u32 = 8 << 20;

/// Loads one generation and pins it at `place`.
pub(crate) fn load(
    directory: &Path,
    place: &Path,
    schema: &Schema,
    options: &Options,
    variant: Variant,
) -> Result<Ebpf, Error> {
    let paths: Vec<(&str, PathBuf)> = schema.iter().map(|(name, _)| (name, directory.join(name))).collect();
    for (name, path) in &paths {
        check_pinned(name, path, schema, options)?;
    }
    create_retired(&directory.join(RETIRED), schema)?;
    let mut loader = EbpfLoader::new();
    loader.map_max_entries("CONNECTIONS4", options.connections4);
    loader.map_max_entries("CONNECTIONS6", options.connections6);
    if variant == Variant::Capture {
        loader.override_global("CAPTURE", &CAPTURE_ON, true);
        loader.map_max_entries("CAPTURE_RING", CAPTURE_RING);
    }
    for name in JUMPS {
        loader.map_pin_path(name, place.join(name));
    }
    for (name, path) in &paths {
        loader.map_pin_path(name, path.clone());
    }
    let mut object = loader.load(OBJECT).map_err(|error| Error::Load(explain(&error, options)))?;
    for (name, program) in object.programs_mut() {
        load_program(name, program)?;
    }
    for (map, prefix) in JUMPS.into_iter().zip(PREFIXES) {
        enter_tail_called(&object, place, map, prefix)?;
    }
    let names = object.programs().map(|(name, _)| name).filter(|name| *name != ENTRY);
    for name in names.chain([ENTRY]) {
        let program = descriptor(object.program(name), name)?;
        syscall::pin(program.as_fd(), &place.join(name)).doing(|| format!("pin program {name}"))?;
    }
    Ok(object)
}

/// Enters the programs of one lane into its map.
fn enter_tail_called(object: &Ebpf, place: &Path, map: &str, prefix: &str) -> Result<(), Error> {
    let jumps = open(place, map)?;
    for (index, name) in (0_u32..).zip(TAIL_CALLED) {
        let name = format!("{prefix}{name}");
        let program = descriptor(object.program(&name), &name)?;
        let number = (program.as_fd().as_raw_fd() as u32).to_ne_bytes();
        syscall::update(jumps.as_fd(), &index.to_ne_bytes(), &number).doing(|| format!("enter {name} into {map}"))?;
    }
    Ok(())
}

/// A map of an earlier director must look as ours would; aya itself does not compare.
fn check_pinned(name: &str, path: &Path, schema: &Schema, options: &Options) -> Result<(), Error> {
    if !path.exists() {
        return Ok(());
    }
    let map =
        syscall::open_pin(path).map_err(|error| Error::Pins { path: path.to_owned(), reason: error.to_string() })?;
    schema.check(name, map.as_fd(), path)?;
    let wanted = match name {
        "CONNECTIONS4" => options.connections4,
        "CONNECTIONS6" => options.connections6,
        _ => return Ok(()),
    };
    let found = syscall::map_shape(map.as_fd()).doing(|| format!("look at {}", path.display()))?.max_entries;
    if found != wanted {
        tracing::warn!("{name} keeps room for {found} entries; `xlvs stop` and a new start give it {wanted}");
    }
    Ok(())
}

fn create_retired(path: &Path, schema: &Schema) -> Result<(), Error> {
    let Some(shape) = schema.shape(RETIRED).filter(|_| !path.exists()) else { return Ok(()) };
    let map = syscall::create_map(RETIRED, shape).doing(|| format!("create map {RETIRED}"))?;
    syscall::pin(map.as_fd(), path).doing(|| format!("pin map {RETIRED}"))
}

fn load_program(name: &str, program: &mut Program) -> Result<(), Error> {
    let loaded = match program {
        Program::Xdp(program) => program.load(),
        Program::SchedClassifier(program) => program.load(),
        _ => return Err(Error::Load(format!("program {name} is of no kind that is known here"))),
    };
    loaded.map_err(|error| Error::Load(format!("program {name}: {}", explain_program(&error))))
}

fn descriptor<'a>(program: Option<&'a Program>, name: &str) -> Result<&'a aya::programs::ProgramFd, Error> {
    let program = program.ok_or_else(|| Error::Load(format!("the object has no program {name}")))?;
    program.fd().map_err(|error| Error::Load(format!("program {name}: {error}")))
}

fn explain(error: &aya::EbpfError, options: &Options) -> String {
    match error {
        aya::EbpfError::MapError(MapError::CreateError { name, io_error }) => {
            let hint = match io_error.raw_os_error() {
                Some(libc::ENOMEM | libc::E2BIG) => {
                    let entries = u64::from(options.connections4) + u64::from(options.connections6);
                    format!(
                        "; the connection tables take about {} MB, ask for fewer connections",
                        (entries * 170) >> 20
                    )
                }
                _ => String::new(),
            };
            format!("map {name} cannot be created: {io_error}{hint}")
        }
        other => with_sources(other),
    }
}

/// The last lines of the verifier's log say what it did not like.
pub(crate) fn explain_program(error: &ProgramError) -> String {
    let ProgramError::LoadError { io_error, verifier_log } = error else { return with_sources(error) };
    let log = verifier_log.to_string();
    tracing::debug!("verifier log:\n{log}");
    let told: Vec<&str> = log.lines().filter(|line| !line.starts_with("processed ") && !line.is_empty()).collect();
    let last = told.iter().rev().take(3).rev().copied().collect::<Vec<_>>().join(" | ");
    format!("the kernel refuses it: {io_error} ({last})")
}

pub(crate) fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let inner = error.to_string();
        if !text.contains(&inner) {
            text = format!("{text}: {inner}");
        }
        source = error.source();
    }
    text.replace('\n', " ")
}
