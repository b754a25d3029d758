//! Answers of the daemon as text for people. Pure.

mod health;
mod plan;

pub(super) use plan::{applied, confirmed, plan};

use api::{ConnectionTableStatus, Explanation, InterfaceStatus, Status, SysctlView, TrialStatus};
use model::Lane;

/// `xlvs status`
pub(super) fn status(status: &Status) -> String {
    let mut lines = vec![
        format!("xlvs {}, process {}, generation {}", status.version, status.pid, status.generation),
        format!("pinned in    {}", status.pin_directory),
        format!("configured   {}, {}", count(status.services, "service"), count(status.servers, "server")),
    ];
    lines.extend(
        status.configuration.iter().map(|file| format!("file         {file} (read at the start and by SIGHUP)")),
    );
    lines.extend(status.connections.iter().map(table));
    if status.interfaces.is_empty() {
        lines.push("interfaces   none attached (`xlvs attach IF`)".to_owned());
    } else {
        lines.push("interfaces".to_owned());
        lines.extend(status.interfaces.iter().map(interface));
    }
    lines.extend(status.trials.iter().map(trial));
    lines.extend(
        status.trial.map(|left| {
            format!("on trial     the configuration: rolled back in {left} s unless you say: xlvs confirm")
        }),
    );
    lines.extend(status.health.iter().flat_map(health::lines));
    let counted: Vec<_> = status.counters.iter().filter(|(_, count)| **count > 0).collect();
    if !counted.is_empty() {
        lines.push("packets".to_owned());
        let width = counted.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        lines.extend(counted.iter().map(|(name, count)| format!("  {name:<width$}  {count}")));
    }
    lines.extend(status.notes.iter().map(|note| format!("note: {note}")));
    lines.join("\n") + "\n"
}

/// `xlvs explain`
pub(super) fn explanation(explanation: &Explanation) -> String {
    let mut text = format!("{} ({})\n{}\n", explanation.verdict, explanation.reason, explanation.because);
    for warning in &explanation.warnings {
        text.push_str(&format!("warning: {warning}\n"));
    }
    if let Some(server) = explanation.server {
        text.push_str(&format!("server  {server}\n"));
    }
    if let Some(frame) = &explanation.frame {
        text.push_str(&format!("frame   {frame}\n"));
    }
    text
}

/// `xlvs sysctl`, in the form of sysctl(8); the default where the value is another.
pub(super) fn sysctls(sysctls: &[SysctlView]) -> String {
    let default = |view: &SysctlView| {
        if view.value == view.default { String::new() } else { format!(" (default {})", view.default) }
    };
    let line = |view: &SysctlView| format!("{} = {}{}\n", view.name, view.value, default(view));
    sysctls.iter().map(line).collect()
}

/// `xlvs attach`
pub(super) fn attached(
    interface: &str,
    lane: Lane,
    reason: &str,
    before: Option<Lane>,
    confirm_within: Option<u32>,
) -> String {
    match (before, confirm_within) {
        (_, Some(seconds)) => format!(
            "{interface} is attached ({lane}: {reason}) and will be detached in {seconds} s unless you say: xlvs confirm {interface}\n"
        ),
        (Some(before), None) if before == lane => format!("{interface} was attached already ({lane}: {reason})\n"),
        (Some(before), None) => format!("{interface} has moved from lane {before} to {lane} ({reason})\n"),
        (None, None) => format!("{interface} is attached ({lane}: {reason})\n"),
    }
}

/// `xlvs detach`
pub(super) fn detached(interfaces: &[String]) -> String {
    if interfaces.is_empty() {
        "nothing was attached\n".to_owned()
    } else {
        format!("detached {}\n", interfaces.join(" "))
    }
}

/// `xlvs stop`
pub(super) fn stopped(forwarding: bool, interfaces: &[String]) -> String {
    let names = interfaces.join(" ");
    match (forwarding, interfaces.is_empty()) {
        (true, false) => {
            format!("stopped; {names} forwards without the daemon, until the next `xlvs run` or `xlvs detach --all`\n")
        }
        (true, true) => "stopped; nothing is attached, the configuration is kept for the next `xlvs run`\n".to_owned(),
        (false, false) => format!("stopped; {names} detached, configuration and connections gone\n"),
        (false, true) => "stopped; configuration and connections gone\n".to_owned(),
    }
}

fn table(table: &ConnectionTableStatus) -> String {
    let mebibytes = table.size.saturating_mul(table.entry_bytes) >> 20;
    format!(
        "connections  IPv{}: {} of {} entries used (two a connection by NAT or FullNAT), {} bytes each, {mebibytes} MiB",
        table.family, table.used, table.size, table.entry_bytes
    )
}

fn interface(interface: &InterfaceStatus) -> String {
    let InterfaceStatus { name, index, lane, reason, partial_checksums, recent_partial_checksums } = interface;
    let partial = match partial_checksums {
        0 => String::new(),
        some => format!(", {some} frames with an unfinished checksum, {recent_partial_checksums} in the last minute"),
    };
    format!("  {name} (index {index}) {lane}: {reason}{partial}")
}

fn trial(trial: &TrialStatus) -> String {
    let TrialStatus { interface, seconds_left, confirm } = trial;
    format!("on trial     {interface}: detached in {seconds_left} s unless you say: {confirm}")
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Sysctl;
    use std::collections::BTreeMap;

    fn example() -> Status {
        Status {
            health: Vec::new(),
            version: "0.1.0".into(),
            pid: 42,
            generation: 7,
            pin_directory: "/sys/fs/bpf/xlvs".into(),
            interfaces: vec![InterfaceStatus {
                name: "eth0".into(),
                index: 2,
                lane: Lane::Xdp,
                reason: "native".into(),
                partial_checksums: 0,
                recent_partial_checksums: 0,
            }],
            lossy: Vec::new(),
            trials: vec![TrialStatus {
                interface: "eth0".into(),
                seconds_left: 42,
                confirm: "xlvs confirm eth0".into(),
            }],
            configuration: None,
            trial: None,
            services: 1,
            servers: 3,
            connections: vec![ConnectionTableStatus { family: 4, used: 10, size: 1 << 20, entry_bytes: 80 }],
            counters: BTreeMap::from([("forwarded".into(), 12), ("no-server".into(), 0)]),
            notes: vec!["eth0 has no address".into()],
        }
    }

    #[test]
    fn a_status() {
        let expected = "\
xlvs 0.1.0, process 42, generation 7
pinned in    /sys/fs/bpf/xlvs
configured   1 service, 3 servers
connections  IPv4: 10 of 1048576 entries used (two a connection by NAT or FullNAT), 80 bytes each, 80 MiB
interfaces
  eth0 (index 2) xdp: native
on trial     eth0: detached in 42 s unless you say: xlvs confirm eth0
packets
  forwarded  12
note: eth0 has no address
";
        assert_eq!(status(&example()), expected);
    }

    #[test]
    fn a_status_with_nothing_attached() {
        let bare = Status {
            interfaces: Vec::new(),
            trials: Vec::new(),
            counters: BTreeMap::new(),
            notes: Vec::new(),
            ..example()
        };
        assert!(status(&bare).ends_with("interfaces   none attached (`xlvs attach IF`)\n"));
    }

    #[test]
    fn sysctls_that_differ_name_their_default() {
        let views = [(Sysctl::ConnReuseMode, 0, 1), (Sysctl::SloppyTcp, 0, 0)];
        let views = views.map(|(name, value, default)| SysctlView { name, value, default });
        assert_eq!(sysctls(&views), "conn_reuse_mode = 0 (default 1)\nsloppy_tcp = 0\n");
    }

    #[test]
    fn what_was_done() {
        let rows = [
            (None, None, "eth0 is attached (tc: as asked for)\n"),
            (Some(Lane::Tc), None, "eth0 was attached already (tc: as asked for)\n"),
            (Some(Lane::Xdp), None, "eth0 has moved from lane xdp to tc (as asked for)\n"),
            (
                None,
                Some(60),
                "eth0 is attached (tc: as asked for) and will be detached in 60 s unless you say: xlvs confirm eth0\n",
            ),
        ];
        for (before, confirm_within, expected) in rows {
            assert_eq!(attached("eth0", Lane::Tc, "as asked for", before, confirm_within), expected);
        }
        assert_eq!(detached(&["eth0".into(), "eth1".into()]), "detached eth0 eth1\n");
        assert_eq!(detached(&[]), "nothing was attached\n");
        assert!(stopped(true, &["eth0".into()]).starts_with("stopped; eth0 forwards without the daemon"));
        assert_eq!(stopped(false, &["eth0".into()]), "stopped; eth0 detached, configuration and connections gone\n");
    }

    #[test]
    fn an_explanation() {
        let mut example = Explanation {
            verdict: "forward".into(),
            reason: "forwarded".into(),
            because: "a new connection of tcp 10.0.0.1:80".into(),
            warnings: vec!["it has no way back".into()],
            server: Some("10.0.1.11:80".parse().unwrap()),
            frame: Some("0200".into()),
        };
        let expected = "forward (forwarded)\na new connection of tcp 10.0.0.1:80\nwarning: it has no way back\nserver  10.0.1.11:80\nframe   0200\n";
        assert_eq!(explanation(&example), expected);
        (example.server, example.frame) = (None, None);
        assert_eq!(explanation(&example).lines().count(), 3);
    }
}
