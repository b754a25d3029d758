//! Checks as they are made: one small driver a kind, each within its time.

mod connect;
mod datagram;
mod dns;
mod file;
mod grpc;
mod http;
mod mail;
mod passage;
mod ping;
mod ration;
pub(super) mod script;
#[cfg(test)]
mod tests;
mod tls;
mod undertaker;
pub(super) mod words;

use dataplane::{Passages, Ticket};
use model::health::Probe;
use protocols::health::{Outcome, Task};
use std::ops::Deref;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::time::timeout;

/// Time to end a script that was still running.
const SCRIPT_GRACE: Duration = Duration::from_secs(5);

/// A check being made.
pub(super) struct Errand<'a> {
    task: &'a Task,
    passages: Option<&'a Passages>,
    /// Of a check that takes the way of clients: its packets do while this is open.
    ticket: OnceLock<Ticket<'a>>,
    /// Of such a check, where nothing comes back: what may be wrong on that way.
    doubt: OnceLock<String>,
}

impl Deref for Errand<'_> {
    type Target = Task;

    fn deref(&self) -> &Task {
        self.task
    }
}

impl Errand<'_> {
    /// A success that came by another way than clients take is none.
    fn judged(&self, outcome: Outcome) -> Outcome {
        let unused = self.ticket.get().is_some_and(|ticket| !ticket.is_used());
        match outcome {
            Outcome::Success if unused => Outcome::Failure(
                "its packets left by an interface without the programs that put them on the way of clients".to_owned(),
            ),
            outcome => outcome,
        }
    }
}

/// Makes a check.
pub(super) async fn make(task: &Task, page: usize, passages: Option<&Passages>) -> Outcome {
    let errand = Errand { task, passages, ticket: OnceLock::new(), doubt: OnceLock::new() };
    errand.judged(run(&errand, page).await)
}

async fn run(task: &Errand<'_>, page: usize) -> Outcome {
    let limit = limit(task);
    // A script is ended with all it started by who runs it: that comes first.
    let patience = if matches!(task.check.probe, Probe::Script { .. }) { limit + SCRIPT_GRACE } else { limit };
    match timeout(patience, attempt(task, page)).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(why)) => Outcome::Failure(words::line(&why)),
        Err(_) => Outcome::Failure(late(task, "answer", limit)),
    }
}

async fn attempt(task: &Errand<'_>, page: usize) -> Result<Outcome, String> {
    match &task.check.probe {
        Probe::Tcp => connect::stream(task).await.map(|_| Outcome::Success),
        Probe::Http(probe) => {
            let stream = in_time(task, "connection", connect::stream(task)).await?;
            in_time(task, "answer", http::fetch(task, probe, page, stream)).await
        }
        Probe::Smtp { helo } => {
            let stream = in_time(task, "connection", connect::stream(task)).await?;
            in_time(task, "answer", mail::greet(stream, helo)).await
        }
        Probe::Dns { record, name } => dns::ask(task, record, name).await,
        Probe::Udp(probe) => datagram::exchange(task, probe).await,
        Probe::Ping => ping::echo(task).await,
        Probe::Grpc(probe) => grpc::ask(task, probe).await,
        Probe::Script { script, sets_weight, .. } => script::check(script, limit(task), *sets_weight).await,
        Probe::File { name, weight, reverse, sets_weight } => file::look(name, *weight, *reverse, *sets_weight).await,
        // Said when the file was read.
        Probe::Bfd { .. } => Ok(Outcome::Success),
    }
}

/// A part of a check that has the whole time-out to itself.
async fn in_time<T>(task: &Errand<'_>, what: &str, part: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let limit = task.check.pace.timeout;
    timeout(limit, part).await.unwrap_or_else(|_| Err(late(task, what, limit)))
}

/// What did not come in time, and what to look at.
fn late(task: &Errand<'_>, what: &str, limit: Duration) -> String {
    format!("no {what} within {}{}", shown(limit), task.doubt.get().map_or("", String::as_str))
}

/// How long a check may take in all.
fn limit(task: &Task) -> Duration {
    match &task.check.probe {
        // The connection, and then the answer.
        Probe::Http(_) | Probe::Smtp { .. } => task.check.pace.timeout * 2,
        _ => task.check.pace.timeout,
    }
}

fn shown(time: Duration) -> String {
    format!("{:?}", time)
}
