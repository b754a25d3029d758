//! Objects of BPF programs: this tree's own, and another one to compare it with.

use anyhow::{Context, Result};
use std::borrow::Cow;
use std::path::Path;

/// An object.
pub(super) struct Object {
    pub(super) bytes: Cow<'static, [u8]>,
    /// Counters have the numbers that this tree gives them.
    pub(super) is_own: bool,
}

impl Object {
    /// What this tree's daemon loads.
    pub(super) fn own() -> Self {
        Self { bytes: dataplane::OBJECT.into(), is_own: true }
    }

    /// A file.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        Ok(Self { bytes: bytes.into(), is_own: false })
    }
}
