#!/usr/bin/env python3
"""Asks the built-in engine and SQLite (with --duckdb: DuckDB) the same random queries, and compares the rows.

    cargo build --release --example ask
    crates/sql/tests/differential/run.py --queries 5000 --seed 1

Exits with 1 where rows differ. Each difference is printed with the seed that makes its query.
"""

import argparse
import collections
import json
import pathlib
import random
import re
import sqlite3
import subprocess
import sys

from generate import Generator

ROOT = pathlib.Path(__file__).resolve().parents[4]


def ask(process, sql):
    """The engine's rows, or its error."""
    process.stdin.write(json.dumps(sql) + "\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        sys.exit(f"the engine ended: {sql}")
    answer = json.loads(line)
    return answer.get("rows"), answer.get("error")


def plain(value):
    """A value that is the same whichever engine it came from."""
    if value is None:
        return "NULL"
    if value in ("true", "false") or isinstance(value, bool):
        return str(int(value in ("true", True)))
    try:
        number = float(value)
        return str(int(number)) if number == int(number) else f"{number:.9g}"
    except (ValueError, OverflowError):
        return str(value)


def bag(rows):
    return collections.Counter(tuple(plain(value) for value in row) for row in rows)


def other(duckdb):
    if duckdb:
        import duckdb as module

        connection = module.connect()
        return lambda sql: connection.execute(for_duckdb(sql)).fetchall()
    connection = sqlite3.connect(":memory:")
    return lambda sql: connection.execute(sql).fetchall()


def for_duckdb(sql):
    """DuckDB names the columns of VALUES otherwise, and has IGNORE NULLS within the brackets as well."""
    return sql.replace("column1", "col0")


def for_engine(sql):
    """IGNORE NULLS stands behind the brackets."""
    return re.sub(r"(\w+\([^()]*?) IGNORE NULLS\)", r"\1) IGNORE NULLS", sql)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--duckdb", action="store_true", help="compare with DuckDB, in SQL that SQLite lacks too")
    parser.add_argument("--refusals", action="store_true", help="print what the engine refuses")
    parser.add_argument("--engine", default=str(ROOT / "target/release/examples/ask"))
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.queries} queries")
    process = subprocess.Popen([options.engine], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    answer = other(options.duckdb)
    same, refused, skipped, different = 0, collections.Counter(), 0, []
    for seed in range(options.seed, options.seed + options.queries):
        sql = Generator(seed, options.duckdb).query()
        try:
            expected = bag(answer(sql))
        except Exception:
            skipped += 1
            continue
        rows, error = ask(process, for_engine(sql))
        if error is not None:
            refused[re.sub(r"[\d']+", "…", error)] += 1
            if options.refusals:
                print(f"refused {seed}: {sql}\n  {error}")
        elif bag(rows) == expected:
            same += 1
        else:
            different.append(seed)
            print(f"seed {seed}: {sql}\n  here:  {sorted(bag(rows).items())}\n  there: {sorted(expected.items())}")
    process.stdin.close()
    process.wait()
    print(f"{same} the same, {len(different)} different, {sum(refused.values())} refused, {skipped} unknown there")
    for error, count in refused.most_common(20):
        print(f"  {count} x {error}")
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
