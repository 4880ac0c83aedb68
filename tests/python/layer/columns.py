"""Conditions, NULLs and types"""

from decimal import Decimal

from layer.dates import day, time

CASES = [
    ("(col('id') > 1) & ~(col('grp') == 'b') | col('name').isNull()", [False, True, True, False]),
    ("col('id') != 2", [True, False, True, True]),
    ("col('id') >= 3", [False, False, True, True]),
    ("col('id') <= 1", [True, False, False, False]),
    ("col('name').isNotNull()", [True, True, False, True]),
    ("isnull('name')", [False, False, True, False]),
    ("coalesce('name', lit('none'))", ["Ann", "Bob", "none", "Ann"]),
    ("col('id').isin(1, 2)", [True, True, False, False]),
    ("col('name').isin(['Ann', 'x'])", [True, False, None, True]),
    ("~col('name').isin('Ann', 'x')", [False, True, None, False]),
    ("col('id').isin()", False),
    ("col('id').between(2, 3)", [False, True, True, False]),
    ("when(col('score') > 2, 'high').when(col('score') > 0, 'low').otherwise('none')", ["high", "none", "high", "low"]),
    ("when(col('score') > 2, 1)", [1, None, 1, None]),
    ("expr('id * 2')", [2, 4, 6, 8]),
    ("cast(lit('12'), 'int')", 12),
    ("cast(lit(12), 'string')", "12"),
    ("cast(lit(1.9), 'int')", 1),
    ("cast(lit('2024-01-02'), 'date')", day("2024-01-02")),
    ("cast(lit('2024-01-02 03:04:05'), 'timestamp')", time("2024-01-02 03:04:05")),
    ("cast(lit('1.256'), DecimalType(10, 2))", Decimal("1.26")),
    ("cast(lit(5), LongType())", 5),
    ("cast(lit('true'), BooleanType())", True),
    ("cast(array(lit('1'), lit('2')), ArrayType(IntegerType()))", [1, 2]),
    ("cast(lit('abc'), BinaryType())", "abc"),
    ("lit(True)", True),
    ("lit(None)", None),
    ("lit(1.5)", 1.5),
    ("people.select(plus_one(col('id')).alias('u'))", [(2,), (3,), (4,), (5,)]),
]
