//! Captures: packets from the data plane, with the verdict in words, as a file that a reader gets piece by piece.
//!
//! One at a time. It ends with its reader, its count or its time; what cannot be handed on in time stays in the ring
//! and, when that is full, is counted and told at the end. The daemon never waits for a reader.

mod comment;
mod pcapng;

use crate::director::{Director, refusal};
use crate::observe::Network;
use crate::plane::Plane;
use crate::store::refuse;
use api::{CaptureRequest, EventKind, Level, Refusal, RefusalKind};
use axum::body::Bytes;
use comment::Looks;
use dataplane::{Capture, CaptureLoader, CaptureMissed};
use forward::capture::{Record, SNAP};
use pcapng::{Packet, Way};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;

/// Time between two readings of the ring.
pub(crate) const PERIOD: Duration = Duration::from_millis(20);
/// Most packets a second and CPU: some hundred megabytes of full frames.
const RATE: u32 = 50_000;
/// Pieces that wait for the reader, and bytes after which a piece is full.
const PIECES: usize = 16;
const PIECE: usize = 256 << 10;

/// The right to capture, while it is held.
#[derive(Debug)]
pub(crate) struct Ticket {
    request: CaptureRequest,
    _held: Arc<()>,
}

/// A capture that goes on.
pub(crate) struct Session {
    ticket: Ticket,
    pieces: mpsc::Sender<Bytes>,
    /// Numbers in the file, by index of the interface.
    interfaces: BTreeMap<u32, u32>,
    /// What the clocks of the records and of the calendar differ by.
    epoch: u64,
    ends: Option<Instant>,
    /// Forwarded packets of which only the first look was read.
    halves: Vec<(Record, Vec<u8>)>,
    packets: u64,
    missed: CaptureMissed,
}

/// Why a capture ends.
enum End {
    Complete,
    ReaderGone,
    Failed(String),
}

impl<P: Plane, N: Network> Director<P, N> {
    /// Reads a request and prepares what it asks for; to be loaded elsewhere.
    pub(crate) fn prepare_capture(&self, request: CaptureRequest) -> Result<(Ticket, CaptureLoader), Refusal> {
        let invalid = |message| refuse(RefusalKind::Invalid, message);
        let mut wanted = model::capture::parse(&request.filter).map_err(invalid)?;
        if let Some(name) = &request.interface {
            let attachments = self.plane.attachments().map_err(|error| refusal(&error))?;
            let found = attachments.iter().find(|attachment| attachment.name == *name);
            let missing = || invalid(format!("nothing is attached to {name}: what comes in there is not seen"));
            wanted.interface = found.ok_or_else(missing)?.index;
        }
        wanted.rate = RATE;
        if self.is_capturing() {
            return Err(refuse(RefusalKind::Conflict, "somebody captures already; one capture at a time"));
        }
        let ticket = Ticket { request, _held: Arc::clone(&self.capturing) };
        let loader = self.plane.prepare_capture(&wanted).map_err(|error| refusal(&error))?;
        Ok((ticket, loader))
    }

    /// True while somebody captures, or is about to.
    pub(crate) fn is_capturing(&self) -> bool {
        Arc::strong_count(&self.capturing) > 1
    }

    /// Puts the loaded programs to work; gives the pieces of the file.
    pub(crate) fn begin_capture(
        &mut self,
        ticket: Ticket,
        capture: Capture,
        now: Instant,
    ) -> Result<mpsc::Receiver<Bytes>, Refusal> {
        let (pieces, receiver) = mpsc::channel(PIECES);
        self.plane.begin_capture(capture).map_err(|error| refusal(&error))?;
        let mut file = pcapng::section(concat!("xlvs ", env!("CARGO_PKG_VERSION")));
        let mut interfaces = BTreeMap::new();
        for (number, (index, link)) in (0..).zip(self.observer.links()) {
            file.extend(pcapng::interface(&link.name, SNAP as u32));
            interfaces.insert(*index, number);
        }
        // The channel is new and has room.
        let _ = pieces.try_send(file.into());
        let ends = ticket.request.seconds.and_then(|seconds| now.checked_add(Duration::from_secs(seconds)));
        let (packets, missed, halves) = (0, CaptureMissed::default(), Vec::new());
        let text = format!("a capture has begun ({})", words(&ticket.request));
        self.capture = Some(Session { ticket, pieces, interfaces, epoch: epoch(), ends, halves, packets, missed });
        self.events.tell(Level::Info, EventKind::CaptureBegan, text);
        Ok(receiver)
    }

    /// Hands on what was copied since the last time.
    pub(crate) fn continue_capture(&mut self, now: Instant) {
        let Some(mut session) = self.capture.take() else { return };
        match self.hand_on(&mut session, now) {
            None => self.capture = Some(session),
            Some(end) => self.finish_capture(session, end),
        }
    }

    /// Ends a capture that may be going on.
    pub(crate) fn end_capture(&mut self) {
        if let Some(session) = self.capture.take() {
            self.finish_capture(session, End::Complete);
        }
    }

    fn hand_on(&mut self, session: &mut Session, now: Instant) -> Option<End> {
        if session.pieces.is_closed() {
            return Some(End::ReaderGone);
        }
        let over = session.ends.is_some_and(|end| now >= end);
        // One place stays free for the end of the file.
        while session.pieces.capacity() > 1 {
            let (piece, more) = match self.read(session) {
                Ok(read) => read,
                Err(error) => return Some(End::Failed(error.to_string())),
            };
            if !piece.is_empty() {
                let _ = session.pieces.try_send(piece.into());
            }
            if session.is_complete() {
                return Some(End::Complete);
            }
            if !more {
                break;
            }
        }
        over.then_some(End::Complete)
    }

    /// One piece of the file, and whether there is more.
    fn read(&mut self, session: &mut Session) -> Result<(Vec<u8>, bool), dataplane::Error> {
        let mut read: Vec<(Record, Vec<u8>)> = Vec::new();
        let mut size = 0;
        session.missed = self.plane.captured(&mut |record, bytes| {
            read.push((*record, bytes.to_vec()));
            size += bytes.len();
            size < PIECE
        })?;
        let older = session.halves.len();
        let mut piece = Vec::new();
        for (record, bytes) in read {
            if session.is_complete() {
                break;
            }
            self.take(session, record, bytes, &mut piece);
        }
        // The other half of a half that was there before is not to come: it was missed.
        let overdue: Vec<_> = session.halves.drain(..older.min(session.halves.len())).collect();
        for (record, bytes) in overdue {
            piece.extend(self.packet(session, &Looks { record: &record, arrived: &bytes, leaves: None }));
        }
        Ok((piece, size >= PIECE))
    }

    /// Both looks at a packet stand together, whatever other CPUs have put between them.
    fn take(&self, session: &mut Session, record: Record, bytes: Vec<u8>, piece: &mut Vec<u8>) {
        if record.look == Record::ARRIVED && record.outlet != 0 {
            session.halves.push((record, bytes));
        } else if record.look == Record::ARRIVED {
            piece.extend(self.packet(session, &Looks { record: &record, arrived: &bytes, leaves: None }));
        } else {
            let same = |(half, _): &(Record, _)| {
                (half.time, half.counter, half.outlet) == (record.time, record.counter, record.outlet)
            };
            let half = session.halves.iter().position(same).map(|place| session.halves.remove(place));
            if let Some((half, arrived)) = half {
                piece.extend(self.packet(
                    session,
                    &Looks { record: &half, arrived: &arrived, leaves: Some((record.length, &bytes)) },
                ));
            }
        }
    }

    /// The one or two blocks of a packet.
    fn packet(&self, session: &mut Session, looks: &Looks<'_>) -> Vec<u8> {
        session.packets += 1;
        let comment = self.comment(looks);
        let time = looks.record.time.saturating_add(session.epoch);
        let number = |index: u32| session.interfaces.get(&index).copied().unwrap_or_default();
        let block = |interface, bytes: &[u8], length, way| {
            Packet { interface: number(interface), time, bytes, length, way, comment: &comment }.block()
        };
        let record = looks.record;
        let mut blocks = block(record.interface, looks.arrived, record.length, Way::In);
        if let Some((length, leaves)) = looks.leaves {
            blocks.extend(block(record.outlet, leaves, length, Way::Out));
        }
        blocks
    }

    fn finish_capture(&mut self, session: Session, end: End) {
        let Session { packets, missed, epoch, pieces, .. } = &session;
        let count = missed.rate + missed.full;
        let because = match &end {
            End::Complete => String::new(),
            End::ReaderGone => ", its reader has left".to_owned(),
            End::Failed(error) => format!(", {error}"),
        };
        let text = format!(
            "{packets} {} captured, {count} missed ({} beyond the rate, {} because the reader was too slow)",
            if *packets == 1 { "packet" } else { "packets" },
            missed.rate,
            missed.full
        );
        let now = dataplane::capture_clock().saturating_add(*epoch);
        let _ = pieces.try_send(pcapng::statistics(now, count, &text).into());
        let kind = EventKind::CaptureEnded { packets: *packets, missed: count };
        if let Err(error) = self.plane.end_capture() {
            self.troubled(format!("the programs of a capture stay: {error}"));
        }
        self.events.tell(Level::Info, kind, format!("a capture has ended: {text}{because}"));
    }
}

impl Session {
    fn is_complete(&self) -> bool {
        self.ticket.request.count.is_some_and(|count| self.packets >= count)
    }
}

fn words(request: &CaptureRequest) -> String {
    let interface = request.interface.as_ref().map(|name| format!("what comes in by {name}"));
    let filter = (!request.filter.trim().is_empty()).then(|| request.filter.trim().to_owned());
    let words: Vec<_> = interface.into_iter().chain(filter).collect();
    if words.is_empty() { "every packet that concerns us".to_owned() } else { words.join(", ") }
}

/// What is added to the clock of records for nanoseconds since 1970.
fn epoch() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or_default().saturating_sub(dataplane::capture_clock())
}
