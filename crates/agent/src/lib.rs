//! The real server's half: makes this host a good real server, says whether it is one, and undoes it.
//!
//! [`up`] is declarative: what is asked for is what there is afterwards. Every change is recorded before it is made
//! ([`record`]), so that [`down`] restores exactly what was there, and a run that was killed is finished or undone by
//! the next. Nothing stays resident.

mod checks;
mod error;
mod host;
mod namespace;
mod network;
mod programs;
mod record;
mod step;
mod sysctl;
mod tunnel;
mod unheard;
mod want;

pub use error::Error;

use dataplane::AgentState;
use model::{Finding, Level, RealServerSetup, Said};
use network::Network;
use record::{Ledger, Record, Since};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use step::Step;

/// Where things are kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The record of what was changed.
    pub run_directory: PathBuf,
    /// Programs, where a setup needs some: below it, for each network namespace by itself.
    pub pin_directory: PathBuf,
}

impl Place {
    /// Where the programs of this network namespace are pinned.
    fn pins(&self) -> Result<PathBuf, Error> {
        Ok(self.pin_directory.join(format!("namespace-{}", namespace::known()?)))
    }
}

/// Makes this host what `setup` says, or leaves it as it was.
pub fn up(setup: &RealServerSetup, place: &Place) -> Result<(), Error> {
    let (ledger, network) = (Ledger::open(&place.run_directory)?, Network::open()?);
    let before = ledger.read()?;
    let addresses = network.addresses()?;
    want::check(setup, &network.links()?, &addresses)?;
    let wants = want::of(setup, &place.pins()?);
    let known = before.as_ref().map_or(&[][..], |record| record.steps.as_slice());
    let mut steps = known.to_vec();
    for want in &wants {
        if !known.iter().any(|step| want.is_met_by(step)) {
            steps.extend(want.step(&network, &addresses)?);
        }
    }
    let fresh = steps.get(known.len()..).unwrap_or_default().to_vec();
    ledger.write(&Record::new(setup.clone(), steps.clone()))?;
    let (wanted, obsolete): (Vec<Step>, Vec<Step>) =
        steps.into_iter().partition(|step| wants.iter().any(|want| want.is_met_by(step)));
    if let Err(error) = wanted.iter().try_for_each(|step| step.make(setup, &network)) {
        return Err(give_up(&ledger, &network, before.as_ref(), &fresh, error));
    }
    undo(&network, &obsolete)?;
    ledger.write(&Record::new(setup.clone(), wanted).counting_from(counted_by_now(setup, place)?))
}

/// Warnings are about what is counted from here on.
fn counted_by_now(setup: &RealServerSetup, place: &Place) -> Result<Since, Error> {
    let state = if programs::are_needed(setup) { dataplane::agent_state(&place.pins()?)? } else { None };
    let counters = state.into_iter().flat_map(|state| state.counters);
    Ok(Since { time: host::now(), counters: counters.map(|(name, count)| (name.to_owned(), count)).collect() })
}

/// Takes back what a failed [`up`] has made. The error is that of the failure.
fn give_up(ledger: &Ledger, network: &Network, before: Option<&Record>, fresh: &[Step], error: Error) -> Error {
    let restored = undo(network, fresh).and_then(|_| match before {
        Some(record) => {
            record.steps.iter().try_for_each(|step| step.make(&record.setup, network))?;
            ledger.write(record)
        }
        None => ledger.remove(),
    });
    match restored {
        Ok(()) => error,
        Err(second) => Error::Refused(format!("{error}; and {second}: `xlvs real-server down` undoes the rest")),
    }
}

/// Restores what was there before the first [`up`]. Gives what was left because somebody else has changed it since;
/// `None` when there was nothing to restore.
pub fn down(place: &Place) -> Result<Option<Vec<String>>, Error> {
    let ledger = Ledger::open(&place.run_directory)?;
    let Some(record) = ledger.read()? else {
        ledger.remove()?;
        return Ok(None);
    };
    let notes = undo(&Network::open()?, &record.steps)?;
    ledger.remove()?;
    Ok(Some(notes))
}

/// What this host is as a real server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Status {
    /// What was asked for; `None` before the first [`up`] and after [`down`].
    pub setup: Option<RealServerSetup>,
    /// When, in seconds since the beginning of 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// What the programs do, where the setup needs some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub programs: Option<Programs>,
    /// How well each thing is.
    pub findings: Vec<Finding>,
}

/// What the programs do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Programs {
    /// Interfaces, by what is done there.
    pub attached: BTreeMap<&'static str, BTreeSet<String>>,
    /// Number (inode) of the cgroup whose programs are shown real clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<u64>,
    /// What happened, by name.
    pub counters: BTreeMap<&'static str, u64>,
}

/// Looks at this host and changes nothing.
pub fn status(place: &Place) -> Result<Status, Error> {
    let Some(record) = record::peek(&place.run_directory)? else {
        let fix = "xlvs real-server up --mode dr|tun|fullnat --vip ADDRESS";
        let said = Said::ill(Level::Fail, "this host was not made a real server", "", fix);
        return Ok(Status { setup: None, since: None, programs: None, findings: vec![said.by("setup")] });
    };
    let since = record.since.time;
    let host = host::Host::read(record.setup.clone(), record.since, &place.pins()?)?;
    let findings = checks::examine(&host);
    let programs =
        host.programs.map(|AgentState { attached, cgroup, counters }| Programs { attached, cgroup, counters });
    Ok(Status { setup: Some(record.setup), since: Some(since), programs, findings })
}

/// Undoes steps, the last one first.
fn undo(network: &Network, steps: &[Step]) -> Result<Vec<String>, Error> {
    let mut notes = Vec::new();
    for step in steps.iter().rev() {
        notes.extend(step.undo(network)?);
    }
    Ok(notes)
}
