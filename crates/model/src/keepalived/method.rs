//! `lvs_method NAT|DR|TUN […]`.

use super::Statement;
use super::value::number;
use crate::{ConfigError, Encapsulation, ForwardingMethod, TunnelChecksum};

pub(super) fn read(statement: &Statement) -> Result<ForwardingMethod, ConfigError> {
    let arguments: Vec<&str> = statement.arguments().collect();
    match arguments.split_first() {
        Some((&"NAT", [])) => Ok(ForwardingMethod::Nat),
        Some((&"DR", [])) => Ok(ForwardingMethod::DirectRouting),
        Some((&"TUN", options)) => tunnel(statement, options).map(ForwardingMethod::Tunnel),
        Some((&"NAT" | &"DR", [surplus, ..])) => {
            Err(statement.fault_at(surplus, format!("nothing stands behind NAT and DR; remove `{surplus}`")))
        }
        Some((other, _)) => {
            Err(statement.fault_at(other, format!("`{other}` is no forwarding method; write NAT, DR or TUN")))
        }
        None => Err(statement.fault(format!("`{}` needs NAT, DR or TUN behind it", statement.keyword()))),
    }
}

/// `[type {ipip|gue port NUM|gre}] [nocsum|csum|remcsum]`
fn tunnel(statement: &Statement, options: &[&str]) -> Result<Encapsulation, ConfigError> {
    let (kind, rest) = match options {
        ["type", "gue", "port", port, rest @ ..] => (Some(number(statement, port, 1, u16::MAX)?), rest),
        ["type", "gue", ..] => {
            return Err(statement.fault_at("gue", "a GUE tunnel needs its port; write type gue port 5555"));
        }
        ["type", "gre", rest @ ..] => (None, rest),
        ["type", other, ..] if *other != "ipip" => {
            return Err(statement.fault_at(other, format!("`{other}` is no kind of tunnel; write ipip, gue or gre")));
        }
        ["type", "ipip", rest @ ..] | rest => {
            return match rest {
                [] => Ok(Encapsulation::Ipip),
                [other, ..] => {
                    Err(statement.fault_at(other, format!("`{other}` does not go with an IPIP tunnel; remove it")))
                }
            };
        }
    };
    let checksum = match rest {
        [] | ["nocsum"] => TunnelChecksum::None,
        ["csum"] => TunnelChecksum::Full,
        ["remcsum"] if kind.is_some() => TunnelChecksum::Remote,
        ["remcsum", ..] => return Err(statement.fault_at("remcsum", "remcsum is for GUE alone; write csum or nocsum")),
        [other, ..] => {
            let message = format!("`{other}` is no setting of a tunnel; write nocsum, csum or remcsum, or nothing");
            return Err(statement.fault_at(other, message));
        }
    };
    Ok(kind.map_or(Encapsulation::Gre { checksum }, |port| Encapsulation::Gue { port, checksum }))
}
