//! The rules: pure functions of the facts.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding::{self, Question, Wrong};
use super::facts::{Facts, Member};
use super::floors;

/// Beyond this a file is asked whether it is still one noun.
const LONG_FILE: usize = 400;

pub(super) fn review(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    match floors::parse(&facts.architecture) {
        Ok(floors) => {
            findings.extend(arrows_point_down(&facts.members, &floors));
            findings.extend(page_names_the_crates(&facts.members, &floors));
        }
        Err(problem) => findings.push(Wrong(problem)),
    }
    findings.extend(mentioned_folders_exist(&facts.architecture, &facts.members));
    findings.extend(lints_are_inherited(&facts.members));
    findings.extend(dependencies_have_reasons(facts));
    findings.extend(long_files(&facts.files));
    findings
}

/// A crate uses floors below its own, nothing beside or above; its tests may use a neighbour.
fn arrows_point_down(members: &[Member], floors: &BTreeMap<String, u32>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in members {
        for dependency in member.dependencies.iter().filter(|dependency| dependency.local) {
            let (Some(from), Some(to)) = (floors.get(&member.name), floors.get(&dependency.name)) else { continue };
            if to > from || (to == from && !dependency.aside) {
                findings.push(Wrong(format!(
                    "`{}` (floor {from}) uses `{}` (floor {to}): arrows point down only",
                    member.name, dependency.name
                )));
            }
        }
    }
    findings
}

fn page_names_the_crates(members: &[Member], floors: &BTreeMap<String, u32>) -> Vec<Finding> {
    let there: BTreeSet<&str> = members.iter().map(|member| member.name.as_str()).collect();
    let named: BTreeSet<&str> = floors.keys().map(String::as_str).collect();
    let missing = there.difference(&named).map(|name| Wrong(format!("ARCHITECTURE.md puts `{name}` on no floor")));
    let extra = named.difference(&there).map(|name| Wrong(format!("ARCHITECTURE.md names `{name}`: no such crate")));
    missing.chain(extra).collect()
}

fn mentioned_folders_exist(architecture: &str, members: &[Member]) -> Vec<Finding> {
    let mentioned: BTreeSet<&str> = floors::code_words(architecture)
        .filter_map(|word| word.strip_prefix("crates/"))
        .map(|path| path.split('/').next().unwrap_or(path))
        .collect();
    let unknown = mentioned.into_iter().filter(|name| !members.iter().any(|member| member.name == *name));
    unknown.map(|name| Wrong(format!("ARCHITECTURE.md mentions `crates/{name}`: no such crate"))).collect()
}

fn lints_are_inherited(members: &[Member]) -> Vec<Finding> {
    let careless = members.iter().filter(|member| !member.inherits_lints);
    careless.map(|member| Wrong(format!("`{}` lacks `[lints] workspace = true`", member.name))).collect()
}

/// Each external dependency has its line in docs/dependencies.md, and each line its dependency.
fn dependencies_have_reasons(facts: &Facts) -> Vec<Finding> {
    let dependencies = facts.members.iter().flat_map(|member| &member.dependencies);
    let used: BTreeSet<&str> =
        dependencies.filter(|dependency| !dependency.local).map(|dependency| dependency.name.as_str()).collect();
    let explained = explained_dependencies(&facts.dependencies_page);
    let silent = used.difference(&explained);
    let stale = explained.difference(&used);
    let idle = facts.shared_dependencies.iter().filter(|name| !used.contains(name.as_str()));
    silent
        .map(|name| Wrong(format!("docs/dependencies.md has no line (| `{name}` | reason |) for `{name}`")))
        .chain(stale.map(|name| Wrong(format!("docs/dependencies.md explains `{name}`, which no crate uses"))))
        .chain(idle.map(|name| Question(format!("Cargo.toml shares `{name}`, which no crate uses"))))
        .collect()
}

/// Rows `| `name` | reason |` with a reason.
fn explained_dependencies(page: &str) -> BTreeSet<&str> {
    page.lines()
        .filter_map(|line| line.trim().strip_prefix("| `")?.split_once("` |"))
        .filter(|(_, reason)| reason.trim().trim_end_matches('|').trim().len() > 3)
        .map(|(name, _)| name)
        .collect()
}

fn long_files(files: &[(String, usize)]) -> Vec<Finding> {
    let long = files.iter().filter(|(_, lines)| *lines > LONG_FILE);
    long.map(|(name, lines)| Question(format!("{name} has {lines} lines; is it still one noun?"))).collect()
}

#[cfg(test)]
mod tests;
