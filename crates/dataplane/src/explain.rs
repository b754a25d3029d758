//! What the loaded programs would do with a frame, without doing it.

use crate::error::Error;
use crate::inject;
use crate::load::Generation;
use crate::maps::Maps;
use crate::translate;
use forward::abi::NO_SERVER;
use forward::{Action, Counter};
use model::{Endpoint, Lane};
use std::os::fd::AsFd;

/// What XDP and tc programs return for a frame that goes no further than this host; everything else sends it on.
const XDP_DROP: u32 = 1;
const XDP_PASS: u32 = 2;
const TC_UNSPECIFIED: u32 = u32::MAX;
const TC_SHOT: u32 = 2;

/// What would become of a frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rehearsed {
    /// Where it would go.
    pub action: Action,
    /// How it would leave; as it came where FullNAT would give it a local address first.
    pub frame: Vec<u8>,
    /// Why.
    pub reason: Counter,
    /// The server it would go to, where the frame does not show it.
    pub server: Option<Endpoint>,
}

/// What would become of the frame.
pub(crate) fn explain(
    maps: &Maps,
    programs: &Generation,
    lane: Lane,
    frame: &[u8],
    interface: u32,
) -> Result<Rehearsed, Error> {
    let (run, pass, drop) = match lane {
        Lane::Xdp | Lane::XdpGeneric => (inject::run(programs.explain.as_fd(), frame, interface)?, XDP_PASS, XDP_DROP),
        Lane::Tc => (inject::run_tc(programs.tc_explain.as_fd(), frame, interface)?, TC_UNSPECIFIED, TC_SHOT),
    };
    let action = match run.result {
        result if result == pass => Action::Pass,
        result if result == drop => Action::Drop,
        _ => Action::Forward,
    };
    let reason = maps.explanation.get(0).map_or(u32::MAX, |cell| cell.get());
    let reason = Counter::ALL.get(reason as usize).copied();
    let reason = reason.ok_or_else(|| Error::Inconsistent("a rehearsed frame has no reason".to_owned()))?;
    let server = maps.explanation.get(1).map_or(NO_SERVER, |cell| cell.get());
    let server = maps.servers.get(server).filter(|_| server != NO_SERVER);
    let server = server.map(translate::endpoint);
    Ok(Rehearsed { action, frame: run.frame, reason, server })
}
