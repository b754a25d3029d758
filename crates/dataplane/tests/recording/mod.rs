//! The recordings of the kernel's IPVS, read; what they mean is told in `crates/model/goldens/README.md`.

use model::{Endpoint, Protocol, Scheduler, SchedulerFlags, ServiceOptions};
use serde::Deserialize;
use std::net::IpAddr;
use std::path::Path;

/// A virtual service, and what happened to it in order.
#[derive(Deserialize)]
pub(crate) struct Recording {
    pub(crate) protocol: Protocol,
    pub(crate) service: Endpoint,
    #[serde(flatten)]
    pub(crate) options: Options,
    /// In the order they were added.
    pub(crate) servers: Vec<Server>,
    pub(crate) steps: Vec<Step>,
}

/// Scheduler and flags as ipvsadm is told.
#[derive(Deserialize)]
pub(crate) struct Options {
    pub(crate) scheduler: Scheduler,
    flags: Vec<String>,
}

impl Recording {
    /// True when the service has this scheduler, first or later.
    pub(crate) fn uses(&self, scheduler: Scheduler) -> bool {
        let is_service = |step: &Step| matches!(step, Step::Service { service } if service.scheduler == scheduler);
        self.options.scheduler == scheduler || self.steps.iter().any(is_service)
    }
}

impl Options {
    pub(crate) fn to_model(&self) -> ServiceOptions {
        let has = |end: &str| self.flags.iter().any(|flag| flag.ends_with(end));
        let scheduler_flags = SchedulerFlags { port: has("-port"), fallback: has("-fallback"), ..SchedulerFlags::NONE };
        ServiceOptions { scheduler: self.scheduler, scheduler_flags, ..ServiceOptions::default() }
    }
}

/// A server; one that is deleted has no weight.
#[derive(Deserialize)]
pub(crate) struct Server {
    address: IpAddr,
    port: u16,
    #[serde(default)]
    pub(crate) weight: u32,
}

impl Server {
    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::new(self.address, self.port)
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Step {
    Flow { client: Endpoint, chosen: Option<Endpoint> },
    Finish { finish: Endpoint },
    Add { add: Server },
    Edit { edit: Server },
    Delete { delete: Server },
    Service { service: Options },
}

/// Every recording, by the name of its file.
pub(crate) fn all() -> Vec<(String, Recording)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/goldens");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut recordings: Vec<_> = files
        .filter(|file| file.file_name().to_string_lossy().starts_with("scheduling-"))
        .map(|file| {
            let name = file.file_name().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(file.path()).unwrap();
            let recording = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, recording)
        })
        .collect();
    recordings.sort_by(|(one, _), (other, _)| one.cmp(other));
    recordings
}
