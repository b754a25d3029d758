//! `[real_server]`: this host as a real server, for `xlvs real-server up --config`.

use super::error::Fault;
use super::table::{Keys, Table, Value};
use crate::{Decapsulation, Prefix, RealServerSetup};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::str::FromStr;

const REAL_SERVER: Keys = Keys {
    place: "[real_server]",
    known: &[
        "mode",
        "virtual_addresses",
        "directors",
        "interface",
        "decap",
        "gue_port",
        "cgroup",
        "toa_kind",
        "toa_kind6",
    ],
    planned: &[],
};

pub(super) fn read(value: &Value<'_>) -> Result<RealServerSetup, Fault> {
    let table = value.table(&REAL_SERVER)?;
    let Some(mode) = table.get("mode") else {
        let message = "[real_server] needs `mode`; write mode = \"dr\", \"tun\" or \"fullnat\"";
        return Err(Fault::at(table.offset, message));
    };
    let address = |text: &str| {
        let wrong = || format!("`{}` is no IP address; write 203.0.113.10", text.escape_debug());
        text.parse::<IpAddr>().map_err(|_| wrong())
    };
    let [usual4, usual6] = crate::real_server::TOA_KINDS;
    let setup = RealServerSetup {
        mode: parsed(&mode, "\"dr\", \"tun\" or \"fullnat\"")?,
        virtual_addresses: set(&table, "virtual_addresses", "virtual_addresses = [\"203.0.113.10\"]", address)?,
        directors: set(&table, "directors", "directors = [\"10.0.0.0/24\"]", Prefix::from_str)?,
        interface: table.get("interface").map(|value| super::interface_name(&value)).transpose()?,
        decapsulation: match table.get("decap") {
            Some(value) => parsed(&value, "\"bpf\" or \"kernel\"")?,
            None => Decapsulation::default(),
        },
        gue_port: match table.get("gue_port") {
            Some(value) => value.number(1, u16::MAX.into())? as u16,
            None => crate::real_server::GUE_PORT,
        },
        cgroup: match table.get("cgroup") {
            Some(value) => Some(value.string("\"/sys/fs/cgroup/web.slice\"")?.into()),
            None => None,
        },
        toa_kinds: [kind(&table, "toa_kind", usual4)?, kind(&table, "toa_kind6", usual6)?],
    };
    setup.checked().map_err(|message| Fault::at(table.offset, message))
}

fn kind(table: &Table<'_>, key: &'static str, usual: u8) -> Result<u8, Fault> {
    table.get(key).map_or(Ok(usual), |value| Ok(value.number(1, u8::MAX.into())? as u8))
}

fn parsed<T: FromStr<Err = String>>(value: &Value<'_>, example: &str) -> Result<T, Fault> {
    value.string(example)?.parse().map_err(|message: String| value.fault(message))
}

fn set<T: Ord>(
    table: &Table<'_>,
    key: &'static str,
    example: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<BTreeSet<T>, Fault> {
    let Some(list) = table.get(key) else { return Ok(BTreeSet::new()) };
    let element = |value: &Value<'_>| read(value.string(example)?).map_err(|message| value.fault(message));
    list.array(example)?.iter().map(element).collect()
}
