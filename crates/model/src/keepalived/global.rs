//! `global_defs`, and what stands beside services at the top of a file.

use super::notice::Notices;
use super::user::{self, ScriptUser};
use super::value::number;
use super::{Statement, unknown};
use crate::{ConfigError, Timeouts};

/// Settings of the whole.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Global {
    pub(super) timeouts: Timeouts,
    pub(super) script_user: Option<ScriptUser>,
}

pub(super) fn read(statement: &Statement, global: &mut Global, notices: &mut Notices) -> Result<(), ConfigError> {
    for inner in statement.statements() {
        match inner.keyword() {
            "lvs_timeouts" => timeouts(inner, &mut global.timeouts)?,
            // Names, and what only an election or a check that is kept for later needs.
            "router_id" | "default_interface" | "vrrp_version" | "vrrp_mcast_group4" | "vrrp_mcast_group6" => {}
            "script_user" => global.script_user = Some(user::read(inner)?),
            "enable_script_security" => user::tell_security(inner, notices),
            keyword if keyword.starts_with("vrrp_") => {}
            "lvs_sync_daemon" | "lvs_sync_daemon_interface" => {
                notices.changing(
                    inner,
                    "connections are not synchronised with another director yet; a take-over loses them",
                );
            }
            "lvs_flush" | "lvs_flush_on_stop" => {
                notices.cosmetic(
                    inner,
                    format!("`{}` is how it always is: the file says which services there are", inner.keyword()),
                );
            }
            "nftables_ipvs" | "nftables_ipvs_priority" | "nftables_ipvs_start_fwmark" => {
                notices.cosmetic(inner, "groups need no firewall marks here: each member is a service of its own");
            }
            "net_namespace" | "net_namespace_ipvs" => {
                notices.changing(
                    inner,
                    "the daemon does not change its network namespace; start it there by `ip netns exec`",
                );
            }
            keyword if COSMETIC.contains(&keyword) => {
                notices.cosmetic(inner, format!("`{keyword}` has no effect here"))
            }
            _ => unknown(inner, "global_defs", &KNOWN, notices),
        }
    }
    Ok(())
}

/// `[tcp SECS] [tcpfin SECS] [udp SECS]`
fn timeouts(statement: &Statement, timeouts: &mut Timeouts) -> Result<(), ConfigError> {
    let words: Vec<&str> = statement.arguments().collect();
    if words.is_empty() {
        return Err(statement.fault("`lvs_timeouts` needs tcp, tcpfin or udp and seconds behind it"));
    }
    for pair in words.chunks(2) {
        let name = pair.first().copied().unwrap_or("");
        let field = match name {
            "tcp" => &mut timeouts.tcp,
            "tcpfin" => &mut timeouts.tcp_fin,
            "udp" => &mut timeouts.udp,
            other => {
                return Err(statement.fault_at(other, format!("`{other}` is no time-out; write tcp, tcpfin or udp")));
            }
        };
        *field = number(statement, pair.get(1).copied().unwrap_or(""), 1, i32::MAX as u32)?;
    }
    Ok(())
}

/// Mail, SNMP, D-Bus, names, priorities of processes, debugging.
const COSMETIC: [&str; 56] = [
    "bfd_cpu_affinity",
    "bfd_no_swap",
    "bfd_priority",
    "bfd_process_name",
    "bfd_rlimit_rttime",
    "bfd_rt_priority",
    "checker_cpu_affinity",
    "checker_log_all_failures",
    "checker_no_swap",
    "checker_priority",
    "checker_process_name",
    "checker_rlimit_rttime",
    "checker_rt_priority",
    "child_wait_time",
    "config_save_dir",
    "data_use_instance",
    "dbus_service_name",
    "disable_local_igmp",
    "dynamic_interfaces",
    "enable_dbus",
    "enable_snmp_checker",
    "enable_snmp_keepalived",
    "enable_snmp_rfc",
    "enable_snmp_rfcv2",
    "enable_snmp_rfcv3",
    "enable_snmp_vrrp",
    "enable_traps",
    "instance",
    "json_version",
    "log_unknown_vrids",
    "max_auto_priority",
    "min_auto_priority_delay",
    "no_checker_emails",
    "no_email_faults",
    "notification_email",
    "notification_email_from",
    "notify_fifo",
    "notify_fifo_script",
    "lvs_netlink_cmd_rcv_bufs",
    "lvs_netlink_monitor_rcv_bufs",
    "lvs_notify_fifo",
    "lvs_notify_fifo_script",
    "process_name",
    "process_names",
    "random_seed",
    "reload_check_config",
    "reload_file",
    "reload_repeat",
    "reload_time_file",
    "rs_init_notifies",
    "smtp_alert",
    "smtp_alert_checker",
    "smtp_alert_vrrp",
    "smtp_connect_timeout",
    "smtp_helo_name",
    "smtp_server",
];

const KNOWN: [&str; 8] = [
    "default_interface",
    "enable_script_security",
    "lvs_flush",
    "lvs_sync_daemon",
    "lvs_timeouts",
    "notification_email",
    "router_id",
    "script_user",
];
