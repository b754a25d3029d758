//! Interfaces as ways out: which of them take frames that XDP redirects. Pure.

use super::features::Features;
use super::links::{Kind, Link};

/// What becomes of frames that XDP sends out of an interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outlet {
    /// They leave, as far as the kernel tells. (A veth peer that has GRO only loses what XDP sends back by the interface
    /// it came in by; that looks the same from here.)
    Open,
    /// They are lost until the other end of a veth link has an XDP program or GRO.
    PeerNotReady,
    /// They are lost when they come from another interface.
    Closed,
}

impl Outlet {
    /// By what the kernel tells of the interface; by its kind where it tells nothing.
    pub(crate) fn of(link: &Link) -> Self {
        match (link.features, link.kind) {
            (Some(features), _) if features.any(Features::TARGET) => Self::Open,
            (Some(features), Kind::Veth) if features.any(Features::BASIC) => Self::PeerNotReady,
            (Some(_), _) | (None, Kind::Virtual) => Self::Closed,
            (None, Kind::Veth | Kind::Other) => Self::Open,
        }
    }

    /// What an operator should know, if frames of `others` leave by this interface.
    pub(crate) fn note(self, name: &str, others: bool) -> Option<String> {
        match self {
            Self::PeerNotReady => Some(format!(
                "interface {name}: what is sent out of it is lost until its veth peer has an XDP program, or GRO where \
                 nothing leaves by the interface it came in by (on the peer: ethtool -K DEV gro on)"
            )),
            Self::Closed if others => Some(format!(
                "interface {name}: XDP cannot redirect to it, what other interfaces receive for servers there is lost; \
                 reach them through an interface with native XDP (the port of a bridge, the parent of a VLAN)"
            )),
            Self::Open | Self::Closed => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_features_and_else_by_kind() {
        let told = |bits| Some(Features(bits));
        for (features, kind, expected) in [
            (told(0x7), Kind::Other, Outlet::Open),
            (told(0x3), Kind::Other, Outlet::Closed),
            (told(0), Kind::Virtual, Outlet::Closed),
            (told(0x23), Kind::Veth, Outlet::PeerNotReady),
            (told(0x67), Kind::Veth, Outlet::Open),
            (None, Kind::Virtual, Outlet::Closed),
            (None, Kind::Veth, Outlet::Open),
            (None, Kind::Other, Outlet::Open),
        ] {
            let link = Link {
                name: "eth0".into(),
                mac: None,
                up: true,
                running: true,
                mtu: 1500,
                loopback: false,
                kind,
                vlan: None,
                features,
            };
            assert_eq!(Outlet::of(&link), expected, "{features:?} {kind:?}");
        }
        assert!(Outlet::Closed.note("br0", true).is_some_and(|note| note.contains("br0")));
        assert_eq!(Outlet::Closed.note("eth0", false), None);
    }
}
