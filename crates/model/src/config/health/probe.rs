//! What a check tries.

use super::{page, script};
use crate::config::error::Fault;
use crate::config::suggest;
use crate::config::table::{Keys, Table, Value};
use crate::health::{GrpcProbe, HttpProbe, HttpVersion, Probe, UdpProbe};

/// What can be checked, by the key that says it.
pub(super) const KINDS: [&str; 10] = ["tcp", "http", "https", "smtp", "dns", "udp", "ping", "grpc", "script", "file"];

/// Why there is no such check, or not without saying more.
pub(super) fn strange_kind(kind: &str) -> String {
    let shown = kind.escape_debug();
    if KINDS.contains(&kind) {
        return format!("a check by {kind} has to say what; write check = {{ {kind} = … }}");
    }
    let hint = suggest::meant(kind, &KINDS).map(|meant| format!(" (`{meant}`?)")).unwrap_or_default();
    format!("unknown check `{shown}`{hint}; there are {}", KINDS.join(", "))
}

/// A check that needs no word more.
pub(super) fn usual(kind: &str) -> Option<Probe> {
    match kind {
        "tcp" => Some(Probe::Tcp),
        "http" => Some(Probe::Http(http(false, vec![page::of("/")]))),
        "https" => Some(Probe::Http(http(true, vec![page::of("/")]))),
        "smtp" => Some(Probe::Smtp { helo: "smtp.example.com".to_owned() }),
        "dns" => Some(Probe::Dns { record: "SOA".to_owned(), name: ".".to_owned() }),
        "udp" => Some(Probe::Udp(UdpProbe { payload: None, reply: None, shortest: 0, longest: 255 })),
        "ping" => Some(Probe::Ping),
        "grpc" => Some(Probe::Grpc(GrpcProbe::default())),
        _ => None,
    }
}

/// What a kind's key says.
pub(super) fn read(kind: &'static str, value: &Value<'_>) -> Result<Probe, Fault> {
    if value.is_boolean() {
        let probe = usual(kind).ok_or_else(|| value.fault(strange_kind(kind)))?;
        return value.boolean()?.then_some(probe).ok_or_else(|| value.fault("write true, or remove the key"));
    }
    match kind {
        "http" | "https" => Ok(Probe::Http(http(kind == "https", page::read_list(value)?))),
        "smtp" => {
            Ok(Probe::Smtp { helo: value.string("smtp = \"lb.example.org\", the name to greet with")?.to_owned() })
        }
        "dns" => read_dns(value),
        "udp" => read_udp(value),
        "grpc" => read_grpc(value),
        "script" => read_script(value),
        "file" => read_file(value),
        _ => value.boolean().map(|_| Probe::Tcp),
    }
}

fn http(tls: bool, pages: Vec<crate::health::Page>) -> HttpProbe {
    let named = pages.iter().any(|page| page.host.is_some());
    let server_name_indication = tls && named;
    HttpProbe { tls, server_name_indication, version: HttpVersion::V11, fast_recovery: false, pages }
}

pub(super) fn read_http_settings(table: &Table<'_>, kind: &str, probe: &mut Probe) -> Result<(), Fault> {
    let Probe::Http(probe) = probe else {
        let stranger = ["version", "sni", "fast_recovery"].into_iter().find_map(|key| Some((key, table.get(key)?)));
        return stranger.map_or(Ok(()), |(key, value)| {
            Err(value.fault(format!("`{key}` means nothing to a check by {kind}; remove it")))
        });
    };
    if let Some(value) = table.get("version") {
        probe.version = match value.string("version = \"1.1\"")? {
            "1.0" => HttpVersion::V10,
            "1.0C" => HttpVersion::V10Close,
            "1.1" => HttpVersion::V11,
            other => {
                let shown = other.escape_debug();
                return Err(value.fault(format!("`{shown}` is no version of HTTP here; write 1.0, 1.0C or 1.1")));
            }
        };
    }
    match table.get("sni") {
        Some(value) if !probe.tls => return Err(value.fault("`sni` belongs to TLS; write https, or remove it")),
        Some(value) => probe.server_name_indication = value.boolean()?,
        None => {}
    }
    if let Some(value) = table.get("fast_recovery") {
        probe.fast_recovery = value.boolean()?;
    }
    Ok(())
}

/// `tls = true` beside `grpc`; HTTP says it by its name.
pub(super) fn read_tls(table: &Table<'_>, kind: &str, probe: &mut Probe) -> Result<(), Fault> {
    let Some(value) = table.get("tls") else { return Ok(()) };
    match probe {
        Probe::Grpc(probe) => probe.tls = value.boolean()?,
        Probe::Http(_) => return Err(value.fault("`tls` is said by the kind: write http or https, and remove it")),
        _ => return Err(value.fault(format!("`tls` means nothing to a check by {kind}; remove it"))),
    }
    Ok(())
}

/// `"shop.Orders"`, or `{ service = "shop.Orders", host = "orders.example.org" }`
fn read_grpc(value: &Value<'_>) -> Result<Probe, Fault> {
    const GRPC: Keys = Keys { place: "`grpc`", known: &["service", "host"], planned: &[] };
    const EXAMPLE: &str = "grpc = \"shop.Orders\" or { service = \"shop.Orders\", host = \"orders.example.org\" }";
    if !value.is_table() {
        let service = value.string(EXAMPLE)?.to_owned();
        return Ok(Probe::Grpc(GrpcProbe { service, ..GrpcProbe::default() }));
    }
    let table = value.table(&GRPC)?;
    let service = table.get("service").map_or(Ok(""), |value| value.string(EXAMPLE))?.to_owned();
    let host = table.get("host").map(|value| page::host(&value)).transpose()?;
    Ok(Probe::Grpc(GrpcProbe { service, host, tls: false }))
}

/// `"www.example.org"`, or `{ name = ".", record = "SOA" }`
fn read_dns(value: &Value<'_>) -> Result<Probe, Fault> {
    const DNS: Keys = Keys { place: "`dns`", known: &["name", "record"], planned: &[] };
    const EXAMPLE: &str = "dns = \"www.example.org\" or { name = \".\", record = \"SOA\" }";
    if !value.is_table() {
        return Ok(Probe::Dns { record: "A".to_owned(), name: value.string(EXAMPLE)?.to_owned() });
    }
    let table = value.table(&DNS)?;
    let text = |key, usual: &str| {
        table.get(key).map_or(Ok(usual.to_owned()), |value| value.string(EXAMPLE).map(str::to_owned))
    };
    let record = text("record", "SOA")?;
    if !Probe::RECORD_TYPES.contains(&record.as_str()) {
        let (shown, known) = (record.escape_debug(), Probe::RECORD_TYPES.join(", "));
        let place = table.get("record").map_or(table.offset, |value| value.offset());
        return Err(Fault::at(place, format!("`{shown}` is no record type here; write one of {known}")));
    }
    Ok(Probe::Dns { record, name: text("name", ".")? })
}

/// `{ payload = "00 ff", reply = "0X", shortest = 2, longest = 512 }`
fn read_udp(value: &Value<'_>) -> Result<Probe, Fault> {
    const UDP: Keys = Keys { place: "`udp`", known: &["payload", "reply", "shortest", "longest"], planned: &[] };
    let table = value.table(&UDP)?;
    let halves = |key: &'static str| {
        let Some(value) = table.get(key) else { return Ok(None) };
        let text = value.string("payload = \"c0 ff ee\"")?;
        let wrong = |word: &str| value.fault(format!("`{}` is not made of hexadecimal digits", word.escape_debug()));
        UdpProbe::half_bytes(text).map(Some).map_err(wrong)
    };
    let payload = match halves("payload")? {
        None => None,
        Some(halves) => Some(UdpProbe::bytes(&halves).ok_or_else(|| {
            let place = table.get("payload").map_or(table.offset, |value| value.offset());
            Fault::at(place, "a payload has no X; write its bytes in hexadecimal digits")
        })?),
    };
    let length =
        |key, usual| table.get(key).map_or(Ok(usual), |value| value.number(0, u16::MAX.into()).map(|it| it as u16));
    let (shortest, longest) = (length("shortest", 0)?, length("longest", 255)?);
    if shortest > longest {
        return Err(
            value.fault(format!("no answer is at least {shortest} and at most {longest} bytes long; exchange them"))
        );
    }
    Ok(Probe::Udp(UdpProbe { payload, reply: halves("reply")?, shortest, longest }))
}

/// `["/usr/local/bin/check", "argument"]`, or `{ command = […], user = "nobody", sets_weight = true }`
fn read_script(value: &Value<'_>) -> Result<Probe, Fault> {
    const SCRIPT: Keys = Keys { place: "`script`", known: &["command", "user", "group", "sets_weight"], planned: &[] };
    if !value.is_table() {
        return Ok(Probe::Script { script: script::read(value)?, timeout: None, sets_weight: false });
    }
    let table = value.table(&SCRIPT)?;
    let sets_weight = table.get("sets_weight").map_or(Ok(false), |value| value.boolean())?;
    Ok(Probe::Script { script: script::of(&table)?, timeout: None, sets_weight })
}

/// `"/run/weight"`, or `{ path = "/run/weight", sets_weight = true, weight = -1 }`
fn read_file(value: &Value<'_>) -> Result<Probe, Fault> {
    const FILE: Keys = Keys { place: "`file`", known: &["path", "weight", "sets_weight"], planned: &[] };
    const EXAMPLE: &str = "file = \"/run/weight\"";
    let path = |value: &Value<'_>| match value.string(EXAMPLE)? {
        path if path.starts_with('/') && !path.contains('\0') => Ok(path.to_owned()),
        path => Err(value.fault(format!("`{}` is not the whole path of a file; write {EXAMPLE}", path.escape_debug()))),
    };
    if !value.is_table() {
        return Ok(Probe::File { name: path(value)?, weight: 1, reverse: false, sets_weight: false });
    }
    let table = value.table(&FILE)?;
    let Some(named) = table.get("path") else {
        return Err(Fault::at(table.offset, format!("`file` needs `path`; write {EXAMPLE}")));
    };
    let weight = table.get("weight").map_or(Ok(1), |value| value.integer(-i32::MAX, i32::MAX))?;
    let sets_weight = table.get("sets_weight").map_or(Ok(false), |value| value.boolean())?;
    Ok(Probe::File { name: path(&named)?, weight, reverse: false, sets_weight })
}
