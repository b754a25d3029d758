//! The end of scripts that did not end, with all that they have started. The table of processes is read off the thread
//! that makes checks, and once for all that end meanwhile: a host may have thousands of processes.

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The parent of each process.
type Parents = BTreeMap<Pid, Pid>;

/// Ends scripts; more of them at once where they come at once.
pub(super) struct Undertaker {
    waiting: Mutex<Vec<Pid>>,
    turn: Arc<tokio::sync::Mutex<()>>,
    parents: fn() -> Parents,
}

impl Undertaker {
    pub(super) fn new(parents: fn() -> Parents) -> Self {
        Self { waiting: Mutex::default(), turn: Arc::default(), parents }
    }

    /// Ends the script that leads this group of processes, and that nobody buries meanwhile: its number stays its own.
    pub(super) async fn end(&self, leader: Pid) {
        self.waiting().push(leader);
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let leaders: BTreeSet<Pid> = std::mem::take(&mut *self.waiting()).into_iter().collect();
        // Whoever had the turn before has ended it already.
        if leaders.is_empty() {
            return;
        }
        let parents = self.parents;
        let ended = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            end_all(&leaders, parents);
        });
        // It is not aborted, and does not panic.
        let _ = ended.await;
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Pid>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn end_all(leaders: &BTreeSet<Pid>, parents: fn() -> Parents) {
    let below = stopped(leaders, parents);
    for leader in leaders {
        let _ = killpg(*leader, Signal::SIGKILL);
    }
    for process in below {
        let _ = kill(process, Signal::SIGKILL);
    }
}

/// Processes and all that they have started and not lost, in whatever session. Each is stopped before its children are
/// looked for: it starts no more, and buries none, so that their numbers stay theirs.
fn stopped(leaders: &BTreeSet<Pid>, parents: fn() -> Parents) -> BTreeSet<Pid> {
    let (mut found, mut fresh) = (BTreeSet::new(), leaders.clone());
    while !fresh.is_empty() {
        for process in &fresh {
            let _ = kill(*process, Signal::SIGSTOP);
        }
        found.append(&mut fresh);
        let children = parents().into_iter().filter(|(child, parent)| found.contains(parent) && !found.contains(child));
        fresh = children.map(|(child, _)| child).collect();
    }
    found
}

/// As the kernel has them now.
pub(super) fn parents() -> Parents {
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let all = all.filter_map(|entry| Some(Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)));
    all.filter_map(|process| Some((process, parent(process)?))).collect()
}

/// `7 (a name) S 1 …`: number, name, state, parent.
fn parent(process: Pid) -> Option<Pid> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    Some(Pid::from_raw(rest.split_whitespace().nth(1)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;
    use tokio::net::{TcpListener, TcpStream};

    const SCRIPTS: usize = 50;
    const CHECKS: usize = 20;
    /// How often the table of processes was read, and how many checks were made meanwhile.
    static READ: AtomicUsize = AtomicUsize::new(0);
    static MADE: AtomicUsize = AtomicUsize::new(0);

    /// A table that takes as long as it takes to make some checks.
    fn slow() -> Parents {
        READ.fetch_add(1, Ordering::Relaxed);
        let begin = std::time::Instant::now();
        while MADE.load(Ordering::Relaxed) < CHECKS {
            assert!(begin.elapsed() < Duration::from_secs(60), "no checks are made while scripts end");
            std::thread::sleep(Duration::from_millis(1));
        }
        parents()
    }

    fn spawn(_: usize) -> Child {
        Command::new("sleep").arg("1000").process_group(0).spawn().unwrap()
    }

    #[test]
    fn checks_go_on_while_scripts_end_and_few_looks_are_enough() {
        let mut scripts: Vec<Child> = (0..SCRIPTS).map(spawn).collect();
        let leaders: Vec<Pid> = scripts.iter().map(|it| Pid::from_raw(it.id() as i32)).collect();
        let undertaker = Undertaker::new(slow);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let server = listener.local_addr().unwrap();
            let checks = async {
                for _ in 0..CHECKS {
                    let (made, _) = tokio::join!(TcpStream::connect(server), listener.accept());
                    made.unwrap();
                    MADE.fetch_add(1, Ordering::Relaxed);
                }
            };
            let ends = futures::future::join_all(leaders.iter().map(|leader| undertaker.end(*leader)));
            tokio::join!(ends, checks);
        });
        // The first alone, where the others came after its turn had begun, and all others together.
        assert!(READ.load(Ordering::Relaxed) <= 2, "{READ:?} looks");
        for script in &mut scripts {
            assert!(!script.wait().unwrap().success());
        }
    }
}
