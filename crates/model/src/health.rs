//! What decides whether a server takes part: checks, quorum, and the server for when nobody is left.

mod passive;

pub use passive::{Passive, Told};

use crate::{Endpoint, ForwardingMethod, LocalAddresses, RealServer, ServiceKey, VirtualService};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::Duration;

/// The health of a service's servers, and what follows from it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ServiceHealth {
    /// Weight of living servers that the service needs.
    pub quorum: u32,
    /// So much above or below the quorum makes no difference yet.
    pub hysteresis: u32,
    /// Run when the quorum is reached.
    pub quorum_up: Option<Script>,
    /// Run when it is lost.
    pub quorum_down: Option<Script>,
    /// Takes all connections while the quorum is lost.
    pub sorry_server: Option<SorryServer>,
    /// When the daemon ends, what would run if all servers failed is run.
    pub omega: bool,
    /// Checks rest while the virtual address is not this node's.
    pub suspended_without_address: bool,
    /// What the traffic of clients tells counts, too. Off unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passive: Option<Passive>,
    /// One for each server of the service, in its order.
    pub servers: Vec<ServerHealth>,
}

/// The server for when nobody is left.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SorryServer {
    /// Where it is and how it is reached.
    pub server: RealServer,
    /// It is always in the table, with weight 0 while it is not needed.
    pub inhibited: bool,
}

/// The health of one server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ServerHealth {
    /// The server.
    pub endpoint: Endpoint,
    /// All must succeed. Without any it always takes part.
    pub checks: Vec<Check>,
    /// A failed server gets weight 0 instead of being removed: its connections go on.
    pub inhibit_on_failure: bool,
    /// Run when it comes.
    pub notify_up: Option<Script>,
    /// Run when it goes.
    pub notify_down: Option<Script>,
}

/// A program with its arguments. No shell reads it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Script {
    /// The program and its arguments.
    pub words: Vec<String>,
    /// Whose rights it has; those of the daemon's script user unless named.
    pub user: Option<String>,
    /// Its group; the user's own unless named.
    pub group: Option<String>,
}

/// One check of a server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Check {
    /// What is tried.
    pub probe: Probe,
    /// Where, and from where.
    pub connection: Connection,
    /// When.
    pub pace: Pace,
    /// The server is down until this has succeeded once.
    pub starts_down: bool,
    /// Failures before the last retry are logged, too.
    pub logs_every_failure: bool,
}

/// When a check is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Pace {
    /// From the end of one check to the beginning of the next.
    pub interval: Duration,
    /// How long one may take; a script that names no time has its interval.
    pub timeout: Duration,
    /// Checks after a failed one before the server counts as failed.
    pub retries: u32,
    /// Before each of them.
    pub delay_before_retry: Duration,
    /// The first check comes after a random time of at most this.
    pub warmup: Duration,
    /// Successes in a row before a failed server counts as well; at least 1.
    pub rise: u32,
    /// A check comes earlier than the interval has it by a random time of at most this.
    pub jitter: Duration,
}

impl Pace {
    /// The same for this probe: a script has a time of its own, or its interval.
    pub fn of(self, probe: &Probe) -> Self {
        match probe {
            Probe::Script { timeout, .. } => Self { timeout: timeout.unwrap_or(self.interval), ..self },
            _ => self,
        }
    }
}

/// Where a check connects to, and from where.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Connection {
    /// The server's own address unless named.
    pub address: Option<IpAddr>,
    /// The server's own port unless named.
    pub port: Option<u16>,
    /// Address to send from.
    pub bind_address: Option<IpAddr>,
    /// Interface to send from.
    pub bind_interface: Option<String>,
    /// Port to send from.
    pub bind_port: Option<u16>,
    /// Mark of the check's packets; 0 is none.
    pub mark: u32,
    /// The way that clients of this service have to the server, and not the straight one.
    pub through: Option<Way>,
}

/// The way of a service's clients to a server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Way {
    /// The service.
    pub service: ServiceKey,
    /// How the server is reached.
    pub method: ForwardingMethod,
    /// FullNAT: where the server sees clients.
    pub local_addresses: LocalAddresses,
}

/// What a check tries.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Probe {
    /// A connection is accepted.
    Tcp,
    /// Pages are as they should be, over TLS or not.
    Http(HttpProbe),
    /// A mail server greets.
    Smtp {
        /// What we say we are.
        helo: String,
    },
    /// A name server answers.
    Dns {
        /// Record type, such as `SOA`.
        record: String,
        /// Name asked for.
        name: String,
    },
    /// Nobody says that the port is closed, or an answer comes.
    Udp(UdpProbe),
    /// An echo comes back.
    Ping,
    /// A gRPC server says that it serves.
    Grpc(GrpcProbe),
    /// A program ends with 0.
    Script {
        /// The program.
        script: Script,
        /// How long it may run; the interval unless named.
        timeout: Option<Duration>,
        /// Its exit code is the server's weight plus 2.
        sets_weight: bool,
    },
    /// A number in a file.
    File {
        /// Its path.
        name: String,
        /// What the number is multiplied by.
        weight: i32,
        /// The sign is turned.
        reverse: bool,
        /// The product is added to the server's weight.
        sets_weight: bool,
    },
    /// A BFD session is up.
    Bfd {
        /// Name of the session.
        name: String,
    },
}

/// Pages that must be as they should be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HttpProbe {
    /// Over TLS.
    pub tls: bool,
    /// The name of the host goes with the TLS handshake.
    pub server_name_indication: bool,
    /// What the request line says.
    pub version: HttpVersion,
    /// After a failure all pages are looked at without the interval between them.
    pub fast_recovery: bool,
    /// One is looked at with each check, in turn.
    pub pages: Vec<Page>,
}

/// What a request line says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum HttpVersion {
    /// HTTP/1.0
    #[default]
    #[serde(rename = "1.0")]
    V10,
    /// HTTP/1.0 with `Connection: close`
    #[serde(rename = "1.0C")]
    V10Close,
    /// HTTP/1.1
    #[serde(rename = "1.1")]
    V11,
}

/// A page, and how it must be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Page {
    /// Path with query.
    pub path: String,
    /// Name of the host asked for.
    pub host: Option<String>,
    /// Inclusive ranges of good status codes; never empty.
    pub status: Vec<(u16, u16)>,
    /// MD5 of the body, in small hexadecimal digits.
    pub digest: Option<String>,
    /// What the body must match.
    pub body: Option<BodyMatch>,
}

/// What a body must match.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct BodyMatch {
    /// A regular expression.
    pub pattern: String,
    /// It must not match.
    pub inverted: bool,
    /// Options by PCRE2's names.
    pub options: Vec<String>,
    /// A match begins no earlier than at this byte.
    pub first: usize,
    /// And no later than at this one.
    pub last: Option<usize>,
    /// The pattern made ready, once for all checks.
    #[serde(skip)]
    pub compiled: Compiled,
}

/// What [`BodyMatch::regex`] keeps. It says nothing that the pattern does not say.
#[derive(Clone, Debug, Default)]
pub struct Compiled(OnceLock<regex::bytes::Regex>);

impl PartialEq for Compiled {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Compiled {}

/// What a gRPC server is asked of itself (`grpc.health.v1.Health`).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct GrpcProbe {
    /// Name of the service asked for; empty is the server as a whole.
    pub service: String,
    /// Over TLS.
    pub tls: bool,
    /// Name of the host asked for, in the handshake, too.
    pub host: Option<String>,
}

/// A datagram, and what must come back.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UdpProbe {
    /// What is sent; something random unless given.
    pub payload: Option<Vec<u8>>,
    /// An answer must come: with these half bytes at its beginning, `None` for any.
    pub reply: Option<Vec<Option<u8>>>,
    /// Shortest answer.
    pub shortest: u16,
    /// Longest answer.
    pub longest: u16,
}

impl ServiceHealth {
    /// Has checks that go through the service take the way that its servers' clients have now.
    pub fn follow(&mut self, service: &VirtualService) {
        for health in &mut self.servers {
            let Some(server) = service.servers.iter().find(|server| server.endpoint == health.endpoint) else {
                continue;
            };
            for way in health.checks.iter_mut().filter_map(|check| check.connection.through.as_mut()) {
                way.method = server.method;
                way.local_addresses = service.options.local_addresses.clone();
            }
        }
    }
}

impl Way {
    /// To a server of this service, which [`ServiceHealth::follow`] looks for.
    pub fn of(service: ServiceKey) -> Self {
        Self { service, method: ForwardingMethod::DirectRouting, local_addresses: LocalAddresses::default() }
    }

    /// Why a check cannot go this way to this server.
    pub fn obstacle(&self, server: Endpoint) -> Option<String> {
        let service = self.service.endpoint;
        match self.method {
            ForwardingMethod::DirectRouting | ForwardingMethod::Tunnel(_) if service.is_ipv4() != server.is_ipv4() => {
                Some(format!("no check goes through a tunnel to {server}, which is of another family than its service"))
            }
            ForwardingMethod::FullNat if self.local_ports().next().is_none() => Some(format!(
                "the local addresses {} leave no port to checks; name ports, such as 10.0.9.1:20000-59999",
                self.local_addresses
            )),
            _ => None,
        }
    }

    /// FullNAT: addresses with ports that no client's connection has.
    pub fn local_ports(&self) -> impl Iterator<Item = Endpoint> + '_ {
        let ports = |address| (Self::FIRST_PORT..=u16::MAX).map(move |port| Endpoint::new(address, port));
        self.local_addresses.addresses().flat_map(ports).filter(|end| !self.local_addresses.cover(*end))
    }

    /// The first port that checks use.
    pub const FIRST_PORT: u16 = 1024;
}

impl Probe {
    /// Types of records that can be asked for.
    pub const RECORD_TYPES: [&str; 7] = ["A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA"];
}

impl UdpProbe {
    /// Half bytes of words of hexadecimal digits; a single digit is a byte of its own, `X` is any. Or the wrong word.
    pub fn half_bytes(text: &str) -> Result<Vec<Option<u8>>, &str> {
        let mut halves = Vec::new();
        for word in text.split_whitespace() {
            let letters: Vec<char> = word.chars().collect();
            for pair in letters.chunks(2) {
                if pair.len() == 1 {
                    halves.push(Some(0));
                }
                for letter in pair {
                    let half = letter.to_digit(16).map(|digit| digit as u8);
                    if half.is_none() && !matches!(letter, 'x' | 'X') {
                        return Err(word);
                    }
                    halves.push(half);
                }
            }
        }
        Ok(halves)
    }

    /// The bytes of half bytes none of which is left open.
    pub fn bytes(halves: &[Option<u8>]) -> Option<Vec<u8>> {
        let byte = |pair: &[Option<u8>]| pair.iter().try_fold(0, |sum: u8, half| Some(sum << 4 | (*half)?));
        halves.chunks(2).map(byte).collect()
    }
}

impl BodyMatch {
    /// Options of PCRE2 that mean something here.
    pub const OPTIONS: [&'static str; 5] = ["caseless", "dotall", "extended", "multiline", "ungreedy"];

    /// The pattern, ready to be used, or why it cannot be.
    pub fn regex(&self) -> Result<&regex::bytes::Regex, String> {
        if let Some(regex) = self.compiled.0.get() {
            return Ok(regex);
        }
        let regex = self.compile()?;
        Ok(self.compiled.0.get_or_init(|| regex))
    }

    fn compile(&self) -> Result<regex::bytes::Regex, String> {
        let has = |option: &str| self.options.iter().any(|it| it == option);
        let builder = &mut regex::bytes::RegexBuilder::new(&self.pattern);
        builder
            .case_insensitive(has("caseless"))
            .dot_matches_new_line(has("dotall"))
            .ignore_whitespace(has("extended"));
        builder.multi_line(has("multiline")).swap_greed(has("ungreedy")).size_limit(1 << 20);
        builder.build().map_err(|error| match error {
            regex::Error::Syntax(message) => message.lines().last().unwrap_or("").trim().to_owned(),
            other => other.to_string(),
        })
    }
}
