//! Texts for people: `-h`, `-v`, and the short ones of `ipvsadm-save` and `ipvsadm-restore`.

/// `ipvsadm -v`: the version of the language, and who speaks it.
pub(crate) const VERSION: &str =
    concat!("ipvsadm v1.31 2019/12/24 (compiled with xlvs ", env!("CARGO_PKG_VERSION"), " and IPVS v1.2.1)\n");

/// `ipvsadm-save -h`, in the original's words.
pub(crate) const SAVE: &str = "\
ipvsadm-save: Script to save the IPVS table to stdout.
   With the -n option, prints out the table in numeric format.";

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
  PROGRAM -A SERVICE [-s SCHEDULER] [-b FLAGS] [-p [SECONDS] [-M MASK]] [--pe ENGINE] [-o] [--local-address LOCAL]     add
  PROGRAM -E SERVICE …                             change, with the options of -A
  PROGRAM -D SERVICE                               remove, with its servers
  PROGRAM -C                                       remove all
Real servers
  PROGRAM -a SERVICE -r SERVER [-g|-m|-i [TUNNEL]|--fullnat] [-w WEIGHT] [-x UPPER] [-y LOWER]     add
  PROGRAM -e SERVICE -r SERVER …                   change, with the options of -a
  PROGRAM -d SERVICE -r SERVER                     remove
Looking
  PROGRAM -L|-l [SERVICE] [-n] [COLUMNS] [--exact] [--nosort]
  PROGRAM -L -c [-n]                               connections
  PROGRAM -L --timeout | --daemon                  time-outs, synchronization
  PROGRAM -Z [SERVICE]                             count from zero again
Rules
  PROGRAM -S [-n]                                  print as rules
  PROGRAM -R [--atomic]                            read rules from standard input
Other
  PROGRAM --set TCP TCPFIN UDP                     time-outs in seconds, 0 keeps one
  PROGRAM --start-daemon master|backup [--mcast-interface IF] [--syncid N] [--sync-maxlen N] [--mcast-group G]
          [--mcast-port P] [--mcast-ttl T]         synchronize connections
  PROGRAM --stop-daemon master|backup
  PROGRAM -h | -v                                  this text, the version

  SERVICE    -t HOST:PORT (TCP), -u HOST:PORT (UDP), --sctp-service HOST:PORT, or -f MARK [-6]; an IPv6 address as
             [ADDRESS]:PORT
  SERVER     HOST[:PORT]; without a port, or with -g, the service's
  SCHEDULER  rr wrr lc wlc lblc lblcr dh sh sed nq fo ovf mh twos; wlc unless given
  FLAGS      sh-port, mh-port: the client's port takes part in the hash; sh-fallback, mh-fallback, flag-1 … flag-3
  -g -m -i   direct routing (unless given), NAT, tunnel; --fullnat: NAT from an address of LOCAL (not in the original)
  LOCAL      ADDRESS[-ADDRESS][:PORT-PORT], up to four with commas between; addresses of this node, IPv6 ones with ports
             as [ADDRESS-ADDRESS]:PORT-PORT; ports 1024 to 65535 unless given
  TUNNEL     --tun-type ipip|gue|gre, with gue --tun-port PORT, with gue and gre --tun-nocsum|--tun-csum (gue: --tun-remcsum)
  WEIGHT     0 to 2147483647, 1 unless given; 0 takes no new connections
  COLUMNS    --stats --rate --thresholds --persistent-conn --tun-info

Long options: --add-service --edit-service --delete-service --clear --add-server --edit-server --delete-server
  --list --zero --save --restore --help --version --tcp-service --udp-service --scheduler --sched-flags --persistent
  --netmask --ops --real-server --gatewaying --masquerading --ipip --weight --u-threshold --l-threshold --numeric
  --exact (-X) --sort
What does not act yet is kept and listed, and a line says so: -f --sctp-service, port 0, -p -M --pe -o -x -y,
--start-daemon, and some of the schedulers.
";
