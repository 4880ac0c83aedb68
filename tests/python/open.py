"""Keeps a query open until the input ends: `open.py ADDRESS`; says `query ID` once it is."""

import sys

from stubs import Engine

engine = Engine()
query = engine.prepare("SELECT 1")
print("query", query, flush=True)
sys.stdin.read()
engine.call("clearOrCancelQuery", queryId=query)
