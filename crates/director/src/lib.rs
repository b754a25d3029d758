//! The daemon's acting half.
//!
//! What was asked for ([`store`]) and what is seen ([`observe`]) make the desired state; the [`reconciler`] brings the
//! maps there; [`server`] takes requests and [`daemon`] is the loop around it all. Every change takes the one path.

mod answer;
mod attendant;
mod capture;
mod configuration;
mod conflicts;
mod connections;
mod daemon;
mod datagram;
mod desired;
mod director;
mod doubts;
mod error;
mod events;
mod explain;
mod health;
mod interfaces;
mod journal;
mod lifecycle;
mod listing;
mod martian;
mod metrics;
mod observe;
mod offload;
mod plane;
mod pressure;
mod rates;
mod reader;
mod reconciler;
mod server;
mod signals;
mod socket;
mod status;
mod store;
mod sweeper;
#[cfg(test)]
mod tests;
mod zero;

pub use configuration::{ConfigurationError, Reading};
pub use conflicts::others;
pub use error::Error;
pub use signals::HangUps;

use std::path::PathBuf;

/// What a daemon starts with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The configuration file, as parsed.
    pub config: Option<model::Config>,
    /// Where it was, to read it again on SIGHUP.
    pub config_path: Option<PathBuf>,
    /// The file may ask for what matters and is not done.
    pub accept: bool,
    /// Interfaces to attach to, beside those of the file.
    pub interfaces: Vec<String>,
    /// The lane of all interfaces named, whatever the file says.
    pub lane: Option<model::LaneChoice>,
    /// Where maps and links are pinned.
    pub pin_directory: PathBuf,
    /// Where requests are taken.
    pub socket: PathBuf,
    /// Where metrics are offered by TCP, whatever the file says.
    pub metrics: Option<model::MetricsAddress>,
    /// Start beside other balancers, and take hooks over from other owners.
    pub force: bool,
}

/// Runs the daemon until SIGTERM, SIGINT or a request to stop. Needs a tokio runtime with I/O and time.
pub async fn run(options: Options, hang_ups: HangUps) -> Result<(), Error> {
    lifecycle::run(options, hang_ups).await
}
