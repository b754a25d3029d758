//! One change of this host, made and undone. Making it twice, or undoing what was never made, does no harm.

use crate::error::{Doing, Error};
use crate::network::Network;
use crate::programs;
use crate::sysctl;
use crate::tunnel::{Before, Tunnel};
use model::RealServerSetup;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::path::PathBuf;

/// A change.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "lowercase")]
pub(crate) enum Step {
    /// A setting had one value and gets another.
    Sysctl { key: String, before: String, set: String },
    /// lo gets an address that it did not have.
    Address { address: IpAddr },
    /// A tunnel device of the kernel takes packets out.
    Tunnel { tunnel: Tunnel, before: Before },
    /// Programs are loaded, pinned there, and attached.
    Programs { pins: PathBuf },
}

impl Step {
    /// Makes the change, as `setup` wants it.
    pub(crate) fn make(&self, setup: &RealServerSetup, network: &Network) -> Result<(), Error> {
        match self {
            Self::Sysctl { key, set, .. } if sysctl::read(key).as_ref() == Some(set) => Ok(()),
            Self::Sysctl { key, set, .. } => {
                sysctl::write(key, set).doing(|| format!("set {} to {set}", sysctl::shown(key)))
            }
            Self::Address { address } => network.add_to_loopback(*address),
            Self::Tunnel { tunnel, .. } => tunnel.make(network),
            Self::Programs { pins } => Ok(dataplane::set_up_agent(&programs::options(setup, pins, network)?)?),
        }
    }

    /// Takes it back. What somebody else has changed meanwhile is left as it is, and told.
    pub(crate) fn undo(&self, network: &Network) -> Result<Option<String>, Error> {
        match self {
            Self::Sysctl { key, before, set } => match sysctl::read(key) {
                Some(now) if now == *set => {
                    let written = sysctl::write(key, before);
                    written.doing(|| format!("set {} back to {before}", sysctl::shown(key))).map(|()| None)
                }
                // Never made, or undone before; or the interface is gone.
                None => Ok(None),
                Some(now) if now == *before => Ok(None),
                Some(now) => Ok(Some(format!(
                    "{} is {now} by now, neither {set} as set here nor {before} as before: left as it is",
                    sysctl::shown(key)
                ))),
            },
            Self::Address { address } => network.remove_from_loopback(*address).map(|()| None),
            Self::Tunnel { tunnel, before } => tunnel.restore(before, network),
            Self::Programs { pins } => {
                dataplane::remove_agent(pins)?;
                // Other network namespaces may have theirs beside them: then it is not empty, and stays.
                let _ = pins.parent().map(std::fs::remove_dir);
                Ok(None)
            }
        }
    }
}
