"""Connections and variables for tasks that are tried here: from the environment, or from ``leasehold.toml``.

It is what scripts run by hand are given, too (``leasehold.runtime.outside``).
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from leasehold.cli.api import Api
from leasehold.cli.connection_uri import from_fields, from_uri
from leasehold.cli.dev.house import SITE
from leasehold.cli.errors import WrongInputError
from leasehold.errors import RefusedError
from leasehold.runtime.outside.local_file import NAMES, LocalFile, find_local_file
from leasehold.runtime.outside.stand_in import environment_name
from leasehold_protocol.v1.context import VariableWrite
from leasehold_protocol.v1.fleet import ConnectionSummary, ConnectionWrite, VariableSummary
from leasehold_protocol.v1.manifest import Manifest
from leasehold_protocol.v1.message import Json

FILE = NAMES[0]
_EXAMPLE = 'leasehold.toml holds [connections] with plant_db = "postgres://…", and [variables] with limit = 3'


def read_values(folder: Path) -> LocalFile:
    """Return what the file beside the DAG, or above it, has; without one only the environment counts.

    Raises:
        WrongInputError: it can't be read.
    """
    try:
        return find_local_file(folder)
    except RefusedError as error:
        raise WrongInputError(f"{error}.", _EXAMPLE) from error


def connection(file: LocalFile, name: str) -> ConnectionWrite | None:
    """Return a connection; the environment counts before the file.

    Raises:
        WrongInputError: it can't be read; what it holds is not repeated.
    """
    text = os.environ.get(f"LEASEHOLD_CONN_{environment_name(name)}")
    match file.connections.get(name) if text is None else _fields_or_uri(name, text):
        case None:
            return None
        case str(found):
            return from_uri(found, sites=[SITE], description="")
        case dict(found):
            return from_fields(found, sites=[SITE], description="")
        case _:
            raise WrongInputError(f"The connection {name} is neither a URI nor a table of fields.", _EXAMPLE)


def _fields_or_uri(name: str, text: str) -> object:
    if text.lstrip()[:1] != "{":
        return text
    try:
        return json.loads(text)
    except ValueError:
        raise WrongInputError(f"The connection {name} in the environment is no JSON.", _EXAMPLE) from None


def variable(file: LocalFile, key: str) -> tuple[bool, Json]:
    """Return whether there is such a variable, and its value; the environment counts before the file."""
    text = os.environ.get(f"LEASEHOLD_VAR_{environment_name(key)}")
    if text is None:
        return key in file.variables, file.variables.get(key)
    try:
        return True, json.loads(text)
    except ValueError:
        return True, text


async def put_values(api: Api, manifest: Manifest, file: LocalFile) -> list[str]:
    """Give the service what a DAG declares; return what is missing, in words."""
    missing: list[str] = []
    for name in sorted({name for task in manifest.tasks for name in task.needs.connections}):
        if (write := connection(file, name)) is None:
            missing.append(f"connection {name} (LEASEHOLD_CONN_{environment_name(name)}, a URI)")
        else:
            await api.send("PUT", api.of_team("connections", name), write, ConnectionSummary)
    for key in sorted({key for task in manifest.tasks for key in task.variables}):
        is_there, value = variable(file, key)
        if is_there:
            await api.send("PUT", api.of_team("variables", key), VariableWrite(value=value), VariableSummary)
        else:
            missing.append(f"variable {key} (LEASEHOLD_VAR_{environment_name(key)})")
    return missing
