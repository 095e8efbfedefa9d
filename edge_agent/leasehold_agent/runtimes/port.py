"""The port of a runtime: from a lease's work to the process that does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


class RuntimeMissingError(Exception):
    """This site can't run such work. The message says what is missing and how to get it."""


class WorkRefusedError(Exception):
    """The work itself is wrong (an argument that can't be worked out): trying elsewhere is no use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Containers:
    """How containers run at this site."""

    engine: str
    """podman or docker, by its path."""
    pull: str = "missing"
    options: tuple[str, ...] = ()
    """More options of the engine's ``run``, the operator's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a task runs: what the lease and the site say of its surroundings."""

    work_dir: str
    temporary_dir: str
    bundle_dir: str | None
    python: str | None
    """The interpreter of the ``python`` runtime."""
    sdk_path: str | None
    """The folder that holds the package ``leasehold``."""
    has_packages: bool = False
    """The interpreter is that of an environment: what is installed there is wanted."""
    surroundings: Mapping[str, str] = field(default_factory=dict[str, str])
    """The environment variables of the host, of which a task gets a few."""
    attempt: str = ""
    attempt_dir: str = ""
    """Where the task's socket is, and what its runtime writes for it."""
    socket: str = ""
    """The task's socket, by a path that a task can connect to."""
    memory_bytes: int | None = None
    containers: Containers | None = None
    """None: no engine was found here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warm:
    """How the same process comes of a warm one, where one is to be had."""

    python: str
    sdk: str
    bundle: str | None
    has_packages: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Contained:
    """What runs in a container, which its engine starts, ends and bounds: the process is only the engine's client."""

    engine: str
    name: str
    id_file: str
    """There once there is a container."""
    socket: str
    """Where the task finds its socket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A process to start. Its environment gets the task's address and secret besides."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    result: str = "nothing"
    """Which part of standard output is the result: ``nothing``, ``last_line``, ``text`` or ``json``."""
    warm: Warm | None = None
    """None: only ``argv`` will do."""
    contained: Contained | None = None
    """None: the process is the task itself."""


class Runtime(Protocol):
    """Knows how to run one kind of work."""

    def prepare(self, work: Mapping[str, object], context: Mapping[str, object], place: Place) -> Launch:
        """Return the process that does ``work``.

        Args:
            work: The manifest's ``Work``, as JSON.
            context: The task's ``TaskContext``, as JSON.
            place: Where it runs.

        Raises:
            RuntimeMissingError: if the site can't run it.
            WorkRefusedError: if nobody can.
        """
        ...
