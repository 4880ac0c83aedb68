"""What the scripts about TLS share."""

import grpc
from e6data_python_connector.server import e6x_engine_pb2 as pb
from e6data_python_connector.server import e6x_engine_pb2_grpc as pb_grpc

from facts import PASSWORD, USER, address


def read(path):
    with open(path, "rb") as file:
        return file.read()


def log_in(channel, timeout=60):
    """The answer of authenticate."""
    with channel:
        stub = pb_grpc.QueryEngineServiceStub(channel)
        return stub.authenticate(
            pb.AuthenticateRequest(user=USER, password=PASSWORD), metadata=[("strategy", "blue")], timeout=timeout)


def channel(authority=None, certificate=None, key=None, options=()):
    """A channel that trusts an authority and shows a certificate, each from a file."""
    read_if = lambda path: path and read(path)
    credentials = grpc.ssl_channel_credentials(read_if(authority), read_if(key), read_if(certificate))
    return grpc.secure_channel("%s:%d" % address(), credentials, options=list(options))


def refused(channel, text="", timeout=60, codes=(grpc.StatusCode.UNAVAILABLE,)):
    """Logging in fails at once, not by the deadline, unless `codes` say otherwise."""
    try:
        answer = log_in(channel, timeout)
    except grpc.RpcError as error:
        assert error.code() in codes and text in error.details(), error
        return
    raise AssertionError(f"it answered {answer}")
