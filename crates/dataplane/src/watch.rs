//! Whether the pins that a director works on are still there: without them nothing outlives it.

use crate::error::Error;
use crate::load::{ENTRY, generation_name, is_generation};
use crate::pins::{Pins, names_in};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The pins as they were when they were opened.
#[derive(Debug)]
pub(crate) struct Watch {
    shown: PathBuf,
    journal: PathBuf,
    pins: Vec<(PathBuf, u64)>,
}

impl Watch {
    /// Watches the maps and the entry program below `schema_directory`.
    pub(crate) fn begin(pins: &Pins, schema_directory: &Path) -> Self {
        let names = names_in(schema_directory).into_iter().filter(|name| !is_generation(name));
        let maps = names.map(|name| schema_directory.join(name));
        let entry = schema_directory.join(generation_name()).join(ENTRY);
        let pinned = maps.chain([entry]).filter_map(|path| Some((number(&path)?, path)));
        let (shown, journal) = (pins.shown.clone(), pins.journal());
        Self { shown, journal, pins: pinned.map(|(number, path)| (path, number)).collect() }
    }

    /// An error when one is missing or another one stands in its place.
    pub(crate) fn check(&self, journal_is_kept: bool) -> Result<(), Error> {
        let maps = self.pins.iter().find(|(path, before)| number(path) != Some(*before)).map(|(path, _)| path);
        let journal = || (journal_is_kept && !self.journal.exists()).then_some(&self.journal);
        let Some(missing) = maps.or_else(journal) else { return Ok(()) };
        let name = missing.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Err(Error::PinsGone { directory: self.shown.clone(), missing: name })
    }
}

/// What tells one pin from another of the same name.
fn number(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|metadata| metadata.ino())
}
