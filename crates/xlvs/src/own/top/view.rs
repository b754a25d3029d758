//! A snapshot as lines, the way somebody wants to see it. Pure.

use super::sample::{Server, Service, Snapshot, Traffic};
use clap::ValueEnum;

/// What is shown, and in which order.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    pub(super) sort: Sort,
    /// Part of a service's address or name, or of a server's address; empty for all.
    pub(super) filter: String,
}

/// What comes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(crate) enum Sort {
    /// As in `ipvsadm -L`
    #[default]
    Name,
    /// Most new connections a second
    Connections,
    /// Most packets a second
    Packets,
    /// Most bytes a second
    Bytes,
    /// Most active connections
    Active,
}

/// A line, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) kind: Kind,
}

/// What colours may underline; the words say it, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    Heading,
    Service,
    /// Something that is wrong.
    Trouble,
}

impl Sort {
    pub(super) const ALL: [Self; 5] = [Self::Name, Self::Connections, Self::Packets, Self::Bytes, Self::Active];

    pub(super) fn next(self) -> Self {
        let place = Self::ALL.iter().position(|sort| *sort == self).unwrap_or_default();
        Self::ALL.get(place + 1).copied().unwrap_or_default()
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Connections => "connections",
            Self::Packets => "packets",
            Self::Bytes => "bytes",
            Self::Active => "active",
        }
    }

    /// Larger comes first; nothing is larger by name.
    fn rank(self, traffic: &Traffic, active: u64) -> f64 {
        match self {
            Self::Name => 0.0,
            Self::Connections => traffic.connections,
            Self::Packets => traffic.packets(),
            Self::Bytes => traffic.bytes(),
            Self::Active => active as f64,
        }
    }
}

impl View {
    /// Everything, from the top.
    pub(super) fn lines(&self, snapshot: &Snapshot) -> Vec<Line> {
        let mut lines = summary(snapshot);
        let heading = format!(
            "{:<42} {:>8} {:>8} {:>8} {:>9} {:>9} {:>8} {:>8} {:>7}  state",
            "service -> server", "conn/s", "in pkt/s", "out pkt/s", "in B/s", "out B/s", "active", "inactive", "weight"
        );
        lines.push(line(Kind::Heading, heading));
        let mut services: Vec<_> = snapshot.services.iter().filter(|service| self.shows(service)).collect();
        services.sort_by(|a, b| {
            let rank = |service: &Service| self.sort.rank(&service.traffic, service.active);
            rank(b).total_cmp(&rank(a))
        });
        for service in services {
            lines.push(service_line(service));
            let mut servers: Vec<_> =
                service.servers.iter().filter(|server| self.shows_server(service, server)).collect();
            servers.sort_by(|a, b| {
                let rank = |server: &Server| self.sort.rank(&server.traffic, server.active);
                rank(b).total_cmp(&rank(a))
            });
            lines.extend(servers.into_iter().map(server_line));
        }
        lines.extend(snapshot.notes.iter().map(|note| line(Kind::Trouble, format!("note: {note}"))));
        lines
    }

    fn names(&self, service: &Service) -> bool {
        let name = service.name.as_deref().unwrap_or_default();
        service.service.contains(&self.filter) || name.contains(&self.filter)
    }

    fn shows(&self, service: &Service) -> bool {
        self.names(service) || service.servers.iter().any(|server| server.server.contains(&self.filter))
    }

    fn shows_server(&self, service: &Service, server: &Server) -> bool {
        self.names(service) || server.server.contains(&self.filter)
    }
}

fn line(kind: Kind, text: String) -> Line {
    Line { text, kind }
}

/// The data plane as a whole.
fn summary(snapshot: &Snapshot) -> Vec<Line> {
    let total = &snapshot.total;
    let mut lines = vec![line(
        Kind::Plain,
        format!(
            "xlvs {}, generation {}: {} services; {} conn/s, in {} pkt/s {} B/s, out {} pkt/s {} B/s",
            snapshot.version,
            snapshot.generation,
            snapshot.services.len(),
            short(total.connections),
            short(total.in_packets),
            short(total.in_bytes),
            short(total.out_packets),
            short(total.out_bytes)
        ),
    )];
    let lanes: Vec<_> = snapshot.lanes.iter().map(|lane| format!("{} {}", lane.interface, lane.lane)).collect();
    lines.push(match lanes.as_slice() {
        [] => line(Kind::Trouble, "lanes   none: nothing is forwarded".to_owned()),
        _ => line(Kind::Plain, format!("lanes   {}", lanes.join(", "))),
    });
    for table in &snapshot.tables {
        let percent = table.used as f64 * 100.0 / table.size.max(1) as f64;
        let kind = if percent >= 80.0 { Kind::Trouble } else { Kind::Plain };
        let filled = (percent / 5.0).round().clamp(0.0, 20.0) as usize;
        let bar = "#".repeat(filled) + &".".repeat(20 - filled);
        let text = format!("IPv{}    [{bar}] {percent:5.1} % of {} entries", table.family, table.size);
        lines.push(line(kind, text));
    }
    let drops: Vec<_> = snapshot.reasons.iter().filter(|reason| reason.reason.starts_with("drop_")).collect();
    let told = drops.iter().map(|drop| format!("{} {}/s ({})", drop.reason, short(drop.rate), drop.total));
    let told: Vec<_> = told.collect();
    lines.push(match told.as_slice() {
        [] => line(Kind::Plain, "drops   none".to_owned()),
        _ => {
            let now = drops.iter().any(|drop| drop.rate > 0.0);
            line(if now { Kind::Trouble } else { Kind::Plain }, format!("drops   {}", told.join(", ")))
        }
    });
    lines
}

fn service_line(service: &Service) -> Line {
    let name = service.name.as_ref().map(|name| format!(" \"{}\"", name.escape_debug())).unwrap_or_default();
    let title = format!("{} {}{name}", service.service, service.scheduler);
    let state = if service.owned { "" } else { "not this node's" };
    let kind = if service.owned { Kind::Service } else { Kind::Trouble };
    line(kind, row(&title, &service.traffic, (service.active, service.inactive), "", state))
}

fn server_line(server: &Server) -> Line {
    let state = match (server.reached, server.weight) {
        (false, _) => "UNREACHED",
        (true, 0) => "quiesced",
        (true, _) => "",
    };
    let title = format!("  -> {} {}", server.server, server.method);
    let kind = if server.reached { Kind::Plain } else { Kind::Trouble };
    line(kind, row(&title, &server.traffic, (server.active, server.inactive), &server.weight.to_string(), state))
}

fn row(title: &str, traffic: &Traffic, (active, inactive): (u64, u64), weight: &str, state: &str) -> String {
    let text = format!(
        "{title:<42} {:>8} {:>8} {:>9} {:>9} {:>9} {active:>8} {inactive:>8} {weight:>7}  {state}",
        short(traffic.connections),
        short(traffic.in_packets),
        short(traffic.out_packets),
        short(traffic.in_bytes),
        short(traffic.out_bytes),
    );
    text.trim_end().to_owned()
}

/// A number in few letters: three digits and a unit.
pub(super) fn short(number: f64) -> String {
    const UNITS: [(f64, &str); 4] = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    match UNITS.iter().find(|(unit, _)| number >= unit * 0.9995) {
        Some((unit, letter)) => {
            let value = number / unit;
            let digits = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
            format!("{value:.digits$}{letter}")
        }
        None if number == 0.0 => "0".to_owned(),
        None if number < 10.0 => format!("{number:.1}"),
        None => format!("{number:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Lane, Reason};
    use super::*;
    use api::ConnectionTableStatus;

    fn service(name: &str, bytes: f64, servers: Vec<Server>) -> Service {
        let traffic = Traffic { in_bytes: bytes, connections: 1.0, ..Traffic::default() };
        Service {
            service: name.into(),
            name: Some("web".into()),
            scheduler: "rr".into(),
            owned: true,
            active: 5,
            inactive: 7,
            traffic,
            servers,
        }
    }

    fn server(name: &str, reached: bool, bytes: f64) -> Server {
        let traffic = Traffic { in_bytes: bytes, ..Traffic::default() };
        Server { server: name.into(), method: "nat".into(), weight: 1, reached, active: 5, inactive: 7, traffic }
    }

    fn snapshot() -> Snapshot {
        Snapshot {
            version: "0.1.0".into(),
            generation: 3,
            seconds: 1.0,
            total: Traffic { in_bytes: 1.5e9, ..Traffic::default() },
            services: vec![
                service(
                    "tcp 203.0.113.10:80",
                    10.0,
                    vec![server("10.0.0.1:80", true, 1.0), server("10.0.0.2:80", false, 9.0)],
                ),
                service("tcp 203.0.113.11:80", 1.5e9, vec![server("10.0.0.3:80", true, 1.5e9)]),
            ],
            reasons: vec![
                Reason { reason: "drop_no_server".into(), total: 12, rate: 2.0 },
                Reason { reason: "forward_in".into(), total: 5, rate: 1.0 },
            ],
            tables: vec![ConnectionTableStatus { family: 4, used: 512, size: 1024, entry_bytes: 155 }],
            lanes: vec![Lane { interface: "eth0".into(), lane: "xdp".into() }],
            notes: vec!["mind the gap".into()],
        }
    }

    fn texts(view: &View) -> Vec<String> {
        view.lines(&snapshot()).into_iter().map(|line| line.text).collect()
    }

    fn place(lines: &[String], what: &str) -> usize {
        lines.iter().position(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {lines:#?}"))
    }

    #[test]
    fn everything_is_in_words() {
        let lines = texts(&View::default());
        for what in [
            "in 0 pkt/s 1.50G B/s",
            "lanes   eth0 xdp",
            "[##########..........]  50.0 % of 1024 entries",
            "drops   drop_no_server 2.0/s (12)",
            "tcp 203.0.113.10:80 rr \"web\"",
            "note: mind the gap",
        ] {
            place(&lines, what);
        }
        assert!(lines[place(&lines, "-> 10.0.0.2:80")].ends_with("UNREACHED"));
        assert!(!lines.iter().any(|line| line.contains("forward_in")));
    }

    #[test]
    fn order_and_filter() {
        let lines = texts(&View::default());
        assert!(place(&lines, ".10:80 rr") < place(&lines, ".11:80 rr"));
        let lines = texts(&View { sort: Sort::Bytes, ..View::default() });
        assert!(place(&lines, ".11:80 rr") < place(&lines, ".10:80 rr"));
        assert!(place(&lines, "10.0.0.2:80") < place(&lines, "10.0.0.1:80"));
        let lines = texts(&View { filter: "10.0.0.1".into(), ..View::default() });
        place(&lines, ".10:80 rr");
        assert!(!lines.iter().any(|line| line.contains("10.0.0.2:80") || line.contains(".11:80 rr")));
        assert_eq!(Sort::ALL.iter().fold(Sort::Name, |sort, _| sort.next()), Sort::Name);
    }

    #[test]
    fn numbers_are_short() {
        for (number, expected) in [
            (0.0, "0"),
            (0.5, "0.5"),
            (42.0, "42"),
            (999.0, "999"),
            (1000.0, "1.00k"),
            (99_950.0, "100k"),
            (12_345.0, "12.3k"),
            (1.5e9, "1.50G"),
        ] {
            assert_eq!(short(number), expected);
        }
    }
}
