//! `xlvs sysctl`: IPVS's sysctls by their names in the kernel, all or some, shown or set.

use super::ask;
use crate::output;
use crate::session::{Session, Trouble};
use api::{Request, Response};
use model::Sysctl;
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

/// IPVS's sysctls that say how it works with parts of the kernel that xlvs does not pass.
const WITHOUT_MEANING: [&str; 2] = ["conntrack", "snat_reroute"];

/// Sets what has a value, then shows what was named: all when nothing was.
pub(super) fn run(typed: &[String], json: bool) -> ExitCode {
    let settings: Result<Vec<_>, _> = typed.iter().map(|text| read(text)).collect();
    let settings = match settings {
        Ok(settings) => settings,
        Err(why) => return output::misused(why),
    };
    carry_out(&settings, json).map_or_else(output::failed, |text| {
        output::data(&text);
        ExitCode::SUCCESS
    })
}

/// `NAME` or `NAME=VALUE`.
fn read(text: &str) -> Result<(Sysctl, Option<u32>), String> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name.trim(), Some(value.trim())),
        None => (text.trim(), None),
    };
    let sysctl = Sysctl::by_name(name).ok_or_else(|| unknown(name))?;
    let largest = sysctl.largest();
    let number = |text: &str| {
        let number = text.parse().ok().filter(|number| *number <= largest);
        number.ok_or_else(|| format!("{sysctl} takes a number from 0 to {largest}, not `{}`", text.escape_debug()))
    };
    Ok((sysctl, value.map(number).transpose()?))
}

fn unknown(name: &str) -> String {
    let bare = name.strip_prefix("net.ipv4.vs.").unwrap_or(name);
    if WITHOUT_MEANING.contains(&bare) {
        return format!("{bare} is without meaning here: xlvs forwards before netfilter and routing");
    }
    let known = Sysctl::ALL.map(Sysctl::name).join(", ");
    format!("there is no sysctl `{}` (yet); there are {known}", name.escape_debug())
}

fn carry_out(settings: &[(Sysctl, Option<u32>)], json: bool) -> Result<String, Trouble> {
    let session = Session::open()?;
    let values: BTreeMap<_, _> = settings.iter().filter_map(|(name, value)| Some((*name, (*value)?))).collect();
    if !values.is_empty() {
        session.ask(&Request::SetSysctls { values })?;
    }
    let named: BTreeSet<_> = settings.iter().map(|(name, _)| *name).collect();
    let Response::Sysctls { mut sysctls } = session.ask(&Request::Sysctls)? else {
        return Err(Trouble::Confused("the daemon answered something else than its sysctls".to_owned()));
    };
    sysctls.retain(|view| named.is_empty() || named.contains(&view.name));
    ask::shown(&Response::Sysctls { sysctls }, json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed() {
        assert_eq!(read("conn_reuse_mode"), Ok((Sysctl::ConnReuseMode, None)));
        assert_eq!(read("net.ipv4.vs.conn_reuse_mode = 3"), Ok((Sysctl::ConnReuseMode, Some(3))));
        assert_eq!(read("sloppy_tcp=1"), Ok((Sysctl::SloppyTcp, Some(1))));
        for (text, message) in [
            ("sloppy_tcp=", "sloppy_tcp takes a number from 0 to 1, not ``"),
            ("sloppy_tcp=2", "sloppy_tcp takes a number from 0 to 1, not `2`"),
            ("net.ipv4.vs.conntrack", "conntrack is without meaning here: xlvs forwards before netfilter and routing"),
            (
                "sloppy",
                "there is no sysctl `sloppy` (yet); there are conn_reuse_mode, expire_nodest_conn, schedule_icmp, sloppy_tcp, toa_kind, toa_kind6, uoa",
            ),
        ] {
            assert_eq!(read(text).unwrap_err(), message);
        }
    }
}
