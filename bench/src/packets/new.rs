//! Packets each of which begins a connection, in a table that is in use.
//!
//! The live connections are a window over all flows: each round opens new ones, and after it, not timed, the oldest
//! are deleted in no order, so that the elements used next lie as scattered as in a table that has been in use.

use super::flow::Flow;
use super::harness::Sequence;
use super::known::{Lab, OPEN};
use super::measure::{Bench, Measured, Turn, rounds};
use super::network::Network;
use super::object::Object;
use crate::bpf::syscall;
use anyhow::{Context, Result, ensure};
use forward::abi::SchedulerKind;
use forward::host::World;

/// Live connections between rounds.
const LIVE: u32 = 400_000;
/// New ones in a round: less than a tenth of the live ones.
const ROUND: u32 = 1 << 15;
const FLOOR_PACKETS: u32 = 300_000;
/// An odd number near the golden section of a round: visits all flows of a round, far from each other.
const STRIDE: u32 = 20_251;

/// One object's table in use.
struct Table<'a> {
    lab: &'a Lab,
    network: &'a Network,
    bench: Bench<'a>,
    /// A twin of its own for the keys: the lab's knows the flow that was rehearsed.
    twin: World,
    /// Number of the oldest flow that is in the table.
    oldest: u32,
}

/// SYNs of flows that are not in the table.
pub(super) fn measure(objects: &[Object], network: &Network, count: u32) -> Result<Measured> {
    let lab = |object| Lab::new(object, network, SchedulerKind::Maglev);
    let labs = objects.iter().map(lab).collect::<Result<Vec<_>>>()?;
    let mut tables = labs.iter().map(|lab| Table::fill(lab, network)).collect::<Result<Vec<_>>>()?;
    let objects = tables.len();
    let measured = rounds(count, objects, |turn| match turn {
        Turn::Floor => tables.first().context("no object")?.bench.run_floor(FLOOR_PACKETS),
        Turn::Object(number) => tables.get_mut(number).context("no object")?.round(),
    })?;
    tables.iter().try_for_each(Table::check)?;
    Ok(measured)
}

impl<'a> Table<'a> {
    fn fill(lab: &'a Lab, network: &'a Network) -> Result<Self> {
        let bench = lab.bench(network.request(Flow::new(0)).syn(), u32::MAX, Sequence::ENDLESS, OPEN)?;
        bench.start_at(0)?;
        bench.run(LIVE)?;
        Ok(Self { lab, network, bench, twin: network.world(SchedulerKind::Maglev), oldest: 0 })
    }

    /// Opens the connections of one round, then deletes as many of the oldest.
    fn round(&mut self) -> Result<f64> {
        let time = self.bench.run(ROUND)?;
        // In the order that they were opened: FullNAT's local ports follow it.
        let opened: Vec<Vec<Vec<u8>>> =
            (0..ROUND).map(|place| self.network.keys(&mut self.twin, Flow::new(self.oldest + place))).collect();
        let scattered = (0..ROUND).map(|place| (place.wrapping_mul(STRIDE) % ROUND) as usize);
        let keys: Vec<Vec<u8>> = scattered.flat_map(|place| opened.get(place).into_iter().flatten().cloned()).collect();
        self.oldest += ROUND;
        ensure!(keys.len() == (ROUND * self.network.entries()) as usize, "the host twin makes {} entries", keys.len());
        syscall::delete_batch(self.lab.director.connections_map()?, &keys.concat(), keys.len() as u32)
            .context("deleting the oldest connections: one is not there")?;
        Ok(time)
    }

    fn check(&self) -> Result<()> {
        let entries = self.lab.director.connections()?.len();
        let wanted = (LIVE * self.network.entries()) as usize;
        ensure!(entries == wanted, "{entries} entries at the end, not {wanted}");
        Ok(())
    }
}
