//! Checks and programs.

use super::inline::{Table, duration, list as inline_list, quoted, strings};
use crate::health::{
    BodyMatch, Check, Connection, GrpcProbe, HttpProbe, HttpVersion, Pace, Page, Probe, Script, UdpProbe,
};
use std::time::Duration;

/// One check alone, or a list.
pub(super) fn list(checks: &[Check]) -> String {
    match checks {
        [one] => check(one),
        several => inline_list(several.iter().map(check)),
    }
}

/// A program: its words, or what else there is to say of it.
pub(super) fn script(script: &Script) -> String {
    if script.user.is_none() && script.group.is_none() {
        return strings(&script.words);
    }
    script_table(script).inline()
}

fn script_table(script: &Script) -> Table {
    let mut table = Table::default();
    table.set("command", strings(&script.words));
    table.set_some("user", script.user.as_ref(), |user| quoted(user));
    table.set_some("group", script.group.as_ref(), |group| quoted(group));
    table
}

fn check(check: &Check) -> String {
    let mut table = Table::default();
    probe(&check.probe, &mut table);
    let is_timed = !matches!(check.probe, Probe::Script { timeout: None, .. });
    pace(&check.pace, is_timed, &mut table);
    connection(&check.connection, &mut table);
    table.set_if(check.starts_down, "starts_down", true);
    table.set_if(check.logs_every_failure, "log_all_failures", true);
    table.inline()
}

fn probe(probe: &Probe, table: &mut Table) {
    match probe {
        Probe::Tcp => table.set("tcp", true),
        Probe::Ping => table.set("ping", true),
        Probe::Http(probe) => http(probe, table),
        Probe::Grpc(probe) => grpc(probe, table),
        Probe::Smtp { helo } => table.set("smtp", quoted(helo)),
        Probe::Dns { record, name } => {
            let mut dns = Table::default();
            dns.set("name", quoted(name));
            dns.set("record", quoted(record));
            table.set("dns", dns.inline());
        }
        Probe::Udp(probe) => udp(probe, table),
        Probe::Script { script: program, sets_weight: false, .. } => table.set("script", script(program)),
        Probe::Script { script, sets_weight: true, .. } => {
            let mut program = script_table(script);
            program.set("sets_weight", true);
            table.set("script", program.inline());
        }
        Probe::File { name, weight, sets_weight, .. } => {
            let mut file = Table::default();
            file.set("path", quoted(name));
            file.set_if(*weight != 1, "weight", weight);
            file.set_if(*sets_weight, "sets_weight", true);
            table.set("file", file.inline());
        }
        // Not known to xlvs.toml yet: reading it says so.
        Probe::Bfd { name } => table.set("bfd", quoted(name)),
    }
}

fn http(probe: &HttpProbe, table: &mut Table) {
    let pages: Vec<String> = probe.pages.iter().map(page).collect();
    let pages = if let [one] = pages.as_slice() { one.clone() } else { inline_list(pages) };
    table.set(if probe.tls { "https" } else { "http" }, pages);
    match probe.version {
        HttpVersion::V10 => table.set("version", quoted("1.0")),
        HttpVersion::V10Close => table.set("version", quoted("1.0C")),
        HttpVersion::V11 => {}
    }
    let usual = probe.pages.iter().any(|page| page.host.is_some());
    table.set_if(probe.tls && probe.server_name_indication != usual, "sni", probe.server_name_indication);
    table.set_if(probe.fast_recovery, "fast_recovery", true);
}

fn grpc(probe: &GrpcProbe, table: &mut Table) {
    let service = quoted(&probe.service);
    match &probe.host {
        None => table.set("grpc", service),
        Some(host) => {
            let mut inner = Table::default();
            inner.set_if(!probe.service.is_empty(), "service", service);
            inner.set("host", quoted(host));
            table.set("grpc", inner.inline());
        }
    }
    table.set_if(probe.tls, "tls", true);
}

fn page(page: &Page) -> String {
    let mut table = Table::default();
    table.set("path", quoted(&page.path));
    table.set_some("host", page.host.as_ref(), |host| quoted(host));
    if page.status != [(200, 299)] {
        let range = |(first, last): &(u16, u16)| {
            if first == last { first.to_string() } else { quoted(&format!("{first}-{last}")) }
        };
        table.set("status", inline_list(page.status.iter().map(range)));
    }
    table.set_some("digest", page.digest.as_ref(), |digest| quoted(digest));
    table.set_some("body", page.body.as_ref(), body);
    if table.len() == 1 { quoted(&page.path) } else { table.inline() }
}

fn body(body: &BodyMatch) -> String {
    let mut table = Table::default();
    table.set("regex", quoted(&body.pattern));
    table.set_if(body.inverted, "inverted", true);
    table.set_if(!body.options.is_empty(), "options", strings(&body.options));
    table.set_if(body.first != 0, "first", body.first);
    table.set_some("last", body.last.as_ref(), ToString::to_string);
    if table.len() == 1 { quoted(&body.pattern) } else { table.inline() }
}

fn udp(probe: &UdpProbe, table: &mut Table) {
    let mut udp = Table::default();
    let digits = |bytes: &Vec<u8>| quoted(&bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    udp.set_some("payload", probe.payload.as_ref(), digits);
    udp.set_some("reply", probe.reply.as_ref(), |halves| {
        quoted(&halves.iter().map(|half| half.map_or("X".to_owned(), |half| format!("{half:x}"))).collect::<String>())
    });
    udp.set_if(probe.shortest != 0, "shortest", probe.shortest);
    udp.set_if(probe.longest != 255, "longest", probe.longest);
    table.set("udp", if udp.len() == 0 { "true".to_owned() } else { udp.inline() });
}

fn pace(pace: &Pace, is_timed: bool, table: &mut Table) {
    table.set("interval", duration(pace.interval));
    table.set_if(is_timed, "timeout", duration(pace.timeout));
    table.set("rise", pace.rise);
    table.set("fall", u64::from(pace.retries) + 1);
    let usual = pace.interval.min(Duration::from_secs(1));
    table.set_if(pace.delay_before_retry != usual, "delay_before_retry", duration(pace.delay_before_retry));
    table.set_if(!pace.jitter.is_zero(), "jitter", duration(pace.jitter));
    table.set_if(pace.warmup != pace.interval, "warmup", duration(pace.warmup));
}

fn connection(connection: &Connection, table: &mut Table) {
    table.set_some("address", connection.address.as_ref(), |it| quoted(&it.to_string()));
    table.set_some("port", connection.port.as_ref(), ToString::to_string);
    table.set_some("bind_address", connection.bind_address.as_ref(), |it| quoted(&it.to_string()));
    table.set_some("bind_interface", connection.bind_interface.as_ref(), |it| quoted(it));
    table.set_some("bind_port", connection.bind_port.as_ref(), ToString::to_string);
    table.set_if(connection.mark != 0, "mark", connection.mark);
    table.set_if(connection.through.is_some(), "through", quoted("service"));
}
