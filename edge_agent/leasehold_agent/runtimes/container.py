"""The ``container`` runtime: an image, run by the podman or docker of the site."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from leasehold.runtime.expressions import ExpressionError, facts_from_context
from leasehold.runtime.rules import containers
from leasehold.runtime.rules.containers import Box, Mount
from leasehold.runtime.rules.programs import command
from leasehold_agent.runtimes.port import Contained, Launch, Place, RuntimeMissingError, WorkRefusedError

_SOCKET_INSIDE = "/run/leasehold/task.sock"
"""Where the socket is inside when its own path is too long for a socket address."""


class ContainerRuntime:
    """Runs containers. Working directory, bundle and socket have the same paths inside."""

    def prepare(self, work: Mapping[str, object], context: Mapping[str, object], place: Place) -> Launch:
        """See ``Runtime.prepare``."""
        site = place.containers
        if site is None:
            raise RuntimeMissingError(
                "this site has no container engine that works: install podman or docker there, or set the agent's "
                "`container_engine`; edge-agent doctor says what it found"
            )
        try:
            argv, variables = command(work, facts_from_context(context))
            content = containers.env_file(variables)
        except ExpressionError as problem:
            raise WorkRefusedError(str(problem)) from None
        folder = Path(place.attempt_dir)
        contained = Contained(
            engine=site.engine,
            name=containers.container_name(place.attempt),
            id_file=str(folder / "container.id"),
            socket=place.socket if place.socket.startswith(place.attempt_dir) else _SOCKET_INSIDE,
        )
        box = Box(
            engine=site.engine,
            name=contained.name,
            attempt=place.attempt,
            work_dir=place.work_dir,
            mounts=_mounts(place, contained),
            env_file=str(folder / "container.env"),
            id_file=contained.id_file,
            pull=site.pull,
            options=site.options,
            user=_user(site.engine),
            memory=place.memory_bytes,
        )
        Path(box.env_file).write_text(content, encoding="utf-8")
        return Launch(
            argv=tuple(containers.run_command(work, argv, box)),
            env=containers.engine_environment(place.surroundings),
            cwd=place.work_dir,
            result=str(work.get("result", "last_line")),
            contained=contained,
        )


def _mounts(place: Place, contained: Contained) -> list[Mount]:
    found = [
        Mount(source=place.work_dir, target=place.work_dir),
        Mount(source=f"{place.attempt_dir}/task.sock", target=contained.socket),
    ]
    if place.bundle_dir is not None:
        found.append(Mount(source=place.bundle_dir, target=place.bundle_dir, read_only=True))
    return found


def _user(engine: str) -> str | None:
    """Return as whom it runs, so that what it writes is the agent's: podman makes root inside the agent's user."""
    return f"{os.geteuid()}:{os.getegid()}" if containers.is_docker(engine) and os.geteuid() != 0 else None
