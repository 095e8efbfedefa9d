"""``edge-agent attempts``: the attempt directories on this disk."""

from __future__ import annotations

import json
import shutil
import sys
from argparse import Namespace
from pathlib import Path

from leasehold_agent.attempts.directory import AttemptDirectories, AttemptDirectory, UnsafeAttemptIdError
from leasehold_agent.commands.settings import settings_from
from leasehold_agent.exits import Exit, OperatorError
from leasehold_agent.status import ask_running_agent, attempts_on_disk

_FILES = ("lease.json", "host.json", "ending.json", "delivered.json")


def list_all(arguments: Namespace) -> Exit:
    """Print one line per attempt."""
    state_dir = settings_from(arguments).settings.state_dir
    status = ask_running_agent(state_dir)
    attempts = status.attempts if status else attempts_on_disk(state_dir)
    if arguments.json:
        sys.stdout.write(json.dumps([attempt.model_dump() for attempt in attempts], indent=2) + "\n")
        return Exit.OK
    for attempt in attempts:
        sys.stdout.write(f"{attempt.attempt}  {attempt.phase:<10}  {attempt.task}\n")
    return Exit.OK


def show(arguments: Namespace) -> Exit:
    """Print what is on disk about one attempt."""
    directory = _directory(arguments)
    document = {name.removesuffix(".json"): _read(directory.path / name) for name in _FILES}
    sys.stdout.write(json.dumps({"attempt": directory.attempt, **document}, indent=2, ensure_ascii=False) + "\n")
    return Exit.OK


def log(arguments: Namespace) -> Exit:
    """Print one attempt's log as it is."""
    directory = _directory(arguments)
    sys.stdout.flush()
    try:
        with directory.log.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
    except FileNotFoundError:
        sys.stderr.write("This attempt has not written anything yet.\n")
    return Exit.OK


def _directory(arguments: Namespace) -> AttemptDirectory:
    directories = AttemptDirectories(settings_from(arguments).settings.state_dir / "attempts")
    try:
        directory = directories.of(arguments.attempt)
    except UnsafeAttemptIdError:
        directory = None
    if directory is None or not directory.path.is_dir():
        raise OperatorError(
            Exit.NOT_FOUND,
            f"There is no attempt {arguments.attempt!r} on this disk.",
            "edge-agent attempts list names those that are; delivered ones go, unless keep_attempts keeps them.",
        )
    return directory


def _read(path: Path) -> object:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
