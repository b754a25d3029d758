//! Fragments that came before their first: the programs put copies into a ring; they wait here until the first one has
//! led, and then leave as the programs make them.

mod queue;

use crate::Dataplane;
use crate::error::{Doing, Error};
use crate::hold::Hook;
use crate::inject;
use crate::plain;
use crate::syscall;
use crate::table::Table;
use aya::maps::{Map, MapData, RingBuf};
use forward::Time;
use forward::abi::{Address4, Address6, Fragment, FragmentKey};
use forward::fragment::{self, Held};
use nix::time::{ClockId, clock_gettime};
use queue::{Piece, Queue};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a look lasts while nothing waits.
const IDLE: Duration = Duration::from_millis(250);
/// Time between two looks for firsts.
const LOOK: Duration = Duration::from_millis(1);
/// Records that are read in one go.
const MOST_RECORDS: usize = 4096;

/// XDP_PASS, XDP_TX, XDP_REDIRECT
const FORWARDED: [u32; 2] = [3, 4];

/// A datagram, of either family.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Key {
    V4(FragmentKey<Address4>),
    V6(FragmentKey<Address6>),
}

/// Where they wait. On a thread of its own, whatever else the daemon does.
pub struct WaitingRoom {
    ring: RingBuf<MapData>,
    fragments4: Table<FragmentKey<Address4>, Fragment>,
    fragments6: Table<FragmentKey<Address6>, Fragment>,
    entry: OwnedFd,
    socket: OwnedFd,
    queue: Queue<Key>,
    abandoned: Arc<AtomicU64>,
}

impl Dataplane {
    /// The room where fragments wait for their first.
    pub fn waiting_room(&self) -> Result<WaitingRoom, Error> {
        let open = || "open the ring of fragments".to_owned();
        let pin = |name: &str| syscall::open_pin(&self.schema_directory.join(name));
        let ring = MapData::from_fd(pin("HELD").doing(open)?);
        let ring = ring.and_then(|data| RingBuf::try_from(Map::RingBuf(data)));
        let ring = ring.map_err(|error| Error::Load(format!("the ring of fragments: {error}")))?;
        Ok(WaitingRoom {
            ring,
            fragments4: pin("FRAGMENTS4").and_then(Table::new).doing(open)?,
            fragments6: pin("FRAGMENTS6").and_then(Table::new).doing(open)?,
            entry: self.generation.entry(Hook::Xdp).try_clone_to_owned().doing(open)?,
            socket: syscall::packet_socket().doing(|| "open a packet socket".to_owned())?,
            queue: Queue::new(),
            abandoned: Arc::clone(&self.abandoned),
        })
    }
}

impl WaitingRoom {
    /// Waits for fragments, or for the first ones of those that are here, and looks once.
    pub fn attend(&mut self) -> Result<(), Error> {
        self.rest();
        let read = self.read();
        let released = self.release();
        let lost = self.queue.expire(Instant::now());
        self.lose(lost);
        read.and(released)
    }

    fn rest(&self) {
        if !self.queue.is_empty() {
            std::thread::sleep(LOOK);
            return;
        }
        // Whatever comes of it, a look does no harm.
        syscall::wait_readable(self.ring.as_raw_fd(), IDLE);
    }

    /// Takes in what the programs have put into the ring.
    fn read(&mut self) -> Result<(), Error> {
        let (mut lost, now) = (0, Instant::now());
        for _ in 0..MOST_RECORDS {
            let Some(item) = self.ring.next() else { break };
            let Some((held, bytes)) = plain::read_from::<Held>(&item) else { continue };
            let bytes = bytes.get(..held.length as usize).unwrap_or(bytes).to_vec();
            let piece = Piece { interface: held.interface, bytes };
            lost += self.queue.admit(key(&held), held.source, piece, now);
        }
        self.lose(lost);
        Ok(())
    }

    /// Sends those on whose first has led.
    fn release(&mut self) -> Result<(), Error> {
        let (mut outcome, mut found) = (Ok(()), Vec::new());
        let Self { queue, fragments4, fragments6, .. } = self;
        let released = queue.release(|key| {
            let first = match key {
                Key::V4(key) => fragments4.get(key),
                Key::V6(key) => fragments6.get(key),
            };
            match first.doing(|| "look for the first fragment of a datagram".to_owned()) {
                Ok(first) => {
                    let first = first.filter(|first| fragment::is_fresh(first, now()));
                    let is_here = first.is_some();
                    found.extend(first);
                    is_here
                }
                Err(error) => {
                    outcome = Err(error);
                    false
                }
            }
        });
        for (datagram, first) in released.into_iter().zip(found) {
            for piece in &datagram.pieces {
                if let Err(error) = self.follow(piece, &first) {
                    self.lose(1);
                    outcome = Err(error);
                }
            }
        }
        outcome
    }

    /// A fragment goes where its first went.
    fn follow(&self, piece: &Piece, first: &Fragment) -> Result<(), Error> {
        let outlet = first.hop.get().index();
        if fragment::goes_to_the_stack(first) {
            return inject::receive(self.entry.as_fd(), &piece.bytes, piece.interface);
        }
        let run = inject::run(self.entry.as_fd(), &piece.bytes, piece.interface)?;
        if !FORWARDED.contains(&run.result) {
            return Ok(());
        }
        syscall::send_frame(self.socket.as_fd(), outlet, &run.frame).doing(|| "send a fragment on".to_owned())
    }

    fn lose(&self, fragments: usize) {
        self.abandoned.fetch_add(fragments as u64, Ordering::Relaxed);
    }
}

fn key(held: &Held) -> Key {
    if held.six != 0 { Key::V6(held.key()) } else { Key::V4(held.key()) }
}

/// The clock of the programs.
fn now() -> Time {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE).map(Duration::from).unwrap_or_default();
    Time(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX))
}
