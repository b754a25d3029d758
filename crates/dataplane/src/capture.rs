//! A capture: a generation of programs that copy frames, behind the links for as long as somebody reads.
//!
//! It is pinned beside the ordinary generation, because a PROG_ARRAY empties with its last user. To the next daemon it
//! is a generation of another build, and is taken from behind the links as such; meanwhile its programs copy nothing,
//! because nobody renews [`Wanted::until`].

use crate::error::{Doing, Error};
use crate::load::{self, Generation, Variant};
use crate::pins::{make_directory_in_place, remove_tree};
use crate::schema::Schema;
use crate::table::{PerCpu, Table};
use crate::{Dataplane, Options};
use aya::Ebpf;
use aya::maps::{Map, MapData, RingBuf};
use forward::capture::{Missed, Record, Wanted};
use nix::time::{ClockId, clock_gettime};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

/// How long the programs go on without being told to, in nanoseconds.
const LEASE: u64 = 5_000_000_000;
/// Records that are read in one go.
const MOST: usize = 4096;

/// A capture, loaded.
pub struct Capture {
    pub(crate) generation: Generation,
    ring: RingBuf<MapData>,
    wanted: Table<u32, Wanted>,
    missed: PerCpu<u64>,
    filter: Wanted,
    _mark: Arc<()>,
}

/// Packets that were wanted and could not be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CaptureMissed {
    /// Beyond the rate.
    pub rate: u64,
    /// The ring was full.
    pub full: u64,
}

/// A capture that can be loaded, on any thread, one at a time.
#[derive(Debug)]
pub struct CaptureLoader {
    pub(crate) directory: PathBuf,
    pub(crate) options: Options,
    pub(crate) wanted: Wanted,
    /// While it lives, so do the pins of this capture, which no link runs yet.
    pub(crate) mark: Arc<()>,
}

impl CaptureLoader {
    /// Loads the programs. They run when they are given to [`crate::Dataplane::begin_capture`].
    pub fn load(self) -> Result<Capture, Error> {
        let Self { directory, options, wanted, mark } = self;
        let schema = Schema::of_object(load::OBJECT)?;
        let place = directory.join(load::capture_name());
        remove_tree(&place)?;
        make_directory_in_place(&place)?;
        let begun = load::load(&directory, &place, &schema, &options, Variant::Capture)
            .and_then(|object| Capture::of(object, Generation::of_pins(&place)?, wanted, mark));
        begun.inspect_err(|_| {
            if let Err(error) = remove_tree(&place) {
                tracing::warn!("{error}");
            }
        })
    }
}

impl Capture {
    fn of(mut object: Ebpf, generation: Generation, filter: Wanted, mark: Arc<()>) -> Result<Self, Error> {
        let Some(Map::RingBuf(ring)) = object.take_map("CAPTURE_RING") else { return Err(missing("CAPTURE_RING")) };
        let ring = RingBuf::try_from(Map::RingBuf(ring));
        let ring = ring.map_err(|error| Error::Load(format!("the ring of a capture: {error}")))?;
        let wanted = Table::new(descriptor(&mut object, "CAPTURE_WANTED")?).doing(|| "open a capture".to_owned())?;
        let missed = PerCpu::new(descriptor(&mut object, "CAPTURE_MISSED")?).doing(|| "open a capture".to_owned())?;
        let capture = Self { generation, ring, wanted, missed, filter, _mark: mark };
        capture.renew()?;
        Ok(capture)
    }

    /// Lets the programs go on.
    fn renew(&self) -> Result<(), Error> {
        let wanted = Wanted { until: now().saturating_add(LEASE), ..self.filter };
        self.wanted.set(&0, &wanted).doing(|| "renew a capture".to_owned())
    }

    /// Gives what has been copied since the last time to `each`, as far as it wants.
    pub(crate) fn read(&mut self, each: &mut dyn FnMut(&Record, &[u8]) -> bool) -> Result<CaptureMissed, Error> {
        self.renew()?;
        for _ in 0..MOST {
            let Some(item) = self.ring.next() else { break };
            let Some((record, bytes)) = crate::plain::read_from::<Record>(&item) else { continue };
            let bytes = bytes.get(..record.captured as usize).unwrap_or(bytes);
            if !each(&record, bytes) {
                break;
            }
        }
        let count = |why: Missed| self.missed.get(why as u32).map(|counts| counts.iter().sum());
        let read = || Ok(CaptureMissed { rate: count(Missed::Rate)?, full: count(Missed::Full)? });
        read().doing(|| "count what a capture has missed".to_owned())
    }
}

impl Dataplane {
    /// What it takes to load the programs of a capture, which takes seconds: to be done elsewhere.
    pub fn prepare_capture(&self, wanted: &Wanted) -> Result<CaptureLoader, Error> {
        // The connection tables are there, with their sizes.
        let (connections4, connections6) = self.maps.connection_sizes().doing(|| "begin a capture".to_owned())?;
        let options = Options { pin_directory: self.pins.root.clone(), connections4, connections6 };
        let (directory, mark) = (self.schema_directory.clone(), Arc::clone(&self.capture_mark));
        Ok(CaptureLoader { directory, options, wanted: *wanted, mark })
    }

    /// Puts the programs of a capture behind the links.
    pub fn begin_capture(&mut self, capture: Capture) -> Result<(), Error> {
        self.capture = Some(capture);
        let begun = self.attacher().refresh_all();
        if begun.is_err()
            && let Err(error) = self.end_capture()
        {
            tracing::warn!("{error}");
        }
        begun
    }

    /// Gives what was copied since the last time to `each` until that says false. To be called every second or more
    /// often: programs that nobody reads from stop copying.
    pub fn captured(&mut self, each: &mut dyn FnMut(&Record, &[u8]) -> bool) -> Result<CaptureMissed, Error> {
        self.capture.as_mut().map_or(Ok(CaptureMissed::default()), |capture| capture.read(each))
    }

    /// Puts the ordinary programs behind the links again, and clears away what a capture has left: one, too, whose
    /// loading nobody waited for.
    pub fn end_capture(&mut self) -> Result<(), Error> {
        if self.capture.take().is_some() {
            // Whatever runs behind the links, whether its pins are still there or not.
            self.attacher().refresh_all()?;
        }
        self.attacher().tidy()
    }
}

/// The clock of the records, in nanoseconds.
pub fn capture_clock() -> u64 {
    now()
}

fn now() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(std::time::Duration::from).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

fn descriptor(object: &mut Ebpf, name: &str) -> Result<OwnedFd, Error> {
    let map = match object.take_map(name) {
        Some(Map::Array(map) | Map::PerCpuArray(map)) => map,
        _ => return Err(missing(name)),
    };
    map.fd().as_fd().try_clone_to_owned().doing(|| format!("open map {name}"))
}

fn missing(name: &str) -> Error {
    Error::Load(format!("the object has no map {name}"))
}
