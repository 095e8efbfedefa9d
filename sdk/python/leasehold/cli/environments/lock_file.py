"""``<dag file>.lock``: locked dependencies, for version control. It names what it was made of, and so shows its age."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from leasehold.authoring.script import ScriptMetadata
from leasehold.cli.errors import WrongInputError
from leasehold.runtime.rules.locks import BadLockError, locked_packages

_OURS = "# Dependencies locked by `leasehold lock`. Change the DAG file and lock again; this file is not for hands.\n"
_FROM = "# from: "


@dataclass(frozen=True, slots=True, kw_only=True)
class LockFile:
    """What is in such a file."""

    made_from: str
    """The digest of the metadata."""
    lock: str


def lock_path(dag_file: Path) -> Path:
    """Return where the lock of a DAG file is kept."""
    return dag_file.with_name(dag_file.name + ".lock")


def metadata_digest(script: ScriptMetadata) -> str:
    """Return what names the part of the metadata that decides what is locked."""
    asked = [script.requires_python, list(script.dependencies), list(script.find_links), script.no_index]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


def read_lock(path: Path) -> LockFile | None:
    """Return what a lock file says; None when there is none.

    Raises:
        WrongInputError: it is not one of ours, or can't be used.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise WrongInputError(f"{path} can't be read ({type(error).__name__}).", "Remove it and lock again.") from error
    first, _, rest = text.partition("\n")
    second, _, lock = rest.partition("\n")
    if first + "\n" != _OURS or not second.startswith(_FROM):
        again = f"leasehold lock {path.name.removesuffix('.lock')}"
        raise WrongInputError(f"{path} is not a lock of Leasehold's.", f"Move it away; then: {again}")
    try:
        locked_packages(lock)
    except BadLockError as error:
        raise WrongInputError(f"{path} can't be used: {error}.", "Remove it and lock again.") from error
    return LockFile(made_from=second.removeprefix(_FROM).strip(), lock=lock)


def write_lock(path: Path, file: LockFile) -> None:
    """Write a lock file, whole or not at all.

    Raises:
        WrongInputError: the place can't be written to.
    """
    aside = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(f"{_OURS}{_FROM}{file.made_from}\n{file.lock}", encoding="utf-8")
        aside.replace(path)
    except OSError as error:
        raise WrongInputError(f"{path} can't be written: {error.strerror}.", "Make the folder writable.") from error
