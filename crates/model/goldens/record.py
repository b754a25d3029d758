#!/usr/bin/env python3
"""Records which server the kernel's IPVS chooses, as scheduling-*.json beside this file.

    XLVS_GUEST_RUNNER=path/to/run-in-guest record.py [PREFIX]

The runner starts its arguments as root in a guest whose kernel has ip_vs and which sees the host's files.
There each scenario gets a network namespace of its own: packets enter through a tun device, one after the
other, and /proc/net/ip_vs_conn tells where they went. The format of the files is described in README.md.
"""

import ctypes
import fcntl
import ipaddress
import json
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True  # the guest's view of this folder is read-only
from scenarios import scenarios  # noqa: E402

CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
SYN, ACK, FIN = 0x02, 0x10, 0x01
PROTOCOL = {"tcp": 6, "udp": 17}
FOLDER = Path(__file__).resolve().parent


def run(*arguments):
    done = subprocess.run(arguments, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments)}: exit {done.returncode}: {done.stdout}{done.stderr}")


def endpoint(address, port):
    return f"[{address}]:{port}" if ":" in str(address) else f"{address}:{port}"


def split(text):
    address, port = text.rsplit(":", 1)
    return ipaddress.ip_address(address.strip("[]")), int(port)


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packet(protocol, client, service, tcp_flags=0):
    (source, source_port), (destination, destination_port) = split(client), split(service)
    number = PROTOCOL[protocol]
    if protocol == "udp":
        segment, at = struct.pack("!HHHH", source_port, destination_port, 12, 0) + b"xlvs", 6
    else:
        segment = struct.pack("!HHIIBBHHH", source_port, destination_port, 1, 0, 5 << 4, tcp_flags, 65535, 0, 0)
        at = 16
    pseudo = source.packed + destination.packed + struct.pack("!II", len(segment), number)
    value = checksum(pseudo + segment) or 0xFFFF
    segment = segment[:at] + struct.pack("!H", value) + segment[at + 2 :]
    if source.version == 6:
        return struct.pack("!IHBB", 6 << 28, len(segment), number, 64) + source.packed + destination.packed + segment
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 1, 0x4000, 64, number, 0)
    header += source.packed + destination.packed
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + segment


class Director:
    """A network namespace with one virtual service."""

    def __init__(self, scenario):
        self.scenario = scenario
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        self.tun = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(self.tun, TUNSETIFF, struct.pack("16sH22x", b"clients", IFF_TUN | IFF_NO_PI))
        service_address = split(scenario["service"])[0]
        run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0",
            "net.ipv4.conf.clients.rp_filter=0", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "set", "clients", "up")
        run("ip", "link", "add", "servers", "type", "dummy")
        run("ip", "link", "set", "servers", "up")
        if service_address.version == 4:
            run("ip", "addr", "add", f"{service_address}/32", "dev", "clients")
            run("ip", "addr", "add", "10.1.0.1/24", "dev", "servers")
        else:
            run("ip", "addr", "add", f"{service_address}/128", "dev", "clients", "nodad")
            run("ip", "addr", "add", "fd00:1::1/64", "dev", "servers", "nodad")
        self.service("-A", scenario["scheduler"], scenario["flags"])
        run("ipvsadm", "--set", "3600", "3600", "3600")
        for server in scenario["servers"]:
            self.server("-a", server)

    def key(self):
        return ["-t" if self.scenario["protocol"] == "tcp" else "-u", self.scenario["service"]]

    def service(self, command, scheduler, flags):
        run("ipvsadm", command, *self.key(), "-s", scheduler, *(["-b", ",".join(flags)] if flags else []))

    def server(self, command, server):
        weight = [] if command == "-d" else ["-m", "-w", str(server["weight"])]
        run("ipvsadm", command, *self.key(), "-r", endpoint(server["address"], server["port"]), *weight)

    def send(self, client, tcp_flags=0):
        os.write(self.tun, packet(self.scenario["protocol"], client, self.scenario["service"], tcp_flags))

    def connections(self):
        found = {}
        for line in Path("/proc/net/ip_vs_conn").read_text().splitlines()[1:]:
            words = line.split()
            ends = []
            for address, port in ((words[1], words[2]), (words[5], words[6])):
                if re.fullmatch("[0-9A-F]{8}", address):
                    address = str(ipaddress.IPv4Address(int(address, 16)))
                ends.append(endpoint(ipaddress.ip_address(address.strip("[]")), int(port, 16)))
            found[ends[0]] = ends[1]
        return found

    def step(self, step):
        if "client" in step:
            self.send(step["client"], SYN)
            if self.scenario["protocol"] == "tcp":
                self.send(step["client"], ACK)
        elif "finish" in step:
            self.send(step["finish"], FIN | ACK)
        elif "service" in step:
            self.service("-E", step["service"]["scheduler"], step["service"]["flags"])
        else:
            for command, word in (("-a", "add"), ("-e", "edit"), ("-d", "delete")):
                if word in step:
                    self.server(command, step[word])

    def record(self):
        steps = self.scenario["steps"]
        for index, step in enumerate(steps):
            self.step(step)
            if "client" in step and (index + 1 == len(steps) or "client" not in steps[index + 1]):
                self.look(steps[: index + 1])
        return self.scenario

    def look(self, steps):
        """Fills in what was chosen since the last look, before anything can expire."""
        found = self.connections()
        for step in steps:
            if "client" in step and "chosen" not in step:
                step["chosen"] = found.get(step["client"])


def guest(prefix):
    os.sched_setaffinity(0, {0})  # one CPU: packets are scheduled in the order they are written
    run("modprobe", "-a", "tun", "dummy", "ip_vs")
    for scenario in scenarios(prefix):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            with os.fdopen(writer, "w") as out:
                recorded = Director(scenario).record()
                recorded["kernel"] = os.uname().release.split("-")[0].split("+")[0]
                json.dump(recorded, out)
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as into:
            line = into.read()
        if os.waitpid(child, 0)[1] != 0 or not line:
            sys.exit(f"scenario {scenario['name']} failed")
        print(line, flush=True)


def save(recorded):
    name = recorded.pop("name")
    order = ["about", "kernel", "protocol", "service", "scheduler", "flags", "servers", "steps"]
    parts = []
    for word in order:
        value = recorded[word]
        if word in ("servers", "steps"):
            lines = ",\n".join("    " + json.dumps(one) for one in value)
            parts.append(f'  "{word}": [\n{lines}\n  ]' if value else f'  "{word}": []')
        else:
            parts.append(f'  "{word}": {json.dumps(value)}')
    (FOLDER / f"scheduling-{name}.json").write_text("{\n" + ",\n".join(parts) + "\n}\n")
    flows = [step for step in recorded["steps"] if "client" in step]
    print(f"{name}: {len(flows)} flows, {sum(step['chosen'] is None for step in flows)} without a server")


def host(prefix):
    runner = os.environ.get("XLVS_GUEST_RUNNER")
    if not runner:
        sys.exit("XLVS_GUEST_RUNNER is not set: name a program that runs its arguments as root in an IPVS guest")
    environment = {"VM_TIMEOUT": "1500", **os.environ}
    command = [runner, sys.executable, str(Path(__file__).resolve()), "--guest", prefix]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        for line in process.stdout:
            save(json.loads(line))
    sys.exit(process.returncode)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--guest"]:
        guest((sys.argv + [""])[2])
    else:
        host((sys.argv + [""])[1])
