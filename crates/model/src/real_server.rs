//! How a host shall be a real server: what `xlvs real-server up` is given, and `[real_server]` of xlvs.toml.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// The forwarding method that a real server is prepared for. (NAT needs nothing but the director as gateway.)
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServerMode {
    /// Direct routing: the virtual addresses are on lo, and nobody is told.
    Dr,
    /// Tunnels: the same, and packets arrive in packets of the director.
    Tun,
    /// FullNAT: packets come from the director's addresses and say who the client is.
    FullNat,
}

/// Who takes packets out of their tunnel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decapsulation {
    /// A BPF program, from trusted directors and to virtual addresses of this host only.
    #[default]
    Bpf,
    /// The kernel's own tunnel devices.
    Kernel,
}

/// A network of IP addresses; one address is a network of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

impl Prefix {
    /// Its first address.
    pub const fn address(self) -> IpAddr {
        self.address
    }

    /// The network of `length` bits that an address is in.
    pub fn around(address: IpAddr, length: u8) -> Self {
        let length = length.min(if address.is_ipv4() { 32 } else { 128 });
        Self { address: masked(address, length), length }
    }

    /// An address in it that a host can have: the first one names the network.
    pub fn member(self) -> IpAddr {
        match self.address {
            IpAddr::V4(address) if self.length < 31 => IpAddr::V4((address.to_bits() | 1).into()),
            IpAddr::V6(address) if self.length < 127 => IpAddr::V6((address.to_bits() | 1).into()),
            other => other,
        }
    }

    /// How many bits every member shares.
    pub const fn length(self) -> u8 {
        self.length
    }

    /// True for a member.
    pub fn holds(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => {
                masked(address, self.length) == self.address
            }
            _ => false,
        }
    }
}

fn masked(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or_default();
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or_default();
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}

impl FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{}` is no address or prefix; write 10.0.0.1 or 10.0.0.0/24", text.escape_debug());
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length: u8 = length.map_or(Ok(most), |length| length.parse().map_err(|_| wrong()))?;
        if length > most {
            return Err(wrong());
        }
        if masked(address, length) != address {
            let network = masked(address, length);
            return Err(format!("`{text}` has bits beyond its length; write {network}/{length}, or {address} alone"));
        }
        Ok(Self { address, length })
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = if self.address.is_ipv4() { 32 } else { 128 };
        if self.length == whole {
            write!(to, "{}", self.address)
        } else {
            write!(to, "{}/{}", self.address, self.length)
        }
    }
}

impl TryFrom<String> for Prefix {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> Self {
        prefix.to_string()
    }
}

/// Everything that is asked of a host as a real server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RealServerSetup {
    /// What it is prepared for.
    pub mode: ServerMode,
    /// The virtual addresses it serves.
    #[serde(default)]
    pub virtual_addresses: BTreeSet<IpAddr>,
    /// Addresses of the directors, where they have to be trusted.
    #[serde(default)]
    pub directors: BTreeSet<Prefix>,
    /// Where packets of the directors come in; those towards the directors without it.
    #[serde(default)]
    pub interface: Option<String>,
    /// Who takes packets out of their tunnel.
    #[serde(default)]
    pub decapsulation: Decapsulation,
    /// UDP port of tunnels by GUE.
    #[serde(default = "gue_port")]
    pub gue_port: u16,
    /// The cgroup whose programs see real clients behind FullNAT; the root of them all without it.
    #[serde(default)]
    pub cgroup: Option<PathBuf>,
    /// Kinds of the TCP options that name a client, IPv4 and IPv6: those of the directors.
    #[serde(default = "toa_kinds")]
    pub toa_kinds: [u8; 2],
}

/// The port that IANA gave to GUE.
pub const GUE_PORT: u16 = 6080;

/// Kinds of TOA that directors use unless told otherwise, IPv4 and IPv6.
pub const TOA_KINDS: [u8; 2] = [254, 253];

const fn toa_kinds() -> [u8; 2] {
    TOA_KINDS
}

const fn gue_port() -> u16 {
    GUE_PORT
}

impl RealServerSetup {
    /// The setup, if its parts go together; else what to write instead.
    pub fn checked(self) -> Result<Self, String> {
        self.check_addresses()?;
        self.check_directors()?;
        if self.gue_port == 0 {
            return Err("port 0 is no port of GUE; write 6080, or what `ipvsadm --tun-port` says".to_owned());
        }
        let kernel = self.decapsulation == Decapsulation::Kernel;
        if kernel && self.mode != ServerMode::Tun {
            return Err(format!("mode {} has no tunnels: leave out `decap kernel`, or use mode tun", self.mode));
        }
        if self.cgroup.is_some() && self.mode != ServerMode::FullNat {
            return Err(format!("a cgroup is for mode fullnat alone: leave it out with mode {}", self.mode));
        }
        self.check_kinds()?;
        Ok(self)
    }

    fn check_kinds(&self) -> Result<(), String> {
        /// End of options, no operation, and what every stack knows: size, scale, SACK, timestamps.
        const TAKEN: [u8; 7] = [0, 1, 2, 3, 4, 5, 8];
        let [kind4, kind6] = self.toa_kinds;
        if self.toa_kinds != TOA_KINDS && self.mode != ServerMode::FullNat {
            return Err(format!("kinds of TOA are for mode fullnat alone: leave them out with mode {}", self.mode));
        }
        if let Some(taken) = self.toa_kinds.into_iter().find(|kind| TAKEN.contains(kind)) {
            return Err(format!(
                "{taken} is another option's kind: write what `xlvs sysctl toa_kind` says on the director"
            ));
        }
        if kind4 == kind6 {
            return Err(format!(
                "both families cannot have kind {kind4}: write two, as toa_kind and toa_kind6 of the director"
            ));
        }
        Ok(())
    }

    /// The command line that asks for it.
    pub fn command(&self) -> String {
        let mut words = format!("xlvs real-server up --mode {}", self.mode);
        let mut list = |option: &str, values: Vec<String>| {
            if !values.is_empty() {
                words.push_str(&format!(" --{option} {}", values.join(" ")));
            }
        };
        list("vip", self.virtual_addresses.iter().map(ToString::to_string).collect());
        list("director", self.directors.iter().map(ToString::to_string).collect());
        list("interface", self.interface.iter().cloned().collect());
        let unless = |usual: bool, value: String| if usual { Vec::new() } else { vec![value] };
        list("decap", unless(self.decapsulation == Decapsulation::Bpf, "kernel".to_owned()));
        list("gue-port", unless(self.gue_port == GUE_PORT, self.gue_port.to_string()));
        list("cgroup", self.cgroup.iter().map(|path| path.display().to_string()).collect());
        let ([kind4, kind6], [usual4, usual6]) = (self.toa_kinds, TOA_KINDS);
        list("toa-kind", unless(kind4 == usual4, kind4.to_string()));
        list("toa-kind6", unless(kind6 == usual6, kind6.to_string()));
        words
    }

    fn check_addresses(&self) -> Result<(), String> {
        if self.mode == ServerMode::FullNat && !self.virtual_addresses.is_empty() {
            return Err(
                "packets of FullNAT come to this host's own address, and no virtual address is needed here: leave it out"
                    .to_owned()
            );
        }
        if self.mode != ServerMode::FullNat && self.virtual_addresses.is_empty() {
            return Err(format!("mode {} needs a virtual address: give one as 203.0.113.10", self.mode));
        }
        for address in &self.virtual_addresses {
            if address.is_loopback() || address.is_unspecified() || address.is_multicast() {
                return Err(format!("{address} cannot be a virtual address: write the address that clients use"));
            }
            if matches!(address, IpAddr::V6(it) if it.is_unicast_link_local() || it.to_ipv4_mapped().is_some()) {
                return Err(format!("{address} cannot be a virtual address: write a global one"));
            }
        }
        Ok(())
    }

    fn check_directors(&self) -> Result<(), String> {
        let trusts = match self.mode {
            ServerMode::Dr => false,
            ServerMode::Tun => self.decapsulation == Decapsulation::Bpf,
            ServerMode::FullNat => true,
        };
        if trusts && self.directors.is_empty() {
            return Err(format!(
                "mode {} believes nobody but directors that are named: give their addresses, as 10.0.0.1 or 10.0.0.0/24",
                self.mode
            ));
        }
        if let Some(all) = self.directors.iter().find(|prefix| prefix.length == 0) {
            return Err(format!("{all} would trust everybody: give the directors' own addresses"));
        }
        Ok(())
    }
}

impl ServerMode {
    /// Its name in commands and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dr => "dr",
            Self::Tun => "tun",
            Self::FullNat => "fullnat",
        }
    }
}

impl fmt::Display for ServerMode {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.pad(self.name())
    }
}

impl FromStr for ServerMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Dr, Self::Tun, Self::FullNat];
        if text == "nat" {
            return Err("a real server of NAT needs nothing but the director as its gateway".to_owned());
        }
        let found = all.into_iter().find(|mode| mode.name() == text);
        found.ok_or_else(|| format!("`{}` is no mode of a real server; write dr, tun or fullnat", text.escape_debug()))
    }
}

impl FromStr for Decapsulation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "bpf" => Ok(Self::Bpf),
            "kernel" => Ok(Self::Kernel),
            _ => Err(format!("`{}` does not decapsulate; write bpf or kernel", text.escape_debug())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup(mode: ServerMode) -> RealServerSetup {
        RealServerSetup {
            mode,
            virtual_addresses: ["203.0.113.10".parse().unwrap()].into(),
            directors: ["10.0.0.0/24".parse().unwrap()].into(),
            interface: None,
            decapsulation: Decapsulation::Bpf,
            gue_port: GUE_PORT,
            cgroup: None,
            toa_kinds: TOA_KINDS,
        }
    }

    #[test]
    fn the_command_line_says_what_is_not_usual() {
        let text = "xlvs real-server up --mode dr --vip 203.0.113.10 --director 10.0.0.0/24";
        assert_eq!(setup(ServerMode::Dr).command(), text);
        let odd = RealServerSetup {
            virtual_addresses: BTreeSet::new(),
            interface: Some("e0".into()),
            cgroup: Some("/c".into()),
            toa_kinds: [28, 253],
            ..setup(ServerMode::FullNat)
        };
        let text = "xlvs real-server up --mode fullnat --director 10.0.0.0/24 --interface e0 --cgroup /c --toa-kind 28";
        assert_eq!(odd.clone().checked().unwrap().command(), text);
        for kinds in [[254, 254], [8, 253], [254, 0]] {
            assert!(RealServerSetup { toa_kinds: kinds, ..odd.clone() }.checked().is_err(), "{kinds:?}");
        }
    }

    #[test]
    fn prefixes_are_read_as_they_are_written_and_know_their_members() {
        for text in ["10.0.0.1", "10.0.0.0/24", "0.0.0.0/0", "fd00::/64", "fd00::1", "::/0"] {
            let prefix: Prefix = text.parse().unwrap();
            assert_eq!(prefix.to_string(), text);
        }
        for text in ["", "10.0.0.1/24", "10.0.0.0/33", "fd00::/129", "ten", "10.0.0.0/-1", "10.0.0.0/", "fd00::1/64"] {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
        let holds = |prefix: &str, address: &str| prefix.parse::<Prefix>().unwrap().holds(address.parse().unwrap());
        assert!(holds("10.0.0.0/24", "10.0.0.255") && !holds("10.0.0.0/24", "10.0.1.0"));
        assert!(holds("0.0.0.0/0", "255.1.2.3") && !holds("0.0.0.0/0", "::1"));
        assert!(holds("fd00::/64", "fd00::ffff:1") && !holds("fd00::1", "fd00::2"));
    }

    #[test]
    fn what_does_not_go_together_is_refused_with_a_remedy() {
        for mode in [ServerMode::Dr, ServerMode::Tun] {
            assert_eq!(setup(mode).checked(), Ok(setup(mode)));
            let none = RealServerSetup { virtual_addresses: BTreeSet::new(), ..setup(mode) };
            assert!(none.checked().unwrap_err().contains("needs a virtual address"));
        }
        assert!(setup(ServerMode::FullNat).checked().unwrap_err().contains("own address"));
        let blind = RealServerSetup { directors: BTreeSet::new(), ..setup(ServerMode::Tun) };
        assert!(blind.clone().checked().unwrap_err().contains("believes nobody"));
        assert!(RealServerSetup { decapsulation: Decapsulation::Kernel, ..blind }.checked().is_ok());
        let everybody = RealServerSetup { directors: ["::/0".parse().unwrap()].into(), ..setup(ServerMode::Tun) };
        assert!(everybody.checked().unwrap_err().contains("trust everybody"));
        for address in ["127.0.0.1", "::", "ff02::1", "fe80::1", "::ffff:10.0.0.1"] {
            let odd = RealServerSetup { virtual_addresses: [address.parse().unwrap()].into(), ..setup(ServerMode::Dr) };
            assert!(odd.checked().is_err(), "{address}");
        }
        let kernel = RealServerSetup { decapsulation: Decapsulation::Kernel, ..setup(ServerMode::Dr) };
        assert!(kernel.checked().unwrap_err().contains("no tunnels"));
        assert!("nat".parse::<ServerMode>().unwrap_err().contains("gateway"));
    }
}
