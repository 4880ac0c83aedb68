"""Servers for tests of clients through blue-green switches.

    with teal.Server() as server:
        connection = Connection(**server.connect())
        server.switch()
        ...
        server.wait("STABLE", active="green")
        server.verify(outcome="rejected", exactly=0)
"""

from .aio import AsyncControl, AsyncServer
from .control import Control
from .errors import Died, Error, NotCompleted, NotSo, Refused, Timeout, Unreachable
from .fault import Fault
from .server import Pair, Server

__all__ = [
    "AsyncControl",
    "AsyncServer",
    "Control",
    "Died",
    "Error",
    "Fault",
    "NotCompleted",
    "NotSo",
    "Pair",
    "Refused",
    "Server",
    "Timeout",
    "Unreachable",
]
