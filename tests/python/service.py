"""A gRPC server of another HTTP/2 implementation: `service.py [OPTION=NUMBER…]`; says `serving PORT`.

Its four methods do what the metadata of the call says, on messages that are bare bytes:
`size` and `count` of the answers, `pause` before each (ms), `compress` them, `status` and `details` at the end,
`echo-*` comes back in front and `trailer-*` behind. Ends with its input.
"""

import sys
import threading
import time
from concurrent import futures

import grpc

from facts import limit_time

COMPRESSION = {"gzip": grpc.Compression.Gzip, "deflate": grpc.Compression.Deflate, "": None}
CODES = {code.value[0]: code for code in grpc.StatusCode}


def told(context):
    """The metadata of a call, and the answer's metadata that it asks for."""
    pairs = list(context.invocation_metadata())
    told = dict(pairs)
    context.set_compression(COMPRESSION[told.get("compress", "")])
    context.send_initial_metadata([(key, value) for key, value in pairs if key.startswith("echo-")])
    context.set_trailing_metadata([(key, value) for key, value in pairs if key.startswith("trailer-")])
    return told


def end(told, context):
    """Ends a call as it was told to."""
    code = CODES[int(told.get("status", "0"))]
    if code != grpc.StatusCode.OK:
        context.abort(code, told.get("details", ""))
    context.set_details(told.get("details", ""))


def messages(told, first):
    """The answers of a call: what came first, or so many bytes."""
    size = int(told.get("size", "-1"))
    for number in range(int(told.get("count", "1"))):
        time.sleep(int(told.get("pause", "0")) / 1000)
        yield first if size < 0 else bytes([number % 256]) * size


def unary(request, context):
    options = told(context)
    answer = next(messages(options, request))
    end(options, context)
    return answer


def server_stream(request, context):
    options = told(context)
    yield from messages(options, request)
    end(options, context)


def client_stream(requests, context):
    options = told(context)
    if options.get("early"):
        next(requests)
        end(options, context)
    sizes = [len(request) for request in requests]
    end(options, context)
    return repr(sizes).encode()


def bidi(requests, context):
    options = told(context)
    for request in requests:
        yield from messages(options, request)
    end(options, context)


HANDLERS = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "ServerStream": grpc.unary_stream_rpc_method_handler(server_stream),
    "ClientStream": grpc.stream_unary_rpc_method_handler(client_stream),
    "Bidi": grpc.stream_stream_rpc_method_handler(bidi),
}


if __name__ == "__main__":
    limit_time()
    options = [(name, int(value)) for name, value in (option.split("=") for option in sys.argv[1:])]
    port = dict(options).pop("port", 0)
    limits = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0),
              ("grpc.max_metadata_size", 1 << 20), ("grpc.absolute_max_metadata_size", 1 << 20)]
    server = grpc.server(futures.ThreadPoolExecutor(64), options=limits + [pair for pair in options if pair[0] != "port"])
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("teal.test.TestService", HANDLERS)])
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    print(f"serving {port}", flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), server.stop(0)), daemon=True).start()
    server.wait_for_termination()
