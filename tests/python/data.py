"""Catalogs out of files: `data.py ADDRESS FOLDER`."""

import json
import os
import sys

from grpc import StatusCode

from facts import check_facts, fact, same
from stubs import Engine

FOLDER = sys.argv[2]
ENGINE = Engine()


def columns(catalog, schema, table):
    return [(c.fieldName, c.fieldType) for c in ENGINE.call("getColumnsV2", catalog=catalog, schema=schema, table=table).fieldInfo]


@fact
def folders_are_schemas_and_files_are_tables():
    same(sorted(c.name for c in ENGINE.call("getCataloges").catalogResponses), ["more", "shop"])
    same(sorted(ENGINE.call("getSchemaNamesV2", catalog="shop").schemas), ["main", "other"])
    same(sorted(ENGINE.call("getTablesV2", catalog="shop", schema="main").tables), ["events", "fruit"])
    same(columns("shop", "main", "fruit"), [("id", "LONG"), ("name", "STRING"), ("price", "DOUBLE")])


@fact
def rows_are_those_of_the_file():
    where = {"catalog": "shop", "schema": "main"}
    same(ENGINE.read("SELECT * FROM fruit ORDER BY id", **where),
         [[1, "apple", 0.5], [2, "pear, green", 1.25], [3, lambda name: name in (None, ""), None]])
    rows = ENGINE.read("SELECT id, tags FROM events ORDER BY id", **where)
    same([row[0] for row in rows], [1, 2])
    same((json.loads(rows[0][1]), rows[1][1]), (["a", "b"], None))
    same(ENGINE.read("SELECT count(*) FROM shop.main.fruit CROSS JOIN more.main.cities CROSS JOIN other.numbers", **where), [[12]])


@fact
def a_new_file_is_found_when_the_directory_is_looked_at_again():
    with open(os.path.join(FOLDER, "shop", "main", "late.csv"), "w", encoding="utf-8") as file:
        file.write("x\n7\n")
    ENGINE.call("refreshCatalogs")
    same(ENGINE.read("SELECT x FROM late", catalog="shop", schema="main"), [[7]])
    os.makedirs(os.path.join(FOLDER, "more", "fresh"))
    with open(os.path.join(FOLDER, "more", "fresh", "t.csv"), "w", encoding="utf-8") as file:
        file.write("y\n8\n")
    ENGINE.call("syncSchemas", catalog="more", database="fresh")
    same(ENGINE.read("SELECT y FROM t", catalog="more", schema="fresh"), [[8]])


@fact
def a_catalog_is_added_by_name_and_path():
    os.makedirs(os.path.join(FOLDER, "extra", "s"), exist_ok=True)
    with open(os.path.join(FOLDER, "extra", "s", "t.csv"), "w", encoding="utf-8") as file:
        file.write("z\n9\n")
    ENGINE.call("addCatalogs", json=json.dumps([{"name": "added", "path": "extra", "default": False},
                                                {"name": "missing", "path": "not/there", "default": False}]))
    outcome = ENGINE.call("getAddCatalogsResponse")
    same([failure.name for failure in outcome.failures], ["missing"])
    same(ENGINE.read("SELECT z FROM t", catalog="added", schema="s"), [[9]])


@fact
def nothing_outside_is_read():
    for sql in ["SELECT * FROM '../secret.csv'", "SELECT * FROM `secret.csv`", f"SELECT * FROM '{FOLDER}/secret.csv'"]:
        ENGINE.refused("prepareStatementV2", StatusCode.INVALID_ARGUMENT, catalog="shop", schema="main", queryString=sql)


if __name__ == "__main__":
    check_facts()
