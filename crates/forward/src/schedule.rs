//! Choosing a real server for a new connection, as the kernel chooses (net/netfilter/ipvs/ip_vs_{rr,wrr,lc,wlc,sed,nq,
//! fo,ovf,sh,mh,dh}.c).
//!
//! Lists stand newest first, as in the kernel. The hash schedulers are one table look-up; the list schedulers scan,
//! bounded by [`MAX_SERVERS_PER_SERVICE`](crate::abi::MAX_SERVERS_PER_SERVICE).
//!
//! A scan goes in stretches, each a call of its own: the verifier follows one stretch turn by turn, and all of them as
//! so many calls of what it knows already.

mod hash;
mod least;
mod turns;

pub use hash::{fall_back, fall_back_on_stretch, maglev_hash, source_hash};
pub use least::{least_connection, least_of_stretch};
pub use turns::{Cursor, Scan, scan, scan_stretch};

use crate::abi::{NO_SERVER, SchedulerKind, Service};
use crate::{Address, Packet, Shared};

/// Servers or slots that are looked at in one call.
pub const STRETCH: u32 = 32;

const ROUND_ROBIN: u8 = SchedulerKind::RoundRobin as u8;
const WEIGHTED_ROUND_ROBIN: u8 = SchedulerKind::WeightedRoundRobin as u8;
const LEAST_CONNECTION: u8 = SchedulerKind::LeastConnection as u8;
const WEIGHTED_LEAST_CONNECTION: u8 = SchedulerKind::WeightedLeastConnection as u8;
const SHORTEST_EXPECTED_DELAY: u8 = SchedulerKind::ShortestExpectedDelay as u8;
const NEVER_QUEUE: u8 = SchedulerKind::NeverQueue as u8;
const FAILOVER: u8 = SchedulerKind::Failover as u8;
const OVERFLOW: u8 = SchedulerKind::Overflow as u8;

/// The server for a new connection, or `NO_SERVER` when none is eligible.
#[inline(always)]
pub fn schedule<A: Address, T: Shared>(tables: &T, service: &Service, packet: &Packet<A>) -> u32 {
    if service.table_size != 0 {
        return hash::choose(tables, service, packet);
    }
    match service.scheduler {
        ROUND_ROBIN => turns::round_robin(tables, service),
        WEIGHTED_ROUND_ROBIN => turns::weighted_round_robin(tables, service),
        LEAST_CONNECTION..=WEIGHTED_LEAST_CONNECTION | SHORTEST_EXPECTED_DELAY..=NEVER_QUEUE | FAILOVER..=OVERFLOW => {
            tables.least_connection(service)
        }
        // A hash scheduler without a table: nobody to serve. Or a scheduler that is only kept and listed.
        _ => NO_SERVER,
    }
}
