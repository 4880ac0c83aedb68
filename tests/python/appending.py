"""Calls directly and through teal, where a notice is due: `appending.py TEAL ENGINE FIELD`.

Each line of the input is `NUMBER\\tSEEN\\tNAME`: which of the engine's answers is asked for, and what is to be seen of it through
teal. `same`: what is seen directly. `appended`: the same, with FIELD (hex) behind its message. `refused`: a 456 instead.
"""

import sys

import grpc
from e6data_python_connector.server import e6x_engine_pb2 as pb

from calls import OPTIONS, one, outcome
from facts import limit_time, same

TEAL, ENGINE = sys.argv[1:3]
FIELD = bytes.fromhex(sys.argv[3])
METHOD = "/QueryEngineService/getSchemaNames"


def seen(target, number, strategy="blue"):
    """All that is seen of a call, and what it was told of a switch."""
    # After a coding that it does not know, grpcio reads no other on the same connection.
    with grpc.insecure_channel(target, options=[*OPTIONS, ("grpc.use_local_subchannel_pool", 1)]) as channel:
        metadata = [("case", number), ("strategy", strategy)]
        call = channel.unary_unary(METHOD).future(b"", metadata=metadata, timeout=100)
        found = outcome(call, one(call))
    told = []
    for metadata in "initial", "trailing":
        told += [value for key, value in found[metadata] if key == "new-strategy"]
        found[metadata] = [pair for pair in found[metadata] if pair[0] != "new-strategy"]
    return found, told


def check(number, expected, name):
    if expected == "refused":
        found, told = seen(TEAL, number, "purple")
        same((found["code"], found["details"], told), (grpc.StatusCode.UNKNOWN, "status: 456", []), name)
        return
    directly, (found, told) = seen(ENGINE, number)[0], seen(TEAL, number)
    if expected == "appended":
        same(directly["code"], grpc.StatusCode.OK, f"{name}, directly: {directly['details']}")
        same(told, ["green"], name)
        (message,) = directly["messages"]
        directly["messages"] = [message + FIELD]
        directly["initial"] = [pair for pair in directly["initial"] if pair[0] != "content-length"]
        # A byte alone is no message of theirs.
        if len(message) != 1:
            whole = pb.GetSchemaNamesResponse.FromString(found["messages"][0])
            same((whole.new_strategy, whole.schemas), ("green", pb.GetSchemaNamesResponse.FromString(message).schemas), name)
    same(found, directly, name)


if __name__ == "__main__":
    limit_time()
    cases = [line.rstrip("\n").split("\t") for line in sys.stdin]
    for case in cases:
        check(*case)
    print(f"{len(cases)} answers were seen", flush=True)
    sys.exit(0 if cases else 1)
