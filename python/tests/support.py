"""Real calls, and ends of processes, without a package beyond the standard library."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from teal import Server, binary

SOON = 30.0
"""Seconds in which everything happens that is waited for."""


def rehearse(server: Server, *flags: str) -> subprocess.Popen[bytes]:
    """Starts a client that runs queries: teal's own."""
    command = [binary.find(), "rehearse", "--to", server.url, "--clients", "1", *flags]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextmanager
def client(server: Server, *flags: str) -> Iterator[None]:
    """A client at work: it has logged in and runs queries, until the end."""
    running = rehearse(server, "--duration", "60s", "--think", "5ms", *flags)
    try:
        server.verify("clear*", status="OK", within=SOON)
        yield
    finally:
        running.kill()
        running.wait()


def wait_for_the_end(pid: int) -> bool:
    """Waits until a process has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], SOON)[0])
    finally:
        os.close(descriptor)


def deadline() -> float:
    """The end of that time, from now on, by the monotonic clock."""
    return time.monotonic() + SOON
