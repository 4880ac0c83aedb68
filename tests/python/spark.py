"""Every operation of the vendor's PySpark layer, and its table: `spark.py ADDRESS PAGE`.

Checks each answer against the lists in `layer/`, that they leave no operation out, and that the tables on the
page are these lists. With TEAL_UPDATE_DOCS=1 it writes the tables.
"""

import contextlib
import datetime
import io
import json
import linecache
import logging
import os
import re
import sys
from decimal import Decimal
from pathlib import Path

from facts import PASSWORD, USER, address

logging.disable(logging.CRITICAL)

import layer
from e6_spark_compat import DataFrame, SparkSession
from e6_spark_compat.sql import functions as F
from e6_spark_compat.sql.column import Expression
from e6_spark_compat.sql.dataframe import DataFrameNaFunctions, DataFrameStatFunctions
from e6_spark_compat.sql.functions import *  # noqa: F403
from e6_spark_compat.sql.functions import IntegerType, udf
from e6_spark_compat.sql.group import GroupedData
from e6_spark_compat.sql.window import Window, WindowSpec
from layer.page import tables
from layer.udfs import KINDS, MODULES, SAMPLES

BEGIN, END = "<!-- operations: written by tests/python/spark.py -->", "<!-- end of operations -->"
# Signs of Rust values in a message.
RUST = [" { ", "Some(", "None)", "Expr::", "DataType::", "Ident(", "Literal(", "Span("]
PEOPLE = [
    (1, "Ann", "a", 2.5, "2024-03-31"),
    (2, "Bob", "a", None, "2024-02-29"),
    (3, None, "b", 4.0, "2023-12-25"),
    (4, "Ann", "b", 1.0, None),
]
COLUMNS = ["id", "name", "grp", "score", "day"]


def session():
    host, port = address()
    builder = SparkSession.builder().appName("operations")
    options = {"host": host, "port": port, "username": USER, "password": PASSWORD}
    options |= {"catalog": "default", "database": "sales"}
    for name, value in options.items():
        builder = builder.config(f"spark.e6data.{name}", value)
    return builder.getOrCreate()


spark = session()


@udf(returnType=IntegerType())
def plus_one(x):
    return x + 1


def printed(action, *args, **options):
    """What an action prints, without its frame."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        action(*args, **options)
    text = re.sub(r"\x1b\[[0-9;]*m|\+-+\+", " ", output.getvalue())
    return re.sub(r"(\| )+\|", "|", " ".join(text.split())).strip("| ")


def python(expression):
    """What an expression in Python over the samples answers as a UDF."""
    source = re.sub(r"'[^']*'", "", expression)
    loops = re.findall(r"for (\w+) in", source)
    columns = [name for name in SAMPLES if re.search(rf"\b{name}\b", source) and name not in loops]
    parameters = ", ".join(f"{name}: {KINDS[name]}" for name in columns)
    source = f"def function({parameters}):\n    return {expression}\n"
    # The layer reads the source of a function.
    file = f"<{expression}>"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    scope = dict(MODULES)
    exec(compile(source, file, "exec"), scope)
    samples = spark.sql(
        "SELECT 7 AS n, -7 AS m, CAST(2.5 AS DOUBLE) AS x, 'Hello, World' AS s, ARRAY[3, 1, 2] AS l, "
        "'2024-03-31' AS q, '2024-03-31 13:05:09' AS w"
    )
    return samples.select(udf(scope["function"])(*columns).alias("answer")).collect()[0][0]


def view(make):
    """What is in a view that a frame makes by a method of this name."""
    getattr(spark.createDataFrame([(1,)], ["x"]), make)("v")
    return spark.sql("SELECT * FROM v")


def frames():
    """Frames of their own for each operation: a join changes those that it is given."""
    frame = spark.createDataFrame
    return {
        "one": frame([(1,)], ["id"]),
        "people": frame(list(PEOPLE), list(COLUMNS)),
        "few": frame([row[:3] for row in PEOPLE], COLUMNS[:3]),
        "labels": frame([("a", "first"), ("c", "third")], ["grp", "label"]),
    }


def answer(operation):
    """What an operation answers: of a column that is the same in all rows, one value."""
    names = globals() | frames()
    value = eval(operation, names)
    if isinstance(value, Expression):
        # Window functions sort the rows.
        order = ["id"] if ".over(" in operation else []
        rows = names["people"].select(*order, value.alias("answer")).collect()
        values = [plain(row[-1]) for row in sorted(rows, key=lambda row: row[0] if order else 0)]
        return values[0] if all(value == values[0] for value in values) else values
    return plain(value)


def plain(value):
    """Frames and rows as lists and tuples, JSON as what it is, whole decimals as whole numbers."""
    if isinstance(value, DataFrame):
        return [plain(tuple(row)) for row in value.collect()]
    if isinstance(value, (list, tuple)):
        return type(value)(map(plain, value)) if type(value) in (list, tuple) else plain(tuple(value))
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    if isinstance(value, str) and value[:1] in ("[", "{"):
        return json.loads(value)
    if type(value).__module__ == "numpy":
        return value.item()
    return None if value != value else value


def failure(operation):
    """The sentence that an operation fails with."""
    try:
        answer(operation)
    except Exception as error:
        text = error.details() if hasattr(error, "details") else str(error)
        assert not any(sign in text for sign in RUST), f"{operation}: {text}"
        return text
    raise AssertionError(f"{operation} does not fail")


def check():
    """All operations that answer otherwise than the lists say."""
    wrong = []
    for table in layer.TABLES + [layer.broken]:
        for operation, expected, *_ in table.CASES:
            try:
                value = answer(operation)
            except Exception as error:
                value = error.details() if hasattr(error, "details") else repr(error)
            numbers = {type(value), type(expected)} == {int, float}
            if value != expected or not (numbers or type(value) is type(expected)):
                wrong.append(f"{operation}: {value!r}, expected {expected!r}")
    for operation, part, _ in layer.refused.CASES:
        text = failure(operation)
        if part not in text:
            wrong.append(f"{operation}: failed with {text!r}, expected {part!r}")
    return wrong


def left_out():
    """Names that the layer exports and no operation uses."""
    used = " ".join(case[0] for table in layer.TABLES + layer.BROKEN for case in table.CASES)
    types = {name for name in F.__all__ if name[0].isupper()}
    names = set(F.__all__) - types - {"udf"}
    for owner in (DataFrame, DataFrameNaFunctions, DataFrameStatFunctions, GroupedData, Expression, WindowSpec):
        names |= {name for name in vars(owner) if not name.startswith("_")}
    # Constructors of frames, and what every other operation does.
    names -= {"from_table", "from_query", "to_sql", "over"}
    return sorted(name for name in names if not re.search(rf"\b{name}\b", used))


def main():
    page = Path(sys.argv[2])
    before, rest = page.read_text().split(BEGIN)
    inside, after = rest.split(END)
    if os.environ.get("TEAL_UPDATE_DOCS"):
        page.write_text(f"{before}{BEGIN}\n{tables()}\n{END}{after}")
    else:
        assert inside.strip() == tables().strip(), f"{page} has other tables: run with TEAL_UPDATE_DOCS=1"
    missing = left_out()
    assert not missing, f"no operation uses {missing}"
    wrong = check()
    assert not wrong, "\n".join(wrong)


main()
