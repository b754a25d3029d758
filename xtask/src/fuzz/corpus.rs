//! Corpora: the large one in the target folder, and the small one in the tree.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Fuzzer, run};
use crate::{step, workspace};

/// What one target's corpus in the tree may take, in bytes.
const ROOM: u64 = 60_000;
/// Most files of it. The largest inputs reach the most: the rest is found again by whoever fuzzes.
const MOST: usize = 40;

/// Where a run puts what it finds worth keeping.
pub(super) fn found(fuzzer: &Fuzzer, name: &str) -> PathBuf {
    fuzzer.folder.join("corpus").join(name)
}

/// The corpus in the tree.
pub(super) fn kept(name: &str) -> PathBuf {
    workspace::root().join("fuzz/corpus").join(name)
}

/// Replaces the corpus in the tree by the smallest one that reaches what both reach, and as much of it as has room.
pub(super) fn keep(fuzzer: &Fuzzer, name: &str) -> Result<()> {
    let merged = fuzzer.folder.join("merged").join(name);
    if merged.exists() {
        fs::remove_dir_all(&merged).with_context(|| format!("removing {}", merged.display()))?;
    }
    fs::create_dir_all(&merged).with_context(|| format!("making {}", merged.display()))?;
    let mut merge = run::command(fuzzer, name);
    merge
        .args(["-set_cover_merge=1", "-use_counters=0", "-verbosity=0"])
        .arg(&merged)
        .arg(kept(name))
        .arg(found(fuzzer, name));
    merge.stderr(std::process::Stdio::null());
    step::execute(&mut merge)?;
    let bytes = replace(&kept(name), &merged)?;
    eprintln!("    {bytes} bytes in {}", kept(name).display());
    Ok(())
}

/// Moves files from one folder into the place of another, the largest first, as many as have room.
fn replace(to: &Path, from: &Path) -> Result<u64> {
    let mut files = fs::read_dir(from)?
        .map(|entry| {
            let entry = entry?;
            Ok((entry.metadata()?.len(), entry.path()))
        })
        .collect::<Result<Vec<_>>>()?;
    files.sort_by(|one, other| other.cmp(one));
    if to.exists() {
        fs::remove_dir_all(to).with_context(|| format!("removing {}", to.display()))?;
    }
    fs::create_dir_all(to)?;
    let mut bytes = 0;
    let mut count = 0;
    for (size, path) in files {
        if count == MOST {
            break;
        }
        if bytes + size > ROOM {
            continue;
        }
        count += 1;
        bytes += size;
        fs::copy(&path, to.join(path.file_name().unwrap_or_default()))?;
    }
    Ok(bytes)
}
