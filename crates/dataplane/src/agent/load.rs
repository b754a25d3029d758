//! Loading and pinning: maps by their layout, programs by their build, so that another build finds the clients of
//! connections that began before it.

use super::OBJECT;
use crate::error::{Doing, Error};
use crate::load::{explain_program, with_sources};
use crate::pins::{is_layout, make_directory, names_in, remove_tree};
use crate::schema::{Fnv, Schema};
use crate::syscall;
use aya::EbpfLoader;
use aya::programs::Program;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Pinned last: where it is, the generation is whole.
pub(super) const DECAPSULATE: &str = "decapsulate";

/// The programs of this build, and where their maps are.
pub(super) struct Loaded {
    pub(super) maps: PathBuf,
    place: PathBuf,
    programs: BTreeMap<String, OwnedFd>,
}

impl Loaded {
    /// Opens this build's programs below `root`, or loads them and whatever maps are missing.
    pub(super) fn open(root: &Path) -> Result<Self, Error> {
        let schema = Schema::of_maps(OBJECT)?;
        let maps = root.join(schema.directory_name());
        let place = maps.join(generation());
        // Whoever removed this before may have been killed at it.
        let whole = place.join(DECAPSULATE).exists() && schema.iter().all(|(name, _)| maps.join(name).exists());
        if !whole {
            remove_tree(&place)?;
            make_directory(&place)?;
            load(&maps, &place, &schema)?;
        }
        let open = |name: String| {
            let path = place.join(&name);
            let program = syscall::open_pin(&path);
            program.map(|program| (name, program)).map_err(|error| Error::Pins { path, reason: error.to_string() })
        };
        let programs = names_in(&place).into_iter().map(open).collect::<Result<_, _>>()?;
        Ok(Self { maps, place, programs })
    }

    pub(super) fn program(&self, name: &str) -> Result<&OwnedFd, Error> {
        self.programs.get(name).ok_or_else(|| Error::Load(format!("the object has no program {name}")))
    }

    pub(super) fn id(&self, name: &str) -> Result<u32, Error> {
        let facts = syscall::program_facts(self.program(name)?.as_fd());
        Ok(facts.doing(|| format!("look at program {name}"))?.id)
    }

    /// Removes other layouts and other generations.
    pub(super) fn tidy(&self, root: &Path) -> Result<(), Error> {
        let layouts = names_in(root).into_iter().filter(|name| is_layout(name)).map(|name| root.join(name));
        layouts.filter(|path| *path != self.maps).try_for_each(|path| remove_tree(&path))?;
        let inside = names_in(&self.maps).into_iter().map(|name| self.maps.join(name));
        inside.filter(|path| path.is_dir() && *path != self.place).try_for_each(|path| remove_tree(&path))
    }
}

fn generation() -> String {
    let mut hash = Fnv::new();
    hash.add(OBJECT);
    format!("p-{:016x}", hash.0)
}

fn load(maps: &Path, place: &Path, schema: &Schema) -> Result<(), Error> {
    let mut loader = EbpfLoader::new();
    for (name, _) in schema.iter() {
        loader.map_pin_path(name, maps.join(name));
    }
    let mut object = loader.load(OBJECT).map_err(|error| Error::Load(with_sources(&error)))?;
    let mut names = Vec::new();
    for (name, program) in object.programs_mut() {
        let loaded = match program {
            Program::SchedClassifier(program) => program.load(),
            Program::SockOps(program) => program.load(),
            Program::CgroupSockAddr(program) => program.load(),
            _ => return Err(Error::Load(format!("program {name} is of no kind that is known here"))),
        };
        loaded.map_err(|error| Error::Load(format!("program {name}: {}", explain_program(&error))))?;
        names.push(name.to_owned());
    }
    names.sort_by_key(|name| name == DECAPSULATE);
    for name in names {
        let program = object.program(&name).and_then(|program| program.fd().ok());
        let program = program.ok_or_else(|| Error::Load(format!("the object has no program {name}")))?;
        syscall::pin(program.as_fd(), &place.join(&name)).doing(|| format!("pin program {name}"))?;
    }
    Ok(())
}
