//! `MISC_CHECK` and notifications: programs, without a shell, as the user they are given, for no longer than they may.

use model::health::Script;
use nix::unistd::{Group, User};
use protocols::health::Outcome;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// The user whom scripts have without another, where there is one, as in keepalived.
const USER: &str = "keepalived_script";

/// A check: 0 is well, 1 is not, others set the weight if they may.
pub(super) async fn check(script: &Script, limit: Duration, sets_weight: bool) -> Result<Outcome, String> {
    match run(script, limit).await? {
        0 => Ok(Outcome::Success),
        code if sets_weight && code >= 2 => Ok(Outcome::Weight(i64::from(code) - 2)),
        code => Err(format!("{} ended with {code}", script.words.first().map_or("", String::as_str))),
    }
}

/// Runs a program to its end; its exit code.
pub(crate) async fn run(script: &Script, limit: Duration) -> Result<i32, String> {
    let (program, arguments) = script.words.split_first().ok_or("names no program")?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    // A group of its own: whatever it started ends with it.
    command.process_group(0);
    if let Some((user, group)) = identity(script)? {
        command.uid(user).gid(group);
    }
    let mut child = command.spawn().map_err(|error| format!("cannot run {program}: {error}"))?;
    let group = child.id();
    match tokio::time::timeout(limit, child.wait()).await {
        Ok(Ok(status)) => status.code().ok_or_else(|| format!("ended by signal {}", status.signal().unwrap_or(0))),
        Ok(Err(error)) => Err(format!("cannot wait for {program}: {error}")),
        Err(_) => {
            if let Some(group) = group.and_then(|id| i32::try_from(id).ok()) {
                let _ = nix::sys::signal::killpg(nix::unistd::Pid::from_raw(group), nix::sys::signal::Signal::SIGKILL);
            }
            let _ = child.wait().await;
            Err(format!("{program} was still running after {limit:?}, and was killed"))
        }
    }
}

/// Whom it runs as; none: as the daemon does.
fn identity(script: &Script) -> Result<Option<(u32, u32)>, String> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(None);
    }
    let user = match &script.user {
        Some(name) => Some(find(name)?),
        None => User::from_name(USER).ok().flatten(),
    };
    let Some(user) = user else { return Ok(None) };
    let group = match &script.group {
        Some(name) => {
            let group = Group::from_name(name).ok().flatten();
            group.ok_or_else(|| format!("there is no group {name} on this host"))?.gid
        }
        None => user.gid,
    };
    Ok(Some((user.uid.as_raw(), group.as_raw())))
}

fn find(name: &str) -> Result<User, String> {
    User::from_name(name).ok().flatten().ok_or_else(|| format!("there is no user {name} on this host"))
}
