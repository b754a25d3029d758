//! `MISC_CHECK` and notifications: programs, without a shell, as the user they are given, for no longer than they may.

use super::undertaker::{self, Undertaker};
use model::health::Script;
use nix::unistd::{Group, Pid, User};
use protocols::health::Outcome;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::process::{Child, Command};

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
    match tokio::time::timeout(limit, child.wait()).await {
        Ok(Ok(status)) => status.code().ok_or_else(|| format!("ended by signal {}", status.signal().unwrap_or(0))),
        Ok(Err(error)) => Err(format!("cannot wait for {program}: {error}")),
        Err(_) => {
            // Who waits for the outcome may give up; this does not.
            let _ = tokio::spawn(end(child)).await;
            Err(format!("{program} was still running after {limit:?}, and was killed"))
        }
    }
}

/// Ends a script with all it started, and buries it.
async fn end(mut script: Child) {
    static UNDERTAKER: LazyLock<Undertaker> = LazyLock::new(|| Undertaker::new(undertaker::parents));
    if let Some(leader) = script.id().and_then(|id| i32::try_from(id).ok()) {
        UNDERTAKER.end(Pid::from_raw(leader)).await;
    }
    let _ = script.wait().await;
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// How many run at once.
    const MANY: usize = 50;

    fn shell(line: String) -> Script {
        Script { words: vec!["/bin/sh".to_owned(), "-c".to_owned(), line], user: None, group: None }
    }

    /// What `/proc` says of the process whose number is in a file: gone, or dead and not buried yet.
    fn is_dead(file: &Path) -> bool {
        let process = std::fs::read_to_string(file).unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.trim()));
        stat.map_or(true, |stat| stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')))
    }

    #[test]
    fn scripts_that_hang_end_with_all_they_started() {
        let directory = tempfile::tempdir().unwrap();
        // Whoever the scripts run as writes there.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(directory.path(), open).unwrap();
        let file = |number: usize| directory.path().join(number.to_string());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let outcomes = runtime.block_on(async {
            let mut running = tokio::task::JoinSet::new();
            for number in 0..MANY {
                // Some of them in a session of their own.
                let session = if number % 2 == 0 { "" } else { "setsid " };
                let line = format!("{session}sleep 1000 & echo $! > {}; wait", file(number).display());
                running.spawn(async move { check(&shell(line), Duration::from_secs(5), false).await });
            }
            running.join_all().await
        });
        assert_eq!(outcomes.len(), MANY);
        assert!(outcomes.iter().all(|it| it.as_ref().is_err_and(|why| why.contains("still running"))), "{outcomes:?}");
        let begin = std::time::Instant::now();
        while !(0..MANY).all(|number| is_dead(&file(number))) {
            assert!(begin.elapsed() < Duration::from_secs(60), "children outlive their scripts");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[test]
    fn exit_codes_are_verdicts_or_weights() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let checked = |code: i32, sets_weight| {
            runtime.block_on(check(&shell(format!("exit {code}")), Duration::from_secs(60), sets_weight))
        };
        assert_eq!(checked(0, false), Ok(Outcome::Success));
        assert_eq!(checked(9, true), Ok(Outcome::Weight(7)));
        assert!(checked(9, false).is_err() && checked(1, true).is_err());
        let nowhere = Script { words: vec!["/nowhere/at/all".to_owned()], user: None, group: None };
        assert!(runtime.block_on(check(&nowhere, Duration::from_secs(60), false)).unwrap_err().contains("cannot run"));
    }
}
