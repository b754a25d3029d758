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
}
