//! The vocabulary of ipvsadm 1.31: every option with its spellings and whether it takes a value.

/// Commands, one per command line, first in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verb {
    AddService,
    EditService,
    DeleteService,
    Flush,
    List,
    AddServer,
    DeleteServer,
    EditServer,
    SetTimeouts,
    StartDaemon,
    StopDaemon,
    Restore,
    Save,
    Zero,
    Help,
    Version,
}

/// Things an option says. The order is the one in which legality is checked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Thing {
    Numeric,
    Connection,
    Service,
    Scheduler,
    Persistent,
    Netmask,
    RealServer,
    Forwarding,
    Weight,
    UpperThreshold,
    LowerThreshold,
    MulticastInterface,
    Timeout,
    Daemon,
    Stats,
    Rate,
    Thresholds,
    PersistentConnections,
    NoSort,
    SyncId,
    Exact,
    OnePacket,
    PersistenceEngine,
    SyncMaximumLength,
    MulticastGroup,
    MulticastPort,
    MulticastTtl,
    SchedulerFlags,
    TunnelInfo,
    TunnelType,
    TunnelPort,
    TunnelNoChecksum,
    TunnelChecksum,
    TunnelRemoteChecksum,
    /// Ours: `--local-address`.
    LocalAddress,
    /// Ours: `-R --atomic`.
    Atomic,
}

impl Thing {
    /// What error texts call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Numeric => "numeric",
            Self::Connection => "connection",
            Self::Service => "service-address",
            Self::Scheduler => "scheduler",
            Self::Persistent => "persistent",
            Self::Netmask => "netmask",
            Self::RealServer => "real-server",
            Self::Forwarding => "forwarding-method",
            Self::Weight => "weight",
            Self::UpperThreshold => "u-threshold",
            Self::LowerThreshold => "l-threshold",
            Self::MulticastInterface => "mcast-interface",
            Self::Timeout => "timeout",
            Self::Daemon => "daemon",
            Self::Stats => "stats",
            Self::Rate => "rate",
            Self::Thresholds => "thresholds",
            Self::PersistentConnections => "persistent-conn",
            Self::NoSort => "nosort",
            Self::SyncId => "syncid",
            Self::Exact => "exact",
            Self::OnePacket => "ops",
            Self::PersistenceEngine => "pe",
            Self::SyncMaximumLength => "sync-maxlen",
            Self::MulticastGroup => "mcast-group",
            Self::MulticastPort => "mcast-port",
            Self::MulticastTtl => "mcast-ttl",
            Self::SchedulerFlags => "sched-flags",
            Self::TunnelInfo => "tun-info",
            Self::TunnelType => "tun-type",
            Self::TunnelPort => "tun-port",
            Self::TunnelNoChecksum => "tun-nocsum",
            Self::TunnelChecksum => "tun-csum",
            Self::TunnelRemoteChecksum => "tun-remcsum",
            Self::LocalAddress => "local-address",
            Self::Atomic => "atomic",
        }
    }
}

/// What an option means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Meaning {
    /// It is the command.
    Verb(Verb),
    /// It says this.
    Thing(Thing),
    /// `-t -u --sctp-service`, `-f`: four spellings of [`Thing::Service`].
    Service(Family),
    /// `-g -i -m` and our `--fullnat`: four spellings of [`Thing::Forwarding`].
    Forwarding(Method),
    /// `-6`, which only qualifies `-f`.
    MarkIsIpv6,
    /// `--sort`, which says nothing.
    Nothing,
}

/// What a service is known by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Family {
    Tcp,
    Udp,
    Sctp,
    Mark,
}

/// Forwarding methods that can be typed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Method {
    DirectRouting,
    Tunnel,
    Nat,
    FullNat,
}

/// Whether an option takes a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Value {
    None,
    Required,
    /// Taken unless the next word begins with a dash.
    Optional,
}

/// One option.
pub(crate) struct Spelling {
    pub(crate) long: &'static str,
    pub(crate) short: Option<char>,
    pub(crate) value: Value,
    pub(crate) meaning: Meaning,
}

const fn verb(long: &'static str, short: Option<char>, verb: Verb) -> Spelling {
    Spelling { long, short, value: Value::None, meaning: Meaning::Verb(verb) }
}

const fn flag(long: &'static str, short: Option<char>, thing: Thing) -> Spelling {
    Spelling { long, short, value: Value::None, meaning: Meaning::Thing(thing) }
}

const fn valued(long: &'static str, short: Option<char>, thing: Thing) -> Spelling {
    Spelling { long, short, value: Value::Required, meaning: Meaning::Thing(thing) }
}

const fn service(long: &'static str, short: Option<char>, family: Family) -> Spelling {
    Spelling { long, short, value: Value::Required, meaning: Meaning::Service(family) }
}

const fn method(long: &'static str, short: char, method: Method) -> Spelling {
    Spelling { long, short: Some(short), value: Value::None, meaning: Meaning::Forwarding(method) }
}

/// All of them.
pub(crate) static SPELLINGS: &[Spelling] = &[
    verb("add-service", Some('A'), Verb::AddService),
    verb("edit-service", Some('E'), Verb::EditService),
    verb("delete-service", Some('D'), Verb::DeleteService),
    verb("clear", Some('C'), Verb::Flush),
    verb("list", Some('L'), Verb::List),
    verb("list", Some('l'), Verb::List),
    verb("zero", Some('Z'), Verb::Zero),
    verb("add-server", Some('a'), Verb::AddServer),
    verb("edit-server", Some('e'), Verb::EditServer),
    verb("delete-server", Some('d'), Verb::DeleteServer),
    verb("set", None, Verb::SetTimeouts),
    verb("help", Some('h'), Verb::Help),
    verb("version", Some('v'), Verb::Version),
    verb("restore", Some('R'), Verb::Restore),
    verb("save", Some('S'), Verb::Save),
    Spelling { value: Value::Required, ..verb("start-daemon", None, Verb::StartDaemon) },
    Spelling { value: Value::Required, ..verb("stop-daemon", None, Verb::StopDaemon) },
    service("tcp-service", Some('t'), Family::Tcp),
    service("udp-service", Some('u'), Family::Udp),
    service("sctp-service", None, Family::Sctp),
    service("fwmark-service", Some('f'), Family::Mark),
    Spelling { long: "ipv6", short: Some('6'), value: Value::None, meaning: Meaning::MarkIsIpv6 },
    valued("scheduler", Some('s'), Thing::Scheduler),
    Spelling { value: Value::Optional, ..valued("persistent", Some('p'), Thing::Persistent) },
    valued("netmask", Some('M'), Thing::Netmask),
    valued("pe", None, Thing::PersistenceEngine),
    valued("sched-flags", Some('b'), Thing::SchedulerFlags),
    flag("ops", Some('o'), Thing::OnePacket),
    valued("real-server", Some('r'), Thing::RealServer),
    method("gatewaying", 'g', Method::DirectRouting),
    method("ipip", 'i', Method::Tunnel),
    method("masquerading", 'm', Method::Nat),
    Spelling { short: None, ..method("fullnat", ' ', Method::FullNat) },
    valued("weight", Some('w'), Thing::Weight),
    valued("u-threshold", Some('x'), Thing::UpperThreshold),
    valued("l-threshold", Some('y'), Thing::LowerThreshold),
    valued("tun-type", None, Thing::TunnelType),
    valued("tun-port", None, Thing::TunnelPort),
    flag("tun-nocsum", None, Thing::TunnelNoChecksum),
    flag("tun-csum", None, Thing::TunnelChecksum),
    flag("tun-remcsum", None, Thing::TunnelRemoteChecksum),
    flag("numeric", Some('n'), Thing::Numeric),
    flag("connection", Some('c'), Thing::Connection),
    flag("timeout", None, Thing::Timeout),
    flag("daemon", None, Thing::Daemon),
    flag("stats", None, Thing::Stats),
    flag("rate", None, Thing::Rate),
    flag("thresholds", None, Thing::Thresholds),
    flag("persistent-conn", None, Thing::PersistentConnections),
    flag("tun-info", None, Thing::TunnelInfo),
    flag("nosort", None, Thing::NoSort),
    Spelling { long: "sort", short: None, value: Value::None, meaning: Meaning::Nothing },
    flag("exact", Some('X'), Thing::Exact),
    valued("syncid", None, Thing::SyncId),
    valued("sync-maxlen", None, Thing::SyncMaximumLength),
    valued("mcast-interface", None, Thing::MulticastInterface),
    valued("mcast-group", None, Thing::MulticastGroup),
    valued("mcast-port", None, Thing::MulticastPort),
    valued("mcast-ttl", None, Thing::MulticastTtl),
    valued("local-address", None, Thing::LocalAddress),
    flag("atomic", None, Thing::Atomic),
];
