//! Programs like ours that no pin of ours holds, and whether an index means here what it meant where it was pinned.

use crate::clsact::{self, Side};
use crate::error::Error;
use crate::hold::{Hold, Hook};
use crate::hook::{Owner, called, describe};
use crate::interface;
use crate::load;
use crate::syscall::{self, Attach};
use std::path::Path;

/// The name, unless the index means another interface here than where the program was attached.
pub(crate) fn true_name(hold: &Hold) -> Option<String> {
    let program = hold.program().ok()?;
    running(hold.index, hold.hook).contains(&program).then(|| interface::name_of(hold.index)).flatten()
}

/// Ids of the programs on a hook.
pub(crate) fn running(index: u32, hook: Hook) -> Vec<u32> {
    let (attach, side) = match hook {
        Hook::Xdp => return Owner::of(index).ok().flatten().map(|owner| owner.program).into_iter().collect(),
        Hook::Ingress => (Attach::TcIngress, Side::Ingress),
        Hook::Egress => (Attach::TcEgress, Side::Egress),
    };
    let mut programs = syscall::programs_on(index, attach).unwrap_or_default();
    programs.extend(clsact::programs(index, side));
    programs
}

/// An error when programs like ours run here although `directory` has no pins of ours.
pub(crate) fn check(directory: &Path) -> Result<(), Error> {
    let interfaces = nix::net::if_::if_nameindex();
    let mut told = Vec::new();
    let mut first = None;
    for interface in interfaces.iter().flat_map(|interfaces| interfaces.iter()) {
        let name = interface.name().to_string_lossy().into_owned();
        for (hook, word) in [(Hook::Xdp, "XDP"), (Hook::Ingress, "tc"), (Hook::Egress, "tc")] {
            let ours = |program: &u32| load::ENTRIES.iter().any(|entry| called(*program, entry));
            for program in running(interface.index(), hook).into_iter().filter(ours) {
                told.push(format!("{name} runs {word} {}", describe(program)));
                first.get_or_insert_with(|| name.clone());
            }
        }
    }
    let Some(first) = first else { return Ok(()) };
    let reason = format!(
        "no pins are there, but {}; if it is xlvs with another --pin-dir, name that one; if its pins are lost, \
         `xlvs run --force --interface {first}` takes the interface over and `xlvs stop` then detaches it",
        told.join(", ")
    );
    Err(Error::Pins { path: directory.to_owned(), reason })
}
