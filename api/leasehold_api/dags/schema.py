"""Parameters of runs, checked against the DAG's JSON Schema."""

from __future__ import annotations

from typing import Any

import jsonschema

from leasehold_api.errors import InvalidRequestError
from leasehold_protocol.v1.problems import FieldError


def check_params_schema(schema: dict[str, Any]) -> None:
    """Refuse a manifest whose schema is not a JSON Schema (draft 2020-12).

    Raises:
        InvalidRequestError: saying where it is wrong.
    """
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise InvalidRequestError(f"manifest.params_schema: {error.message}") from None


def with_defaults(schema: dict[str, Any], params: dict[str, Any], *, of: str = "the DAG") -> dict[str, Any]:
    """Return ``params`` with the schema's defaults for what is absent; ``of`` names whose parameters they are.

    Raises:
        InvalidRequestError: naming every parameter that is unknown, missing or does not fit.
    """
    properties: dict[str, Any] = schema.get("properties", {})
    complete = {name: each["default"] for name, each in properties.items() if "default" in each} | params
    errors = [
        FieldError(field=f"params.{name}", message=f"unknown parameter; {of} has {_names(properties)}")
        for name in params
        if name not in properties
    ]
    errors.extend(
        FieldError(field=".".join(["params", *map(str, error.path)]), message=error.message)
        for error in jsonschema.Draft202012Validator(schema).iter_errors(complete)
        if error.validator != "additionalProperties" or error.path  # the unknown ones are named above
    )
    if errors:
        raise InvalidRequestError("; ".join(f"{error.field}: {error.message}" for error in errors), errors=errors)
    return complete


def _names(properties: dict[str, Any]) -> str:
    return ", ".join(properties) or "no parameters"
