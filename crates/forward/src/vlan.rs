//! 802.1Q: one tag, in the frame. (Tags that a device has taken out are the business of the VLAN's own interface.)

use crate::Frame;
use wire::{Ethernet, Vlan};

/// Offset of the network header behind a tag.
pub const NETWORK: usize = Ethernet::LENGTH + Vlan::LENGTH;

/// The VLAN that a frame with its network header at `network` came in; 0 for none.
#[inline(always)]
pub fn of<F: Frame>(frame: &F, network: usize) -> Option<u16> {
    if network == Ethernet::LENGTH {
        return Some(0);
    }
    Some(frame.read::<Vlan>(Ethernet::LENGTH)?.identifier())
}

/// Makes the frame one of another VLAN; 0 is none.
#[inline(always)]
pub fn retag<F: Frame>(frame: &mut F, network: usize, identifier: u16) -> Option<()> {
    match (network == Ethernet::LENGTH, identifier) {
        (true, 0) => Some(()),
        (true, _) => frame.push_tag(identifier),
        (false, 0) => frame.pop_tag(),
        (false, _) => {
            let tag = frame.read::<Vlan>(Ethernet::LENGTH)?;
            frame.write(Ethernet::LENGTH, tag.with_identifier(identifier))
        }
    }
}

/// Puts a tag into an untagged frame.
#[inline(always)]
pub fn push<F: Frame>(frame: &mut F, identifier: u16) -> Option<()> {
    let link = frame.read::<Ethernet>(0)?;
    let tag = Vlan { control: wire::Be16::new(identifier), ether_type: link.ether_type };
    frame.make_room(Vlan::LENGTH)?;
    frame.write(0, Ethernet { ether_type: Vlan::ETHER_TYPE, ..link })?;
    frame.write(Ethernet::LENGTH, tag)
}

/// Takes the tag out.
#[inline(always)]
pub fn pop<F: Frame>(frame: &mut F) -> Option<()> {
    let link = frame.read::<Ethernet>(0)?;
    let tag = frame.read::<Vlan>(Ethernet::LENGTH)?;
    frame.drop_front(Vlan::LENGTH)?;
    frame.write(0, Ethernet { ether_type: tag.ether_type, ..link })
}
