"""The same calls directly and through teal: `comparing.py TEAL SERVICE`, where SERVICE is a `service.py`.

Messages, metadata, trailers and statuses have to be the same. The cases have the names of gRPC's interoperability tests
where there is one; a few hundred more are drawn at random.
"""

import os
import queue
import random
import sys
from concurrent import futures

import grpc

from calls import OPTIONS, one, outcome
from facts import check_facts, fact, same

CHANNELS = [grpc.insecure_channel(target, options=OPTIONS) for target in (sys.argv[2], sys.argv[1])]
SEED = int(os.environ.get("TEAL_TEST_SEED", "20"))
WITHIN = 60


def make(channel, method, requests, metadata=(), compression=None, timeout=WITHIN):
    """Makes a call of any kind and gives its outcome."""
    path = f"/teal.test.TestService/{method}"
    options = {"metadata": metadata, "compression": compression, "timeout": timeout}
    if method == "ServerStream":
        call = channel.unary_stream(path)(requests[0], **options)
        return outcome(call, call)
    if method == "Bidi":
        call = channel.stream_stream(path)(iter(requests), **options)
        return outcome(call, call)
    if method == "ClientStream":
        call = channel.stream_unary(path).future(iter(requests), **options)
    else:
        call = channel.unary_unary(path).future(requests[0], **options)
    return outcome(call, one(call))


def both(method, requests, metadata=(), **options):
    """The outcome of a call, after comparing that of both ways."""
    direct, proxied = (make(channel, method, requests, metadata, **options) for channel in CHANNELS)
    same(proxied, direct, f"{method} {metadata} {options}")
    return direct


def ok(method, requests, expected, metadata=(), **options):
    """A call that has to succeed, with these messages."""
    seen = both(method, requests, metadata, **options)
    same(seen["code"], grpc.StatusCode.OK, str(seen["details"]))
    same(seen["messages"], expected)


@fact
def empty_unary():
    ok("Unary", [b""], [b""])


@fact
def large_unary():
    for size in 271828, 4 << 20, 64 << 20:
        ok("Unary", [bytes(size)], [b"\0" * 314159], [("size", "314159")])
        ok("Unary", [b""], [b"\0" * size], [("size", str(size))])


@fact
def client_streaming():
    sizes = [27182, 8, 1828, 45904, 0, 1]
    ok("ClientStream", [bytes(size) for size in sizes], [repr(sizes).encode()])
    ok("ClientStream", [], [b"[]"])


@fact
def server_streaming():
    ok("ServerStream", [b""], [bytes([number]) * 31415 for number in range(4)], [("size", "31415"), ("count", "4")])
    ok("ServerStream", [b""], [], [("count", "0")])
    ok("ServerStream", [b"x"], [b"x"])


@fact
def empty_stream():
    ok("Bidi", [], [])


@fact
def ping_pong():
    for channel in CHANNELS:
        asked = queue.Queue()
        call = channel.stream_stream("/teal.test.TestService/Bidi")(iter(asked.get, None), timeout=WITHIN)
        for size in 27182, 8, 1828, 45904:
            asked.put(bytes(size))
            same(next(call), bytes(size))
        asked.put(None)
        same(list(call), [])
        same(call.code(), grpc.StatusCode.OK)


@fact
def compressed():
    for coding in grpc.Compression.Gzip, grpc.Compression.Deflate, grpc.Compression.NoCompression:
        for answer in "gzip", "deflate", "":
            metadata = [("compress", answer), ("size", "100000"), ("count", "3")]
            for method in "Unary", "ServerStream", "ClientStream", "Bidi":
                both(method, [bytes(10000)], metadata, compression=coding)


@fact
def custom_metadata():
    every = bytes(range(256))
    metadata = [("echo-initial", "test_initial_metadata_value"), ("echo-bin", every), ("trailer-bin", every),
                ("echo-twice", "1"), ("echo-twice", "2"), ("trailer-twice", "a"), ("trailer-twice", "b"),
                ("echo-long", "x" * 60000), ("trailer-empty", ""), ("trailer-empty-bin", b"")]
    for method in "Unary", "ServerStream", "ClientStream", "Bidi":
        seen = both(method, [b"x"], metadata)
        same([value for key, value in seen["initial"] if key == "echo-bin"], [every])
        same([value for key, value in seen["trailing"] if key == "trailer-twice"], ["a", "b"])
    many = [(f"echo-{number}", str(number)) for number in range(100)]
    both("Unary", [b"x"], many)


@fact
def status_code_and_message():
    for code in range(1, 17):
        for method in "Unary", "ServerStream", "ClientStream", "Bidi":
            seen = both(method, [b"x"], [("status", str(code)), ("details", "test status message")])
            same((seen["code"].value[0], seen["details"]), (code, "test status message"))


@fact
def special_status_message():
    # Metadata are ASCII: the words stand in the request's own escapes.
    for details in "100 %", "%41 %zz", "a" * 5000, "quote\"", "":
        both("Unary", [b"x"], [("status", "2"), ("details", details)])


@fact
def unimplemented_method_and_service():
    for path in "/teal.test.TestService/None", "/no.Such/Method":
        seen = []
        for channel in CHANNELS:
            call = channel.unary_unary(path).future(b"", timeout=WITHIN)
            seen.append(outcome(call, one(call)))
        same(seen[1], seen[0])
        same(seen[0]["code"], grpc.StatusCode.UNIMPLEMENTED)


@fact
def cancel_after_begin():
    for channel in CHANNELS:
        asked = queue.Queue()
        call = channel.stream_unary("/teal.test.TestService/ClientStream").future(iter(asked.get, None), timeout=WITHIN)
        call.cancel()
        same(call.code(), grpc.StatusCode.CANCELLED)
        asked.put(None)


@fact
def cancel_after_first_response():
    for channel in CHANNELS:
        asked = queue.Queue()
        call = channel.stream_stream("/teal.test.TestService/Bidi")(iter(asked.get, None), timeout=WITHIN)
        asked.put(b"x")
        same(next(call), b"x")
        call.cancel()
        same(call.code(), grpc.StatusCode.CANCELLED)
        asked.put(None)


@fact
def point_21_timeout_on_sleeping_server():
    for timeout in 0.001, 0.3:
        for method in "Unary", "ServerStream", "Bidi":
            for channel in CHANNELS:
                seen = make(channel, method, [b"x"], [("pause", "5000")], timeout=timeout)
                same(seen["code"], grpc.StatusCode.DEADLINE_EXCEEDED)


@fact
def early_status_during_an_upload():
    for channel in CHANNELS:
        seen = make(channel, "ClientStream", (bytes(100_000) for _ in range(500)),
                    [("early", "1"), ("status", "9"), ("details", "enough")])
        same((seen["code"], seen["details"]), (grpc.StatusCode.FAILED_PRECONDITION, "enough"))


@fact
def concurrent_large_unary():
    with futures.ThreadPoolExecutor(32) as pool:
        calls = [pool.submit(make, CHANNELS[1], "Unary", [bytes([number]) * 271828]) for number in range(200)]
        for number, call in enumerate(calls):
            same(call.result()["messages"], [bytes([number]) * 271828])


@fact
def point_21_a_stream_may_be_silent_for_long():
    # For longer than a minute, after which many a proxy, and teal's pings, would end it.
    seen = make(CHANNELS[1], "ServerStream", [b"x"], [("pause", "65000")], timeout=150)
    same((seen["code"], seen["messages"]), (grpc.StatusCode.OK, [b"x"]))


@fact
def calls_drawn_at_random():
    draw = random.Random(SEED)
    for _ in range(300):
        method = draw.choice(["Unary", "ServerStream", "ClientStream", "Bidi"])
        length = lambda: draw.choice([0, 1, 5, 100, 16383, 16384, 16385, 100000])
        requests = [draw.randbytes(length()) for _ in range(draw.randrange(5))] or [b""]
        metadata = [("size", str(length())), ("count", str(draw.randrange(4) if method.endswith("Stream") else 1)),
                    ("compress", draw.choice(["", "gzip", "deflate"]))]
        for kind in "echo", "trailer":
            for _ in range(draw.randrange(4)):
                metadata.append((f"{kind}-{draw.randrange(3)}", "".join(draw.choices("abc ,;=%~", k=20)).strip()))
                metadata.append((f"{kind}-{draw.randrange(3)}-bin", draw.randbytes(draw.randrange(40))))
        if draw.random() < 0.3:
            metadata += [("status", str(draw.randrange(1, 17))), ("details", "".join(draw.choices("abc %~", k=30)))]
        both(method, requests, metadata, compression=draw.choice(list(grpc.Compression)))


if __name__ == "__main__":
    check_facts()
