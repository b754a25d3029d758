//! Where metrics are offered by TCP.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// What says that others than this host may read.
const PUBLIC: &str = "public ";

/// An address to listen on: of this host alone, or of others, too, because somebody said so.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MetricsAddress {
    /// The address and port.
    pub address: SocketAddr,
    /// It was written with the word `public`.
    pub public: bool,
}

impl FromStr for MetricsAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (public, rest) = text.strip_prefix(PUBLIC).map_or((false, text), |rest| (true, rest.trim_start()));
        let address: SocketAddr = rest.parse().map_err(|_| {
            format!("`{}` is no address with a port; write one such as \"127.0.0.1:9100\"", text.escape_debug())
        })?;
        if address.ip().is_loopback() || public {
            return Ok(Self { address, public });
        }
        Err(format!(
            "metrics at {address} could be read by other hosts, and tell what is served where; \
             write \"127.0.0.1:{port}\", or \"{PUBLIC}{address}\" if that is what you want",
            port = address.port()
        ))
    }
}

impl fmt::Display for MetricsAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", if self.public { PUBLIC } else { "" }, self.address)
    }
}

impl TryFrom<String> for MetricsAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<MetricsAddress> for String {
    fn from(address: MetricsAddress) -> Self {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_needs_no_word_and_everything_else_does() {
        for (text, address, public) in [
            ("127.0.0.1:9100", "127.0.0.1:9100", false),
            ("[::1]:9100", "[::1]:9100", false),
            ("public 0.0.0.0:9100", "0.0.0.0:9100", true),
            ("public  10.0.0.1:80", "10.0.0.1:80", true),
        ] {
            let expected = MetricsAddress { address: address.parse().unwrap(), public };
            assert_eq!(text.parse(), Ok(expected), "{text}");
            assert_eq!(expected.to_string().parse(), Ok(expected));
        }
        for (text, expected) in [
            ("0.0.0.0:9100", "public 0.0.0.0:9100"),
            ("public", "no address"),
            ("9100", "no address"),
            ("", "no address"),
        ] {
            let error = text.parse::<MetricsAddress>().unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
