"""Operations that fail

Each with the message, and the reason.
"""

ONLY = "only queries are"

CASES = [
    ("few.selectExpr('upper(name) as u')", 'column "upper(name)" not found', "the layer puts expressions in the quotes of names"),
    ("python('-n')", "Expected: end of statement", "the layer puts the sign in the quotes of the name"),
    ("python('set(l)')", "set() is not supported", "the layer refuses it"),
    ("few.select('id', 'missing')", "column missing not found", "there is no such column"),
    ("few.alias('f')", "Expected: SELECT, VALUES", "the layer sends the alias in place of a query"),
    ("few.alias('a').join(few.alias('b'), col('a.id') == col('b.id')).select('a.id')", "column a.id not found", "the layer sends one alias for both sides of a self join"),
    ("few.join(labels, ['grp'], 'left_semi')", "column right_t.label not found", "the layer asks for columns of the right side, where it knows them"),
    ("few.join(labels, ['grp'], 'left_anti')", "column right_t.label not found", "the layer asks for columns of the right side, where it knows them"),
    ("corr('id', 'score').over(Window.partitionBy('grp'))", "not supported as a window function", "the layer refuses it"),
    ("cast(lit('x'), 'int')", "Cannot cast string 'x'", "as in Spark with ANSI casts"),
    ("col('id') / 0", "Divide by zero error", "as in Spark with ANSI arithmetic"),
    ("spark.createDataFrame([(float('nan'),)], ['f'])", "column nan not found", "the layer sends NaN as a name"),
    ("spark.createDataFrame([(b'x',)], ['b'])", "a literal b'…' is not supported", "the layer sends bytes as Python writes them"),
    ("view('createTempView')", "table v not found", "the layer gives views to the engine, and loses the refusal"),
    ("view('createOrReplaceTempView')", "table v not found", "the layer gives views to the engine, and loses the refusal"),
    ("view('createGlobalTempView')", "table v not found", "the layer gives views to the engine, and loses the refusal"),
    ("view('createOrReplaceGlobalTempView')", "table v not found", "the layer gives views to the engine, and loses the refusal"),
    ("spark.read.parquet('/tmp/x.parquet')", "no schema parquet in catalog default", "files are read from the data directory alone"),
    ("spark.read.csv('/tmp/x.csv')", "no schema csv in catalog default", "files are read from the data directory alone"),
    ("spark.read.json('/tmp/x.json')", "table function read_json not found", "files are read from the data directory alone"),
    ("spark.read.orc('/tmp/x.orc')", "table function read_file not found", "files are read from the data directory alone"),
    ("few.write.saveAsTable('t')", ONLY, "the built-in engine doesn't write"),
    ("few.write.insertInto('t')", ONLY, "the built-in engine doesn't write"),
    ("few.write.parquet('/tmp/x')", ONLY, "the built-in engine doesn't write"),
    ("few.write.csv('/tmp/x')", ONLY, "the built-in engine doesn't write"),
    ("few.write.mode('overwrite').json('/tmp/x')", ONLY, "the built-in engine doesn't write"),
]
