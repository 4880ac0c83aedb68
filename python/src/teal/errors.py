"""What can go wrong. Each message is one line that says what was wrong and what was expected; a dead server's log follows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .schemas import PhaseName, Seen

TAIL = 20
"""The lines of the log that an error shows."""


class Error(Exception):
    """Any error of this package."""


class Died(Error):
    """The server ended by itself. `code` is its exit code, negative for a signal; `log` holds the last lines that it wrote."""

    def __init__(self, code: int | None, log: Sequence[str]) -> None:
        self.code, self.log = code, list(log)
        how = f"by signal {-code}" if code is not None and code < 0 else f"with exit code {code}"
        tail = self.log[-TAIL:]
        super().__init__("\n".join([f"teal ended {how}; its log ends with:" if tail else f"teal ended {how}", *tail]))

    def __reduce__(self) -> tuple[type[Died], tuple[int | None, list[str]]]:
        return Died, (self.code, self.log)


class Unreachable(Error):
    """No teal answers at that address, or what answers is not a teal."""


class Timeout(Error, TimeoutError):
    """What was waited for did not come in time."""


class Refused(Error):
    """teal refused a request. `status` is the HTTP status and `code` the reason for programs, such as `unfit`. `phase` and
    `epoch` are those at the time of a refused command of the switch."""

    def __init__(
        self, message: str, status: int, code: str, phase: PhaseName | None = None, epoch: int | None = None
    ) -> None:
        self.message, self.status, self.code, self.phase, self.epoch = message, status, code, phase, epoch
        super().__init__(message)

    def __reduce__(self) -> tuple[type[Refused], tuple[object, ...]]:
        return type(self), (self.message, self.status, self.code, self.phase, self.epoch)


class NotSo(Refused, AssertionError):
    """What `verify` verifies is not so. `seen` holds the calls that were seen instead."""

    def __init__(self, message: str, seen: Seen) -> None:
        self.seen = seen
        super().__init__(message, 409, "not_so")

    def __reduce__(self) -> tuple[type[Refused], tuple[object, ...]]:
        return NotSo, (self.message, self.seen)

    def __str__(self) -> str:
        counts = (
            f"{method} {status} x{count}"
            for method, statuses in self.seen["by_method"].items()
            for status, count in statuses.items()
        )
        return f"{self.message}; seen: {', '.join(counts) or 'no calls'}"


class NotCompleted(Error):
    """The switch that was waited for was aborted or rolled back, or its drain timed out."""
