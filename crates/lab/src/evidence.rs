//! What a failed run leaves behind: recordings of every link and a snapshot of every director.

use crate::capture::{Tap, pcap};
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

/// Records of this process's failures; its path is printed when it is made.
pub fn directory() -> PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    let make = || {
        let path = std::env::temp_dir().join(format!("xlvs-evidence-{}", std::process::id()));
        match fs::create_dir_all(&path) {
            Ok(()) => eprintln!("lab: recordings and snapshots of this failure are in {}", path.display()),
            Err(error) => eprintln!("lab: cannot keep recordings in {}: {error}", path.display()),
        }
        path
    };
    DIRECTORY.get_or_init(make).clone()
}

/// Keeps a text.
pub fn write_text(name: &str, text: &str) {
    if let Err(error) = fs::write(directory().join(name), text) {
        eprintln!("lab: cannot keep {name}: {error}");
    }
}

/// Keeps what every tap recorded.
pub fn write_captures(taps: &[Tap]) {
    for tap in taps {
        let name = format!("{}-{}.pcap", tap.namespace().name(), tap.device().name);
        if let Err(error) = pcap::write(&directory().join(&name), &tap.packets()) {
            eprintln!("lab: cannot keep {name}: {error}");
        }
    }
}
