//! What is typed of a synchronization daemon.

use super::failure::Failure;
use super::number;
use super::options::Thing;
use model::SyncDaemon;
use std::net::IpAddr;

/// The longest name of an interface.
const LONGEST_INTERFACE: usize = 15;
/// The longest message of a synchronization daemon: what UDP over IPv4 carries.
const LONGEST_MESSAGE: i64 = 65_535 - 20 - 8;

/// Takes the value of an option that belongs to it; the others have none to take.
pub(super) fn take(daemon: &mut SyncDaemon, thing: Thing, value: &str) -> Result<(), Failure> {
    let illegal = |name: &str| Failure::usage(format!("illegal {name} specified"));
    let number = |range, name| number::parse_u16(value, range).ok_or_else(|| illegal(name));
    let small = |range, name| number(range, name).map(|number| u8::try_from(number).unwrap_or(u8::MAX));
    match thing {
        // An empty name is none, and a long one is cut off, as in the original.
        Thing::MulticastInterface if !value.is_empty() => {
            daemon.interface = value.chars().take(LONGEST_INTERFACE).collect();
        }
        Thing::SyncId => daemon.id = small(0..=255, "syncid")?,
        Thing::SyncMaximumLength => daemon.maximum_length = number(1..=LONGEST_MESSAGE, "sync-maxlen")?,
        Thing::MulticastPort => daemon.port = number(1..=65535, "mcast-port")?,
        Thing::MulticastTtl => daemon.ttl = small(1..=255, "mcast-ttl")?,
        Thing::MulticastGroup => daemon.group = group(value)?,
        _ => {}
    }
    Ok(())
}

fn group(value: &str) -> Result<IpAddr, Failure> {
    let family = if value.contains(':') { "IPv6" } else { "IPv4" };
    let group = value.parse::<IpAddr>().ok().filter(IpAddr::is_multicast);
    group.ok_or_else(|| Failure::usage(format!("invalid {family} mcast-group `{value}'")))
}
