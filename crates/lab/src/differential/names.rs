//! Who is who: names in scripts and transcripts, addresses on the wire.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Servers, each on a link of its own.
pub(super) const SERVERS: u8 = 4;
/// Clients, all behind one link.
pub(super) const CLIENTS: u8 = 9;

/// One of the parties.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Party {
    /// `V` (0) and `W` (1): virtual addresses.
    Virtual(u8),
    /// `S1` to `S4`
    Server(u8),
    /// `C1` to `C9`
    Client(u8),
}

impl Party {
    /// All of them.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let servers = (1..=SERVERS).map(Self::Server);
        [Self::Virtual(0), Self::Virtual(1)].into_iter().chain(servers).chain((1..=CLIENTS).map(Self::Client))
    }

    pub(super) fn name(self) -> String {
        match self {
            Self::Virtual(0) => "V".to_owned(),
            Self::Virtual(_) => "W".to_owned(),
            Self::Server(number) => format!("S{number}"),
            Self::Client(number) => format!("C{number}"),
        }
    }

    pub(super) fn by_name(name: &str) -> Option<Self> {
        Self::all().find(|party| party.name() == name)
    }
}

/// The addresses of one run of one scenario. Each has its own, so that nothing an earlier one left behind (connections
/// that wait for their server, above all) meets it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Names {
    block: [u8; 2],
    six: bool,
}

impl Names {
    /// The addresses of the run with this name.
    pub(super) fn of(run: &str, six: bool) -> Self {
        let hash = run.bytes().fold(0x811c_9dc5_u32, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        let [_, _, high, low] = (hash ^ (hash >> 16)).to_be_bytes();
        // Nobody ends in 0 or 255, which some take for a network or a broadcast.
        Self { block: [high, low.clamp(1, 254)], six }
    }

    pub(super) fn address(&self, party: Party) -> IpAddr {
        let [high, low] = self.block;
        let tail = u16::from_be_bytes(self.block);
        let (four, six) = match party {
            Party::Virtual(number) => ([198, 18 + number], [0xf, u16::from(number)]),
            Party::Server(number) => ([10, number], [5, u16::from(number)]),
            Party::Client(number) => ([100, 64 + number], [0xc, u16::from(number)]),
        };
        if self.six {
            Ipv6Addr::new(0xfd00, six[0], six[1], 0, 0, 0, 0, tail).into()
        } else {
            Ipv4Addr::new(four[0], four[1], high, low).into()
        }
    }

    pub(super) fn party(&self, address: IpAddr) -> Option<Party> {
        Party::all().find(|party| self.address(*party) == address)
    }

    /// An address as transcripts show it.
    pub(super) fn show(&self, address: IpAddr) -> String {
        self.party(address).map_or_else(|| address.to_string(), Party::name)
    }

    /// A word of a command: `V:80`, or a bare name, becomes an address; everything else stays.
    pub(super) fn word(&self, word: &str) -> String {
        let (name, port) = word.split_once(':').map_or((word, None), |(name, port)| (name, Some(port)));
        let Some(party) = Party::by_name(name) else { return word.to_owned() };
        let address = match self.address(party) {
            IpAddr::V6(address) => format!("[{address}]"),
            IpAddr::V4(address) => address.to_string(),
        };
        port.map_or_else(|| address.clone(), |port| format!("{address}:{port}"))
    }

    /// A text of a program, with names for addresses.
    pub(super) fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        // Longest first: one address may be the beginning of another.
        let mut all: Vec<_> = Party::all().map(|party| (self.address(party).to_string(), party.name())).collect();
        all.sort_by_key(|(address, _)| std::cmp::Reverse(address.len()));
        for (address, name) in all {
            text = text.replace(&format!("[{address}]"), &name).replace(&address, &name);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_one_to_one() {
        for six in [false, true] {
            let names = Names::of("rr/4m", six);
            for party in Party::all() {
                assert_eq!(names.party(names.address(party)), Some(party));
                assert_eq!(Party::by_name(&party.name()), Some(party));
                let word = names.word(&format!("{}:80", party.name()));
                assert_eq!(names.text(&word), format!("{}:80", party.name()));
            }
            assert_eq!(names.word("-A"), "-A");
        }
    }
}
