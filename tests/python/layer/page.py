"""The tables of docs/spark.md."""

import datetime

import layer


def cell(text):
    return text.replace("|", "\\|").replace("\n", " ")


def shown(value):
    if isinstance(value, (datetime.date, datetime.datetime)):
        return str(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(shown, value)) + "]"
    return repr(value)


def tables():
    """The page's tables."""
    lines = []
    for table in layer.TABLES:
        title, *rest = table.__doc__.strip().split("\n\n")
        lines += ["", f"### {title}", "", *rest, *[""] * len(rest), "| operation | answer |", "| --- | --- |"]
        lines += [f"| `{cell(operation)}` | `{cell(shown(value))}` |" for operation, value in table.CASES]
    for table, head in zip(layer.BROKEN, ["answer | what the layer does", "message | reason"]):
        title, *rest = table.__doc__.strip().split("\n\n")
        lines += ["", f"## {title}", "", *rest, "", f"| operation | {head} |", "| --- | --- | --- |"]
        for operation, value, reason in table.CASES:
            value = value if table is layer.refused else shown(value)
            lines.append(f"| `{cell(operation)}` | `{cell(value)}` | {cell(reason)} |")
    return "\n".join(lines) + "\n"
