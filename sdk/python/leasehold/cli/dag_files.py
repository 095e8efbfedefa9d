"""DAG files: an author's Python file becomes checked manifests and bundles, or mistakes with their place and cure.

The only module of the command that knows how ``leasehold.authoring`` is called.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from leasehold.authoring.bundle import Bundle
from leasehold.authoring.loading import CompiledDag, load_file
from leasehold.authoring.problems import Problem
from leasehold.authoring.script import ScriptMetadata
from leasehold.cli.errors import WrongInputError
from leasehold_protocol.v1.manifest import Manifest


class SentBeside(Protocol):
    """A file that is sent besides the bundle, under its hash."""

    @property
    def name(self) -> str:
        """What it is called where it is used."""
        ...

    @property
    def sha256(self) -> str:
        """The hash of its content."""
        ...

    @property
    def data(self) -> bytes:
        """Its content."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyDag:
    """A DAG that can be sent."""

    manifest: Manifest
    bundle: Bundle | None
    """The author's code; none when no task needs any."""
    script: ScriptMetadata = field(default_factory=ScriptMetadata)
    """What the file says about the environment it needs."""
    wheels: tuple[SentBeside, ...] = ()
    """Packages that travel with it."""
    warnings: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedFile:
    """What a file holds: DAGs, or mistakes, never both."""

    file: Path
    dags: tuple[ReadyDag, ...] = ()
    mistakes: tuple[Problem, ...] = ()


def read_dag_file(file: Path) -> CheckedFile:
    """Import an author's file and return what it holds.

    Raises:
        WrongInputError: if there is no such file.
    """
    if not file.is_file():
        what = "is a directory" if file.is_dir() else "does not exist"
        raise WrongInputError(f"{file} {what}.", "Name the Python file with the DAG.")
    loaded = load_file(file)
    mistakes = list(loaded.problems)
    ready: list[ReadyDag] = []
    for dag in loaded.dags:
        found = _ready(dag, loaded.path)
        if isinstance(found, ReadyDag):
            ready.append(found)
        else:
            mistakes += found
    if mistakes:
        return CheckedFile(file=file, mistakes=tuple(mistakes))
    return CheckedFile(file=file, dags=tuple(ready))


def read_dag_files(files: Sequence[Path]) -> list[CheckedFile]:
    """Read several files; that two of them hold a DAG of the same name is a mistake of the later one.

    Raises:
        WrongInputError: if one of them does not exist.
    """
    read: list[CheckedFile] = []
    holders: dict[str, Path] = {}
    for file in dict.fromkeys(files):
        checked = read_dag_file(file)
        names = [dag.manifest.dag for dag in checked.dags]
        twice = [_twice(name, file, holders[name]) for name in names if name in holders]
        holders |= dict.fromkeys(names, file)
        read.append(CheckedFile(file=file, mistakes=tuple(twice)) if twice else checked)
    return read


def _twice(name: str, file: Path, other: Path) -> Problem:
    cure = "Rename one of them: of two DAGs with one name the last to be deployed would replace the other."
    return Problem(file=str(file), line=0, message=f"{other} has a DAG {name!r} as well", cure=cure)


def _ready(dag: CompiledDag, file: Path) -> ReadyDag | list[Problem]:
    """Return the DAG with its manifest held against the protocol: what fits here fits at the API."""
    try:
        return ReadyDag(
            manifest=Manifest.model_validate(dag.manifest),
            bundle=dag.bundle,
            script=dag.script,
            warnings=dag.warnings,
        )
    except ValidationError as error:
        return [_beyond_protocol(dag, file, found["loc"], found["msg"]) for found in error.errors(include_url=False)]


def _beyond_protocol(dag: CompiledDag, file: Path, loc: tuple[int | str, ...], message: str) -> Problem:
    match loc:
        case ("tasks", int(index), *rest):
            task = dag.manifest["tasks"][index]
            where = ".".join(str(part) for part in rest)
            return Problem(
                file=str(file.parent / (task.get("file") or file.name)),
                line=task.get("line") or 0,
                message=f"task {task['id']!r}: {where}: {message}",
            )
        case _:
            where = ".".join(str(part) for part in loc)
            return Problem(file=str(file), line=0, message=f"DAG {dag.name!r}: {where}: {message}".replace(": :", ":"))


def shown_path(file: str) -> str:
    """Return a path as a person would type it here."""
    relative = os.path.relpath(file)
    return file if relative.startswith("..") else relative
