//! The options of a [`Command`] read one after the other, with every value checked as it comes, in the order in
//! which the real program finds fault.

use super::address;
use super::command::{Command, Given};
use super::daemon;
use super::failure::Failure;
use super::legality;
use super::number;
use super::options::{Family, Meaning, Method, Thing, Verb};
use super::scheduling;
use model::{Granularity, LocalAddresses, Persistence, Protocol, SchedulerFlags, SyncDaemon, SyncRole};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The longest time-out: 31 days.
const LONGEST: i64 = 31 * 86_400;

/// What a legal command line says, value by value.
#[derive(Clone, Debug)]
pub(crate) struct Typed {
    pub(crate) verb: Verb,
    /// Which things were said at all.
    pub(crate) said: BTreeSet<Thing>,
    pub(crate) family: Option<Family>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) port: u16,
    pub(crate) mark: u32,
    pub(crate) mark_is_ipv6: bool,
    pub(crate) scheduler: String,
    pub(crate) flags: SchedulerFlags,
    /// Seconds.
    pub(crate) persistence: u32,
    pub(crate) granularity: Option<Granularity>,
    pub(crate) persistence_engine: String,
    pub(crate) local: LocalAddresses,
    pub(crate) server: Option<(IpAddr, u16)>,
    pub(crate) method: Method,
    pub(crate) weight: u32,
    pub(crate) thresholds: (u32, u32),
    pub(crate) tunnel: Tunnel,
    pub(crate) tunnel_port: u16,
    pub(crate) timeouts: [u32; 3],
    pub(crate) role: SyncRole,
    pub(crate) daemon: SyncDaemon,
}

/// `--tun-type`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tunnel {
    Ipip,
    Gue,
    Gre,
}

impl Typed {
    /// Reads `command`, which was typed to `program`.
    pub(crate) fn read(command: &Command, program: &str) -> Result<Self, Failure> {
        let mut options = command.options.iter();
        let Some((first, Meaning::Verb(verb))) = options.next().map(|first| (first, first.meaning)) else {
            return Err(Failure::try_help(program));
        };
        let mut typed = Self::new(verb);
        typed.take_verb(first)?;
        if matches!(verb, Verb::Help | Verb::Version) {
            return Ok(typed);
        }
        let mut flags = String::new();
        for given in options {
            if given.meaning == Meaning::Thing(Thing::SchedulerFlags) {
                given.value.as_deref().unwrap_or_default().clone_into(&mut flags);
            }
            typed.take(given)?;
        }
        if let Some(unreadable) = &command.unreadable {
            return Err(Failure::option(unreadable.clone()));
        }
        let mut arguments = command.arguments.iter();
        typed.take_timeouts(&mut arguments)?;
        if let Some(argument) = arguments.next() {
            return Err(Failure::usage(format!("unexpected argument {argument}")));
        }
        typed.flags = scheduling::flags(&flags, &typed.scheduler)?;
        legality::check(&typed)?;
        Ok(typed)
    }

    fn new(verb: Verb) -> Self {
        Self {
            verb,
            said: BTreeSet::new(),
            family: None,
            address: None,
            port: 0,
            mark: 0,
            mark_is_ipv6: false,
            scheduler: String::new(),
            flags: SchedulerFlags::NONE,
            persistence: Persistence::DEFAULT_TIMEOUT,
            granularity: None,
            persistence_engine: String::new(),
            local: LocalAddresses::default(),
            server: None,
            method: Method::DirectRouting,
            weight: 1,
            thresholds: (0, 0),
            tunnel: Tunnel::Ipip,
            tunnel_port: 0,
            timeouts: [0; 3],
            role: SyncRole::Master,
            daemon: SyncDaemon::default(),
        }
    }

    /// Whether `thing` was said.
    pub(crate) fn says(&self, thing: Thing) -> bool {
        self.said.contains(&thing)
    }

    /// The service's protocol, by which ports have names. A mark counts as TCP, as in the original.
    pub(crate) fn protocol(&self) -> Option<Protocol> {
        match self.family? {
            Family::Tcp | Family::Mark => Some(Protocol::Tcp),
            Family::Udp => Some(Protocol::Udp),
            Family::Sctp => Some(Protocol::Sctp),
        }
    }

    /// Some commands have a value.
    fn take_verb(&mut self, given: &Given) -> Result<(), Failure> {
        let wrong = match self.verb {
            Verb::StartDaemon => "illegal start-daemon parameter specified",
            Verb::StopDaemon => "illegal start_daemon specified",
            _ => return Ok(()),
        };
        self.role = match given.value.as_deref() {
            Some("master") => SyncRole::Master,
            Some("backup") => SyncRole::Backup,
            _ => return Err(Failure::usage(wrong)),
        };
        Ok(())
    }

    fn say(&mut self, thing: Thing) -> Result<(), Failure> {
        if self.said.insert(thing) {
            return Ok(());
        }
        Err(Failure::usage(format!("multiple '{}' options specified", thing.name())))
    }

    fn take(&mut self, given: &Given) -> Result<(), Failure> {
        let value = given.value.as_deref();
        match given.meaning {
            Meaning::Verb(_) => Err(Failure::usage(format!("invalid option `{}'", given.word))),
            Meaning::Nothing => Ok(()),
            Meaning::MarkIsIpv6 if self.family == Some(Family::Mark) => {
                (self.mark_is_ipv6, self.granularity) = (true, None);
                Ok(())
            }
            Meaning::MarkIsIpv6 => Err(Failure::usage("-6 used before -f\n")),
            Meaning::Service(family) => {
                self.say(Thing::Service)?;
                self.take_service(family, value.unwrap_or_default())
            }
            Meaning::Forwarding(method) => {
                self.method = method;
                self.say(Thing::Forwarding)
            }
            Meaning::Thing(thing) => {
                self.say(thing)?;
                self.take_value(thing, value.unwrap_or_default(), value.is_some())
            }
        }
    }

    fn take_service(&mut self, family: Family, value: &str) -> Result<(), Failure> {
        self.family = Some(family);
        if family == Family::Mark {
            let mark = number::parse_u32(value, 1..=i64::from(u32::MAX));
            let mark = mark.ok_or_else(|| Failure::usage(format!("invalid fwmark value `{value}' specified")));
            self.mark = mark?;
            return Ok(());
        }
        let (address, port) = address::parse(value, self.protocol())
            .ok_or_else(|| Failure::usage("illegal virtual server address[:port] specified"))?;
        (self.address, self.port) = (Some(address), port.unwrap_or(0));
        if address.is_ipv6() {
            // A mask that was said before is forgotten, as in the original.
            self.granularity = None;
        }
        Ok(())
    }

    /// The service is of IPv6, as far as it has been read.
    pub(crate) fn is_ipv6(&self) -> bool {
        self.mark_is_ipv6 || matches!(self.address, Some(IpAddr::V6(_)))
    }

    fn take_value(&mut self, thing: Thing, value: &str, given: bool) -> Result<(), Failure> {
        let any_int = 0..=i64::from(i32::MAX);
        let illegal = |name: &str| Failure::usage(format!("illegal {name} specified"));
        match thing {
            Thing::Scheduler => value.clone_into(&mut self.scheduler),
            Thing::RealServer => self.take_server(value)?,
            Thing::Weight => self.weight = number::parse_u32(value, any_int).ok_or_else(|| illegal("weight"))?,
            Thing::UpperThreshold => {
                self.thresholds.0 = number::parse_u32(value, any_int).ok_or_else(|| illegal("u_threshold"))?;
            }
            Thing::LowerThreshold => {
                self.thresholds.1 = number::parse_u32(value, any_int).ok_or_else(|| illegal("l_threshold"))?;
            }
            Thing::TunnelType => {
                self.tunnel = match value {
                    "ipip" => Tunnel::Ipip,
                    "gue" => Tunnel::Gue,
                    "gre" => Tunnel::Gre,
                    _ => return Err(illegal("tunnel type")),
                }
            }
            Thing::Persistent if given => self.persistence = timeout(value, 1)?,
            Thing::Netmask => self.take_granularity(value)?,
            Thing::LocalAddress => {
                let local = value.parse();
                self.local = local.map_err(|what| Failure::usage(format!("illegal local address: {what}")))?;
            }
            Thing::PersistenceEngine => value.clone_into(&mut self.persistence_engine),
            Thing::TunnelPort => {
                self.tunnel_port = number::parse_u16(value, 1..=65535).ok_or_else(|| illegal("tunnel port"))?;
            }
            _ => daemon::take(&mut self.daemon, thing, value)?,
        }
        Ok(())
    }

    fn take_granularity(&mut self, value: &str) -> Result<(), Failure> {
        self.granularity = if self.is_ipv6() {
            let length = number::leading(value).and_then(|length| u8::try_from(length).ok());
            let length = length.filter(|length| (1..=128).contains(length));
            Granularity::prefix(length.ok_or_else(|| Failure::usage("illegal ipv6 netmask specified"))?)
        } else {
            let mask = address::parse_ipv4(value);
            Granularity::mask(mask.ok_or_else(|| Failure::usage("illegal virtual server persistent mask specified"))?)
        };
        Ok(())
    }

    fn take_server(&mut self, value: &str) -> Result<(), Failure> {
        let (address, port) = address::parse(value, self.protocol())
            .ok_or_else(|| Failure::usage("illegal real server address[:port] specified"))?;
        self.server = Some((address, port.unwrap_or(self.port)));
        Ok(())
    }

    fn take_timeouts<'a>(&mut self, arguments: &mut impl Iterator<Item = &'a String>) -> Result<(), Failure> {
        if self.verb != Verb::SetTimeouts {
            return Ok(());
        }
        let (Some(tcp), Some(fin), Some(udp)) = (arguments.next(), arguments.next(), arguments.next()) else {
            return Err(Failure::usage("--set option requires 3 timeout values"));
        };
        self.timeouts = [timeout(tcp, 0)?, timeout(fin, 0)?, timeout(udp, 0)?];
        Ok(())
    }
}

fn timeout(value: &str, shortest: i64) -> Result<u32, Failure> {
    let seconds = number::parse_u32(value, shortest..=LONGEST);
    seconds.ok_or_else(|| Failure::usage(format!("invalid timeout value `{value}' specified")))
}
