"""What record.py records: services, servers and the order of things. Nothing here knows the answers."""

import ipaddress
import random

SERVICE = {4: "203.0.113.10:5300", 6: "[2001:db8::10]:5300"}


def server(number, weight=1, family=4):
    address = f"10.1.0.{10 + number}" if family == 4 else f"fd00:1::{10 + number:x}"
    return {"address": address, "port": 8000 + number, "weight": weight}


def servers(*weights, family=4):
    return [server(number + 1, weight, family) for number, weight in enumerate(weights)]


def address4(source):
    return ipaddress.IPv4Address(bytes([source.choice([11, 45, 100, 172, 198, 223]), *source.randbytes(3)]))


def address6(source):
    if source.random() < 0.5:
        return ipaddress.IPv6Address(bytes.fromhex("20010db8") + source.randbytes(12))
    return ipaddress.IPv6Address(bytes.fromhex("20010db8000000000000000000") + source.randbytes(3))


def hashed(count, family=4, seed=1, ports=False):
    """Clients for the hash schedulers: random addresses, or few addresses with many ports."""
    source = random.Random(f"{seed}/{family}/{ports}")
    draw = address4 if family == 4 else address6
    few = [draw(source) for _ in range(8)]
    seen = {}
    while len(seen) < count:
        address = source.choice(few) if ports else draw(source)
        text = f"[{address}]" if family == 6 else str(address)
        seen[f"{text}:{source.randrange(1024, 65536)}"] = True
    return [{"client": client} for client in seen]


class Flows:
    """Clients for the other schedulers: each flow new, nothing else about it matters."""

    def __init__(self):
        self.number = 0

    def __call__(self, count):
        first, self.number = self.number, self.number + count
        return [{"client": self.name(number)} for number in range(first, self.number)]

    @staticmethod
    def name(number):
        return f"198.18.{number // 250}.{number % 250 + 1}:{4000 + number}"


def scenario(name, about, scheduler, list_of_servers, steps, flags=(), protocol="udp", family=4):
    return {"name": name, "about": about, "scheduler": scheduler, "flags": list(flags), "protocol": protocol,
            "service": SERVICE[family], "servers": list_of_servers, "steps": steps}


def edit(number, weight, family=4):
    return [{"edit": server(number, weight, family)}]


def add(number, weight=1):
    return [{"add": server(number, weight)}]


def delete(number):
    gone = server(number)
    return [{"delete": {"address": gone["address"], "port": gone["port"]}}]


def finish(*numbers):
    return [{"finish": Flows.name(number)} for number in numbers]


def round_robin():
    yield scenario("rr", "three servers", "rr", servers(1, 1, 1), Flows()(10))
    yield scenario("rr-quiesced", "one of three has weight 0", "rr", servers(1, 0, 1), Flows()(8))
    yield scenario("rr-all-quiesced", "no server has a weight", "rr", servers(0, 0), Flows()(3))
    flows = Flows()
    yield scenario("rr-empty", "the first server comes later, the last one goes", "rr", [],
                   flows(2) + add(1) + flows(2) + delete(1) + flows(2) + add(2) + add(3) + flows(3))
    flows = Flows()
    yield scenario("rr-add", "servers are added while the cursor stands on each place", "rr", servers(1, 1, 1),
                   flows(1) + add(4) + flows(2) + add(5) + flows(3) + add(6) + flows(8))
    flows = Flows()
    yield scenario("rr-delete", "the cursor's server, the one before, the one after; and back again", "rr",
                   servers(1, 1, 1, 1, 1, 1),
                   flows(1) + delete(6) + flows(3) + delete(3) + flows(1) + delete(4) + flows(4) + add(3) + flows(5)
                   + delete(3) + delete(5) + flows(3) + add(4) + add(6) + flows(7))
    flows = Flows()
    yield scenario("rr-edit", "weights to 0 and back under the cursor", "rr", servers(1, 1, 1),
                   flows(1) + edit(3, 0) + flows(3) + edit(3, 5) + flows(4) + edit(2, 0) + edit(1, 0) + flows(2)
                   + edit(3, 0) + flows(2) + edit(1, 1) + flows(2) + edit(2, 7) + edit(3, 1) + flows(6))


def weighted_round_robin():
    for weights, count in (((1, 3, 2), 20), ((4, 0, 6), 24), ((2, 4, 6), 20), ((6, 4, 2), 20), ((5, 5, 5), 8),
                           ((1, 1000000), 40), ((1, 40), 90), ((3, 6, 9, 12), 40), ((0, 0), 3), ((7,), 9),
                           ((10, 1, 1, 3, 0, 8), 60)):
        name = "-".join(str(weight) for weight in weights)
        yield scenario(f"wrr-{name}", f"weights {name}", "wrr", servers(*weights), Flows()(count))
    flows = Flows()
    yield scenario("wrr-add", "servers are added at several places of the sequence", "wrr", servers(1, 3, 2),
                   flows(1) + add(4, 2) + flows(3) + add(5, 6) + flows(9) + add(6, 0) + flows(20))
    flows = Flows()
    yield scenario("wrr-delete", "the cursor's server and others are deleted and come back", "wrr",
                   servers(4, 2, 6, 2),
                   flows(1) + delete(3) + flows(3) + add(3, 6) + flows(2) + delete(1) + flows(5) + delete(4) + flows(4)
                   + delete(2) + flows(3) + delete(3) + flows(2) + add(1, 3) + add(2, 2) + flows(9))
    flows = Flows()
    yield scenario("wrr-edit", "weights change, and with them their gcd, in the middle of a round", "wrr",
                   servers(4, 2, 6),
                   flows(2) + edit(2, 3) + flows(4) + edit(1, 9) + edit(3, 3) + flows(5) + edit(1, 0) + flows(5)
                   + edit(2, 0) + edit(3, 0) + flows(2) + edit(2, 10) + edit(3, 20) + flows(7) + edit(3, 20) + flows(3)
                   + edit(3, 5) + flows(12))
    flows = Flows()
    yield scenario("wrr-empty", "the first server comes later", "wrr", [],
                   flows(1) + add(1, 2) + flows(2) + add(2, 4) + flows(7))


def least_connection():
    yield scenario("lc", "UDP: inactive connections only", "lc", servers(1, 1, 1), Flows()(12))
    yield scenario("lc-weights", "weights count only as zero or not", "lc", servers(1, 0, 100), Flows()(10))
    flows = Flows()
    yield scenario("lc-tcp", "active connections that finish become inactive", "lc", servers(1, 1, 1),
                   flows(6) + finish(0, 3) + flows(3) + finish(1) + flows(4) + finish(2, 5, 6, 7) + flows(8),
                   protocol="tcp")
    flows = Flows()
    yield scenario("lc-edits", "servers come, go, come back with their connections, and are quiesced", "lc",
                   servers(1, 1), flows(4) + add(3) + flows(4) + edit(3, 0) + flows(3) + delete(1) + flows(2)
                   + add(1) + flows(6) + edit(3, 1) + flows(6))
    yield scenario("wlc", "equal weights", "wlc", servers(1, 1, 1), Flows()(12))
    yield scenario("wlc-1-3-2", "weights 1-3-2", "wlc", servers(1, 3, 2), Flows()(24))
    yield scenario("wlc-4-0-6", "weights 4-0-6", "wlc", servers(4, 0, 6), Flows()(20))
    yield scenario("wlc-1-1000000", "weights 1-1000000", "wlc", servers(1, 1000000), Flows()(20))
    yield scenario("wlc-large", "weights whose products need 64 bits", "wlc",
                   servers(2147483647, 2147483646, 1073741824), Flows()(20))
    yield scenario("wlc-all-quiesced", "no server has a weight", "wlc", servers(0, 0), Flows()(2))
    flows = Flows()
    yield scenario("wlc-tcp", "active connections that finish become inactive", "wlc", servers(1, 3, 2),
                   flows(12) + finish(0, 3, 4) + flows(5) + finish(1, 2, 5, 6) + flows(10), protocol="tcp")
    flows = Flows()
    yield scenario("wlc-edits", "weights and servers change", "wlc", servers(1, 3, 2),
                   flows(6) + edit(2, 1) + flows(4) + add(4, 5) + flows(6) + edit(1, 0) + flows(3) + delete(2)
                   + flows(5) + add(2, 3) + edit(1, 9) + flows(8))


def expected_delay():
    for scheduler in ("sed", "nq"):
        yield scenario(scheduler, "UDP: no active connections", scheduler, servers(1, 3, 2), Flows()(8))
        for weights, count in (((1, 1, 1), 12), ((1, 3, 2), 24), ((4, 0, 6), 24), ((1, 1000000), 20),
                               ((2147483647, 2147483646, 1073741824), 20)):
            name = "-".join(str(weight) for weight in weights)
            yield scenario(f"{scheduler}-{name}", f"TCP, weights {name}", scheduler, servers(*weights), Flows()(count),
                           protocol="tcp")
        yield scenario(f"{scheduler}-all-quiesced", "no server has a weight", scheduler, servers(0, 0), Flows()(2))
        flows = Flows()
        yield scenario(f"{scheduler}-finish", "connections that finish count no more", scheduler, servers(1, 3, 2),
                       flows(12) + finish(0, 3, 4) + flows(5) + finish(1, 2, 5, 6) + flows(10), protocol="tcp")
        flows = Flows()
        yield scenario(f"{scheduler}-edits", "weights and servers change", scheduler, servers(1, 3, 2),
                       flows(6) + edit(2, 1) + flows(4) + add(4, 5) + flows(6) + edit(1, 0) + flows(3) + delete(2)
                       + flows(5) + add(2, 3) + edit(1, 9) + flows(8), protocol="tcp")


def failover():
    for weights in ((1, 3, 2), (5, 5, 5), (0, 0), (0, 7, 0)):
        name = "-".join(str(weight) for weight in weights)
        yield scenario(f"fo-{name}", f"weights {name}", "fo", servers(*weights), Flows()(5))
    flows = Flows()
    yield scenario("fo-edits", "the highest weight moves", "fo", servers(1, 3, 2),
                   flows(3) + edit(2, 0) + flows(3) + edit(1, 9) + flows(2) + add(4, 9) + flows(2) + delete(4) + flows(2)
                   + edit(1, 0) + edit(3, 0) + flows(2), protocol="tcp")
    for weights, count in (((1, 3, 2), 14), ((2, 2, 2), 12), ((4, 0, 6), 16), ((0, 0), 2), ((1, 1000000), 10)):
        name = "-".join(str(weight) for weight in weights)
        yield scenario(f"ovf-{name}", f"TCP until it overflows, weights {name}", "ovf", servers(*weights),
                       Flows()(count), protocol="tcp")
    yield scenario("ovf", "UDP: no active connections", "ovf", servers(1, 3, 2), Flows()(8))
    flows = Flows()
    yield scenario("ovf-edits", "connections finish, weights change", "ovf", servers(1, 3, 2),
                   flows(7) + finish(0, 1, 4) + flows(4) + edit(2, 5) + flows(5) + edit(3, 0) + flows(3) + finish(9, 10)
                   + flows(4), protocol="tcp")


def destination_hash():
    for family in (4, 6):
        for weights in ((1, 1, 1), (1, 3, 2), (2, 0, 1), (0, 1, 0), (1, 1, 1, 1, 1, 1, 1)):
            name = "-".join(str(weight) for weight in weights)
            yield scenario(f"dh{family}-{name}", f"weights {name}", "dh", servers(*weights, family=family),
                           hashed(12, family), family=family)
    groups = [hashed(8, seed=f"dh {number}") for number in range(6)]
    yield scenario("dh-edits", "each server that comes or goes deals the buckets anew", "dh", servers(1, 3, 2),
                   groups[0] + add(4, 2) + groups[1] + edit(2, 0) + groups[2] + delete(4) + groups[3] + edit(2, 1)
                   + groups[4] + add(5) + add(6) + groups[5])
    yield scenario("dh-empty", "no server, then all gone again", "dh", [],
                   hashed(2, seed="a") + add(1) + hashed(4, seed="b") + delete(1) + hashed(2, seed="c"))


def fallback():
    for scheduler in ("sh", "mh"):
        for family in (4, 6):
            for weights in ((1, 1, 1), (2, 0, 1), (1, 0, 0, 3, 0), (0, 0, 0, 0, 0, 0, 0, 0, 0, 1)):
                name = "-".join(str(weight) for weight in weights)
                # mh gives a server without a weight no slots: they are quiesced afterwards.
                given = [max(weight, 1) for weight in weights]
                quiesce = sum((edit(number + 1, 0, family) for number, weight in enumerate(weights) if weight == 0), [])
                yield scenario(f"{scheduler}{family}-fallback-{name}", f"{scheduler}-fallback, weights {name}", scheduler,
                               servers(*given, family=family), quiesce + hashed(120, family, seed="fallback"),
                               flags=[f"{scheduler}-fallback"], family=family)
            yield scenario(f"{scheduler}{family}-fallback-port", "with the port in the hash", scheduler,
                           servers(1, 3, 2, 1, family=family),
                           edit(2, 0, family) + hashed(120, family, seed="port", ports=True),
                           flags=[f"{scheduler}-fallback", f"{scheduler}-port"], family=family)
        groups = [hashed(60, seed=f"fallback {number}") for number in range(4)]
        yield scenario(f"{scheduler}-fallback-edits", "one after the other goes, and comes back", scheduler,
                       servers(1, 3, 2), groups[0] + edit(2, 0) + groups[1] + edit(1, 0) + groups[2] + edit(3, 0)
                       + hashed(4, seed="nobody") + edit(2, 2) + groups[3], flags=[f"{scheduler}-fallback"])


def source_hash():
    for family in (4, 6):
        for weights in ((1, 1, 1), (1, 3, 2), (2, 0, 1), (300, 1), (1, 1, 1, 1, 1, 1, 1)):
            name = "-".join(str(weight) for weight in weights)
            yield scenario(f"sh{family}-{name}", f"weights {name}", "sh", servers(*weights, family=family),
                           hashed(160, family), family=family)
        yield scenario(f"sh{family}-port", "sh-port, few addresses and many ports", "sh",
                       servers(1, 3, 2, family=family), hashed(160, family, ports=True), flags=["sh-port"],
                       family=family)
        yield scenario(f"sh{family}-port-ignored", "without sh-port, few addresses and many ports", "sh",
                       servers(1, 3, 2, family=family), hashed(40, family, ports=True), family=family)
    groups = [hashed(60, seed=f"edit {number}") for number in range(6)]
    yield scenario("sh-edits", "each change deals the buckets anew", "sh", servers(1, 3, 2),
                   groups[0] + add(4, 2) + groups[1] + edit(2, 1) + groups[2] + edit(1, 0) + groups[3] + delete(4)
                   + groups[4] + add(4, 1) + groups[5])
    yield scenario("sh-empty", "no server, then all gone again", "sh", [],
                   hashed(2, seed="a") + add(1) + hashed(4, seed="b") + delete(1) + hashed(2, seed="c"))


def maglev():
    for family in (4, 6):
        for weights in ((1, 1, 1), (1, 3, 2), (2, 0, 1), (100, 200, 7), (1, 1000000), (1, 1, 1, 1, 1, 1, 1),
                        (2147483647, 2147483646)):
            name = "-".join(str(weight) for weight in weights)
            yield scenario(f"mh{family}-{name}", f"weights {name}", "mh", servers(*weights, family=family),
                           hashed(256, family), family=family)
        yield scenario(f"mh{family}-port", "mh-port, few addresses and many ports", "mh",
                       servers(1, 3, 2, family=family), hashed(256, family, ports=True), flags=["mh-port"],
                       family=family)
    groups = [hashed(120, seed=f"quiesce {number}") for number in range(4)]
    yield scenario("mh-quiesced", "a server that is quiesced keeps its slots, and gets them back", "mh",
                   servers(1, 3, 2), groups[0] + edit(2, 0) + groups[1] + edit(2, 5) + groups[2] + edit(1, 0)
                   + edit(2, 0) + groups[3])
    groups = [hashed(100, seed=f"edit {number}") for number in range(6)]
    yield scenario("mh-edits", "servers come and go; one that comes back with weight 0 has no slots", "mh",
                   servers(1, 3, 2), groups[0] + add(4, 2) + groups[1] + delete(2) + groups[2] + add(2, 0) + groups[3]
                   + edit(2, 4) + groups[4] + edit(2, 0) + groups[5])
    yield scenario("mh-all-quiesced", "no server ever had a weight", "mh", servers(0, 0), hashed(4))
    yield scenario("mh-empty", "no server, then all gone again", "mh", [],
                   hashed(2, seed="a") + add(1) + hashed(4, seed="b") + delete(1) + hashed(2, seed="c"))


def service_edits():
    def change(scheduler, *flags):
        return [{"service": {"scheduler": scheduler, "flags": list(flags)}}]

    flows = Flows()
    yield scenario("service-edit", "the scheduler changes: its cursor starts anew, but not when it stays the same",
                   "rr", servers(1, 3, 2),
                   flows(2) + change("rr") + flows(2) + change("wrr") + flows(4) + change("wrr") + flows(3)
                   + change("rr") + flows(2) + change("wlc") + flows(3) + change("wrr") + flows(7))
    groups = [hashed(60, seed=f"service {number}", ports=True) for number in range(4)]
    yield scenario("service-edit-flags", "the port joins the hash and leaves it", "sh", servers(1, 3, 2),
                   groups[0] + change("sh", "sh-port") + groups[1] + change("mh", "mh-port") + groups[2]
                   + change("mh") + groups[3])


def scenarios(prefix=""):
    for group in (round_robin, weighted_round_robin, least_connection, expected_delay, failover, source_hash,
                  destination_hash, maglev, fallback, service_edits):
        for one in group():
            if one["name"].startswith(tuple(prefix.split(","))):
                yield one
