"""What grpcio sees of each fault: `effects.py ADDRESS`, with `RULE\\tMETHOD\\tREQUEST` (hex) in each line of the input."""

import json
import os
import sys

import grpc

from facts import address, limit_time

DEADLINE = float(os.environ["TEAL_TEST_DEADLINE"]) / 1000


def call(rule, method, message):
    """One call on a channel of its own: a connection that one rule ends is no matter to the next."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    with grpc.insecure_channel("%s:%d" % address(), options=options) as channel:
        metadata = [("authorization", "Bearer someone"), ("strategy", "blue")]
        metadata += [("teal-fault", rule.encode())] if rule else []
        try:
            answer = channel.unary_unary(f"/QueryEngineService/{method}")(
                bytes.fromhex(message), metadata=metadata, timeout=DEADLINE)
        except grpc.RpcError as error:
            return {"code": error.code().name, "text": error.details(), "bytes": 0}
        return {"code": "OK", "text": "", "bytes": len(answer or b"")}


if __name__ == "__main__":
    limit_time()
    for line in sys.stdin:
        print(json.dumps(call(*line.rstrip("\n").split("\t"))), flush=True)
