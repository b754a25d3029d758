//! What the programs are told about an interface, and the reason for its lane, which is kept there too.

use super::{Attacher, shown_name};
use crate::error::{Doing, Error};
use crate::interface::Link;
use crate::lane::Why;
use forward::abi::{INTERFACE_SLOTS, Interface, NextHop};

impl Attacher<'_> {
    /// Tells the programs the interface's address, on which they recognise their frames.
    pub(super) fn enter(&self, link: &Link) -> Result<(), Error> {
        let slot = link.index % INTERFACE_SLOTS;
        let doing = || format!("enter interface {}", link.name);
        if link.index >> NextHop::INDEX_BITS != 0 {
            let most = 1 << NextHop::INDEX_BITS;
            return Err(Error::Invalid(format!(
                "interface {}: its index {} is not below {most}, which the data plane cannot note; create it again in a \
                 new network namespace, where indexes begin anew",
                link.name, link.index
            )));
        }
        let found = self.maps.interfaces.get(&slot).doing(doing)?.unwrap_or_default();
        if found.index != 0 && found.index != link.index && self.lane(found.index).is_some() {
            return Err(Error::NoSpace { what: "interface with this index modulo the table", size: INTERFACE_SLOTS });
        }
        let mut entry = Interface { index: link.index, address: link.address, mtu: link.mtu, ..Interface::default() };
        if found.index == link.index {
            entry.why = found.why;
        } else {
            self.maps.interface_counters.clear(slot).doing(doing)?;
        }
        if entry == found { Ok(()) } else { self.maps.interfaces.set(&slot, &entry).doing(doing) }
    }

    pub(super) fn entered(&self, index: u32) -> Option<Interface> {
        let found = self.maps.interfaces.get(&(index % INTERFACE_SLOTS)).ok().flatten();
        found.filter(|interface| interface.index == index)
    }

    pub(super) fn why(&self, index: u32) -> Why {
        self.entered(index).map_or(Why::Unknown, |interface| Why::of_number(interface.why))
    }

    /// Keeps the reason.
    pub(super) fn note(&self, index: u32, why: Why) -> Result<(), Error> {
        let Some(entry) = self.entered(index).filter(|entry| entry.why != why as u16) else { return Ok(()) };
        let entry = Interface { why: why as u16, ..entry };
        let slot = index % INTERFACE_SLOTS;
        self.maps.interfaces.set(&slot, &entry).doing(|| format!("enter interface {}", shown_name(index)))
    }

    pub(super) fn leave(&self, index: u32) {
        if self.entered(index).is_some()
            && let Err(error) = self.maps.interfaces.set(&(index % INTERFACE_SLOTS), &Interface::default())
        {
            tracing::warn!("interface {index} stays in its table: {error}");
        }
    }
}
