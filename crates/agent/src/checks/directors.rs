//! Directors: as the gateway, as who may send, and whether there is a way to them.

use crate::host::Host;
use crate::network::LOOPBACK;
use model::real_server::Prefix;
use model::{Level, Said, ServerMode};
use std::net::IpAddr;
use std::time::Duration;

/// With direct routing and tunnels the director must not be the way back: it owns the source of the answers.
pub(super) fn gateways(host: &Host) -> Vec<Said> {
    if host.setup.mode == ServerMode::FullNat {
        return Vec::new();
    }
    let through = |gateway: IpAddr| {
        host.setup.directors.iter().any(|prefix| prefix.holds(gateway)).then(|| {
            if let Some(client) = client_behind(gateway, host) {
                let heard = format!(
                    "the default gateway {gateway} is a director, and lets answers through: {client} hears them"
                );
                return Said::well(heard);
            }
            let what = format!("the default gateway {gateway} is a director");
            let why =
                "a director drops packets whose source is its own virtual address, unless accept_local is set there";
            Said::ill(Level::Warn, what, why, "ip route replace default via ANOTHER-ROUTER")
        })
    };
    host.outward.iter().flatten().filter_map(|route| route.gateway).filter_map(through).collect()
}

/// A client that hears answers, and not as a neighbour: they went by the gateway of its family. Directors themselves
/// (their checks) prove nothing.
fn client_behind(gateway: IpAddr, host: &Host) -> Option<IpAddr> {
    let is_near = |client: IpAddr| {
        let mut near = host.addresses.iter().filter(|it| it.interface != LOOPBACK);
        near.any(|it| Prefix::around(it.address, it.length).holds(client))
            || host.setup.directors.iter().any(|it| it.holds(client))
    };
    let clients = host.hearing.clients.iter().copied().filter(|client| client.is_ipv4() == gateway.is_ipv4());
    clients.into_iter().find(|client| !is_near(*client))
}

/// Who may be a director, and is one.
pub(super) fn directors(host: &Host) -> Vec<Said> {
    let mut said = strangers(host);
    for prefix in &host.setup.directors {
        if host.setup.mode != ServerMode::Dr && !host.routes.contains_key(&prefix.member()) {
            let what = format!("there is no route to the director {prefix}");
            said.push(Said::ill(
                Level::Warn,
                what,
                "a strict filter drops what it sends",
                format!("ip route add {prefix} via ROUTER"),
            ));
        }
    }
    said
}

/// Somebody sent what only a director may send, or a director what is not for this host: one that was not named or is set
/// up otherwise, or an attacker.
fn strangers(host: &Host) -> Vec<Said> {
    let trust = format!("{} --director ADDRESS, if they are a director's", host.setup.command());
    let port = format!("--tun-port {} on the director, or --gue-port of `up` as there", host.setup.gue_port);
    let [kind4, kind6] = host.setup.toa_kinds;
    let kinds = format!(
        "xlvs sysctl toa_kind={kind4} toa_kind6={kind6} on the director, or --toa-kind and --toa-kind6 of `up` as there"
    );
    let strange = [
        (
            host.counted("tunnel_untrusted"),
            [
                "packet came in a tunnel of a host that is not trusted",
                "packets came in tunnels of hosts that are not trusted",
            ],
            "a director that is not named serves nobody here; anybody else should not send these",
            trust.as_str(),
        ),
        (
            host.counted("tunnel_to_other_port"),
            [
                "packet came in a tunnel of a director to another UDP port than the one of GUE here",
                "packets came in tunnels of a director to another UDP port than the one of GUE here",
            ],
            "they are for nobody here",
            port.as_str(),
        ),
        (
            host.counted("toa_untrusted") + host.counted("uoa_untrusted"),
            [
                "connection or datagram named a client, but came from a host that is not trusted",
                "connections or datagrams named a client, but came from hosts that are not trusted",
            ],
            "if they are of a director, its local addresses are not among those named",
            trust.as_str(),
        ),
        (
            host.counted("toa_missing") + host.counted("uoa_missing"),
            [
                "connection or datagram of a director named no client when it began",
                "connections or datagrams of directors named no client when they began",
            ],
            "where none comes later either, applications are shown the director's address",
            kinds.as_str(),
        ),
    ];
    let seen = strange.into_iter().filter(|(count, ..)| *count > 0);
    let tell = |(count, [one, many], why, fix): (u64, [&str; 2], &'static str, &str)| {
        // Records of earlier versions do not say when.
        let span =
            if host.since.time == 0 { String::new() } else { format!(" in the last {} (since `up`)", shown(host.age)) };
        let what = if count == 1 { one } else { many };
        Said::ill(Level::Warn, format!("{count} {what}{span}"), why, fix)
    };
    seen.map(tell).collect()
}

/// `40 s`, `12 min`, `3 h`, `2 days`
fn shown(age: Duration) -> String {
    match age.as_secs() {
        0 | 1 => "second".to_owned(),
        seconds @ 2..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}
