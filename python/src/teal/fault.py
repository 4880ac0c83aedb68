"""Faults: a rule from its keys, and a rule that was added."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Union

from .errors import Refused

if TYPE_CHECKING:
    from .control import Control

Key = Union[str, int, float, bool, Mapping[str, str], None]


class Fault:
    """A fault that was added; as a context manager it is removed at the end."""

    def __init__(self, control: Control, id: str) -> None:
        self.id, self._control = id, control

    def __repr__(self) -> str:
        return f"<Fault {self.id}>"

    @property
    def hits(self) -> int:
        """How many calls it has hit."""
        return next((listed["hits"] for listed in self._control.faults() if listed["id"] == self.id), 0)

    def remove(self) -> None:
        """Removes it, if it is still there."""
        try:
            self._control.remove_fault(self.id)
        except Refused as error:
            if error.status != 404:
                raise

    def __enter__(self) -> Fault:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


def rule_text(rule: str | None, keys: Mapping[str, Key]) -> str:
    """The rule, and the keys behind it: `user_agent="x"` is `user-agent=x`, `disconnect=True` is `disconnect`, and
    `metadata={"name": "x"}` is `metadata.name=x`."""
    parts = [] if rule is None else [rule]
    for name, value in keys.items():
        key = name.replace("_", "-")
        if isinstance(value, Mapping):
            parts += [f"{key}.{inner}={_quoted(each)}" for inner, each in value.items()]
        elif value is True:
            parts.append(key)
        elif value is not None and value is not False:
            parts.append(f"{key}={_quoted(str(value))}")
    return ",".join(parts)


def _quoted(value: str) -> str:
    if "," not in value and '"' not in value and value.strip() == value:
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
