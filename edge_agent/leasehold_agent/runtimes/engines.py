"""The podman or docker of this machine: whether one works, and how a container of it is ended."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

from leasehold.runtime.rules.containers import ask_command, end_commands, engine_environment, look_command

AUTO, NONE = "auto", "none"
_KNOWN = ("podman", "docker")
_ASK_S = 20.0
_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What was found.

    Attributes:
        path: The engine that works; none: there is none.
        version: As it says itself.
        problem: Why there is none, when one was looked for.
    """

    path: str | None = None
    version: str = ""
    problem: str = ""


def find_engine(wanted: str, *, search_path: str) -> Engine:
    """Return the engine of this machine. It is asked something: that a client is installed says little.

    Args:
        wanted: ``auto``, ``podman``, ``docker``, ``none`` or a path.
        search_path: The ``PATH``.
    """
    if wanted == NONE:
        return Engine()
    problems: list[str] = []
    for name in _KNOWN if wanted == AUTO else (wanted,):
        path = shutil.which(name, path=search_path)
        if path is None:
            problems += [f"there is no {name} on this machine"] if wanted != AUTO else []
        elif (problem := _why_not(path)) is None:
            return Engine(path=path, version=_said([path, "--version"]).stdout.strip()[:200])
        else:
            problems.append(problem)
    return Engine(problem="; ".join(problems))


def ask_container_to_end(engine: str, name: str) -> None:
    """Send SIGTERM to the first process of a container; none may be there any more. Blocks while the engine does."""
    _said(ask_command(engine, name))


def end_container(engine: str, name: str, *, within_s: float = 30.0) -> bool:
    """End a container and remove it; say whether there was one. Blocks while it ends.

    Raises:
        TimeoutError: it is still there, or the engine does not say.
    """
    deadline = time.monotonic() + within_s
    was_there, problem = False, ""
    while time.monotonic() < deadline:
        # Exit statuses say nothing here: a host waits for every child itself, and may be first.
        left = _said(look_command(engine, name), timeout_s=within_s)
        lines = left.stdout.strip().splitlines()
        if len(lines) == 1:
            return was_there
        problem = left.stderr.strip()[-300:]
        was_there = was_there or len(lines) > 1
        for command in end_commands(engine, name):
            done = _said(command, timeout_s=within_s)
            problem = done.stderr.strip()[-300:] or problem
        time.sleep(_PAUSE_S)
    raise TimeoutError(f"the container {name} does not end: {problem or 'its engine gives no answer'}")


def _why_not(path: str) -> str | None:
    answer = _said([path, "ps", "--quiet"])
    if answer.returncode == 0:
        return None
    last = (answer.stderr.strip().splitlines() or [f"exit status {answer.returncode}"])[-1]
    return f"{path} does not work: {last[:300]}"


def _said(command: Sequence[str], *, timeout_s: float = _ASK_S) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            env=engine_environment(os.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        return subprocess.CompletedProcess(command, 1, "", str(problem))
