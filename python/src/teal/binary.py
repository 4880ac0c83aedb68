"""Finds the program `teal` that was installed with this package."""

from __future__ import annotations

import os
import shutil
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from .errors import Error


def find() -> str:
    """The path of the program: that of this installation, or else the one on the PATH."""
    for folder in _folders():
        program = os.path.join(folder, "teal")
        if os.access(program, os.X_OK) and os.path.isfile(program):
            return program
    on_path = shutil.which("teal")
    if on_path is None:
        looked = ", ".join(dict.fromkeys(_folders()))
        raise Error(f"there is no program teal: expected it in {looked} or on the PATH; install the wheel of teal-proxy")
    return on_path


def _folders() -> Iterator[str]:
    package = Path(__file__).resolve().parent
    # pip install --target FOLDER puts programs into FOLDER/bin.
    yield str(package.parent / "bin")
    # Of the environment that this package is in, which need not be that of the interpreter.
    yield from (str(folder / "bin") for folder in list(package.parents)[3:4])
    yield sysconfig.get_path("scripts")
    yield sysconfig.get_path("scripts", scheme=f"{os.name}_user")
