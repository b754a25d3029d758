//! `method`, and beside it `tunnel`, which says what a tunnel is.

use super::error::Fault;
use super::table::{Keys, Table, Value};
use crate::{Encapsulation, ForwardingMethod, TunnelChecksum};

const TUNNEL: Keys = Keys { place: "`tunnel`", known: &["type", "port", "checksum"], planned: &[] };
const EXAMPLE: &str = "tunnel = { type = \"gue\", port = 6080 }";

/// The method of a service or of a server, which has its service's where it says nothing else.
pub(super) fn read(table: &Table<'_>, inherited: ForwardingMethod) -> Result<ForwardingMethod, Fault> {
    let method = match table.get("method") {
        Some(value) => named(&value, inherited)?,
        None => inherited,
    };
    let Some(tunnel) = table.get("tunnel") else { return Ok(method) };
    if !matches!(method, ForwardingMethod::Tunnel(_)) {
        return Err(tunnel.fault(format!("method {method} has no tunnel; write method = \"tun\", or remove `tunnel`")));
    }
    Ok(ForwardingMethod::Tunnel(encapsulation(&tunnel)?))
}

fn named(value: &Value<'_>, inherited: ForwardingMethod) -> Result<ForwardingMethod, Fault> {
    const NAMES: &str = "write \"nat\", \"fullnat\", \"dr\" or \"tun\"";
    match value.string("method = \"nat\"")? {
        "nat" => Ok(ForwardingMethod::Nat),
        "dr" => Ok(ForwardingMethod::DirectRouting),
        "tun" if matches!(inherited, ForwardingMethod::Tunnel(_)) => Ok(inherited),
        "tun" => Ok(ForwardingMethod::Tunnel(Encapsulation::Ipip)),
        "fullnat" => Ok(ForwardingMethod::FullNat),
        other => Err(value.fault(format!("unknown method `{}`; {NAMES}", other.escape_debug()))),
    }
}

/// `{ type = "gue", port = 6080, checksum = "full" }`
fn encapsulation(value: &Value<'_>) -> Result<Encapsulation, Fault> {
    if !value.is_table() {
        return Err(value.fault(format!("`tunnel` is a table; write {EXAMPLE}")));
    }
    let table = value.table(&TUNNEL)?;
    let kind = table.get("type").map(|value| value.string("type = \"gue\"").map(|kind| (kind, value))).transpose()?;
    let port = table.get("port");
    let checksum = table.get("checksum");
    match kind {
        None | Some(("ipip", _)) => {
            refuse(checksum, "type ipip has no checksum; remove it, or write type = \"gue\" or \"gre\"")?;
            refuse(port, "type ipip has no port; remove it, or write type = \"gue\"")?;
            Ok(Encapsulation::Ipip)
        }
        Some(("gue", value)) => {
            let port = port.ok_or_else(|| value.fault(format!("type gue needs a port; write {EXAMPLE}")))?;
            let port = port.number(1, u32::from(u16::MAX))? as u16;
            Ok(Encapsulation::Gue { port, checksum: read_checksum(checksum, true)? })
        }
        Some(("gre", _)) => {
            refuse(port, "type gre has no port; remove it, or write type = \"gue\"")?;
            Ok(Encapsulation::Gre { checksum: read_checksum(checksum, false)? })
        }
        Some((other, value)) => {
            let shown = other.escape_debug();
            Err(value.fault(format!("unknown type `{shown}`; write \"ipip\", \"gue\" or \"gre\"")))
        }
    }
}

fn refuse(value: Option<Value<'_>>, message: &str) -> Result<(), Fault> {
    value.map_or(Ok(()), |value| Err(value.fault(message)))
}

fn read_checksum(value: Option<Value<'_>>, remote: bool) -> Result<TunnelChecksum, Fault> {
    let Some(value) = value else { return Ok(TunnelChecksum::None) };
    match value.string("checksum = \"full\"")? {
        "none" => Ok(TunnelChecksum::None),
        "full" => Ok(TunnelChecksum::Full),
        "remote" if remote => Ok(TunnelChecksum::Remote),
        "remote" => Err(value.fault("only type gue has checksum `remote`; write \"none\" or \"full\"")),
        other => {
            let choice = if remote { "\"none\", \"full\" or \"remote\"" } else { "\"none\" or \"full\"" };
            Err(value.fault(format!("unknown checksum `{}`; write {choice}", other.escape_debug())))
        }
    }
}
