"""Writes the types of the API's answers from its OpenAPI document: `generate.text(document)`."""

from __future__ import annotations

import keyword
from collections.abc import Iterator
from typing import Any

HEAD = '''"""The types of what the admin API answers. Generated from its OpenAPI document: see README.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Optional, TypedDict

if TYPE_CHECKING:
    from typing_extensions import NotRequired
'''


def text(document: dict[str, Any]) -> str:
    """The module."""
    schemas = document["components"]["schemas"]
    used = set(_reachable(schemas, _answers(document)))
    # Parameters have types, too.
    used |= set(_reachable(schemas, _parameters(document)))
    types = {name: schema for name, schema in schemas.items() if name in used}
    aliases = [f"{name} = {_type(schema)}\n" for name, schema in types.items() if not _is_object(schema)]
    classes = [_definition(name, schema) for name, schema in types.items() if _is_object(schema)]
    return "\n".join([HEAD, "".join(aliases), "\n" + "\n\n".join(classes)])


def enums(schema: dict[str, Any], schemas: dict[str, Any]) -> set[str]:
    """The values that a schema allows, if it lists them."""
    if "$ref" in schema:
        return enums(schemas[_name(schema)], schemas)
    inner = schema.get("oneOf", [])
    return set(schema.get("enum", [])).union(*(enums(each, schemas) for each in inner))


def _answers(document: dict[str, Any]) -> list[Any]:
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    return [
        response
        for operation in operations
        for status, response in operation["responses"].items()
        if status.startswith("2") or status == "409"
    ]


def _parameters(document: dict[str, Any]) -> list[Any]:
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    schemas = document["components"]["schemas"]
    bodies = [schemas[name] for name in _references([operation.get("requestBody") for operation in operations])]
    fields = [field for body in bodies for field in body.get("properties", {}).values()]
    return fields + [operation.get("parameters") for operation in operations]


def _references(value: Any) -> Iterator[str]:
    """The names of schemas that a part of the document refers to."""
    if isinstance(value, dict):
        if "$ref" in value:
            yield _name(value)
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def _reachable(schemas: dict[str, Any], start: Any) -> Iterator[str]:
    found: set[str] = set()
    left = list(_references(start))
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            yield name
            left += _references(schemas[name])


def _name(reference: dict[str, Any]) -> str:
    return str(reference["$ref"]).rsplit("/", 1)[1]


def _is_object(schema: dict[str, Any]) -> bool:
    return schema.get("type") == "object" and not schema.get("additionalProperties")


def _definition(name: str, schema: dict[str, Any]) -> str:
    fields = {field: _field(schema, field) for field in schema["properties"]}
    told = schema.get("description", "").replace("\n", " ")
    if any(keyword.iskeyword(field) for field in fields):
        lines = [f'    "{field}": "{type_}",' for field, type_ in fields.items()]
        return "\n".join([f"{name} = TypedDict(", f'    "{name}",', "    {", *("    " + line for line in lines), "    },", ")"]) + "\n"
    lines = [f"    {field}: {type_}" for field, type_ in fields.items()]
    return "\n".join([f"class {name}(TypedDict):", f'    """{told}"""\n', *lines]) + "\n"


def _field(schema: dict[str, Any], field: str) -> str:
    type_ = _type(schema["properties"][field])
    return type_ if field in schema.get("required", []) else f"NotRequired[{type_}]"


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return _name(schema)
    if "enum" in schema:
        return f"Literal[{', '.join(repr(value) for value in schema['enum']).replace(chr(39), chr(34))}]"
    inner = [_type(each) for each in schema.get("oneOf", [])]
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    plain = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
    for kind in kinds:
        if kind == "array":
            if "prefixItems" in schema:
                inner.append("list[Any]")
            else:
                inner.append(f"list[{_type(schema['items'])}]")
        elif kind == "object":
            values = schema.get("additionalProperties")
            # An object with fields of its own and further ones.
            is_plain = isinstance(values, dict) and not schema.get("properties")
            inner.append(f"dict[str, {_type(values or {}) if is_plain else 'Any'}]")
        else:
            inner.append(plain[kind])
    if not inner:
        return "Any"
    if inner == ["None"]:
        return "None"
    if "None" in inner:
        rest = [each for each in inner if each != "None"]
        assert len(rest) == 1, schema
        return f"Optional[{rest[0]}]"
    assert len(inner) == 1, schema
    return inner[0]
