# A TCP client made by hand, packet by packet, behind an address that no kernel owns: as a FullNAT director's packets look
# to its servers. Prints what the server answers.
#
# client.py INTERFACE OWN-MAC SERVER-MAC SOURCE PORT SERVER PORT TOA WHERE REQUEST
# TOA: bytes of the option in hexadecimal; WHERE: those of syn, ack, data that carry it, and "lost" to lose the ACK.
import socket, struct, sys, time

interface, own, mac, source, sport, server, dport, toa, where, request = sys.argv[1:]
sport, dport, where = int(sport), int(dport), where.split(",")
own, mac, toa = (bytes.fromhex(text.replace(":", "")) for text in (own, mac, toa))
six = ":" in source
family = socket.AF_INET6 if six else socket.AF_INET
a, b = socket.inet_pton(family, source), socket.inet_pton(family, server)
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
wire.bind((interface, 0))
wire.settimeout(1)

SYN, RST, PSH, ACK = 2, 4, 8, 16


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def send(flags, seq, ack, options=b"", payload=b""):
    length = 20 + len(options)
    tcp = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, length << 2, flags, 65000, 0, 0) + options + payload
    if six:
        pseudo = a + b + struct.pack("!II", len(tcp), 6)
        head = struct.pack("!IHBB", 6 << 28, len(tcp), 6, 64) + a + b
    else:
        pseudo = a + b + struct.pack("!HH", 6, len(tcp))
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + a + b
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    wire.send(mac + own + struct.pack("!H", 0x86DD if six else 0x0800) + head + tcp)


def receive(wanted, seconds=8):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            frame = wire.recv(4000)
        except TimeoutError:
            continue
        ip = frame[14:]
        tcp = ip[40:] if six else ip[(ip[0] & 15) * 4:] if ip[0] >> 4 == 4 else b""
        if frame[12:14] != (b"\x86\xdd" if six else b"\x08\x00") or len(tcp) < 20:
            continue
        if struct.unpack("!HH", tcp[:4]) != (dport, sport) or (ip[8:24] if six else ip[12:16]) != b:
            continue
        length = struct.unpack("!H", ip[4:6])[0] if six else struct.unpack("!H", ip[2:4])[0] - 20
        seq, ack = struct.unpack("!II", tcp[4:12])
        payload = tcp[tcp[12] >> 4 << 2:length]
        if wanted(tcp[13], payload):
            return seq, payload
    sys.exit("nothing came")


def option(name):
    return toa if name in where else b""


first = int(time.time() * 1000) & 0x7FFFFFFF
send(SYN, first, 0, option("syn") + struct.pack("!BBH", 2, 4, 1400))
theirs, _ = receive(lambda flags, _: flags & (SYN | ACK) == SYN | ACK)
if "lost" not in where:
    send(ACK, first + 1, theirs + 1, option("ack"))
time.sleep(0.2)
data = request.encode().decode("unicode_escape").encode()
send(PSH | ACK, first + 1, theirs + 1, option("data"), data)
_, answer = receive(lambda _, payload: payload)
send(RST, first + 1 + len(data), 0)
print(answer.decode(errors="replace"))
