"""Containers in tests: run by the podman or docker of this machine, as at a site; without one the test is told so."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from leasehold.runtime.rules import containers
from leasehold.runtime.rules.containers import Box, Mount

_END_S = 60.0


class NoEngineError(Exception):
    """Containers can't run on this machine. The message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contained:
    """One container of a task."""

    argv: list[str]
    env: dict[str, str]
    engine: str
    name: str

    def end(self) -> None:
        """End and remove it, if it is still there."""
        for command in containers.end_commands(self.engine, self.name):
            subprocess.run(command, env=self.env, capture_output=True, timeout=_END_S, check=False)


def contained(
    work: Mapping[str, object],
    task: str,
    argv: list[str],
    author: Mapping[str, str],
    *,
    work_dir: Path,
    variables: Mapping[str, str],
) -> Contained:
    """Return how a task's container is started.

    Args:
        work: The manifest's work.
        task: The task's id.
        argv: What it runs.
        author: The variables that its author set.
        work_dir: The task's working directory.
        variables: The way to its host.

    Raises:
        NoEngineError: there is neither podman nor docker.
        ExpressionError: a variable can't go in.
    """
    engine = shutil.which("podman") or shutil.which("docker")
    if engine is None:
        raise NoEngineError(
            f"there is neither podman nor docker on this machine to run the container of {task!r}: install one, or say "
            f"what it leaves: run(…, results={{{task!r}: …}})"
        )
    attempt = variables["LEASEHOLD_ATTEMPT"]
    beside = work_dir / ".tmp"
    env_file = beside / "container.env"
    env_file.write_text(containers.env_file(author), encoding="utf-8")
    socket = variables["LEASEHOLD_TASK_SOCKET"]
    box = Box(
        engine=engine,
        name=containers.container_name(f"test-{uuid4().hex}"),
        attempt=attempt,
        work_dir=str(work_dir),
        mounts=[Mount(source=str(work_dir), target=str(work_dir)), Mount(source=socket, target=socket)],
        env_file=str(env_file),
        id_file=str(beside / f"container-{uuid4().hex}.id"),
        user=f"{os.geteuid()}:{os.getegid()}" if containers.is_docker(engine) and os.geteuid() != 0 else None,
    )
    way = {name: value for name, value in variables.items() if name in containers.WAY_TO_HOST}
    return Contained(
        argv=containers.run_command(work, argv, box),
        env={**containers.engine_environment(os.environ), **way},
        engine=engine,
        name=box.name,
    )
