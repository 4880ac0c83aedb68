"""One server for the tests that need no other, and the plugin's own tests."""

from __future__ import annotations

pytest_plugins = ["pytester"]
