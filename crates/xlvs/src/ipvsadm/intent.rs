//! What a legal command line means: a question to the daemon, a change, or a text.

use super::command::Command;
use super::failure::{Failure, Subject};
use super::options::{Family, Method, Thing, Verb};
use super::typed::{Tunnel, Typed};
use crate::table::{Columns, View};
use api::Request;
use model::{
    Encapsulation, Endpoint, FirewallMark, ForwardingMethod, Key, Persistence, PersistenceEngine, RealServer,
    Scheduler, ServiceKey, ServiceOptions, Thresholds, TunnelChecksum, Weight,
};

/// What is meant.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Intent {
    /// A request that only succeeds or fails.
    Change {
        /// The request.
        request: Request,
        /// What it is about.
        subject: Subject,
    },
    /// A service with a scheduler or persistence engine that does not exist.
    NobodyKnows {
        /// Key of the service.
        key: Key,
        /// `-A`, not `-E`.
        adding: bool,
    },
    /// `-L` of all services, or of one.
    List {
        /// Only this one.
        service: Option<Key>,
        /// How it is shown.
        view: View,
    },
    /// `-L -c`
    ListConnections {
        /// Numbers instead of names.
        numeric: bool,
        /// Columns for persistence engines.
        with_engines: bool,
    },
    /// `-L --timeout`
    ListTimeouts,
    /// `-L --daemon`
    ListDaemons,
    /// `-S`
    Save {
        /// Numbers instead of names.
        numeric: bool,
    },
    /// `-R`
    Restore {
        /// Whole or not at all.
        atomic: bool,
    },
    /// `-h`
    Help,
    /// `-v`
    Version,
}

impl Intent {
    /// What `words`, typed to `program`, mean.
    pub(crate) fn parse(words: &[String], program: &str) -> Result<Self, Failure> {
        let typed = Typed::read(&Command::parse(words), program)?;
        Self::of(&typed)
    }

    fn of(typed: &Typed) -> Result<Self, Failure> {
        let request = match typed.verb {
            Verb::AddService | Verb::EditService => {
                let (key, adding) = (key(typed)?, typed.verb == Verb::AddService);
                match options(typed) {
                    Some(options) if adding => Request::AddService { key, options },
                    Some(options) => Request::EditService { key, options },
                    None => return Ok(Self::NobodyKnows { key, adding }),
                }
            }
            Verb::DeleteService => Request::DeleteService { key: key(typed)? },
            Verb::AddServer => Request::AddServer { service: key(typed)?, server: server(typed)? },
            Verb::EditServer => Request::EditServer { service: key(typed)?, server: server(typed)? },
            Verb::DeleteServer => Request::DeleteServer { service: key(typed)?, endpoint: endpoint(typed)? },
            Verb::Flush => Request::Flush,
            Verb::Zero => Request::Zero { service: optional_key(typed)? },
            Verb::SetTimeouts => {
                let [tcp, tcp_fin, udp] = typed.timeouts.map(|seconds| (seconds != 0).then_some(seconds));
                Request::SetTimeouts { tcp, tcp_fin, udp }
            }
            Verb::List if typed.says(Thing::Connection) => {
                let with_engines = typed.says(Thing::PersistentConnections);
                return Ok(Self::ListConnections { numeric: typed.says(Thing::Numeric), with_engines });
            }
            Verb::List if typed.says(Thing::Timeout) => return Ok(Self::ListTimeouts),
            Verb::List if typed.says(Thing::Daemon) => return Ok(Self::ListDaemons),
            Verb::List => return Ok(Self::List { service: optional_key(typed)?, view: view(typed) }),
            Verb::Save => return Ok(Self::Save { numeric: typed.says(Thing::Numeric) }),
            Verb::Restore => return Ok(Self::Restore { atomic: typed.says(Thing::Atomic) }),
            Verb::Help => return Ok(Self::Help),
            Verb::Version => return Ok(Self::Version),
            Verb::StartDaemon => Request::StartSync { role: typed.role, daemon: typed.daemon.clone() },
            Verb::StopDaemon => Request::StopSync { role: typed.role },
        };
        let about_server = matches!(typed.verb, Verb::AddServer | Verb::EditServer | Verb::DeleteServer);
        Ok(Self::Change { request, subject: if about_server { Subject::Server } else { Subject::Service } })
    }
}

fn optional_key(typed: &Typed) -> Result<Option<Key>, Failure> {
    if typed.family.is_some() { key(typed).map(Some) } else { Ok(None) }
}

fn key(typed: &Typed) -> Result<Key, Failure> {
    if typed.family == Some(Family::Mark) {
        return Ok(Key::Mark(FirewallMark { mark: typed.mark, ipv6: typed.mark_is_ipv6 }));
    }
    let key = typed.protocol().zip(typed.address);
    let (protocol, address) = key.ok_or_else(|| Failure::usage("illegal virtual server address[:port] specified"))?;
    Ok(ServiceKey { protocol, endpoint: Endpoint::new(address, typed.port) }.into())
}

/// None where the scheduler or the persistence engine has a name that does not exist.
fn options(typed: &Typed) -> Option<ServiceOptions> {
    let scheduler = match typed.scheduler.as_str() {
        "" => Scheduler::default(),
        name => Scheduler::by_name(name)?,
    };
    let persistence_engine = match typed.persistence_engine.as_str() {
        "" => None,
        name => Some(PersistenceEngine::by_name(name)?),
    };
    let persistence = Persistence { timeout: typed.persistence, granularity: typed.granularity };
    Some(ServiceOptions {
        scheduler,
        scheduler_flags: typed.flags,
        persistence: typed.says(Thing::Persistent).then_some(persistence),
        persistence_engine,
        one_packet: typed.says(Thing::OnePacket),
        local_addresses: typed.local.clone(),
        ..ServiceOptions::default()
    })
}

fn server(typed: &Typed) -> Result<RealServer, Failure> {
    let method = match typed.method {
        Method::Nat => ForwardingMethod::Nat,
        Method::FullNat => ForwardingMethod::FullNat,
        Method::DirectRouting => ForwardingMethod::DirectRouting,
        Method::Tunnel => ForwardingMethod::Tunnel(encapsulation(typed)),
    };
    let endpoint = endpoint(typed)?;
    let weight = Weight::new(typed.weight).ok_or_else(|| Failure::usage("illegal weight specified"))?;
    let (upper, lower) = typed.thresholds;
    let server = RealServer { thresholds: Thresholds { upper, lower }, ..RealServer::new(endpoint, method, weight) };
    Ok(server.in_service(&key(typed)?))
}

fn encapsulation(typed: &Typed) -> Encapsulation {
    let checksum = if typed.says(Thing::TunnelRemoteChecksum) {
        TunnelChecksum::Remote
    } else if typed.says(Thing::TunnelChecksum) {
        TunnelChecksum::Full
    } else {
        TunnelChecksum::None
    };
    match typed.tunnel {
        Tunnel::Ipip => Encapsulation::Ipip,
        Tunnel::Gue => Encapsulation::Gue { port: typed.tunnel_port, checksum },
        Tunnel::Gre => Encapsulation::Gre { checksum },
    }
}

fn endpoint(typed: &Typed) -> Result<Endpoint, Failure> {
    let (address, port) = typed.server.ok_or_else(|| Failure::usage("illegal real server address[:port] specified"))?;
    Ok(Endpoint::new(address, port))
}

fn view(typed: &Typed) -> View {
    // Where several are said, the first of these is shown.
    let columns = [
        (Thing::Stats, Columns::Traffic),
        (Thing::Rate, Columns::Rates),
        (Thing::Thresholds, Columns::Thresholds),
        (Thing::PersistentConnections, Columns::PersistentConnections),
        (Thing::TunnelInfo, Columns::Tunnels),
    ];
    let said = columns.into_iter().find(|(thing, _)| typed.says(*thing));
    View {
        columns: said.map_or(Columns::Connections, |(_, columns)| columns),
        numeric: typed.says(Thing::Numeric),
        exact: typed.says(Thing::Exact),
        sorted: !typed.says(Thing::NoSort),
    }
}
