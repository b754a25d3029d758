//! Where programs are attached to an interface, and what the operator asks for.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A place in the kernel where programs meet the frames of an interface.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lane {
    /// In the driver, before the stack sees a frame.
    Xdp,
    /// XDP without the driver's help.
    XdpGeneric,
    /// In the stack, whose buffers say what offloads left undone.
    Tc,
}

impl Lane {
    /// Its name in commands, files and listings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Xdp => "xdp",
            Self::XdpGeneric => "xdp-generic",
            Self::Tc => "tc",
        }
    }
}

/// The lane that an interface shall have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LaneChoice {
    /// Native XDP where the driver has it and frames arrive whole, else tc.
    #[default]
    Auto,
    /// [`Lane::Xdp`] and no other.
    Xdp,
    /// [`Lane::XdpGeneric`] and no other.
    XdpGeneric,
    /// [`Lane::Tc`] and no other.
    Tc,
}

impl LaneChoice {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Xdp, Self::XdpGeneric, Self::Tc];

    /// Exactly this lane.
    pub const fn exactly(lane: Lane) -> Self {
        match lane {
            Lane::Xdp => Self::Xdp,
            Lane::XdpGeneric => Self::XdpGeneric,
            Lane::Tc => Self::Tc,
        }
    }

    /// The one lane, if it is chosen.
    pub const fn lane(self) -> Option<Lane> {
        match self {
            Self::Auto => None,
            Self::Xdp => Some(Lane::Xdp),
            Self::XdpGeneric => Some(Lane::XdpGeneric),
            Self::Tc => Some(Lane::Tc),
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.pad(self.name())
    }
}

impl fmt::Display for LaneChoice {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.pad(self.lane().map_or("auto", Lane::name))
    }
}

impl FromStr for LaneChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let choice = Self::ALL.into_iter().find(|choice| choice.to_string() == text);
        choice.ok_or_else(|| format!("`{}` is no lane; write auto, xdp, xdp-generic or tc", text.escape_debug()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for choice in LaneChoice::ALL {
            let name = choice.to_string();
            assert_eq!(name.parse(), Ok(choice));
            assert_eq!(serde_json::to_value(choice).unwrap(), serde_json::Value::String(name));
            assert_eq!(choice.lane().map_or(LaneChoice::Auto, LaneChoice::exactly), choice);
        }
        assert!("native".parse::<LaneChoice>().unwrap_err().contains("xdp-generic"));
    }
}
