"""Operations that the layer itself answers unlike Spark

teal gets SQL that means something else, or no SQL at all.
"""

from layer.dates import time
from layer.frames import ALL, ANN, NONE

# Each with its answer, and what the layer does.
CASES = [
    ("first('score', True)", 2.5, "`ignorenulls` is not sent outside of `withColumn`"),
    ("last('score', True)", 1.0, "`ignorenulls` is not sent outside of `withColumn`"),
    ("struct(lit(1).alias('id'), lit(2).alias('x'))['id']", [1, 2, 3, 4], "sends the name of the field alone, here that of a column"),
    ("struct(lit(1).alias('id')).getField('id')", [1, 2, 3, 4], "sends the name of the field alone, here that of a column"),
    ("date_format(lit('2016-04-08'), 'dd/MM/yy')", "08/04/yy", "translates `yyyy`, `MM`, `dd`, `HH`, `mm` and `ss`; other letters beside them stay as they are"),
    (r"lit('a\\b')", "a\b", "doesn't escape a backslash"),
    ("col('name').contains('_')", [True, True, None, True], "`%` and `_` are wildcards in `contains`, `startswith` and `endswith`"),
    ("lit(datetime.date(2024, 1, 2))", time("2024-01-02 00:00:00"), "sends a date as a TIMESTAMP"),
    ("few.orderBy('name').select('id')", [(1,), (4,), (2,), (3,)], "ascending order has NULLs last: no NULLS FIRST is sent"),
    ("rank().over(Window.orderBy('name'))", [1, 3, 4, 1], "ascending order in a window has NULLs last too"),
    ("rank().over(Window.orderBy(desc('name')))", [3, 2, 1, 3], "descending order in a window has NULLs first: no NULLS LAST is sent"),
    ("python('round(x)')", 3.0, "Python rounds half to even"),
    ("python('l[-1]')", None, "counts from the end as from 0"),
    ("few.dropDuplicates(['grp'])", [ANN + (1,), NONE + (1,)], "leaves its column `_dedup_rn`"),
    ("people.groupBy('grp').pivot('name').sum('id')", [("a", 1, 2, None), ("b", 4, None, None)], "asks for the text `None` in place of NULL"),
    ("few.melt(['id'], ['name'])", [(1, "a", "name", "Ann"), (2, "a", "name", "Bob"), (4, "b", "name", "Ann")], "keeps other columns, and leaves rows with NULL out"),
    ("people.select('id', 'score').describe()", [("id", 4, 2.5, 1.2909944487358056, 1, 4, "score", 3, 2.5, 1.5, 1.0, 4.0)], "has one row for all columns"),
    ("people.select('id').summary('count')", [("id", 4, 2.5, 1.2909944487358056, 1, 4)], "takes no statistics: it is `describe`"),
    ("few.na.replace('Ann', 'Anna')", ALL, "does nothing"),
    ("few.stat.crosstab('grp', 'name')", ALL, "does nothing"),
    ("few.tail(1)", [ANN], "returns the first rows"),
    ("few.stat.cov('id', 'id')", 1.25, "asks for `covar_pop`; Spark has the covariance of a sample"),
    ("spark.catalog.dropTempView('v')", True, "does nothing"),
    ("spark.catalog.dropGlobalTempView('v')", True, "does nothing"),
    ("few.filter(\"name = 'Ann'\").union(few.limit(1)).count()", 1, "the limit of the last side is sent as that of the union"),
]
