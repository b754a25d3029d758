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
    /// A veth of a kernel that does not tell whether its peer is ready: it seldom is.
    Untold,
}

impl Outlet {
    /// By what the kernel tells of the interface; by its kind where it tells nothing.
    pub(crate) fn of(link: &Link) -> Self {
        match (link.features, link.kind) {
            (Some(features), _) if features.any(Features::TARGET) => Self::Open,
            (Some(features), Kind::Veth) if features.any(Features::BASIC) => Self::PeerNotReady,
            (Some(_), _) | (None, Kind::Virtual) => Self::Closed,
            (None, Kind::Veth) => Self::Untold,
            (None, Kind::Other) => Self::Open,
        }
    }

    /// True when frames may be lost there, if those of `others` leave by this interface.
    pub(crate) const fn is_doubtful(self, others: bool) -> bool {
        match self {
            Self::Open => false,
            Self::PeerNotReady | Self::Untold => true,
            Self::Closed => others,
        }
    }

    /// What an operator should know who chose XDP, if frames of `others` leave by this interface; nothing where nothing
    /// is known.
    pub(crate) const fn note(self, others: bool) -> Option<(&'static str, &'static str)> {
        match self {
            Self::PeerNotReady => Some((
                "what XDP sends out of it is lost: its veth peer has neither an XDP program nor GRO",
                "on the peer: ethtool -K DEV gro on, unless packets leave by the interface they came in by",
            )),
            Self::Closed if others => Some((
                "XDP cannot send to it: what other interfaces receive for servers there is lost",
                "reach them through an interface with native XDP (the port of a bridge, the parent of a VLAN)",
            )),
            Self::Open | Self::Closed | Self::Untold => None,
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
            (None, Kind::Veth, Outlet::Untold),
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
        assert!(Outlet::Closed.note(true).is_some() && Outlet::Closed.is_doubtful(true));
        assert!(Outlet::Closed.note(false).is_none() && !Outlet::Closed.is_doubtful(false));
        assert!(Outlet::Untold.note(true).is_none() && Outlet::Untold.is_doubtful(false));
        assert!(Outlet::Open.note(true).is_none() && !Outlet::Open.is_doubtful(true));
    }
}
