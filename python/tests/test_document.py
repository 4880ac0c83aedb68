"""The methods and the types are those of the API's own document."""

from __future__ import annotations

import ast
import inspect
import os
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

import generate
import teal
from teal import control, schemas

# Methods that send no request of their own, or several.
OTHERS = {"wait", "reset", "fault"}
# What a method does with an answer, rather than what it asks for.
OWN = {"wait", "timeout"}
# Parameters that no method has: a stream has no limit, and a reader that comes back says `after`.
NONE: dict[str, set[str]] = {
    "/api/v1/calls/stream": {"limit", "last-event-id"},
    "/api/v1/events/stream": {"last-event-id"},
}


@pytest.fixture(scope="module")
def document() -> Iterator[dict[str, Any]]:
    with teal.Server() as server:
        yield server.document()


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """The schema of each parameter of each operation, by method and path."""
    found = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            fields = {each["name"]: each["schema"] for each in operation.get("parameters", [])}
            fields.update(body(document, operation.get("requestBody")))
            found[method.upper(), path] = {name: value for name, value in fields.items() if name not in NONE.get(path, ())}
    return found


def body(document: dict[str, Any], request: Any) -> dict[str, Any]:
    """The fields of a request's body, those of all its variants."""
    if request is None:
        return {}
    schema = request["content"]["application/json"]["schema"]
    return properties(document, schema)


def properties(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        return properties(document, document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])
    found = dict(schema.get("properties", {}))
    for variant in [*schema.get("oneOf", []), *schema.get("allOf", [])]:
        for name, value in properties(document, variant).items():
            known = found.get(name, {})
            found[name] = {**value, "enum": [*known.get("enum", []), *value["enum"]]} if "enum" in value else value
    return found


class Sent(Exception):
    """What a method sends."""


class Recorder(teal.Control):
    """Raises with the first request instead of sending it."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1")
        class Transport:
            url = "http://127.0.0.1:1"

            def request(self, method: str, path: str, query: Any = None, body: Any = None, patience: float = 0) -> Any:
                raise Sent((method, path, {**(query or {}), **(body or {})}))

            def stream(self, path: str, query: Any) -> Any:
                raise Sent(("GET", path, dict(query)))

        self._transport_ = Transport()  # type: ignore[assignment]


def methods() -> dict[str, Any]:
    public = {name: each for name, each in vars(teal.Control).items() if inspect.isfunction(each) and name[0] != "_"}
    return {name: each for name, each in public.items() if name not in OTHERS}


def types_of(method: Any) -> dict[str, Any]:
    names = {**vars(typing), **vars(schemas), **vars(control)}
    told = {name: each for name, each in method.__annotations__.items() if name != "return"}
    return {name: evaluate(each, names) for name, each in told.items()}


def evaluate(annotation: str, names: dict[str, Any]) -> list[Any]:
    """The types of `A | B`, which older interpreters cannot evaluate."""
    return [eval(part, dict(names)) for part in annotation.split(" | ")]


def literals(types: list[Any]) -> set[Any]:
    return {value for each in types if typing.get_origin(each) is Literal for value in typing.get_args(each)}


def sample(types: list[Any]) -> Any:
    """A value of a type."""
    if values := literals(types):
        return sorted(values)[0]
    return {str: "x", int: 1, bool: True, control.Seconds: 1}[types[0]]


def sent() -> dict[tuple[str, str], dict[str, Any]]:
    """What each method sends if it is given all of its arguments: their types by method and path, and fixed values."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for name, method in methods().items():
        types = types_of(method)
        arguments = {each: sample(types[each]) for each in types}
        with pytest.raises(Sent) as request:
            result = method(Recorder(), **arguments)
            list(result)
        verb, path, fields = request.value.args[0]
        path = re.sub("/(x|1)$", "/{id}", path) if "id" in types else path
        fields = {field: types.get(field, [Literal[value]]) for field, value in fields.items()}
        if "id" in types:
            fields["id"] = types["id"]
        known = found.setdefault((verb, path), {})
        for field, value in fields.items():
            known[field] = [*known.get(field, []), *value]
        left = set(types) - OWN - set(fields)
        assert not left, f"{name} sends no {left}"
    return found


def test_each_operation_has_a_method(document: dict[str, Any]) -> None:
    assert set(operations(document)) == set(sent())


def test_each_method_has_all_parameters(document: dict[str, Any]) -> None:
    given = sent()
    for operation, fields in operations(document).items():
        assert set(fields) == set(given[operation]), operation


def test_each_parameter_has_its_type(document: dict[str, Any]) -> None:
    given, compared = sent(), 0
    types = {"string": str, "integer": int, "boolean": bool}
    for operation, fields in operations(document).items():
        for name, schema in fields.items():
            values = generate.enums(schema, document["components"]["schemas"])
            has = given[operation][name]
            if values:
                assert literals(has) == values, (operation, name)
                compared += 1
            elif name not in ("within", "strategy"):
                kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
                assert {types[kind] for kind in kinds if kind != "null"} == set(has) - {None}, (operation, name)
    assert compared > 5


def test_the_types_are_those_of_the_document(document: dict[str, Any]) -> None:
    text = generate.text(document)
    ast.parse(text)
    if os.environ.get("TEAL_UPDATE_TYPES"):
        (Path(__file__).parents[1] / "src/teal/schemas.py").write_text(text)
    else:
        assert Path(schemas.__file__).read_text() == text, "run it with TEAL_UPDATE_TYPES=1"


def test_each_method_is_there_for_asyncio() -> None:
    for kind, other in [(teal.Control, teal.AsyncControl), (teal.Server, teal.AsyncServer)]:
        for name in vars(kind):
            if name[0] != "_" and name not in ("aio", "flags", "pid"):
                assert hasattr(other, name), name
                one, two = getattr(kind, name), getattr(other, name)
                if inspect.isfunction(one) and name not in ("fault", "scenario"):
                    assert inspect.signature(one) == inspect.signature(two), name
