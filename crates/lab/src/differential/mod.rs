//! The kernel's IPVS as referee: the same scripts against it and against xlvs, and what each of them did.
//!
//! A [`Scenario`] is a file of `crates/lab/differential`. [`World`] plays it: commands are typed in the director's
//! namespace, frames with fixed addresses and ports go in at its links, and whatever comes out is seen there. What
//! happened is a [`Transcript`], in which addresses are names, so that two can be compared line by line. IPVS's are
//! recorded beside the scenarios; tests compare xlvs's with them where no kernel has IPVS.

mod compare;
mod frame;
mod listing;
mod names;
pub mod recording;
mod script;
mod transcript;
mod world;

pub use compare::{Difference, compare};
pub(crate) use compare::{compare_lines, with_accepted};
pub(crate) use script::Accepted;
pub use script::{Scenario, load};
pub use transcript::Transcript;
pub use world::{Side, World};

use std::path::{Path, PathBuf};

/// Where scenarios and recordings are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("differential")
}
