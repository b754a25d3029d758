//! Settings of the kernel below /proc/sys/net, those of the caller's network namespace.

use std::fs;
use std::io;
use std::path::PathBuf;

/// Its value; `None` where there is no such setting (or no such interface).
pub(crate) fn read(key: &str) -> Option<String> {
    fs::read_to_string(path(key)).ok().map(|text| text.trim().to_owned())
}

/// The same as a number.
pub(crate) fn number(key: &str) -> Option<u32> {
    read(key)?.parse().ok()
}

/// Sets it.
pub(crate) fn write(key: &str, value: &str) -> io::Result<()> {
    fs::write(path(key), value)
}

/// As sysctl(8) calls it.
pub(crate) fn shown(key: &str) -> String {
    format!("net.{}", key.replace('.', "\u{0}").replace('/', ".").replace('\u{0}', "/"))
}

fn path(key: &str) -> PathBuf {
    PathBuf::from("/proc/sys/net").join(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_dots_are_written_as_sysctl_wants_them() {
        assert_eq!(shown("ipv4/conf/all/arp_ignore"), "net.ipv4.conf.all.arp_ignore");
        assert_eq!(shown("ipv4/conf/eth0.7/rp_filter"), "net.ipv4.conf.eth0/7.rp_filter");
    }
}
