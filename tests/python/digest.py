"""A digest of every built-in table: `digest.py ADDRESS`."""

import hashlib

from stubs import Engine

engine = Engine()
for catalog in ("analytics", "default"):
    for schema in sorted(engine.call("getSchemaNamesV2", catalog=catalog).schemas):
        for table in sorted(engine.call("getTablesV2", catalog=catalog, schema=schema).tables):
            rows = sorted(map(repr, engine.read(f"SELECT * FROM {table}", catalog=catalog, schema=schema)))
            print(catalog, schema, table, len(rows), hashlib.sha256("\n".join(rows).encode()).hexdigest())
