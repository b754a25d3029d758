//! Which generation of the programs runs behind the links, and the end of others.

use super::Attacher;
use crate::error::{Doing, Error};
use crate::hold::Hold;
use crate::load;
use crate::pins::{Pins, is_layout, names_in, remove_tree};
use std::path::{Path, PathBuf};
use std::time::Duration;

impl Attacher<'_> {
    /// Puts this build's program in place of another.
    pub(super) fn refresh(&self, hold: &Hold) -> Result<(), Error> {
        let doing = || "replace the program of an attachment".to_owned();
        if hold.program().doing(doing)? == self.generation.entry_id(hold.hook)? {
            return Ok(());
        }
        hold.replace(self.generation.entry(hold.hook)).doing(doing)
    }

    /// Puts this build's program where another build's runs over the same maps. Attachments of another layout wait
    /// until they are attached again: our maps for them are empty and must be filled first.
    pub(crate) fn refresh_inherited(&self) -> Result<(), Error> {
        let others = load::other_generations(self.schema_directory);
        let programs: Vec<u32> = others.iter().flat_map(|place| load::entries_of(place)).collect();
        for hold in self.holds() {
            if hold.program().is_ok_and(|running| programs.contains(&running)) {
                self.refresh(&hold)?;
            }
        }
        self.tidy()
    }

    /// Puts our programs in the place of whatever runs there.
    pub(crate) fn refresh_all(&self) -> Result<(), Error> {
        self.holds().iter().try_for_each(|hold| self.refresh(hold))
    }

    /// Removes pins of vanished interfaces, and generations and layouts that nothing runs any more.
    pub(crate) fn tidy(&self) -> Result<(), Error> {
        let holds = self.holds();
        for name in names_in(&self.links()) {
            let index = name.split('-').next().and_then(|index| index.parse().ok());
            if index.is_some_and(|index: u32| !holds.iter().any(|hold| hold.is_pinned_at(index, &name))) {
                remove_tree(&self.links().join(name))?;
            }
        }
        if self.capturing {
            return Ok(());
        }
        let is_ours = |hold: &Hold| {
            hold.program().is_ok_and(|running| self.generation.entry_id(hold.hook).is_ok_and(|ours| running == ours))
        };
        if !holds.iter().all(is_ours) {
            return Ok(());
        }
        let mut old = load::other_generations(self.schema_directory);
        old.extend(other_layouts(self.pins, self.schema_directory));
        if !old.is_empty() {
            // A packet may still be between two programs of the old generation: its PROG_ARRAY empties with its pin.
            std::thread::sleep(Duration::from_millis(100));
        }
        old.iter().try_for_each(|path| remove_tree(path))
    }
}

fn other_layouts(pins: &Pins, ours: &Path) -> Vec<PathBuf> {
    let layouts = names_in(&pins.root).into_iter().filter(|name| is_layout(name));
    layouts.map(|name| pins.root.join(name)).filter(|path| path != ours).collect()
}
