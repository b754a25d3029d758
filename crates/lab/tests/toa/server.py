# Accepts connections and tells, one line each: what accept() shows, and what getpeername() shows after data came.
import socket, sys

address, port, defer = sys.argv[1], int(sys.argv[2]), len(sys.argv) > 3
listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
if ":" in address:
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
if defer:
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 5)
listener.bind((address, port))
listener.listen()
print("listening", flush=True)
while True:
    connection, accepted = listener.accept()
    connection.settimeout(10)
    connection.recv(100)
    peer = connection.getpeername()
    print(*accepted[:2], *peer[:2], flush=True)
    connection.sendall(b"HTTP/1.0 200 at your service")
    connection.close()
