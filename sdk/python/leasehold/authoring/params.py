"""A run's parameters: the typed parameters of the DAG's function as JSON Schema (2020-12), defaults included."""

from __future__ import annotations

import inspect
import types
import typing
from typing import Any, Literal, Union, get_args, get_origin

from leasehold.authoring.dags import Dag
from leasehold.authoring.mistakes import AuthoringError
from leasehold.runtime.values import ValueNotSupportedError, plain

Schema = dict[str, Any]

_SIMPLE: dict[object, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    list: {"type": "array"},
    dict: {"type": "object"},
    None: {"type": "null"},
    type(None): {"type": "null"},
    Any: {},
    object: {},
    inspect.Parameter.empty: {},
}

_CURE = "Parameters are JSON: str, int, float, bool, None, list[…], dict[str, …], Literal[…], and unions of them."


def params_schema(dag: Dag[...]) -> Schema:
    """Return the JSON Schema of a DAG's parameters.

    Raises:
        AuthoringError: if a parameter's type or default can't be JSON.
    """
    parameters = inspect.signature(dag.function).parameters
    hints = _hints(dag)
    properties: dict[str, Schema] = {}
    required: list[str] = []
    for name, parameter in parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise AuthoringError(f"the DAG {dag.name!r} has *{name}", "Name each parameter.", place=dag.place)
        properties[name] = _property(dag, name, hints.get(name, parameter.annotation))
        if parameter.default is parameter.empty:
            required.append(name)
        else:
            properties[name]["default"] = _default(dag, name, parameter.default, properties[name])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _hints(dag: Dag[...]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(dag.function, include_extras=True)
    except Exception as problem:  # whatever an annotation raises is the author's
        raise AuthoringError(
            f"a type of the DAG {dag.name!r} is unknown: {problem}", _CURE, place=dag.place
        ) from problem


def _property(dag: Dag[...], name: str, hint: object) -> Schema:
    schema = _schema(hint)
    if schema is None:
        shown = getattr(hint, "__name__", hint)
        raise AuthoringError(f"the parameter {name!r} of the DAG {dag.name!r} is a {shown}", _CURE, place=dag.place)
    return dict(schema)


def _schema(hint: Any) -> Schema | None:
    """Return the schema of one type, or None when it isn't JSON."""
    try:
        if hint in _SIMPLE:
            return _SIMPLE[hint]
    except TypeError:
        return None
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return {"enum": list(args)}
    if origin is typing.Annotated:
        texts = [note for note in args[1:] if isinstance(note, str)]
        inner = _schema(args[0])
        return inner and {**inner, "description": texts[0]} if texts else inner
    if origin in (Union, types.UnionType):
        options = [_schema(arg) for arg in args]
        return None if None in options else {"anyOf": options}
    if origin is list:
        items = _schema(args[0])
        return None if items is None else {"type": "array", "items": items}
    if origin is dict and args[0] is str:
        values = _schema(args[1])
        return None if values is None else {"type": "object", "additionalProperties": values}
    return None


def _default(dag: Dag[...], name: str, default: object, schema: Schema) -> object:
    try:
        value = plain(default, name)
    except ValueNotSupportedError as problem:
        raise AuthoringError(f"the default of a parameter: {problem}", _CURE, place=dag.place) from None
    if not fits(value, schema):
        wanted = schema.get("type") or schema.get("enum") or "another type"
        raise AuthoringError(
            f"the default of the parameter {name!r} is {default!r}, but its type says {wanted}",
            "Make the default fit the type, or the type the default.",
            place=dag.place,
        )
    return value


_PYTHON: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


def fits(value: object, schema: Schema) -> bool:
    """Return whether ``value`` is what a schema of ours describes."""
    if "enum" in schema:
        return value in schema["enum"]
    if "anyOf" in schema:
        return any(fits(value, option) for option in schema["anyOf"])
    if "type" not in schema:
        return True
    if isinstance(value, bool):
        return bool(schema["type"] == "boolean")
    if not isinstance(value, _PYTHON[schema["type"]]):
        return False
    if isinstance(value, list):
        return all(fits(item, schema.get("items", {})) for item in value)
    if isinstance(value, dict):
        return all(fits(item, schema.get("additionalProperties", {})) for item in value.values())
    return True
