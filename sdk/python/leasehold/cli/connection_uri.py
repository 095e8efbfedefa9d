"""A connection written as one URI, as Airflow writes it: ``type://login:password@host:port/schema?key=value``."""

from __future__ import annotations

from pydantic import ValidationError

from leasehold.cli.errors import WrongInputError
from leasehold.runtime.connection_uris import parse
from leasehold_protocol.v1.fleet import ConnectionWrite
from leasehold_protocol.v1.message import Json


def from_uri(text: str, *, sites: list[str], description: str) -> ConnectionWrite:
    """Return the connection that a URI describes; read as the SDK reads the ones in an author's environment.

    Raises:
        WrongInputError: if it is no such URI. The text is not repeated: it may hold a password.
    """
    try:
        fields = parse(text.strip())
    except ValueError as error:
        raise WrongInputError(f"The URI cannot be read: {error}.") from error
    return from_fields(fields, sites=sites, description=description)


def from_fields(fields: dict[str, Json], *, sites: list[str], description: str) -> ConnectionWrite:
    """Return the connection that its fields describe; a field without a value is left out.

    Raises:
        WrongInputError: if a field has a value it cannot have; the value is not repeated.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    try:
        return ConnectionWrite.model_validate({"sites": sites, "description": description, **given})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise WrongInputError(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}.") from error
