//! Layouts and words that the agent's programs share with user space.

/// Who a connection's client is.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Client {
    /// The address as it stands on the wire; IPv4 in the first word.
    pub address: [u32; 4],
    /// The port as it stands on the wire.
    pub port: u16,
    /// 4 or 6.
    pub family: u16,
}

/// A flow of datagrams, seen from this host.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Endpoints {
    /// Address of the other side as it stands on the wire; IPv4 in the first word.
    pub peer: [u32; 4],
    /// Ours.
    pub own: [u32; 4],
    /// Port of the other side as it stands on the wire.
    pub peer_port: u16,
    /// Ours.
    pub own_port: u16,
    /// 4 or 6.
    pub family: u32,
}

/// The way back of an answer.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Way {
    /// The director's local address and port.
    pub local: Client,
    /// Interface that the director's datagrams come in by.
    pub interface: u32,
}

/// The fragments of one answer.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Piece {
    /// Where it goes.
    pub peer: [u32; 4],
    /// Where it comes from.
    pub own: [u32; 4],
    /// What its fragments have in common.
    pub identification: u32,
    /// 4 or 6.
    pub family: u32,
}

/// Most flows of datagrams that are remembered; the oldest are forgotten.
pub const MOST_FLOWS: u32 = 1 << 16;
/// The same for answers in fragments.
pub const MOST_PIECES: u32 = 1 << 12;

/// What the agent's programs are told.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Settings {
    /// UDP port of tunnels by GUE, as it stands on the wire.
    pub gue_port: u16,
    /// Kinds of the TCP options that name a client: IPv4, IPv6.
    pub kinds: [u8; 2],
}

/// Kinds of TOA that directors use unless told otherwise, IPv4 and IPv6.
pub const KINDS: [u8; 2] = [254, 253];
/// Most networks of directors, and most virtual addresses, of each family.
pub const MOST_ADDRESSES: u32 = 1024;

const _: () = assert!(size_of::<Client>() == 20 && size_of::<Settings>() == 4);
const _: () = assert!(size_of::<Endpoints>() == 40 && size_of::<Way>() == 24 && size_of::<Piece>() == 40);

macro_rules! reception {
    ($($(#[doc = $what:literal])+ $name:ident = $shown:literal,)+) => {
        /// What happened at a real server, to be counted.
        #[repr(u32)]
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Reception {
            $($(#[doc = $what])+ $name,)+
        }

        impl Reception {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)+];
            /// How many there are.
            pub const COUNT: u32 = Self::ALL.len() as u32;

            /// Its name in listings.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $shown,)+
                }
            }
        }
    };
}

reception! {
    /// A packet was taken out of its tunnel.
    Decapsulated = "decapsulated",
    /// A tunnel to a virtual address, but from nobody who is trusted: left as it is.
    TunnelUntrusted = "tunnel_untrusted",
    /// A tunnel of something that is no packet to a virtual address: left as it is.
    TunnelForOthers = "tunnel_for_others",
    /// A director's tunnel to a virtual address, but to another UDP port than ours: left as it is.
    TunnelToOtherPort = "tunnel_to_other_port",
    /// A tunnel met congestion, and what is inside cannot be told (RFC 6040): dropped.
    TunnelCongested = "tunnel_congested",
    /// The kernel did not take the outer header off: dropped.
    TunnelRefused = "tunnel_refused",
    /// A client was named by the packet that completed the handshake.
    ToaAtHandshake = "toa_at_handshake",
    /// A client was named by the SYN alone.
    ToaInSyn = "toa_in_syn",
    /// A client was named by a later packet.
    ToaLate = "toa_late",
    /// A client was named by somebody who is not trusted: not believed.
    ToaUntrusted = "toa_untrusted",
    /// A connection of a director began without a client being named.
    ToaMissing = "toa_missing",
    /// A datagram named its client.
    UoaNamed = "uoa_named",
    /// A datagram of a client that was named before.
    UoaKnown = "uoa_known",
    /// A datagram of a director whose client was never named: left as it is.
    UoaMissing = "uoa_missing",
    /// A datagram named a client, but came from nobody who is trusted: left as it is.
    UoaUntrusted = "uoa_untrusted",
    /// An answer went back to the director.
    UoaAnswered = "uoa_answered",
    /// The kernel did not change a datagram: dropped.
    UoaRefused = "uoa_refused",
}
