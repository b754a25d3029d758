//! Packets each of which begins a connection, in a table that is in use.
//!
//! The live connections are a window over all flows: each round opens new ones, and after it, not timed, the oldest
//! are deleted in no order, so that the elements used next lie as scattered as in a table that has been in use.

use super::flow::Flow;
use super::harness::Sequence;
use super::known::{Lab, OPEN};
use super::measure::{Measured, rounds};
use super::network::Network;
use super::syscall;
use anyhow::{Context, Result, ensure};
use forward::abi::SchedulerKind;

/// Live connections between rounds.
const LIVE: u32 = 400_000;
/// New ones in a round: less than a tenth of the live ones.
const ROUND: u32 = 1 << 15;
const FLOOR_PACKETS: u32 = 300_000;
/// An odd number near the golden section of a round: visits all flows of a round, far from each other.
const STRIDE: u32 = 20_251;

/// SYNs of flows that are not in the table.
pub(super) fn measure(network: &Network, count: u32) -> Result<Measured> {
    let lab = Lab::with_scheduler(network, SchedulerKind::Maglev)?;
    // A twin of its own for the keys: the lab's knows the flow that was rehearsed.
    let mut twin = network.world(SchedulerKind::Maglev);
    let bench = lab.bench(network.request(Flow::new(0)).syn(), u32::MAX, Sequence::ENDLESS, OPEN)?;
    bench.start_at(0)?;
    bench.run(LIVE)?;
    let table = lab.director.connections_map()?;
    let mut oldest = 0;
    let measured = rounds(
        count,
        || bench.run_floor(FLOOR_PACKETS),
        || {
            let time = bench.run(ROUND)?;
            let keys: Vec<Vec<u8>> = (0..ROUND)
                .flat_map(|place| {
                    let number = oldest + place.wrapping_mul(STRIDE) % ROUND;
                    network.keys(&mut twin, Flow::new(number))
                })
                .collect();
            oldest += ROUND;
            ensure!(keys.len() == (ROUND * network.entries()) as usize, "the host twin makes {} entries", keys.len());
            syscall::delete_batch(table, &keys.concat(), keys.len() as u32)
                .context("deleting the oldest connections: one is not there")?;
            Ok(time)
        },
    )?;
    let (entries, wanted) = (lab.director.connections()?.len(), (LIVE * network.entries()) as usize);
    ensure!(entries == wanted, "{entries} entries at the end, not {wanted}");
    Ok(measured)
}
