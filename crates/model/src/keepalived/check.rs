//! Checks: `TCP_CHECK`, `HTTP_GET` and the others.

use super::Statement;
use super::inherited::{Defaults, Inherited};
use super::notice::Notices;
use super::page;
use super::unknown;
use super::value::number;
use crate::ConfigError;
use crate::health::{Check, Connection, HttpProbe, HttpVersion, Probe, UdpProbe};
use std::time::Duration;

/// True for keywords that begin a check.
pub(super) fn is_check(keyword: &str) -> bool {
    KINDS.contains(&keyword)
}

const KINDS: [&str; 10] = [
    "TCP_CHECK",
    "HTTP_GET",
    "SSL_GET",
    "SMTP_CHECK",
    "DNS_CHECK",
    "UDP_CHECK",
    "PING_CHECK",
    "MISC_CHECK",
    "FILE_CHECK",
    "BFD_CHECK",
];

const SECOND: Duration = Duration::from_secs(1);

/// A check of a server that has these settings.
pub(super) fn read(statement: &Statement, server: &Inherited, notices: &mut Notices) -> Result<Check, ConfigError> {
    if let Some(surplus) = statement.argument() {
        let message = format!("`{}` takes no argument; put its settings in braces", statement.keyword());
        return Err(statement.fault_at(surplus, message));
    }
    let mut draft = Draft::new(statement);
    for inner in statement.statements() {
        draft.take(inner, notices)?;
    }
    draft.finish(statement, server)
}

/// A check being read.
struct Draft {
    probe: Probe,
    connection: Connection,
    own: Inherited,
    defaults: Defaults,
    logs_every_failure: bool,
}

impl Draft {
    fn new(statement: &Statement) -> Self {
        let usual = Defaults { retries: 1, delay_before_retry: Some(SECOND) };
        let (probe, defaults) = match statement.keyword() {
            keyword @ ("HTTP_GET" | "SSL_GET") => {
                (http(keyword == "SSL_GET"), Defaults { delay_before_retry: Some(3 * SECOND), ..usual })
            }
            "SMTP_CHECK" => (Probe::Smtp { helo: "smtp.example.com".to_owned() }, usual),
            "DNS_CHECK" => {
                let probe = Probe::Dns { record: "SOA".to_owned(), name: ".".to_owned() };
                (probe, Defaults { retries: 3, delay_before_retry: None })
            }
            "UDP_CHECK" => (Probe::Udp(UdpProbe { payload: None, reply: None, shortest: 0, longest: 255 }), usual),
            "PING_CHECK" => (Probe::Ping, usual),
            "MISC_CHECK" => (misc(), Defaults { retries: 0, ..usual }),
            "FILE_CHECK" => (Probe::File { name: String::new(), weight: 0, reverse: false, sets_weight: false }, usual),
            "BFD_CHECK" => (Probe::Bfd { name: String::new() }, usual),
            _ => (Probe::Tcp, usual),
        };
        let (connection, own) = (Connection::default(), Inherited::default());
        Self { probe, connection, own, defaults, logs_every_failure: false }
    }

    fn take(&mut self, statement: &Statement, notices: &mut Notices) -> Result<(), ConfigError> {
        let known =
            self.take_probe(statement)? || self.take_connection(statement)? || self.own.take(statement, notices)?;
        match statement.keyword() {
            _ if known => {}
            "log_all_failures" => self.logs_every_failure = statement.switch()?,
            _ => unknown(statement, "a check", &KNOWN, notices),
        }
        Ok(())
    }

    fn take_connection(&mut self, statement: &Statement) -> Result<bool, ConfigError> {
        match statement.keyword() {
            "connect_ip" => self.connection.address = Some(statement.address()?),
            "connect_port" => self.connection.port = Some(statement.number(1, u16::MAX)?),
            "bindto" => self.connection.bind_address = Some(statement.address()?),
            "bind_if" => self.connection.bind_interface = Some(statement.only("an interface")?.to_owned()),
            "bind_port" => self.connection.bind_port = Some(statement.number(1, u16::MAX)?),
            "fwmark" => self.connection.mark = statement.number(0, u32::MAX)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What only this kind of check knows.
    fn take_probe(&mut self, statement: &Statement) -> Result<bool, ConfigError> {
        let text = |what| statement.only(what).map(str::to_owned);
        match (&mut self.probe, statement.keyword()) {
            (Probe::Http(probe), _) => return take_http(probe, statement),
            (Probe::Udp(probe), _) => return take_udp(probe, statement),
            (Probe::Smtp { helo }, "helo_name") => *helo = text("a host name")?,
            (Probe::Dns { record, .. }, "type") => *record = record_type(statement)?,
            (Probe::Dns { name, .. }, "name") => *name = text("a domain name")?,
            (Probe::Script { script, .. }, "misc_path") => {
                let user = (script.user.take(), script.group.take());
                *script = statement.script()?;
                (script.user, script.group) = user;
            }
            (Probe::Script { timeout, .. }, "misc_timeout") => *timeout = Some(statement.seconds()?),
            (Probe::Script { sets_weight, .. }, "misc_dynamic") => *sets_weight = statement.switch()?,
            (Probe::Script { script, .. }, "user") => {
                let mut arguments = statement.arguments().map(str::to_owned);
                (script.user, script.group) = (arguments.next(), arguments.next());
            }
            (Probe::File { name, .. }, "track_file") => *name = text("the name of a track_file")?,
            // In its manual, and without a meaning: the weight alone says what a number does.
            (Probe::File { .. }, "dynamic") => {
                statement.switch()?;
            }
            (Probe::File { weight, reverse, .. }, "weight") => (*weight, *reverse) = file_weight(statement)?,
            (Probe::Bfd { name }, "name") => *name = text("the name of a bfd_instance")?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn finish(self, statement: &Statement, server: &Inherited) -> Result<Check, ConfigError> {
        let own = self.own.under(server);
        let mut probe = self.probe;
        let missing = match &mut probe {
            Probe::Http(probe) => {
                for page in &mut probe.pages {
                    page.host = page.host.take().or_else(|| own.virtual_host.clone());
                }
                probe.pages.is_empty().then_some("a `url { path / }`")
            }
            Probe::Script { script, .. } => script.words.is_empty().then_some("`misc_path`"),
            Probe::File { name, .. } => name.is_empty().then_some("`track_file`"),
            Probe::Bfd { name } => name.is_empty().then_some("`name`"),
            _ => None,
        };
        if let Some(missing) = missing {
            return Err(statement.fault(format!("{} needs {missing} in its braces", statement.keyword())));
        }
        Ok(Check {
            pace: own.pace(self.defaults).of(&probe),
            probe,
            connection: self.connection,
            starts_down: own.alpha.unwrap_or(false),
            logs_every_failure: self.logs_every_failure,
        })
    }
}

const KNOWN: [&str; 30] = [
    "alpha",
    "bind_if",
    "bind_port",
    "bindto",
    "connect_ip",
    "connect_port",
    "connect_timeout",
    "delay_before_retry",
    "delay_loop",
    "dynamic",
    "enable_sni",
    "fast_recovery",
    "fwmark",
    "helo_name",
    "http_protocol",
    "log_all_failures",
    "max_reply_length",
    "min_reply_length",
    "misc_dynamic",
    "misc_path",
    "misc_timeout",
    "name",
    "payload",
    "require_reply",
    "retry",
    "track_file",
    "type",
    "url",
    "user",
    "warmup",
];

/// What a number in a file is multiplied by, and whether its sign is turned.
pub(super) fn file_weight(statement: &Statement) -> Result<(i32, bool), ConfigError> {
    let weight = number(statement, statement.argument().unwrap_or(""), -i32::MAX, i32::MAX)?;
    Ok((weight, statement.arguments().nth(1) == Some("reverse")))
}

fn http(tls: bool) -> Probe {
    Probe::Http(HttpProbe {
        tls,
        server_name_indication: false,
        version: HttpVersion::V10,
        fast_recovery: false,
        pages: Vec::new(),
    })
}

fn misc() -> Probe {
    let script = crate::health::Script { words: Vec::new(), user: None, group: None };
    Probe::Script { script, timeout: None, sets_weight: false }
}

fn take_http(probe: &mut HttpProbe, statement: &Statement) -> Result<bool, ConfigError> {
    match statement.keyword() {
        "url" => probe.pages.push(page::read(statement)?),
        "fast_recovery" => probe.fast_recovery = statement.switch()?,
        "enable_sni" if probe.tls => probe.server_name_indication = statement.switch()?,
        "http_protocol" => {
            probe.version = match statement.only("a version")? {
                "1.0" => HttpVersion::V10,
                "1.0C" | "1.0c" => HttpVersion::V10Close,
                "1.1" => HttpVersion::V11,
                other => {
                    let message = format!("`{other}` is no version of HTTP here; write 1.0, 1.0C or 1.1");
                    return Err(statement.fault_at(other, message));
                }
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn take_udp(probe: &mut UdpProbe, statement: &Statement) -> Result<bool, ConfigError> {
    match statement.keyword() {
        "payload" => {
            let halves = half_bytes(statement)?;
            let message = "a payload has no X; write its bytes in hexadecimal digits";
            probe.payload = Some(UdpProbe::bytes(&halves).ok_or_else(|| statement.fault(message))?);
        }
        "require_reply" => probe.reply = Some(half_bytes(statement)?),
        "min_reply_length" => probe.shortest = statement.number(0, u16::MAX)?,
        "max_reply_length" => probe.longest = statement.number(0, u16::MAX)?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// Half bytes of all arguments; a single digit is a byte of its own, `X` is any.
fn half_bytes(statement: &Statement) -> Result<Vec<Option<u8>>, ConfigError> {
    let wrong = |word: &str| statement.fault_at(word, format!("`{word}` is not made of hexadecimal digits"));
    let halves = statement.arguments().map(|words| UdpProbe::half_bytes(words).map_err(wrong));
    Ok(halves.collect::<Result<Vec<_>, _>>()?.concat())
}

fn record_type(statement: &Statement) -> Result<String, ConfigError> {
    let text = statement.only("a record type")?;
    if Probe::RECORD_TYPES.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(statement
        .fault_at(text, format!("`{text}` is no record type here; write one of {}", Probe::RECORD_TYPES.join(", "))))
}
