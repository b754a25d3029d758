//! Hosts on segments: network namespaces, joined by bridges in one of their own. All of it is removed with the values.

use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A network namespace with a name.
pub(crate) struct Host {
    name: String,
}

/// The segments, `br0` and `br1`.
pub(crate) struct Switch {
    host: Host,
}

impl Host {
    /// Without devices but lo.
    pub(crate) fn new(role: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("xlvs-{}-{role}{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        succeed(Command::new("ip").args(["netns", "add", &name]));
        let host = Self { name };
        host.ip("link set lo up");
        for setting in ["ipv4.conf.all.rp_filter=0", "ipv4.conf.default.rp_filter=0", "ipv6.conf.default.accept_ra=0"] {
            host.sysctl(setting);
        }
        host
    }

    /// `ip ARGUMENTS` in here.
    pub(crate) fn ip(&self, arguments: &str) -> String {
        succeed(Command::new("ip").args(["-n", &self.name]).args(arguments.split(' ')))
    }

    /// Sets `net.SETTING`.
    pub(crate) fn sysctl(&self, setting: &str) {
        let (key, value) = setting.split_once('=').unwrap();
        let path = format!("/proc/sys/net/{}", key.replace('.', "/"));
        self.run(|| std::fs::write(path, value).unwrap());
    }

    /// A command that runs in here and ends with the thread that starts it, at the latest.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path())).args(["setpriv", "--pdeathsig", "KILL", program]);
        command.stdin(Stdio::null());
        command
    }

    /// Runs `work` on a thread in here; sockets that it makes stay here.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let enter = || {
            setns(File::open(self.path()).unwrap(), CloneFlags::CLONE_NEWNET).unwrap();
            work()
        };
        std::thread::scope(|scope| scope.spawn(enter).join()).unwrap()
    }

    fn path(&self) -> String {
        format!("/run/netns/{}", self.name)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).output();
    }
}

impl Switch {
    /// Without hosts.
    pub(crate) fn new() -> Self {
        let host = Host::new("switch");
        host.sysctl("ipv6.conf.default.disable_ipv6=1");
        for bridge in ["br0", "br1"] {
            host.ip(&format!("link add {bridge} type bridge mcast_snooping 0"));
            host.ip(&format!("link set {bridge} up"));
        }
        Self { host }
    }

    /// Gives `host` a device on a segment, with these addresses; the name of the switch's port is returned.
    pub(crate) fn plug(&self, host: &Host, device: &str, segment: &str, addresses: &[&str]) -> String {
        let role = host.name.rsplit('-').next().unwrap();
        let port = format!("{role}-{device}");
        host.ip(&format!("link add {device} type veth peer name {port} netns {}", self.host.name));
        host.ip(&format!("link set {device} up"));
        self.host.ip(&format!("link set {port} master {segment} up"));
        addresses.iter().for_each(|address| add_address(host, address, device));
        port
    }

    /// Makes the port of a director good for XDP: it finishes checksums, and takes frames that are redirected.
    pub(crate) fn face_director(&self, port: &str) {
        for feature in [["tx", "off"], ["gro", "on"]] {
            succeed(self.host.command("ethtool").args(["-K", port]).args(feature));
        }
    }
}

/// Gives a device an address, at once usable.
pub(crate) fn add_address(host: &Host, address: &str, device: &str) {
    let nodad = if address.contains(':') { " nodad" } else { "" };
    host.ip(&format!("address add {address} dev {device}{nodad}"));
}

fn succeed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success(), "{command:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}
