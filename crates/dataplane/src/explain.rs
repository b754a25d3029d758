//! What the loaded programs would do with a frame, without doing it.

use crate::error::Error;
use crate::inject;
use crate::load::Generation;
use crate::maps::Maps;
use forward::{Action, Counter};
use model::Lane;
use std::os::fd::AsFd;

/// What XDP and tc programs return for a frame that goes no further than this host; everything else sends it on.
const XDP_DROP: u32 = 1;
const XDP_PASS: u32 = 2;
const TC_UNSPECIFIED: u32 = u32::MAX;
const TC_SHOT: u32 = 2;

/// What would become of the frame, how it would leave, and the reason.
pub(crate) fn explain(
    maps: &Maps,
    programs: &Generation,
    lane: Lane,
    frame: &[u8],
    interface: u32,
) -> Result<(Action, Vec<u8>, Counter), Error> {
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
    Ok((action, run.frame, reason))
}
