"""What stands in for the attempt host in a script run by hand: the host in memory, given what lies around."""

from __future__ import annotations

import os

from leasehold.errors import LeaseholdError, NotFoundError, RefusedError
from leasehold.runtime.in_memory.given import connection_fields
from leasehold.runtime.in_memory.host import RESULT_KEY, LocalHost
from leasehold.runtime.in_memory.runs import Runs
from leasehold.runtime.in_memory.told import Metric, Told
from leasehold.runtime.in_memory.xcoms import XComs
from leasehold.runtime.outside.local_file import LocalFile, find_local_file
from leasehold.runtime.outside.no_runs import NoRuns
from leasehold.runtime.values import ValueNotSupportedError, decode, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def stand_in() -> LocalHost:
    """Return a host for a process in which no task is running: it declares nothing and may ask for anything."""
    told = Told(metrics=_Unheard())
    return LocalHost(Surroundings(told), context=None, told=told)


class Surroundings:
    """Connections and variables of the environment, then of a local file; what the script writes stays in memory.

    Attributes:
        changed: Variables that were set (encoded), or deleted (None).
        runs: None: no task is running.
        left: What the script itself pushed.
    """

    def __init__(self, told: Told | None = None) -> None:
        self.left: XComs = _Pushed(told or Told())
        self._file: LocalFile | None = None
        self.changed: dict[str, list[object]] = {}
        self.runs: Runs = NoRuns()

    def connection(self, name: str) -> Mapping[str, object]:
        """See ``Given``."""
        variable = f"LEASEHOLD_CONN_{environment_name(name)}"
        if text := os.environ.get(variable):
            return _fields(name, _json(text) if text.lstrip().startswith("{") else text, variable)
        file = self._local_file()
        if name in file.connections:
            return _fields(name, file.connections[name], f"{file.path}, [connections.{name}]")
        where = f"put it into {variable} (a URI or JSON), or into {file.shown} as [connections.{name}]"
        raise NotFoundError(f"no task is running here and {variable} is not set, so there is no connection: {where}")

    def variable(self, key: str) -> object:
        """See ``Given``."""
        if key in self.changed:
            if not self.changed[key]:
                raise NotFoundError(f"this script has deleted the variable {key!r}")
            return self.changed[key][0]
        variable = f"LEASEHOLD_VAR_{environment_name(key)}"
        if variable in os.environ:
            return _json(os.environ[variable])
        file = self._local_file()
        if key in file.variables:
            try:
                return encode(decode(file.variables[key]), f"{file.path}: the variable {key!r}")
            except (ValueNotSupportedError, ValueError) as problem:
                raise RefusedError(str(problem)) from None
        where = f"put its value into {variable}, or into {file.shown} below [variables]"
        raise NotFoundError(f"no task is running here and {variable} is not set, so there is no variable: {where}")

    def set_variable(self, key: str, value: object) -> None:
        """See ``Given``."""
        self.changed[key] = [value]

    def delete_variable(self, key: str) -> None:
        """See ``Given``."""
        self.variable(key)
        self.changed[key] = []

    def variable_keys(self, prefix: str) -> list[str]:
        """See ``Given``. The environment says them in small letters, with ``_`` for what its names have no sign for."""
        begin = f"LEASEHOLD_VAR_{environment_name(prefix)}"
        named = [name.removeprefix("LEASEHOLD_VAR_").lower() for name in os.environ if name.startswith(begin)]
        written = [*self._local_file().variables, *(key for key, value in self.changed.items() if value)]
        return sorted({*named, *(key for key in written if key.startswith(prefix))})

    def id_token(self, audience: str) -> str:
        """See ``Given``: nobody can."""
        raise RefusedError(f"no task is running here, so that nobody can vouch for it to {audience!r}")

    def _local_file(self) -> LocalFile:
        if self._file is None:
            self._file = find_local_file()
        return self._file


class _Pushed:
    """What was pushed: no task has a name here, so that what any of them pushed is found by its key."""

    def __init__(self, told: Told) -> None:
        self._told = told

    def xcom(self, task: str, key: str, map_index: int) -> object:
        """See ``XComs``."""
        del map_index
        if key != RESULT_KEY and key in self._told.xcoms:
            return _json(self._told.xcoms[key].decode())
        cure = "pass it as an argument, or run the DAG whole with .run_here()"
        raise NotFoundError(f"no task is running here, and nothing was pushed under {key!r} for {task!r}: {cure}")

    def xcom_of(self, run: str, task: str, key: str, map_index: int) -> object:
        """See ``XComs``: there are no other runs."""
        if run == "prior":
            return self.xcom(task, key, map_index)
        raise NotFoundError(f"no task is running here, so that there is no run {run!r} with a value of {task!r}")

    def mapped(self, task: str, key: str) -> list[tuple[int, object]]:
        """See ``XComs``."""
        return [(-1, self.xcom(task, key, -1))] if key in self._told.xcoms else []


class _Unheard(list[Metric]):
    """Measurements that nobody will look at: a script that runs for days must not keep them."""

    def extend(self, metrics: Iterable[Metric]) -> None:
        """Drop them."""


def environment_name(name: str) -> str:
    """Return the part of an environment variable's name that stands for ``name``: upper case, ``_`` for the rest."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name).upper()


def _fields(name: str, value: object, where: str) -> Mapping[str, object]:
    try:
        return connection_fields(name, value)
    except LeaseholdError:
        raise
    except ValueError as problem:  # its text never holds the URI, for there may be a password in it
        raise RefusedError(f"{where}: {problem}") from None


def _json(text: str) -> object:
    import json

    try:
        value: object = json.loads(text)
    except ValueError:
        return text
    return value
