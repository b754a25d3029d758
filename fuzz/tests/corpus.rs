//! The corpora, replayed: every input that a fuzzer found worth keeping still keeps the laws.

use fuzz::{TARGETS, Target};
use std::path::Path;

fn replay(target: &Target) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let mut inputs = 0;
    for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap_or_else(|error| panic!("{}: {error}", folder.display())).path();
        let input = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        // The last one named is the culprit.
        eprintln!("{}", path.display());
        (target.run)(&input);
        inputs += 1;
    }
    assert!((1..=40).contains(&inputs), "{} inputs in {}", inputs, folder.display());
}

#[test]
fn every_input_keeps_the_laws() {
    TARGETS.iter().filter(|target| !target.needs_root).for_each(replay);
}

#[test]
#[ignore = "needs root"]
fn every_input_keeps_the_laws_in_the_kernel() {
    TARGETS.iter().filter(|target| target.needs_root).for_each(replay);
}
