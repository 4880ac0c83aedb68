"""JSON and hashes"""

CASES = [
    ("get_json_object(lit('{\"a\":\"b\"}'), '$.a')", "b"),
    ("get_json_object(lit('{\"a\":[{\"b\":1},{\"b\":2}]}'), '$.a[1].b')", "2"),
    ("get_json_object(lit('{\"a\":[{\"b\":1},{\"b\":2}]}'), '$.a[*].b')", [1, 2]),
    ("F.json_extract(lit('{\"a\":{\"b\":1}}'), '$.a.b')", "1"),
    ("one.select(json_tuple(lit('{\"a\":1, \"b\":\"x\"}'), 'a', 'b'))", [("1", "x")]),
    ("one.select(json_tuple(lit('{\"a\":1}'), 'a').alias('it'))", [("1",)]),
    ("from_json(lit('{\"a\":1, \"b\":0.8}'), 'a INT, b DOUBLE')", {"a": 1, "b": 0.8}),
    ("from_json(lit('[1, 2]'), 'ARRAY<INT>')", [1, 2]),
    ("from_json(lit('{\"k\":1}'), 'MAP<STRING, INT>')", {"k": 1}),
    (
        "from_json(lit('{\"a\":1, \"b\":[2]}'), StructType([StructField('a', LongType()), "
        "StructField('b', ArrayType(LongType()))]))",
        {"a": 1, "b": [2]},
    ),
    ("one.withColumn('data', from_json(lit('{\"a\":1}'), 'a INT')).select('data.a')", [(1,)]),
    ("to_json(struct(lit(1).alias('a'), lit('x').alias('b')))", {"a": 1, "b": "x"}),
    ("to_json(array(lit(1), lit(2)))", [1, 2]),
    ("to_json(map_from_arrays(array(lit('a')), array(lit(1))))", {"a": 1}),
    ("md5(lit('Spark'))", "8cde774d6f7333752ed72cacddb05126"),
    ("sha1(lit('Spark'))", "85f5955f4b27a9a4c2aab6ffe5d7189fc298b92c"),
    ("sha2(lit('Spark'), 256)", "529bc3b07127ecb7e53a4dcf1991d9152c24537d919178022b2c42657f79a26b"),
    ("F.hash(lit('Spark'), array(cast(lit(123), 'int')), cast(lit(2), 'int'))", -1321691492),
    ("xxhash64(lit('Spark'), array(cast(lit(123), 'int')), cast(lit(2), 'int'))", 5602566077635097486),
]
