//! What tshark finds in what was recorded.

use super::{Tap, pcap};
use crate::node::finish;
use anyhow::Result;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// The packets of a tap that a filter shows, a line each, with checksums looked at. `directory` keeps the recording.
pub fn tshark(tap: &Tap, directory: &Path, filter: &str) -> Result<Vec<String>> {
    let path = directory.join(format!("{}-{}.pcap", tap.namespace().name(), tap.device().name));
    pcap::write(&path, &tap.packets())?;
    let mut command = Command::new("tshark");
    for layer in ["ip", "tcp", "udp"] {
        command.args(["-o", &format!("{layer}.check_checksum:TRUE")]);
    }
    command.arg("-n").arg("-r").arg(&path).args(["-Y", filter]);
    let text = finish(&mut command, LIMIT)?.success()?;
    Ok(text.lines().map(str::to_owned).collect())
}
