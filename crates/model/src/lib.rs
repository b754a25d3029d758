//! What the operator wants, and the way there: services, real servers, configuration, and the plan.
//!
//! Pure: no files, no sockets, no clock. A value of these types is valid by construction; what cannot be
//! valid is an error that names the place.
#![warn(missing_docs)]

pub mod capture;
pub mod change;
pub mod config;
mod dice;
pub mod difference;
pub mod dormant;
pub mod finding;
pub mod firewall;
pub mod hash;
pub mod health;
pub mod keepalived;
pub mod key;
pub mod lane;
pub mod local;
pub mod method;
pub mod persistence;
pub mod plan;
pub mod real_server;
pub mod ring;
pub mod scheduler;
pub mod service;
pub mod state;
pub mod synchronization;
pub mod sysctl;

pub use config::{Config, ConfigError, DirectorSettings, MetricsAddress};
pub use dice::Dice;
pub use difference::{Difference, Fate, differences};
pub use dormant::Dormant;
pub use finding::{Finding, Level, Said};
pub use key::{FirewallMark, Key};
pub use lane::{Lane, LaneChoice};
pub use local::{LocalAddresses, LocalRange};
pub use method::{Encapsulation, ForwardingMethod, TunnelChecksum};
pub use persistence::{Granularity, Persistence, PersistenceEngine};
pub use plan::plan;
pub use real_server::{Decapsulation, Prefix, RealServerSetup, ServerMode};
pub use scheduler::{Scheduler, SchedulerFlags};
pub use service::{
    Endpoint, Protocol, RealServer, ServiceKey, ServiceOptions, Thresholds, Timeouts, VirtualService, Weight,
};
pub use state::{Change, Hop, Reach, ServerState, ServiceState, State};
pub use synchronization::{SyncDaemon, SyncRole};
pub use sysctl::{Sysctl, Sysctls};
