//! Why an interface has the lane it has.

/// The reason; kept in the interface table, so that it outlives the daemon.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum Why {
    /// Attached by a director that did not say.
    Unknown = 0,
    /// The operator named the lane.
    Asked = 1,
    /// The driver has native XDP.
    Native = 2,
    /// It has not.
    NoNativeXdp = 3,
    /// Its native XDP does not take frames of this size.
    LargeMtu = 4,
    /// It has native XDP, but not as the interface is set up.
    DriverRefuses = 5,
    /// XDP would send on frames whose checksum nobody finishes.
    PartialChecksums = 6,
    /// The loopback interface: where this host's own connections go.
    OwnConnections = 7,
    /// Another interface of the same driver has shown it.
    PartialChecksumsElsewhere = 8,
    /// XDP would lose what leaves by an interface that is a way out.
    LossyWay = 9,
}

impl Why {
    const ALL: [Self; 10] = [
        Self::Unknown,
        Self::Asked,
        Self::Native,
        Self::NoNativeXdp,
        Self::LargeMtu,
        Self::DriverRefuses,
        Self::PartialChecksums,
        Self::OwnConnections,
        Self::PartialChecksumsElsewhere,
        Self::LossyWay,
    ];

    pub(crate) fn of_number(number: u16) -> Self {
        Self::ALL.into_iter().find(|why| *why as u16 == number).unwrap_or(Self::Unknown)
    }

    /// For people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Unknown => "attached by an earlier director",
            Self::Asked => "as asked for",
            Self::Native => "native",
            Self::NoNativeXdp => "the driver has no native XDP",
            Self::LargeMtu => "the MTU is too large for the driver's native XDP",
            Self::DriverRefuses => "the driver refuses native XDP as the interface is set up",
            Self::OwnConnections => "connections of this host itself",
            Self::PartialChecksumsElsewhere => {
                "frames of another interface of this driver arrive with unfinished checksums (offload on the sender)"
            }
            Self::LossyWay => "a way out of this host loses what XDP sends there",
            Self::PartialChecksums => "frames arrive with unfinished checksums (offload on the sender)",
        }
    }

    /// True when nobody chose the lane by name: it may change when the interface does.
    pub const fn is_automatic(self) -> bool {
        !matches!(self, Self::Asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_read_as_they_are_kept() {
        for why in Why::ALL {
            assert_eq!(Why::of_number(why as u16), why);
        }
        assert_eq!(Why::of_number(999), Why::Unknown);
    }
}
