"""A gRPC server that says of its health what a file says. Usage: server.py FILE [KEY CERTIFICATE]"""

import sys
from concurrent import futures

import grpc

PORT = 50051
STATUS = {"UNKNOWN": 0, "SERVING": 1, "NOT_SERVING": 2}
file, *tls = sys.argv[1:]


def check(request, context):
    # One field: a tag, a length and the name; nothing where the name is empty.
    if request[2:].decode() not in ("", "shop.Orders"):
        context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
    with open(file) as status:
        return bytes([8, STATUS[status.read().strip()]])


class Health(grpc.GenericRpcHandler):
    def service(self, details):
        if details.method == "/grpc.health.v1.Health/Check":
            return grpc.unary_unary_rpc_method_handler(check)


server = grpc.server(futures.ThreadPoolExecutor(max_workers=2), handlers=[Health()])
if tls:
    key, certificate = (open(name, "rb").read() for name in tls)
    server.add_secure_port(f"[::]:{PORT}", grpc.ssl_server_credentials([(key, certificate)]))
else:
    server.add_insecure_port(f"[::]:{PORT}")
server.start()
server.wait_for_termination()
