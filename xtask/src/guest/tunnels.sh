#!/bin/bash
# A director of xlvs, and the kernel's own tunnel devices behind it: every kind of tunnel in every combination of families
# carries requests and an upload of full-size packets. tshark reads what stands around them. Usage: tunnels.sh XLVS
set -u
xlvs=$1
work=$(mktemp -d)
ln -s "$xlvs" "$work/ipvsadm"
fail=0
for program in curl dumpcap tshark ethtool python3; do
  command -v $program >/dev/null || { echo "$program not found (Debian: curl tshark ethtool python3)"; exit 1; }
done
for module in ipip sit ip6_tunnel fou fou6 ip_gre ip6_gre veth; do modprobe $module || echo "no module $module"; done
for name in c d s; do ip netns add $name; ip -n $name link set lo up; done
at() { ip netns exec "$@"; }
ip link add c0 netns c type veth peer name d0 netns d
ip link add d1 netns d type veth peer name e0 netns s
ip link add c1 netns c type veth peer name e1 netns s
for pair in c:c0 c:c1 d:d0 d:d1 s:e0 s:e1; do ip -n ${pair%:*} link set ${pair#*:} up; done
address() { ip -n $1 address add $3 dev $2 ${4:-}; }
address c c0 198.51.100.2/24; address c c0 2001:db8:1::2/64 nodad
address d d0 198.51.100.1/24; address d d0 2001:db8:1::1/64 nodad
address d d0 198.51.100.10/32; address d d0 2001:db8:1::10/128 nodad
address d d1 10.0.1.1/24; address d d1 fd00:1::1/64 nodad
address s e0 10.0.1.2/24; address s e0 fd00:1::2/64 nodad
address c c1 10.0.2.1/24; address c c1 fd00:2::1/64 nodad
address s e1 10.0.2.2/24; address s e1 fd00:2::2/64 nodad
address s lo 198.51.100.10/32; address s lo 2001:db8:1::10/128 nodad
ip -n s route add default via 10.0.2.1; ip -n s -6 route add default via fd00:2::1
for key in all default e0 e1 tunl0 sit0 gre0; do at s sysctl -qw net.ipv4.conf.$key.rp_filter=0; done
at c sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.c1.rp_filter=0 net.ipv4.conf.c0.rp_filter=0
at d sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
for device in tunl0 sit0 ip6tnl0 gre0 ip6gre0; do ip -n s link set $device up || echo "no $device"; done
# The fallback device takes IPv6 only, unless told.
ip -n s -6 tunnel change ip6tnl0 mode any || ip -n s link set ip6tnl0 type ip6tnl mode any
at s ip fou add port 6080 gue; at s ip -6 fou add port 6080 gue

cat >"$work/serve.py" <<'P'
import http.server, socket
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"
    def do_GET(self): self.answer("hello")
    def do_POST(self):
        left, count = int(self.headers["Content-Length"]), 0
        while left > 0:
            data = self.rfile.read(min(left, 65536))
            if not data: break
            left -= len(data); count += len(data)
        self.answer(str(count))
    def answer(self, text):
        body = f"{text} {self.client_address[0]}\n".encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *_): pass
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
Server(("::", 80), Handler).serve_forever()
P
at s /usr/bin/env python3 "$work/serve.py" >"$work/serve.log" 2>&1 &
server=$!
at d "$xlvs" run --interface d0 --interface d1 --lane ${LANE:-tc} >"$work/xlvs.log" 2>&1 &
director=$!
for try in $(seq 120); do at d "$xlvs" status >/dev/null 2>&1 && break; sleep 1; done
head -c 100000 /dev/zero >"$work/body"
at s dumpcap -q -i e0 -w "$work/all.pcap" >/dev/null 2>&1 &
dump=$!
sleep 3
ask() { at c curl -s -m 20 "$@"; }

try() { # name, service, server, options
  at d "$work/ipvsadm" -C
  at d "$work/ipvsadm" -A -t "$2" -s rr && at d "$work/ipvsadm" -a -t "$2" -r "$3" -i $4 || { echo "FAIL $1: ipvsadm"; fail=1; return; }
  for wait in $(seq 40); do at d "$xlvs" status 2>/dev/null | grep -q "not in the rotation" || break; sleep 0.25; done
  client=198.51.100.2; case $2 in \[*) client=2001:db8:1::2;; esac
  ip -n c route flush cache; ip -n c -6 route flush cache
  got=$(ask "http://$2/" | tr '\n' ' ')$(ask "http://$2/" | tr '\n' ' ')$(ask --data-binary "@$work/body" "http://$2/")
  want="hello $client hello $client 100000 $client"
  case $client in 198*) want=$(echo "$want" | sed 's/198/::ffff:198/g');; esac
  if [ "$got" = "$want" ]; then echo "ok   $1"; else echo "FAIL $1: $got"; fail=1; at d "$xlvs" status | tail -20; fi
}
for outer in 6 4; do
  for options in "--tun-type ipip" "--tun-type gue --tun-port 6080" "--tun-type gue --tun-port 6080 --tun-csum" "--tun-type gue --tun-port 6080 --tun-remcsum" "--tun-type gre" "--tun-type gre --tun-csum"; do
    # Where there is a checksum, everybody shall judge it: the client leaves nothing to its device, and the one for GRE
    # insists on them.
    case $options in *csum*) at c ethtool -K c0 tso off gso off tx off >/dev/null 2>&1;; esac
    if [ "$options" = "--tun-type gre --tun-csum" ]; then
      [ $outer = 4 ] && ip -n s link add gc type gre local 10.0.1.2 remote 10.0.1.1 icsum
      [ $outer = 6 ] && ip -n s link add gc type ip6gre local fd00:1::2 remote fd00:1::1 icsum
      ip -n s link set gc up
      at s sysctl -qw net.ipv4.conf.gc.rp_filter=0
    fi
    for inner in 4 6; do
      [ $inner = 4 ] && service=198.51.100.10:80 || service='[2001:db8:1::10]:80'
      [ $outer = 4 ] && real=10.0.1.2:80 || real='[fd00:1::2]:80'
      try "IPv$inner in IPv$outer $options" "$service" "$real" "$options"
    done
    ip -n s link del gc 2>/dev/null
    at c ethtool -K c0 tx on tso on gso on >/dev/null 2>&1
  done
done
at d "$xlvs" status | tail -30
kill $dump; wait $dump 2>/dev/null
count() { tshark -r "$work/all.pcap" -o ip.check_checksum:TRUE -o udp.check_checksum:TRUE -Y "$1" 2>/dev/null | wc -l; }
outer='(ip.src == 10.0.1.1 && !icmp) || (ipv6.src == fd00:1::1 && !icmpv6)'
echo "packets in tunnels: $(count "$outer"), with a GUE checksum: $(count 'udp.dstport == 6080 && udp.checksum.status == 1')"
for wrong in _ws.malformed 'ip.checksum.status == 0' 'udp.dstport == 6080 && udp.checksum.status == 0' \
  'ip.src == 10.0.1.1 && !icmp && !(ip.ttl == 63)' 'ipv6.src == fd00:1::1 && !icmpv6 && !(ipv6.hlim == 63)'; do
  number=$(count "$wrong")
  echo "$wrong: $number"
  [ "$number" = 0 ] || fail=1
done
kill $director $server; wait $director 2>/dev/null
exit $fail
