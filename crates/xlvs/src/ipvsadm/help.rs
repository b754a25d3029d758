//! Texts for people: `-h`, `-v`, and the short ones of `ipvsadm-save` and `ipvsadm-restore`.

/// `ipvsadm -v`: the version of the language, and who speaks it.
pub(crate) const VERSION: &str =
    concat!("ipvsadm v1.31 2019/12/24 (compiled with xlvs ", env!("CARGO_PKG_VERSION"), " and IPVS v1.2.1)\n");

/// `ipvsadm-save -h`
pub(crate) const SAVE: &str = "usage: ipvsadm-save [-n]   prints the table as rules; -n: numbers instead of names";

/// `ipvsadm-restore -h`
pub(crate) const RESTORE: &str =
    "usage: ipvsadm-restore [--atomic] <RULES   replaces the table by rules; --atomic: by all of them or not at all";

/// `ipvsadm -h`
pub(crate) fn usage(program: &str) -> String {
    format!("{VERSION}{}", USAGE.replace("PROGRAM", program))
}

const USAGE: &str = "\
Speaks the language of ipvsadm 1.31 to the xlvs daemon (`xlvs run`).

Services
  PROGRAM -A SERVICE [-s SCHEDULER] [-b FLAGS]     add
  PROGRAM -E SERVICE [-s SCHEDULER] [-b FLAGS]     change
  PROGRAM -D SERVICE                               remove, with its servers
  PROGRAM -C                                       remove all
Real servers
  PROGRAM -a SERVICE -r SERVER [-g|-m] [-w WEIGHT]     add
  PROGRAM -e SERVICE -r SERVER [-g|-m] [-w WEIGHT]     change
  PROGRAM -d SERVICE -r SERVER                         remove
Looking
  PROGRAM -L|-l [SERVICE] [-n] [--stats|--rate] [--exact] [--nosort]
  PROGRAM -L -c [-n]                               connections
  PROGRAM -L --timeout                             time-outs
  PROGRAM -Z [SERVICE]                             count from zero again
Rules
  PROGRAM -S [-n]                                  print as rules
  PROGRAM -R [--atomic]                            read rules from standard input
Other
  PROGRAM --set TCP TCPFIN UDP                     time-outs in seconds, 0 keeps one
  PROGRAM -h | -v                                  this text, the version

  SERVICE    -t HOST:PORT (TCP) or -u HOST:PORT (UDP); an IPv6 address as [ADDRESS]:PORT
  SERVER     HOST[:PORT]; without a port, or with -g, the service's
  SCHEDULER  rr wrr lc wlc sh mh; wlc unless given
  FLAGS      sh-port, mh-port: the client's port takes part in the hash
  -g -m      direct routing (unless given), NAT
  WEIGHT     0 to 2147483647, 1 unless given; 0 takes no new connections

Long options: --add-service --edit-service --delete-service --clear --add-server --edit-server --delete-server
  --list --zero --save --restore --help --version --tcp-service --udp-service --scheduler --sched-flags
  --real-server --gatewaying --masquerading --weight --numeric --stats --rate --exact (-X) --sort --nosort
Not supported yet, and refused: -f --sctp-service -p -M -o --pe -i --tun-* -x -y --daemon --thresholds
  --persistent-conn --tun-info --start-daemon --stop-daemon, the other schedulers and flags
";
