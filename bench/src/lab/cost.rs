//! Nanoseconds per packet: how long the director's receiving thread runs, divided by the packets it took. Everything
//! that happens to a packet until it lies in the receiver's queue happens in that thread.

use super::address::{ALL, FIRST};
use super::arena::{AROUND_CPU, Arena, Counts};
use super::contender::Contender;
use super::flows::{Generator, Kind};
use super::report::{Row, Unit};
use super::sample::Samples;
use ::lab::network::Network;
use anyhow::{Context, Result};
use std::thread::sleep;
use std::time::{Duration, Instant};

const CONTENDERS: [Contender; 6] =
    [Contender::Floor, Contender::Route, Contender::Nftables, Contender::XlvsNat, Contender::XlvsDr, Contender::XlvsTc];
/// What is sent, and to which service.
const TRAFFIC: [(&str, Kind, u16); 4] = [
    ("1k flows", Kind::Known { flows: 1024 }, ALL),
    ("64k flows", Kind::Known { flows: 65_536 }, ALL),
    ("reply, 1k flows", Kind::Reply { flows: 1024 }, FIRST),
    ("new flows", Kind::New, ALL),
];
/// Packets that a sample of known flows is made of.
const ENOUGH: u64 = 200_000;
/// Packets in one system call.
const BURST: u32 = 50_000;
/// A sample ends after this in any case.
const PATIENCE: Duration = Duration::from_secs(2);
/// Fewer packets than this are no sample.
const FEW: u64 = 1000;
/// New flows in all rounds together: less than nftables' connection tracking has room for.
const ROOM: u32 = 150_000;
/// Everything received must arrive, give or take neighbour discovery and what is in flight.
const ARRIVED: std::ops::RangeInclusive<f64> = 0.999..=1.001;

/// One contender with one kind of packets.
struct Track<'a> {
    arena: &'a Arena,
    generator: Generator,
    link: usize,
    samples: Samples,
}

/// Every contender with every kind of packets, in turn.
pub(super) fn measure(rounds: u32) -> Result<Vec<Row>> {
    let network = Network::new()?;
    let build = |contender: Contender| {
        eprintln!("bench: cost: {}", contender.name());
        Arena::build(contender, &network).with_context(|| contender.name())
    };
    let arenas = CONTENDERS.into_iter().map(build).collect::<Result<Vec<_>>>()?;
    let mut rows = Vec::new();
    for (name, kind, port) in TRAFFIC {
        let mut tracks = tracks(&arenas, kind, port)?;
        for round in 0..=rounds {
            for track in &mut tracks {
                let sample = track.sample(kind, rounds)?;
                // The first round makes flows known and caches warm.
                if round > 0 {
                    track.samples.add(sample.0, ARRIVED.contains(&sample.1).then_some(()).ok_or(sample.1));
                }
            }
        }
        rows.extend(
            tracks.into_iter().map(|track| Row::new(track.arena.contender, name, Unit::Nanoseconds, track.samples)),
        );
    }
    Ok(rows)
}

fn tracks(arenas: &[Arena], kind: Kind, port: u16) -> Result<Vec<Track<'_>>> {
    let is_reply = matches!(kind, Kind::Reply { .. });
    let arenas = arenas.iter().filter(|arena| !is_reply || arena.contender.sees_replies());
    arenas
        .map(|arena| {
            if let Kind::Reply { flows } = kind {
                // The flows must be known before a server can answer.
                let (requests, link) = arena.generator(Kind::Known { flows }, port)?;
                take(arena, &requests, link, ENOUGH)?;
            }
            let (generator, link) = arena.generator(kind, port)?;
            Ok(Track { arena, generator, link, samples: Samples::default() })
        })
        .collect()
}

impl Track<'_> {
    /// Nanoseconds per packet, and the share of packets that reached a sink.
    fn sample(&self, kind: Kind, rounds: u32) -> Result<(f64, f64)> {
        let wanted = if kind == Kind::New { u64::from(ROOM / (rounds + 1)).min(ENOUGH) } else { ENOUGH };
        let (before, after) = take(self.arena, &self.generator, self.link, wanted)
            .with_context(|| format!("{}: {kind:?}", self.arena.contender.name()))?;
        let packets = (after.received - before.received) as f64;
        let runtime = after.runtime - before.runtime;
        anyhow::ensure!(packets >= FEW as f64, "{}: only {packets} packets", self.arena.contender.name());
        anyhow::ensure!(runtime > 0, "{}: the director's thread did not run", self.arena.contender.name());
        Ok((runtime as f64 / packets, (after.sunk - before.sunk) as f64 / packets))
    }
}

/// Sends until the director has received `wanted` packets, or long enough.
fn take(arena: &Arena, generator: &Generator, link: usize, wanted: u64) -> Result<(Counts, Counts)> {
    let before = arena.counts(link)?;
    let begin = Instant::now();
    loop {
        let received = arena.counts(link)?.received - before.received;
        if received >= wanted || begin.elapsed() > PATIENCE {
            break;
        }
        generator.send(u32::try_from(wanted - received).unwrap_or(BURST).min(BURST), AROUND_CPU)?;
    }
    Ok((before, drained(arena, link)?))
}

/// The counters once nothing moves any more.
fn drained(arena: &Arena, link: usize) -> Result<Counts> {
    let begin = Instant::now();
    let mut last = arena.counts(link)?;
    loop {
        sleep(Duration::from_millis(5));
        let now = arena.counts(link)?;
        if (now.received, now.sunk) == (last.received, last.sunk) || begin.elapsed() > PATIENCE {
            return Ok(now);
        }
        last = now;
    }
}
