"""Operations of the vendor's PySpark layer, and what they answer: one module for each table of docs/spark.md."""

from layer import aggregates, broken, columns, dates, documents, frames, lists, numbers, refused, sessions, shapes, texts, udfs, windows

TABLES = [texts, numbers, dates, documents, lists, columns, aggregates, windows, frames, shapes, sessions, udfs]
BROKEN = [broken, refused]
