//! What a legal command line means: a question to the daemon, a change, or a text.

use super::command::Command;
use super::failure::{Failure, Subject};
use super::options::{Method, Thing, Verb};
use super::scheduling;
use super::typed::Typed;
use super::unsupported;
use crate::table::{Columns, View};
use api::Request;
use model::{Endpoint, ForwardingMethod, RealServer, ServiceKey, ServiceOptions, Weight};

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
    /// `-L` of all services, or of one.
    List {
        /// Only this one.
        service: Option<ServiceKey>,
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
        unsupported::check(&typed)?;
        Self::of(&typed)
    }

    fn of(typed: &Typed) -> Result<Self, Failure> {
        let request = match typed.verb {
            Verb::AddService => Request::AddService { key: key(typed)?, options: options(typed)? },
            Verb::EditService => Request::EditService { key: key(typed)?, options: options(typed)? },
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
            Verb::List => return Ok(Self::List { service: optional_key(typed)?, view: view(typed) }),
            Verb::Save => return Ok(Self::Save { numeric: typed.says(Thing::Numeric) }),
            Verb::Restore => return Ok(Self::Restore { atomic: typed.says(Thing::Atomic) }),
            Verb::Help => return Ok(Self::Help),
            Verb::Version => return Ok(Self::Version),
            Verb::StartDaemon | Verb::StopDaemon => return Err(Failure::unsupported("connection synchronization")),
        };
        let about_server = matches!(typed.verb, Verb::AddServer | Verb::EditServer | Verb::DeleteServer);
        Ok(Self::Change { request, subject: if about_server { Subject::Server } else { Subject::Service } })
    }
}

fn optional_key(typed: &Typed) -> Result<Option<ServiceKey>, Failure> {
    if typed.family.is_some() { key(typed).map(Some) } else { Ok(None) }
}

fn key(typed: &Typed) -> Result<ServiceKey, Failure> {
    let (Some(protocol), Some(address)) = (typed.protocol(), typed.address) else {
        return Err(Failure::unsupported("a service without protocol and address"));
    };
    Ok(ServiceKey { protocol, endpoint: Endpoint::new(address, typed.port) })
}

fn options(typed: &Typed) -> Result<ServiceOptions, Failure> {
    let scheduler = scheduling::scheduler(&typed.scheduler)?;
    let scheduler_flags = typed.flags.for_scheduler(scheduler)?;
    Ok(ServiceOptions { scheduler, scheduler_flags, any: false, name: None })
}

fn server(typed: &Typed) -> Result<RealServer, Failure> {
    let method = match typed.method {
        Method::Nat => ForwardingMethod::Nat,
        Method::DirectRouting => ForwardingMethod::DirectRouting,
        Method::Tunnel => return Err(Failure::unsupported("tunneling (-i)")),
    };
    let mut endpoint = endpoint(typed)?;
    if method == ForwardingMethod::DirectRouting {
        // Packets keep their port, so whatever was typed, it is the service's.
        endpoint.set_port(typed.port);
    }
    let weight = Weight::new(typed.weight).ok_or_else(|| Failure::usage("illegal weight specified"))?;
    Ok(RealServer { endpoint, method, weight })
}

fn endpoint(typed: &Typed) -> Result<Endpoint, Failure> {
    let (address, port) = typed.server.ok_or_else(|| Failure::usage("illegal real server address[:port] specified"))?;
    Ok(Endpoint::new(address, port))
}

fn view(typed: &Typed) -> View {
    let columns = if typed.says(Thing::Stats) {
        Columns::Traffic
    } else if typed.says(Thing::Rate) {
        Columns::Rates
    } else {
        Columns::Connections
    };
    View {
        columns,
        numeric: typed.says(Thing::Numeric),
        exact: typed.says(Thing::Exact),
        sorted: !typed.says(Thing::NoSort),
    }
}
