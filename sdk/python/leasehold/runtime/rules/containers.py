"""How a container is started for a task: the command line of podman or docker, and what each variable goes in by.

Secrets never stand in a command line. The task's way to its host goes in by name (``--env NAME``), out of the engine's
own environment. What authors set goes in by a file: in the engine's environment a name like ``DOCKER_HOST`` or
``LD_PRELOAD`` would be an order to the engine itself, outside of any container.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from leasehold.runtime.expressions import ExpressionError

WAY_TO_HOST = (
    "LEASEHOLD_ATTEMPT",
    "LEASEHOLD_TASK_PROTOCOL",
    "LEASEHOLD_TASK_SECRET",
    "LEASEHOLD_TASK_SOCKET",
    "LEASEHOLD_TASK_URL",
)
"""Variables that every task gets."""
ENGINE_FAILED = 125
"""How podman and docker end when it was they that failed, before anything of the image ran."""
_LONGEST_VALUE = 60_000
_PASSED_ON = frozenset(
    {"PATH", "HOME", "TMPDIR", "LANG", "TZ", "REGISTRY_AUTH_FILE", "DBUS_SESSION_BUS_ADDRESS", "SSL_CERT_FILE"}
)
_PASSED_ON_GROUPS = ("XDG_", "DOCKER_", "CONTAINER_", "CONTAINERS_", "LC_")
_PROXIES = frozenset({"http_proxy", "https_proxy", "no_proxy", "all_proxy"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A file or folder that is seen inside, too."""

    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """What a site says of one container, beside the author's work."""

    engine: str
    name: str
    attempt: str
    work_dir: str
    mounts: Sequence[Mount]
    env_file: str
    id_file: str
    """Where the engine writes the container's id, once there is one."""
    pull: str = "missing"
    options: Sequence[str] = ()
    """More of the engine's options, the operator's."""
    user: str | None = None
    memory: int | None = None
    """Of all its processes together, in bytes."""


def run_command(work: Mapping[str, object], argv: Sequence[str], box: Box) -> list[str]:
    """Return the command that runs a task's container in the foreground."""
    entrypoint = work.get("entrypoint")
    return [
        box.engine,
        "run",
        "--rm",
        *("--name", box.name, "--label", f"leasehold.attempt={box.attempt}", "--cidfile", box.id_file),
        *("--log-driver", "none", "--pull", box.pull, "--workdir", box.work_dir),
        *(part for mount in box.mounts for part in ("--mount", _mounted(mount))),
        *("--env-file", box.env_file),
        *(part for name in WAY_TO_HOST for part in ("--env", name)),
        *(() if box.memory is None else ("--memory", str(box.memory))),
        *(() if box.user is None else ("--user", box.user)),
        *(() if entrypoint is None else ("--entrypoint", str(entrypoint))),
        *box.options,
        str(work["image"]),
        *argv,
    ]


def ask_command(engine: str, name: str) -> list[str]:
    """Return the command that asks the first process of a container to end."""
    return [engine, "kill", "--signal", "TERM", name]


def end_commands(engine: str, name: str) -> tuple[list[str], list[str]]:
    """Return the commands that end a container at once, and then remove what is left of it."""
    return [engine, "kill", "--signal", "KILL", name], [engine, "rm", "--force", name]


def look_command(engine: str, name: str) -> list[str]:
    """Return the command that prints a header, and a line more if there is a container of this name, ended or not.

    The header tells "there is none" from "the engine did not answer", whatever became of the exit status.
    """
    return [engine, "ps", "--all", "--filter", f"name=^{name}$"]


def container_name(attempt: str) -> str:
    """Return what an attempt's container is called."""
    return f"leasehold-{attempt}"


def is_docker(engine: str) -> bool:
    """Say whether an engine has a daemon that is root: there a container's root is the machine's."""
    return "docker" in engine.rpartition("/")[2]


def env_file(variables: Mapping[str, str]) -> str:
    """Return the file by which an author's variables go in.

    Raises:
        ExpressionError: a value can't go in that way.
    """
    for name, value in variables.items():
        if "\n" in value or "\r" in value:
            raise ExpressionError(
                f"variable {name} has several lines, and a container's variables have one: let the task ask for it "
                "(GET /v1/context), or write it to a file"
            )
        if len(value) > _LONGEST_VALUE:
            raise ExpressionError(
                f"variable {name} is longer than {_LONGEST_VALUE} characters: let the task ask for it (GET /v1/context)"
            )
    return "".join(f"{name}={value}\n" for name, value in variables.items())


def engine_environment(surroundings: Mapping[str, str]) -> dict[str, str]:
    """Return what podman or docker itself gets to see: where its storage, its daemon and its registries are."""
    return {
        name: value
        for name, value in surroundings.items()
        if name in _PASSED_ON or name.startswith(_PASSED_ON_GROUPS) or name.lower() in _PROXIES
    }


def _mounted(mount: Mount) -> str:
    fields = ["type=bind", f"source={mount.source}", f"target={mount.target}", *(["readonly"] * mount.read_only)]
    return ",".join(_quoted(field) for field in fields)


def _quoted(field: str) -> str:
    """Return one field of the comma-separated values that ``--mount`` takes."""
    if "," not in field and '"' not in field:
        return field
    return '"' + field.replace('"', '""') + '"'
