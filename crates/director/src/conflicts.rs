//! Who else balances here: services in the kernel's IPVS, or a keepalived in this network namespace.

use std::fs;
use std::path::Path;

/// The others by name, one line each; none when the field is free.
pub fn others() -> Vec<String> {
    let table = fs::read_to_string("/proc/net/ip_vs").unwrap_or_default();
    let services = match services_in(&table) {
        0 => None,
        1 => Some("the kernel's IPVS has 1 service (ipvsadm -C of the original ipvsadm clears it)".to_owned()),
        many => Some(format!("the kernel's IPVS has {many} services (ipvsadm -C of the original ipvsadm clears them)")),
    };
    services.into_iter().chain(keepalived(Path::new("/proc"))).collect()
}

/// Services in the text of /proc/net/ip_vs; the lines that begin with `->` are servers, the first three are headings.
fn services_in(table: &str) -> usize {
    table.lines().skip(3).filter(|line| !line.trim_start().starts_with("->") && !line.trim().is_empty()).count()
}

/// Keepalived processes of our network namespace.
fn keepalived(proc: &Path) -> Vec<String> {
    let ours = fs::read_link(proc.join("self/ns/net")).ok();
    let entries = fs::read_dir(proc).into_iter().flatten().flatten();
    let found = entries.filter_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let name = fs::read_to_string(entry.path().join("comm")).ok()?;
        let here = ours.is_some() && fs::read_link(entry.path().join("ns/net")).ok() == ours;
        (name.trim_end() == "keepalived" && here).then(|| format!("keepalived runs here (process {pid})"))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_counted_and_servers_are_not() {
        let heading = "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n";
        assert_eq!(services_in(""), 0);
        assert_eq!(services_in(heading), 0);
        let service = "TCP  C0000201:0050 rr  \n  -> 0A000001:0050      Masq    1      0          0\n";
        assert_eq!(services_in(&format!("{heading}{service}")), 1);
        assert_eq!(services_in(&format!("{heading}{service}FWM  00000001 wlc\n")), 2);
    }

    #[test]
    fn only_a_keepalived_of_this_namespace_counts() {
        let proc = std::env::temp_dir().join(format!("xlvs-dir-proc-{}", std::process::id()));
        for (pid, name, namespace) in [
            ("self", "xlvs", "net:[1]"),
            ("7", "keepalived", "net:[1]"),
            ("8", "keepalived", "net:[2]"),
            ("9", "bash", "net:[1]"),
        ] {
            fs::create_dir_all(proc.join(pid).join("ns")).unwrap();
            fs::write(proc.join(pid).join("comm"), format!("{name}\n")).unwrap();
            std::os::unix::fs::symlink(namespace, proc.join(pid).join("ns/net")).unwrap();
        }
        let found = keepalived(&proc);
        fs::remove_dir_all(&proc).unwrap();
        assert_eq!(found, ["keepalived runs here (process 7)"]);
    }
}
