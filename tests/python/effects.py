"""What grpcio sees of each fault: `ADDRESS\\tRULE\\tMETHOD\\tDEADLINE\\tREQUEST` (ms, hex) in each line of the input."""

import json
import sys
import time

import grpc

from facts import limit_time


def call(address, rule, method, deadline, message):
    """One call on a channel of its own: a connection that one rule ends is no matter to the next."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    with grpc.insecure_channel(address, options=options) as channel:
        metadata = [("authorization", "Bearer someone"), ("strategy", "blue")]
        metadata += [("teal-fault", rule.encode())] if rule else []
        begun = time.monotonic()
        code, text, answer = "OK", "", b""
        try:
            answer, told = channel.unary_unary(f"/QueryEngineService/{method}").with_call(
                bytes.fromhex(message), metadata=metadata, timeout=int(deadline) / 1000)
        except grpc.RpcError as error:
            code, text, told = error.code().name, error.details(), error
        millis = int((time.monotonic() - begun) * 1000)
        pairs = dict([*(told.initial_metadata() or ()), *(told.trailing_metadata() or ())])
        return {"code": code, "text": text, "message": (answer or b"").hex(), "fault": pairs.get("teal-fault"), "millis": millis}


if __name__ == "__main__":
    limit_time()
    for line in sys.stdin:
        print(json.dumps(call(*line.rstrip("\n").split("\t"))), flush=True)
