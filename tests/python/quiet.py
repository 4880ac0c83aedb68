"""Work whose secrets must not be found in the log: `quiet.py ADDRESS`."""

import grpc

from facts import PASSWORD, check_facts, fact, same
from stubs import Engine


@fact
def secrets_pass_by():
    engine = Engine(user="visible-user")
    same(engine.read("SELECT concat('needle', '-of-', 'the-result') AS n"), [["needle-of-the-result"]])
    engine.call("getSchemaNames", token="token-that-is-secret")
    for values in ({"user": "", "password": PASSWORD}, {"user": "visible-user", "password": ""}):
        engine.refused("authenticate", grpc.StatusCode.UNAUTHENTICATED, **values)
    engine.refused("prepareStatementV2", grpc.StatusCode.INVALID_ARGUMENT, catalog="default", schema="sales",
                   queryString="SELECT 'text-of-the-statement' FROM no_such_table")


if __name__ == "__main__":
    check_facts()
