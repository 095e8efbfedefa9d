"""Connections and variables for tasks that are tried here: from the environment, or from a file beside the DAG."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from leasehold.cli.api import Api
from leasehold.cli.connection_uri import from_fields, from_uri
from leasehold.cli.dev.house import SITE
from leasehold.cli.errors import WrongInputError
from leasehold.runtime.connections import environment_name
from leasehold_protocol.v1.context import VariableWrite
from leasehold_protocol.v1.fleet import ConnectionSummary, ConnectionWrite, VariableSummary
from leasehold_protocol.v1.manifest import Manifest
from leasehold_protocol.v1.message import Json

FILE = "leasehold.dev.toml"
_EXAMPLE = f'{FILE} holds [connections] with plant_db = "postgres://…", and [variables] with limit = 3'


@dataclass(frozen=True, slots=True)
class Values:
    """What there is, by name. Hidden from ``repr``: there are passwords in it."""

    connections: Mapping[str, Json] = field(repr=False)
    variables: Mapping[str, Json] = field(repr=False)

    def connection(self, name: str) -> ConnectionWrite | None:
        """Return a connection; the environment counts before the file.

        Raises:
            WrongInputError: it can't be read; what it holds is not repeated.
        """
        uri = os.environ.get(f"LEASEHOLD_CONN_{environment_name(name)}")
        found = self.connections.get(name) if uri is None else uri
        match found:
            case None:
                return None
            case str():
                return from_uri(found, sites=[SITE], description="")
            case dict():
                return from_fields(found, sites=[SITE], description="")
            case _:
                raise WrongInputError(f"The connection {name} is neither a URI nor a table of fields.", _EXAMPLE)

    def variable(self, key: str) -> tuple[bool, Json]:
        """Return whether there is such a variable, and its value; the environment counts before the file."""
        text = os.environ.get(f"LEASEHOLD_VAR_{environment_name(key)}")
        if text is None:
            return key in self.variables, self.variables.get(key)
        try:
            return True, json.loads(text)
        except ValueError:
            return True, text


def read_values(folder: Path) -> Values:
    """Return what the file beside the DAG has; without it only the environment counts.

    Raises:
        WrongInputError: it can't be read.
    """
    file = folder / FILE
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Values({}, {})
    except OSError as error:
        raise WrongInputError(f"Cannot read {file}: {error.strerror or error}.") from error
    except ValueError as error:
        raise WrongInputError(f"{file} is not TOML: {error}.", _EXAMPLE) from error
    parts = {name: found.get(name, {}) for name in ("connections", "variables")}
    wrong = [name for name in found if name not in parts] + [
        n for n, part in parts.items() if not isinstance(part, dict)
    ]
    if wrong:
        raise WrongInputError(f"{file} has {wrong[0]}, which is no table of values.", _EXAMPLE)
    return Values(parts["connections"], parts["variables"])


async def put_values(api: Api, manifest: Manifest, values: Values) -> list[str]:
    """Give the service what a DAG declares; return what is missing, in words."""
    missing: list[str] = []
    for name in sorted({name for task in manifest.tasks for name in task.needs.connections}):
        if (write := values.connection(name)) is None:
            missing.append(f"connection {name} (LEASEHOLD_CONN_{environment_name(name)}, a URI)")
        else:
            await api.send("PUT", api.of_team("connections", name), write, ConnectionSummary)
    for key in sorted({key for task in manifest.tasks for key in task.variables}):
        is_there, value = values.variable(key)
        if is_there:
            await api.send("PUT", api.of_team("variables", key), VariableWrite(value=value), VariableSummary)
        else:
            missing.append(f"variable {key} (LEASEHOLD_VAR_{environment_name(key)})")
    return missing
