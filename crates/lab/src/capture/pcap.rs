//! Writes recorded packets as pcap files.

use super::Packet;
use anyhow::Result;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Writes `packets` to a file that tcpdump and wireshark read.
pub fn write(path: &Path, packets: &[Packet]) -> Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    // Magic (microseconds), version 2.4, time zone, accuracy, snapshot length, link type Ethernet.
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 0x0004_0000, 1_u32] {
        file.write_all(&word.to_le_bytes())?;
    }
    for packet in packets {
        let time = packet.stamp();
        let words = [
            u32::try_from(time.as_secs())?,
            time.subsec_micros(),
            u32::try_from(packet.bytes.len())?,
            u32::try_from(packet.length)?,
        ];
        words.iter().try_for_each(|word| file.write_all(&word.to_le_bytes()))?;
        file.write_all(&packet.bytes)?;
    }
    Ok(file.flush()?)
}
