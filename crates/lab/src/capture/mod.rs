//! Records packets with packet sockets at the ends of links (XDP traffic is invisible on the director itself).

mod frame;
mod hop;
pub mod pcap;
mod socket;
mod tshark;

pub use frame::View;
pub use hop::{Flow, Hop, walk};
pub use socket::KEPT;
pub(crate) use socket::PacketSocket;
pub use tshark::tshark;

use crate::net::{Device, Namespace};
use anyhow::{Context, Result};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

/// Sends frames by a device as they are.
pub fn send(device: &Device, frames: &[Vec<u8>]) -> Result<()> {
    let index = device.index()?;
    let socket = device.namespace.run(|| PacketSocket::open(index))?;
    frames.iter().try_for_each(|frame| socket.send(frame)).with_context(|| format!("sending by {}", device.name))
}

/// Packets kept by each tap, the newest.
const CAPACITY: usize = 20_000;

/// One recorded packet.
#[derive(Clone)]
pub struct Packet {
    /// When it was read.
    pub time: SystemTime,
    /// Sent by the device, not received.
    pub outgoing: bool,
    /// Its length on the wire.
    pub length: usize,
    /// Its first bytes.
    pub bytes: Vec<u8>,
}

/// Records what one device sends and receives until dropped.
pub struct Tap {
    device: Device,
    packets: Arc<Mutex<VecDeque<Packet>>>,
    stop: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

impl Tap {
    /// Begins to record.
    pub fn start(device: &Device) -> Result<Self> {
        let index = device.index()?;
        let socket =
            device.namespace.run(|| PacketSocket::open(index)).with_context(|| format!("tapping {}", device.name))?;
        let packets = Arc::new(Mutex::new(VecDeque::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let reader = thread::spawn({
            let (packets, stop) = (packets.clone(), stop.clone());
            move || read(&socket, &packets, &stop)
        });
        Ok(Self { device: device.clone(), packets, stop, reader: Some(reader) })
    }

    /// Where it listens.
    pub const fn device(&self) -> &Device {
        &self.device
    }

    /// The namespace it listens in.
    pub const fn namespace(&self) -> &Namespace {
        &self.device.namespace
    }

    /// What was recorded so far.
    pub fn packets(&self) -> Vec<Packet> {
        self.packets.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Forgets what was recorded so far.
    pub fn clear(&self) {
        self.packets.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

fn read(socket: &PacketSocket, packets: &Mutex<VecDeque<Packet>>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let Ok(packet) = socket.receive() else { continue };
        let mut packets = packets.lock().unwrap_or_else(PoisonError::into_inner);
        if packets.len() == CAPACITY {
            packets.pop_front();
        }
        packets.push_back(packet);
    }
}

impl Packet {
    /// Time since the epoch.
    fn stamp(&self) -> Duration {
        self.time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }
}
