"""A Python server that answers getSchemaNamesV2 with a constant: the yardstick of schema_names.sh."""

import sys
from concurrent.futures import ThreadPoolExecutor

import grpc

SCHEMAS = b"".join(b"\x0a" + bytes([len(name)]) + name for name in (b"finance", b"marketing", b"sales"))


class Service(grpc.GenericRpcHandler):
    def service(self, call):
        return grpc.unary_unary_rpc_method_handler(lambda request, context: SCHEMAS)


server = grpc.server(ThreadPoolExecutor(max_workers=10), handlers=[Service()])
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(port, flush=True)
sys.stdin.read()
server.stop(None)
