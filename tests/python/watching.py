"""Watches the health of a server until the server ends: `watching.py ADDRESS`; says `watching` once it does."""

import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

watch = health_pb2_grpc.HealthStub(grpc.insecure_channel(sys.argv[1])).Watch(health_pb2.HealthCheckRequest())
assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
print("watching", flush=True)
# It ends as it should, and isn't cut.
assert list(watch) == []
assert watch.code() == grpc.StatusCode.OK, watch.code()
