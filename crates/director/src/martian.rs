//! What the kernel must be told before this host can be its own client: an answer comes in from outside with one of
//! this host's own addresses as its source, which IPv4 refuses unless sysctls say otherwise.

use std::fs;
use std::path::Path;

/// One line for each sysctl that refuses such answers on these interfaces; none where all is well.
pub(crate) fn obstacles<'a>(interfaces: impl Iterator<Item = &'a str>) -> Vec<String> {
    obstacles_in(Path::new("/proc/sys/net/ipv4/conf"), interfaces)
}

fn obstacles_in<'a>(directory: &Path, interfaces: impl Iterator<Item = &'a str>) -> Vec<String> {
    let value = |scope: &str, key: &str| {
        let text = fs::read_to_string(directory.join(scope).join(key)).ok()?;
        text.trim().parse::<u32>().ok()
    };
    let mut notes = Vec::new();
    for name in interfaces {
        if value("all", "accept_local") == Some(0) && value(name, "accept_local") == Some(0) {
            notes.push(format!(
                "interface {name}: answers to this host's own IPv4 connections are refused; \
                 sysctl -w net.ipv4.conf.{name}.accept_local=1"
            ));
        }
        if value("all", "rp_filter").max(value(name, "rp_filter")) == Some(1) {
            notes.push(format!(
                "interface {name}: answers to this host's own IPv4 connections are refused by the reverse path filter; \
                 sysctl -w net.ipv4.conf.{name}.rp_filter=2"
            ));
        }
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sysctl_in_the_way_is_named() {
        let directory = std::env::temp_dir().join(format!("xlvs-martian-{}", std::process::id()));
        let rows = [
            ((0, 0), (0, 0), &["accept_local"][..]),
            ((1, 0), (0, 0), &[]),
            ((0, 0), (1, 2), &[]),
            ((0, 1), (0, 0), &["accept_local", "rp_filter"]),
            ((0, 1), (1, 2), &[]),
        ];
        for (all, one, expected) in rows {
            for (scope, (local, filter)) in [("all", all), ("eth1", one)] {
                fs::create_dir_all(directory.join(scope)).unwrap();
                fs::write(directory.join(scope).join("accept_local"), format!("{local}\n")).unwrap();
                fs::write(directory.join(scope).join("rp_filter"), format!("{filter}\n")).unwrap();
            }
            let notes = obstacles_in(&directory, ["eth1"].into_iter());
            assert_eq!(notes.len(), expected.len(), "{all:?} {one:?}: {notes:?}");
            assert!(notes.iter().zip(expected).all(|(note, key)| note.contains(&format!("eth1.{key}="))), "{notes:?}");
        }
        fs::remove_dir_all(&directory).unwrap();
    }
}
