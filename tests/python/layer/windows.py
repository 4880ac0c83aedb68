"""Window functions"""

CASES = [
    ("row_number().over(Window.partitionBy('grp').orderBy(col('id').desc()))", [2, 1, 2, 1]),
    ("rank().over(Window.orderBy(col('name').asc_nulls_first()))", [2, 4, 1, 2]),
    ("rank().over(Window.orderBy(col('name').desc_nulls_last()))", [2, 1, 4, 2]),
    ("dense_rank().over(Window.orderBy(col('name').asc_nulls_first()))", [2, 3, 1, 2]),
    ("F.round(percent_rank().over(Window.orderBy(col('name').asc_nulls_first())), 6)", [0.333333, 1.0, 0.0, 0.333333]),
    ("cume_dist().over(Window.orderBy(col('name').asc_nulls_first()))", [0.75, 1.0, 0.25, 0.75]),
    ("ntile(2).over(Window.orderBy('id'))", [1, 1, 2, 2]),
    ("lag('name').over(Window.orderBy('id'))", [None, "Ann", "Bob", None]),
    ("lag('name', 2, 'x').over(Window.orderBy('id'))", ["x", "x", "Ann", "Bob"]),
    ("lead('id').over(Window.orderBy('id'))", [2, 3, 4, None]),
    ("F.sum('id').over(Window.orderBy('id').rowsBetween(-1, 0))", [1, 3, 5, 7]),
    ("F.sum('id').over(Window.orderBy('id').rangeBetween(Window.UNBOUNDED_PRECEDING, Window.CURRENT_ROW))", [1, 3, 6, 10]),
    ("avg('id').over(Window.orderBy('id').rangeBetween(-1, 1))", [1.5, 2.0, 3.0, 3.5]),
    ("F.sum('id').over(Window.partitionBy('grp'))", [3, 3, 7, 7]),
    ("first('name').over(Window.orderBy('id'))", "Ann"),
    (
        "last('id').over(Window.partitionBy('grp').orderBy('id').rowsBetween(Window.UNBOUNDED_PRECEDING, "
        "Window.UNBOUNDED_FOLLOWING))",
        [2, 2, 4, 4],
    ),
    ("collect_list('id').over(Window.partitionBy('grp').orderBy('id'))", [[1], [1, 2], [3], [3, 4]]),
    ("collect_set('grp').over(Window.partitionBy('grp'))", [["a"], ["a"], ["b"], ["b"]]),
    ("percentile_approx('id', 0.5).over(Window.partitionBy('grp'))", [1.0, 1.0, 3.0, 3.0]),
    ("F.round(stddev('id').over(Window.partitionBy('grp')), 6)", 0.707107),
    ("people.withColumn('x', last('score', True).over(Window.orderBy('id'))).select('x')", [(2.5,), (2.5,), (4.0,), (1.0,)]),
    ("people.withColumn('x', first('score', True).over(Window.orderBy('id'))).select('x')", [(2.5,), (4.0,), (4.0,), (1.0,)]),
]
