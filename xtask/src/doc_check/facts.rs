//! What the rules are about, read from cargo's metadata and the files.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, MetadataCommand, Package};

use crate::workspace;

pub(super) struct Facts {
    pub(super) members: Vec<Member>,
    /// Text of ARCHITECTURE.md.
    pub(super) architecture: String,
    /// Text of docs/dependencies.md.
    pub(super) dependencies_page: String,
    /// External names in `[workspace.dependencies]`.
    pub(super) shared_dependencies: Vec<String>,
    /// Rust files with their number of lines.
    pub(super) files: Vec<(String, usize)>,
}

pub(super) struct Member {
    pub(super) name: String,
    pub(super) inherits_lints: bool,
    pub(super) dependencies: Vec<Dependency>,
}

pub(super) struct Dependency {
    pub(super) name: String,
    /// Of this workspace.
    pub(super) local: bool,
    /// Only tests or the build script use it.
    pub(super) aside: bool,
}

impl Facts {
    pub(super) fn gather() -> Result<Self> {
        let root = workspace::root();
        let metadata = MetadataCommand::new().current_dir(root).no_deps().exec().context("cargo metadata")?;
        let members = metadata.packages.iter().map(member).collect::<Result<_>>()?;
        let manifest: toml::Table = read(&root.join("Cargo.toml"))?.parse().context("Cargo.toml")?;
        let mut files = Vec::new();
        for folder in ["crates", "bench", "fuzz", "xtask"] {
            count_lines(&root.join(folder), root, &mut files)?;
        }
        Ok(Self {
            members,
            architecture: read(&root.join("ARCHITECTURE.md"))?,
            dependencies_page: read(&root.join("docs/dependencies.md"))?,
            shared_dependencies: shared_dependencies(&manifest),
            files,
        })
    }
}

fn member(package: &Package) -> Result<Member> {
    let manifest: toml::Table = read(package.manifest_path.as_std_path())?
        .parse()
        .with_context(|| format!("reading {}", package.manifest_path))?;
    let dependencies = package.dependencies.iter().map(|dependency| Dependency {
        name: dependency.name.clone(),
        local: dependency.path.is_some(),
        aside: dependency.kind != DependencyKind::Normal,
    });
    Ok(Member {
        name: package.name.to_string(),
        inherits_lints: inherits_lints(&manifest),
        dependencies: dependencies.collect(),
    })
}

fn inherits_lints(manifest: &toml::Table) -> bool {
    manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool) == Some(true)
}

fn shared_dependencies(manifest: &toml::Table) -> Vec<String> {
    let table = manifest.get("workspace").and_then(|workspace| workspace.get("dependencies"));
    let entries = table.and_then(toml::Value::as_table).into_iter().flatten();
    entries.filter(|(_, value)| value.get("path").is_none()).map(|(name, _)| name.clone()).collect()
}

fn count_lines(folder: &Path, root: &Path, files: &mut Vec<(String, usize)>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))? {
        let path: PathBuf = entry?.path();
        if path.is_dir() {
            count_lines(&path, root, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            files.push((name, read(&path)?.lines().count()));
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::{inherits_lints, shared_dependencies};

    #[test]
    fn lints_are_inherited_only_by_saying_so() {
        let inherits = |text: &str| inherits_lints(&text.parse().expect("valid TOML"));
        assert!(inherits("[lints]\nworkspace = true"));
        assert!(!inherits("[lints]\nworkspace = false"));
        assert!(!inherits("[lints.rust]\nunsafe_code = \"deny\""));
        assert!(!inherits("[package]\nname = \"wire\""));
    }

    #[test]
    fn shared_dependencies_are_the_external_ones() {
        let manifest =
            "[workspace.dependencies]\nwire = { path = \"crates/wire\" }\nanyhow = \"1\"\nclap = { version = \"4\" }";
        let manifest = manifest.parse().expect("valid TOML");
        assert_eq!(shared_dependencies(&manifest), ["anyhow", "clap"]);
    }
}
