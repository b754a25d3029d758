//! What happens in the daemon: one value for each transition. The stream `GET /v1/events`, `xlvs events` and the log
//! read the same.

use model::{Endpoint, Key, ServiceKey};
use serde::{Deserialize, Serialize};

/// One transition.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Grows by one with every event of a daemon; 0 in lines that belong to the stream and not to the daemon.
    pub number: u64,
    /// Milliseconds since the beginning of 1970 (UTC).
    pub time: u64,
    /// How much it matters.
    pub level: Level,
    /// One line for people, the same as in the log.
    pub text: String,
    /// What it is, for programs.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// How much an event matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// As somebody wanted it.
    Info,
    /// Something was lost, or is about to be.
    Warn,
    /// Something does not work.
    Error,
}

/// The kinds of event.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum EventKind {
    /// First line of a stream: what comes after it is complete until [`EventKind::Missed`].
    Listening {
        /// Number of the last event before.
        after: u64,
    },
    /// Last line of a stream whose reader was too slow: it is cut off.
    Missed {
        /// Events it did not get.
        missed: u64,
    },
    /// A service is in the data plane.
    ServiceAdded {
        /// Which.
        service: ServiceKey,
    },
    /// It has another scheduler or other flags, or its address has become this node's, or no longer is.
    ServiceChanged {
        /// Which.
        service: ServiceKey,
        /// This node forwards it.
        owned: bool,
    },
    /// It is no more.
    ServiceRemoved {
        /// Which.
        service: ServiceKey,
    },
    /// A server is in the data plane.
    ServerAdded {
        /// Of this service.
        service: ServiceKey,
        /// Which.
        server: Endpoint,
    },
    /// It has another weight or method, or is reached in another way.
    ServerChanged {
        /// Of this service.
        service: ServiceKey,
        /// Which.
        server: Endpoint,
    },
    /// It is no more.
    ServerRemoved {
        /// Of this service.
        service: ServiceKey,
        /// Which.
        server: Endpoint,
    },
    /// Its next hop answers: it is in the rotation.
    NeighbourResolved {
        /// Of this service.
        service: ServiceKey,
        /// Which.
        server: Endpoint,
    },
    /// Its next hop does not answer any more: it has left the rotation.
    NeighbourLost {
        /// Of this service.
        service: ServiceKey,
        /// Which.
        server: Endpoint,
    },
    /// All checks of a server succeed, or it is no longer out by what its clients met.
    ServerUp {
        /// Of this service.
        service: Key,
        /// Which.
        server: Endpoint,
    },
    /// A check of a server fails, or it is out because many connections of clients failed.
    ServerDown {
        /// Of this service.
        service: Key,
        /// Which.
        server: Endpoint,
    },
    /// Many connections of clients to a server have failed, and it stays: its checks come at once.
    Burst {
        /// Of this service.
        service: Key,
        /// Which.
        server: Endpoint,
    },
    /// Enough servers of a service are alive, or no longer are.
    Quorum {
        /// Which.
        service: Key,
        /// They are.
        reached: bool,
    },
    /// Other time-outs.
    TimeoutsChanged,
    /// Other values of IPVS's sysctls.
    SysctlsChanged,
    /// More changes in one go than are told one by one; those that lose a server are.
    Changes {
        /// How many.
        count: usize,
    },
    /// The maps differed from the configuration and were brought in line.
    DriftHealed {
        /// How many changes it took.
        count: usize,
    },
    /// The data plane is in trouble, and `xlvs status` says so until it is over.
    Trouble,
    /// The trouble is over.
    TroubleOver,
    /// How full a connection table is has crossed a line.
    TablePressure {
        /// 4 or 6.
        family: u8,
        /// Entries in use.
        used: u64,
        /// Entries there is room for.
        size: u64,
    },
    /// The programs are attached to an interface.
    InterfaceAttached {
        /// Its name.
        interface: String,
        /// How.
        lane: String,
    },
    /// They no longer are.
    InterfaceDetached {
        /// Its name.
        interface: String,
    },
    /// They cannot be.
    InterfaceFailed {
        /// Its name.
        interface: String,
    },
    /// An attachment that was made for a trial stays.
    AttachmentConfirmed {
        /// Name of the interface.
        interface: String,
    },
    /// An attachment that was made for a trial was not confirmed in time.
    AttachmentExpired {
        /// Name of the interface.
        interface: String,
    },
    /// Packets are being copied to a reader.
    CaptureBegan,
    /// They no longer are.
    CaptureEnded {
        /// Packets that it got.
        packets: u64,
        /// Packets that were wanted and that it did not get.
        missed: u64,
    },
    /// A configuration file was taken over.
    Applied {
        /// Generation of the configuration since.
        generation: u64,
    },
    /// A configuration file was not taken over.
    Refused,
    /// The configuration on trial stays.
    Confirmed {
        /// Generation of the configuration.
        generation: u64,
    },
    /// What was before the configuration on trial is there again.
    RolledBack {
        /// Generation of the configuration since.
        generation: u64,
    },
    /// The daemon answers requests.
    Started {
        /// Its process.
        pid: u32,
    },
    /// The daemon ends.
    Stopping {
        /// The data plane goes on.
        keep_forwarding: bool,
    },
}
