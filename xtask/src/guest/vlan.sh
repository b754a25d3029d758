# Real VLAN devices (8021q) on both sides of the director, in a guest whose kernel has them. $1 is the xlvs binary.
# NAT and direct routing, IPv4 and IPv6; in lane xdp at the parents, in lane tc at the VLANs' own interfaces.
set -e
xlvs=$1
modprobe 8021q
echo "kernel $(uname -r)"
for host in client director server; do
  ip netns add $host
  ip -n $host link set lo up
  ip netns exec $host sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
done
ip link add c0 netns client type veth peer name d0 netns director
ip link add s0 netns server type veth peer name d1 netns director
for end in client:c0 server:s0 director:d0 director:d1; do
  host=${end%:*} device=${end#*:}
  # XDP wants finished checksums and tags in the frame; a veth takes frames from XDP while its receiver has GRO.
  ip netns exec $host ethtool -K $device tx off txvlan off gro on >/dev/null
  ip -n $host link set $device up
done

# HOST PARENT VLAN IPV4 IPV6
vlan() {
  ip -n $1 link add link $2 name $2.$3 type vlan id $3
  ip -n $1 link set $2.$3 up
  ip -n $1 address add $4 dev $2.$3
  ip -n $1 address add $5 dev $2.$3 nodad
}
vlan client c0 100 198.51.100.2/24 2001:db8:1::2/64
vlan director d0 100 198.51.100.1/24 2001:db8:1::1/64
vlan director d1 200 10.0.1.1/24 fd00:1::1/64
vlan server s0 200 10.0.1.2/24 fd00:1::2/64
# The virtual addresses: .10 by NAT, .11 by direct routing.
for last in 10 11; do
  ip -n director address add 198.51.100.$last/32 dev d0.100
  ip -n director address add 2001:db8:1::$last/128 dev d0.100 nodad
done
ip -n server address add 198.51.100.11/32 dev lo
ip -n server address add 2001:db8:1::11/128 dev lo nodad
ip netns exec director sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
# Answers of direct routing pass the director as any router.
ip netns exec director sysctl -qw net.ipv4.conf.d1/200.accept_local=1
ip -n server route add default via 10.0.1.1
ip -n server -6 route add default via fd00:1::1

work=$(mktemp -d)
mkdir "$work/bpf" "$work/web"
mount -t bpf bpf "$work/bpf"
echo hello from the VLAN >"$work/web/index.html"
head -c 4194304 /dev/urandom >"$work/web/bulk"
cd "$work/web"
ip netns exec server python3 -m http.server --bind :: 80 >/dev/null 2>&1 &
export XLVS_SOCKET="$work/socket"
failed=0

# LANE INTERFACE INTERFACE
lane() {
  ip netns exec director "$xlvs" run --pin-dir "$work/bpf/$1" --interface $2 --interface $3 --lane $1 >"$work/log" 2>&1 &
  patience=300
  until "$xlvs" status >/dev/null 2>&1; do
    patience=$((patience - 1))
    [ $patience -gt 0 ] || { cat "$work/log"; exit 1; }
    sleep 0.2
  done
  for method in m:10 g:11; do
    for service in "198.51.100.${method#*:}:80 10.0.1.2:80" "[2001:db8:1::${method#*:}]:80 [fd00:1::2]:80"; do
      "$xlvs" ipvsadm -A -t ${service% *} -s rr
      "$xlvs" ipvsadm -a -t ${service% *} -r ${service#* } -${method%:*}
    done
  done
  patience=100
  while "$xlvs" status --json | grep -q unresolved && [ $patience -gt 0 ]; do
    patience=$((patience - 1))
    sleep 0.1
  done
  sleep 2
  for host in 198.51.100.10 '[2001:db8:1::10]' 198.51.100.11 '[2001:db8:1::11]'; do
    answered=0
    for number in 1 2 3 4 5 6 7 8 9 10; do
      if ip netns exec client curl -g -s -m 10 "http://$host/" | grep -q "hello from the VLAN"; then
        answered=$((answered + 1))
      fi
    done
    bulk=wrong
    ip netns exec client curl -g -s -m 60 "http://$host/bulk" | cmp -s - "$work/web/bulk" && bulk=identical
    echo "lane $1, VLAN 100 to VLAN 200, $host: $answered of 10 answered, 4 MB $bulk"
    [ "$answered $bulk" = "10 identical" ] || failed=1
  done
  "$xlvs" status --json | tr ',{' '\n\n' | grep -E '"(forward|answer|drop)_' | grep -v ':0' || true
  "$xlvs" stop
  wait $!
}
lane xdp d0 d1
lane tc d0.100 d1.200
exit $failed
