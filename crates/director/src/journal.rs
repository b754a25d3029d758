//! What the director keeps beside the pins: written before an answer is given, read back first.

use crate::plane::Plane;
use crate::store::{Record, Snapshot, Store};
use crate::zero::ZeroPoints;
use dataplane::Error;

/// Appended bytes that are kept without a new snapshot, however small the last one was.
const FREE: usize = 64 * 1024;

/// Sizes of what is kept, to know when a new snapshot is due.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    snapshot: usize,
    appended: usize,
}

impl Journal {
    /// Keeps one more line, or a snapshot of `store` and `zero`, which already hold what the line says.
    pub(crate) fn keep<P: Plane>(
        &mut self,
        plane: &mut P,
        record: &Record,
        store: &Store,
        zero: &ZeroPoints,
    ) -> Result<(), Error> {
        let line = text(record)?;
        let size = line.len() + 1;
        // A snapshot as long as the lines since the last one: each byte is written twice at most, in the long run.
        if self.snapshot == 0 || self.appended + size > FREE.max(self.snapshot) {
            return self.compact(plane, store, zero);
        }
        match plane.journal_append(&line) {
            Ok(()) => self.appended += size,
            Err(error) => {
                tracing::debug!(%error, "the journal takes no more lines; writing a snapshot");
                return self.compact(plane, store, zero);
            }
        }
        Ok(())
    }

    /// Replaces everything by one snapshot.
    pub(crate) fn compact<P: Plane>(&mut self, plane: &mut P, store: &Store, zero: &ZeroPoints) -> Result<(), Error> {
        let line = text(&Record::Snapshot(Box::new(Snapshot::of(store, zero))))?;
        let size = line.len() + 1;
        plane.journal_replace(vec![line])?;
        *self = Self { snapshot: size, appended: 0 };
        Ok(())
    }
}

fn text(record: &Record) -> Result<String, Error> {
    serde_json::to_string(record).map_err(|error| Error::Journal(error.to_string()))
}
