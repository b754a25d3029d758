//! Looking at the connection tables, slice by slice: memory is bounded by the slice, however full they are.

use crate::error::{Doing, Error};
use crate::maps::Maps;
use crate::plain::Plain;
use crate::sweep;
use crate::table::{SliceBuffer, Table};
use crate::translate::{self, ToIp};
use forward::abi::{Address4, Address6, Connection, FlowKey};
use forward::connection::StateWord;
use forward::{TcpState, Time};
use model::{Endpoint, Protocol};
use std::net::SocketAddr;

/// Entries looked at in one system call.
const SLICE: u32 = 4096;

/// A connection as the tables have it. NAT's entry for the replies belongs to it and is not shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConnectionEntry {
    /// Transport protocol.
    pub protocol: Protocol,
    /// Address and port of the client.
    pub client: Endpoint,
    /// Virtual address and port.
    pub service: Endpoint,
    /// Address and port of the real server; none when its slot is free again.
    pub server: Option<Endpoint>,
    /// TCP state; none for other protocols.
    pub state: Option<TcpState>,
    /// Seconds until it expires if it stays silent.
    pub expires: u32,
}

/// Where a walk over the tables goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ConnectionsCursor {
    /// In the table of IPv6; IPv4 comes first.
    pub family6: bool,
    /// Place in the table; its beginning without one.
    pub position: Option<u32>,
}

/// The connections of one slice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConnectionsSlice {
    /// Those that are alive.
    pub connections: Vec<ConnectionEntry>,
    /// Where the next slice begins; none after the last.
    pub next: Option<ConnectionsCursor>,
}

/// The slice at `cursor`.
pub(crate) fn slice(maps: &Maps, cursor: ConnectionsCursor) -> Result<ConnectionsSlice, Error> {
    if cursor.family6 {
        let (connections, position) = read::<Address6>(maps, &maps.connections6, cursor.position)?;
        let next = position.map(|position| ConnectionsCursor { family6: true, position: Some(position) });
        return Ok(ConnectionsSlice { connections, next });
    }
    let (connections, position) = read::<Address4>(maps, &maps.connections4, cursor.position)?;
    let next = ConnectionsCursor { family6: position.is_none(), position };
    Ok(ConnectionsSlice { connections, next: Some(next) })
}

fn read<A: ToIp>(
    maps: &Maps,
    table: &Table<FlowKey<A>, Connection>,
    from: Option<u32>,
) -> Result<(Vec<ConnectionEntry>, Option<u32>), Error>
where
    FlowKey<A>: Plain,
{
    let now = sweep::now()?;
    let mut buffer = SliceBuffer::new();
    let slice = buffer.read(table, from, SLICE).doing(|| "look at the connections".to_owned())?;
    let entries = buffer.entries().filter_map(|(key, connection)| {
        let mut entry = entry(key, connection, now)?;
        let server = maps.servers.get(connection.server.get());
        entry.server = server.map(translate::endpoint);
        Some(entry)
    });
    Ok((entries.collect(), slice.next))
}

/// The connection of an entry, without its server; none for what is no connection, or is over.
fn entry<A: ToIp>(key: &FlowKey<A>, connection: &Connection, now: Time) -> Option<ConnectionEntry> {
    let word = StateWord(connection.state.get());
    if key.kind != FlowKey::<A>::FLOW || !word.is_live() || word.has(StateWord::REPLY) {
        return None;
    }
    let protocol = translate::protocol(key.protocol)?;
    let left = connection.timeout.get().checked_sub(now.age(connection.last_seen.get()))?;
    Some(ConnectionEntry {
        protocol,
        client: SocketAddr::new(key.source.to_ip(), key.source_port.get()),
        service: SocketAddr::new(key.destination.to_ip(), key.destination_port.get()),
        server: None,
        state: (protocol == Protocol::Tcp).then(|| TcpState::from_number(word.state())),
        expires: Time::seconds(left),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use forward::abi::Port;

    fn key(protocol: u8) -> FlowKey<Address4> {
        let address = |text: &str| Address4::from(text.parse::<std::net::Ipv4Addr>().unwrap());
        FlowKey {
            source: address("192.0.2.7"),
            destination: address("10.0.0.1"),
            source_port: Port::new(4000),
            destination_port: Port::new(80),
            protocol,
            kind: FlowKey::<Address4>::FLOW,
            reserved: 0,
        }
    }

    fn connection(word: StateWord, seen: u32) -> Connection {
        let connection = Connection::default();
        connection.state.set(word.0);
        connection.last_seen.set(seen);
        connection.timeout.set(Time::ticks(120));
        connection
    }

    #[test]
    fn an_entry_tells_ends_state_and_time() {
        let now = Time(100_000 << Time::TICK_SHIFT);
        let seen = now.tick() - Time::ticks(20);
        let live = StateWord::live(TcpState::TimeWait as u8, 0);
        let entry = entry(&key(6), &connection(live, seen), now).unwrap();
        assert_eq!(entry.client.to_string(), "192.0.2.7:4000");
        assert_eq!(entry.service.to_string(), "10.0.0.1:80");
        assert_eq!((entry.state, entry.expires), (Some(TcpState::TimeWait), 99));
    }

    #[test]
    fn what_is_over_or_no_connection_is_left_out() {
        let now = Time(100_000 << Time::TICK_SHIFT);
        let live = StateWord::live(TcpState::Established as u8, 0);
        let tick = now.tick();
        assert!(entry(&key(6), &connection(live, tick - Time::ticks(121)), now).is_none());
        assert!(entry(&key(6), &connection(live.dead(), tick), now).is_none());
        assert!(entry(&key(6), &connection(StateWord::live(0, StateWord::REPLY), tick), now).is_none());
        assert!(entry(&key(50), &connection(live, tick), now).is_none());
        let udp = entry(&key(17), &connection(StateWord::live(0, 0), tick), now).unwrap();
        assert_eq!((udp.protocol, udp.state), (Protocol::Udp, None));
    }
}
