//! `xlvs conns --watch`: what has changed among the connections from one look to the next, a line each.

use super::json_line;
use crate::output;
use crate::session::{Session, Trouble};
use crate::table::{self, Names};
use api::{ConnectionFilter, ConnectionView};
use model::{Endpoint, Protocol};
use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

/// Time between two looks.
const INTERVAL: Duration = Duration::from_secs(1);
/// Connections that are followed when no limit was typed: what is beyond would be held in memory here.
const MOST: usize = 100_000;

/// What a connection is known by.
type Ends = (Protocol, Endpoint, Endpoint);
/// One look.
type Look = BTreeMap<Ends, ConnectionView>;

/// What became of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Change {
    /// It was there when the watch began.
    There,
    New,
    Changed,
    Gone,
}

impl Change {
    const fn sign(self) -> char {
        match self {
            Self::There => '=',
            Self::New => '+',
            Self::Changed => '~',
            Self::Gone => '-',
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::There => "there",
            Self::New => "new",
            Self::Changed => "changed",
            Self::Gone => "gone",
        }
    }
}

/// Follows until the user has seen enough, or the daemon ends.
pub(super) fn follow(filter: &ConnectionFilter, limit: Option<usize>, json: bool) -> Result<(), Trouble> {
    let session = Session::open()?;
    output::talk("watching connections, each second: = there already, + new, ~ changed, - gone; ends with Ctrl-C");
    let mut before: Option<Look> = None;
    loop {
        let mut now = Look::new();
        session.connections(filter, Some(limit.unwrap_or(MOST)), |page| {
            now.extend(page.iter().map(|it| ((it.protocol, it.client, it.service), it.clone())));
        })?;
        let lines: Result<String, _> =
            changes(before.as_ref(), &now).map(|(change, it)| line(change, it, json)).collect();
        let lines = lines.map_err(|error| Trouble::Confused(error.to_string()))?;
        output::data(&lines);
        before = Some(now);
        sleep(INTERVAL);
    }
}

/// The difference of two looks: what is gone first, then what is there. Only the time left is no change. At the first look
/// all are there already.
fn changes<'l>(before: Option<&'l Look>, now: &'l Look) -> impl Iterator<Item = (Change, &'l ConnectionView)> {
    let gone =
        before.into_iter().flatten().filter(|(ends, _)| !now.contains_key(ends)).map(|(_, it)| (Change::Gone, it));
    let there = now.iter().filter_map(move |(ends, it)| match before.map(|before| before.get(ends)) {
        None => Some((Change::There, it)),
        Some(None) => Some((Change::New, it)),
        Some(Some(old)) if (&old.state, old.server) != (&it.state, it.server) => Some((Change::Changed, it)),
        Some(Some(_)) => None,
    });
    gone.chain(there)
}

fn line(change: Change, connection: &ConnectionView, json: bool) -> Result<String, serde_json::Error> {
    if json {
        return json_line(connection, Some(change.word()));
    }
    Ok(format!("{} {}", change.sign(), table::connections::rows(std::slice::from_ref(connection), &Names::Numbers)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(rows: &[(u16, &str, u32)]) -> Look {
        let view = |(port, state, expires): &(u16, &str, u32)| ConnectionView {
            protocol: Protocol::Tcp,
            state: (*state).to_owned(),
            expires: *expires,
            client: Endpoint::new("192.0.2.7".parse().unwrap(), *port),
            service: "10.0.0.1:80".parse().unwrap(),
            server: Some("10.0.1.11:80".parse().unwrap()),
        };
        rows.iter().map(view).map(|it| ((it.protocol, it.client, it.service), it)).collect()
    }

    #[test]
    fn what_changes_is_told_and_nothing_else() {
        let before = look(&[(1, "SYN_RECV", 60), (2, "ESTABLISHED", 900), (3, "FIN_WAIT", 120)]);
        let now = look(&[(1, "ESTABLISHED", 900), (2, "ESTABLISHED", 899), (4, "SYN_RECV", 60)]);
        let told: Vec<_> = changes(Some(&before), &now).map(|(change, it)| (change.sign(), it.client.port())).collect();
        assert_eq!(told, [('-', 3), ('~', 1), ('+', 4)]);
        let told: Vec<_> = changes(None, &before).map(|(change, it)| (change.sign(), it.client.port())).collect();
        assert_eq!(told, [('=', 1), ('=', 2), ('=', 3)], "nobody takes those for new ones");
        let (change, first) = changes(Some(&before), &now).next().unwrap();
        let text = line(change, first, false).unwrap();
        assert!(
            text.starts_with("- TCP 02:00  FIN_WAIT    192.0.2.7:3 ") && text.ends_with("10.0.1.11:80\n"),
            "{text}"
        );
        let json: serde_json::Value = serde_json::from_str(&line(change, first, true).unwrap()).unwrap();
        assert_eq!((json["is"].as_str(), json["change"].as_str()), (Some("connection"), Some("gone")));
    }
}
