"""The examples of the pages work as written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("e6data_python_connector", reason="the examples need connector 3.0.2")
ROOT = Path(__file__).parents[2]


def blocks(page: str) -> list[str]:
    """The examples of a page in Python."""
    found = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    assert found, page
    return found


PROGRAMS = [(page, block) for page in ("python/README.md", "docs/python.md") for block in blocks(page)]


@pytest.mark.parametrize(("page", "block"), PROGRAMS)
def test_an_example_works(page: str, block: str, tmp_path: Path) -> None:
    file = tmp_path / "test_example.py"
    file.write_text(block)
    command = [sys.executable, *([] if "def test_" not in block else ["-m", "pytest", "-q"]), str(file)]
    ran = subprocess.run(command, cwd=tmp_path, env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert ran.returncode == 0, ran.stdout.decode()
