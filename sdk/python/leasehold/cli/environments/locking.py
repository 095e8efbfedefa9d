"""Locking: from what a DAG file asks for to packages with versions and hashes, good for every platform. uv does it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from leasehold.authoring.script import ScriptMetadata
from leasehold.cli.environments.lock_file import LockFile, lock_path, metadata_digest, read_lock, write_lock
from leasehold.cli.errors import FailedError, WrongInputError
from leasehold.cli.profile import Environment
from leasehold.runtime.rules.locks import BadLockError, locked_packages
from leasehold.runtime.rules.python_versions import lowest

_LONGEST_S = 600.0


def lock_for(dag_file: Path, script: ScriptMetadata, *, committed_only: bool = False) -> str:
    """Return the lock of a DAG file: the one beside it, else one made of the same metadata before, else a new one.

    Args:
        dag_file: The file.
        script: What it asks for.
        committed_only: Take the one beside the file, and no other.

    Raises:
        CliError: there is none, or none can be made.
    """
    beside, made_from = lock_path(dag_file), metadata_digest(script)
    committed = read_lock(beside)
    if committed is not None and committed.made_from == made_from:
        return committed.lock
    if committed_only:
        what = f"{beside.name} was made of other dependencies" if committed else f"there is no {beside.name}"
        raise FailedError(
            f"{dag_file.name} is not locked: {what}.", f"Lock it, and commit both: leasehold lock {dag_file}"
        )
    kept = Environment.read(os.environ).config_dir / "locks" / made_from
    known = read_lock(kept)
    if known is None:
        known = LockFile(made_from=made_from, lock=_locked(dag_file, script, committed.lock if committed else ""))
        write_lock(kept, known)
    return known.lock


def lock_anew(dag_file: Path, script: ScriptMetadata, *, upgrade: bool) -> tuple[LockFile, bool]:
    """Lock, and write the file beside the DAG file; versions stay where they still fit, unless ``upgrade``.

    Returns:
        The lock, and whether it changed.

    Raises:
        CliError: it can't be made or written.
    """
    path = lock_path(dag_file)
    before = read_lock(path)
    lock = _locked(dag_file, script, before.lock if before and not upgrade else "")
    made = LockFile(made_from=metadata_digest(script), lock=lock)
    if made != before:
        write_lock(path, made)
    return made, made != before


def _locked(dag_file: Path, script: ScriptMetadata, preferred: str) -> str:
    uv = find_uv()
    if uv is None:
        raise FailedError(
            "The dependencies can't be locked: there is no uv on this machine.",
            "Install it (pip install uv), or deploy with a committed lock: leasehold lock FILE where uv is.",
        )
    folder = dag_file.resolve().parent
    with tempfile.TemporaryDirectory(prefix="leasehold-lock-") as temporary:
        output = Path(temporary, "lock.txt")
        output.write_text(preferred, encoding="utf-8")
        # fmt: off
        argv = [
            uv, "pip", "compile", "-", "--output-file", str(output), "--universal", "--generate-hashes", "--quiet",
            "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links", "--color", "never",
            "--python", sys.executable, "--python-version", lowest(script.requires_python), "--no-python-downloads",
            "--only-binary", ":all:", *([] if preferred else ["--upgrade"]), *_sources(script, folder),
        ]
        # fmt: on
        _run(argv, given="\n".join(script.dependencies), folder=folder, what="The dependencies can't be locked")
        lock = output.read_text(encoding="utf-8")
    try:
        locked_packages(lock)
    except BadLockError as error:
        raise FailedError(f"The dependencies can't be locked: {error}.", "Name packages that have wheels.") from error
    return lock


def find_uv() -> str | None:
    """Return uv: the one installed beside this command, else the first on PATH."""
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.is_file() else shutil.which("uv")


def download_wheels(lock: str, script: ScriptMetadata, folder: Path, target: Path) -> None:
    """Have pip fetch the wheels of a lock that this machine would install.

    Raises:
        CliError: pip is not there, or does not get them.
    """
    if find_spec("pip") is None:
        raise FailedError(
            "The wheels can't be fetched: there is no pip beside this command.",
            "Install it (python -m ensurepip), or put the wheels into a folder that find-links names.",
        )
    requirements = target / "lock.txt"
    requirements.write_text(lock, encoding="utf-8")
    # fmt: off
    argv = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:",
        "--disable-pip-version-check", "--dest", str(target), "--requirement", str(requirements),
        *_sources(script, folder),
    ]
    # fmt: on
    _run(argv, given="", folder=folder, what="The wheels can't be fetched")


def wheel_folders(script: ScriptMetadata, folder: Path) -> list[Path]:
    """Return the folders that find-links names.

    Raises:
        WrongInputError: one is not there.
    """
    folders = [folder / each for each in script.find_links]
    for each in folders:
        if not each.is_dir():
            raise WrongInputError(f"find-links names {each}, which is no folder.", "Make it, and put the wheels there.")
    return folders


def _sources(script: ScriptMetadata, folder: Path) -> list[str]:
    links = [part for each in wheel_folders(script, folder) for part in ("--find-links", str(each))]
    return [*links, *(["--no-index"] if script.no_index else [])]


def _run(argv: Sequence[str], *, given: str, folder: Path, what: str) -> None:
    try:
        done = subprocess.run(
            argv, input=given, capture_output=True, text=True, cwd=folder, timeout=_LONGEST_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FailedError(f"{what}: {error}.", "Try again; look at the network.") from error
    if done.returncode:
        said = done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}"
        raise FailedError(
            f"{what}:\n{said}", "Change dependencies or requires-python in the file's # /// script block."
        )
