//! What the loaded programs would do with a frame, without doing it.

use crate::error::Error;
use crate::inject;
use crate::load::Generation;
use crate::maps::Maps;
use forward::Counter;
use std::os::fd::AsFd;

/// XDP action, the frame as it would leave, and the reason.
pub(crate) fn explain(
    maps: &Maps,
    programs: &Generation,
    frame: &[u8],
    interface: u32,
) -> Result<(u32, Vec<u8>, Counter), Error> {
    let run = inject::run(programs.explain.as_fd(), frame, interface)?;
    let reason = maps.explanation.get(0).map_or(u32::MAX, |cell| cell.get());
    let reason = Counter::ALL.get(reason as usize).copied();
    let reason = reason.ok_or_else(|| Error::Inconsistent("a rehearsed frame has no reason".to_owned()))?;
    Ok((run.result, run.frame, reason))
}
