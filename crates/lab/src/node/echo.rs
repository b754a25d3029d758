//! A UDP echo. It listens on each address by itself, so that answers leave from the address that was asked.

use super::ECHO;
use crate::net::Namespace;
use anyhow::{Context, Result};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::RcvBufForce;
use std::net::{IpAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Echoes until dropped, with its name and the client's address in front.
pub(super) struct Echo {
    stop: Arc<AtomicBool>,
}

impl Echo {
    /// Listens on `addresses`.
    pub(super) fn start(host: &Namespace, name: &str, addresses: &[IpAddr]) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        for address in addresses {
            let socket = host.run(|| Ok(UdpSocket::bind((*address, ECHO))?)).context("UDP echo")?;
            socket.set_read_timeout(Some(Duration::from_millis(100)))?;
            // Many large datagrams at once.
            setsockopt(&socket, RcvBufForce, &(8 << 20)).context("UDP echo")?;
            let (stop, name) = (stop.clone(), name.to_owned());
            thread::spawn(move || answer(&socket, &name, &stop));
        }
        Ok(Self { stop })
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn answer(socket: &UdpSocket, name: &str, stop: &AtomicBool) {
    let mut buffer = vec![0; 65_536];
    while !stop.load(Ordering::Relaxed) {
        if let Ok((size, client)) = socket.recv_from(&mut buffer) {
            let mut text = format!("server={name}\nclient={}\n", client.ip()).into_bytes();
            text.extend_from_slice(&buffer[..size]);
            let _ = socket.send_to(&text, client);
        }
    }
}
