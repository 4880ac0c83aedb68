"""The binary as a child process that ends with this one, and the end of its log."""

from __future__ import annotations

import atexit
import os
import re
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Mapping, Sequence

from .errors import TAIL, Died, Error, Timeout

LINES = 10_000
"""The lines of the log that are kept."""
LONGEST = 4096
"""Bytes of a line of the log; the rest of a longer one counts as lines of its own."""
ENDS_WITHIN = ((signal.SIGINT, 2.0), (signal.SIGINT, 2.0), (signal.SIGKILL, 10.0))
"""How a server is ended. The first SIGINT lets calls in progress finish, the second one does not."""

_DIES_WITHIN = 0.5
"""The seconds that may pass between the first refused connection and the end of the process."""

# Linux kills a process that asked for it when the thread that started it ends. So the child asks, in a process of its own that
# then becomes teal, and the thread that starts it lives until teal has ended.
_ASK = """
import os, sys
try:
    import ctypes
    ctypes.CDLL(None).prctl(1, 9)
except (ImportError, AttributeError, OSError):
    pass
if os.getppid() == int(sys.argv[1]):
    try:
        os.execv(sys.argv[2], sys.argv[2:])
    except OSError as error:
        sys.exit(f"{sys.argv[2]}: expected a program ({error})")
"""

_running: weakref.WeakSet[Process] = weakref.WeakSet()


class Process:
    """A started program. It is ended by `stop`, at the exit of this interpreter, and, on Linux, when this process is killed."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        self._command, self._env, self._owner = list(command), dict(env), os.getpid()
        self._log: deque[str] = deque(maxlen=LINES)
        self._news = threading.Condition()
        self._ended = threading.Event()
        self._stopping = False
        self._child: subprocess.Popen[bytes] | None = None
        self._failure: OSError | None = None
        spawned = threading.Event()
        thread = threading.Thread(target=self._supervise, args=(spawned,), name="teal", daemon=True)
        thread.start()
        spawned.wait()
        if self._failure is not None:
            raise Error(f"{command[0]} cannot be started: {self._failure}")
        _running.add(self)

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._child is not None, "it was started"
        return self._child.pid

    @property
    def log(self) -> list[str]:
        """The last lines that it wrote."""
        with self._news:
            return list(self._log)

    @property
    def ended(self) -> bool:
        """Whether it has ended, however."""
        return self._ended.is_set()

    def explain(self) -> Died | None:
        """How it ended, if it does not answer because it has died just now."""
        self._ended.wait(_DIES_WITHIN)
        return self.died

    @property
    def died(self) -> Died | None:
        """How it ended, unless it runs or was stopped."""
        if not self._ended.is_set() or self._stopping:
            return None
        assert self._child is not None, "it was started"
        return Died(self._child.returncode, self.log)

    def find(self, pattern: str, deadline: float) -> str:
        """The first group of a pattern in a line of the log; waits for that line until `deadline`, by the monotonic clock."""
        with self._news:
            while True:
                for line in self._log:
                    found = re.search(pattern, line)
                    if found:
                        return found.group(1)
                if self._ended.is_set():
                    break
                left = deadline - time.monotonic()
                if left <= 0 or not self._news.wait(left):
                    expected = f"teal did not start in time: expected a line like {pattern!r} in its log, which ends with:"
                    raise Timeout("\n".join([expected, *list(self._log)[-TAIL:]]))
        raise self.died or Error("teal was stopped while it started")

    def stop(self) -> Died | None:
        """Ends it, waits for that, and returns how it had ended by itself before, once. Does nothing in a process that was
        forked from the one that started it."""
        if self._owner != os.getpid() or self._child is None or self._stopping:
            return None
        by_itself, self._stopping = _has_ended(self._child.pid), True
        expected = {0, 130, -signal.SIGINT}
        for number, within in ENDS_WITHIN:
            if self._ended.is_set():
                break
            self._child.send_signal(number)
            expected.add(-number)
            self._ended.wait(within)
        _running.discard(self)
        code = self._child.returncode
        return Died(code, self.log) if by_itself or code not in expected else None

    def _supervise(self, spawned: threading.Event) -> None:
        command = self._command
        if sys.platform == "linux" and sys.executable:
            command = [sys.executable, "-I", "-S", "-c", _ASK, str(self._owner), *command]
        try:
            # In a session of its own, so that Ctrl-C in a terminal reaches this process only, which then ends it.
            self._child = subprocess.Popen(
                command,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            self._failure = error
            return
        finally:
            spawned.set()
        assert self._child.stdout is not None, "it is a pipe"
        with self._child.stdout as stream:
            for line in iter(lambda: stream.readline(LONGEST), b""):
                with self._news:
                    self._log.append(line.decode(errors="replace").rstrip("\n"))
                    self._news.notify_all()
        self._child.wait()
        with self._news:
            self._ended.set()
            self._news.notify_all()


def _has_ended(pid: int) -> bool:
    """Whether a child has ended, without taking its exit code from the thread that waits for it."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


@atexit.register
def _stop_all() -> None:
    for process in list(_running):
        process.stop()
