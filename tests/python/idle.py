"""Connections that say nothing: `idle.py ADDRESS COUNT`; says `connected` and ends with its input."""

import resource
import socket
import sys

from facts import address, limit_time

if __name__ == "__main__":
    limit_time()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    held = [socket.create_connection(address()) for _ in range(int(sys.argv[2]))]
    print(f"{len(held)} connected", flush=True)
    sys.stdin.read()
