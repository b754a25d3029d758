//! Each rule is broken once and must say so.

use super::super::facts::{Dependency, Facts, Member};
use super::{Finding, Question, Wrong, review};

const ARCHITECTURE: &str =
    "| 0 | `wire` | |\n| 1 | `forward` | |\n| 2 | `api` `dataplane` | |\n\nSee `crates/wire/src/lib.rs`.\n";
const DEPENDENCIES: &str = "| crate | reason |\n|---|---|\n| `aya` | loads BPF programs |\n";

fn member(name: &str, dependencies: Vec<Dependency>) -> Member {
    Member { name: name.to_owned(), inherits_lints: true, dependencies }
}

fn local(name: &str) -> Dependency {
    Dependency { name: name.to_owned(), local: true, aside: false }
}

fn external(name: &str) -> Dependency {
    Dependency { name: name.to_owned(), local: false, aside: false }
}

fn house() -> Facts {
    Facts {
        members: vec![
            member("wire", vec![]),
            member("forward", vec![local("wire")]),
            member("api", vec![local("wire")]),
            member("dataplane", vec![local("forward"), local("wire"), external("aya")]),
        ],
        architecture: ARCHITECTURE.to_owned(),
        dependencies_page: DEPENDENCIES.to_owned(),
        shared_dependencies: vec!["aya".to_owned()],
        files: vec![("crates/wire/src/lib.rs".to_owned(), 400)],
    }
}

fn only(change: impl FnOnce(&mut Facts)) -> Finding {
    let mut facts = house();
    change(&mut facts);
    let mut findings = review(&facts);
    assert_eq!(findings.len(), 1, "{findings:?}");
    findings.remove(0)
}

fn wrong(text: &str) -> Finding {
    Wrong(text.to_owned())
}

#[test]
fn a_good_house_has_no_findings() {
    assert_eq!(review(&house()), []);
}

#[test]
fn an_arrow_up_is_wrong() {
    let finding = only(|facts| facts.members[0].dependencies.push(local("forward")));
    assert_eq!(finding, wrong("`wire` (floor 0) uses `forward` (floor 1): arrows point down only"));
}

#[test]
fn a_neighbour_is_wrong_except_in_tests() {
    let finding = only(|facts| facts.members[2].dependencies.push(local("dataplane")));
    assert_eq!(finding, wrong("`api` (floor 2) uses `dataplane` (floor 2): arrows point down only"));
    let mut facts = house();
    facts.members[2].dependencies.push(Dependency { aside: true, ..local("dataplane") });
    assert_eq!(review(&facts), []);
}

#[test]
fn a_test_that_reaches_up_is_wrong() {
    let finding = only(|facts| facts.members[0].dependencies.push(Dependency { aside: true, ..local("api") }));
    assert_eq!(finding, wrong("`wire` (floor 0) uses `api` (floor 2): arrows point down only"));
}

#[test]
fn a_crate_missing_from_the_page_is_wrong() {
    let finding = only(|facts| facts.members.push(member("director", vec![])));
    assert_eq!(finding, wrong("ARCHITECTURE.md puts `director` on no floor"));
}

#[test]
fn a_crate_that_is_not_there_is_wrong() {
    let finding = only(|facts| facts.architecture.push_str("| 3 | `agent` | |\n"));
    assert_eq!(finding, wrong("ARCHITECTURE.md names `agent`: no such crate"));
    let finding = only(|facts| facts.architecture.push_str("and `crates/protocols/src/vrrp.rs`\n"));
    assert_eq!(finding, wrong("ARCHITECTURE.md mentions `crates/protocols`: no such crate"));
}

#[test]
fn a_member_without_the_lints_is_wrong() {
    let finding = only(|facts| facts.members[1].inherits_lints = false);
    assert_eq!(finding, wrong("`forward` lacks `[lints] workspace = true`"));
}

#[test]
fn a_dependency_needs_a_reason() {
    let finding = only(|facts| facts.members[2].dependencies.push(external("serde")));
    assert_eq!(finding, wrong("docs/dependencies.md has no line (| `serde` | reason |) for `serde`"));
    let finding = only(|facts| DEPENDENCIES.replace("loads BPF programs", "").clone_into(&mut facts.dependencies_page));
    assert_eq!(finding, wrong("docs/dependencies.md has no line (| `aya` | reason |) for `aya`"));
}

#[test]
fn a_reason_needs_a_dependency() {
    let finding = only(|facts| facts.dependencies_page.push_str("| `tokio` | sockets and timers |\n"));
    assert_eq!(finding, wrong("docs/dependencies.md explains `tokio`, which no crate uses"));
}

#[test]
fn idle_entries_and_long_files_are_questions() {
    let finding = only(|facts| facts.shared_dependencies.push("toml".to_owned()));
    assert_eq!(finding, Question("Cargo.toml shares `toml`, which no crate uses".to_owned()));
    let finding = only(|facts| facts.files.push(("crates/api/src/types.rs".to_owned(), 401)));
    assert_eq!(finding, Question("crates/api/src/types.rs has 401 lines; is it still one noun?".to_owned()));
}
