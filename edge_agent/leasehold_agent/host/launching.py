"""From a lease to the process to start: where it runs, what its environment is, and why it could not be started."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast
from urllib.parse import quote

from leasehold.runtime.rules import programs
from leasehold.runtime.rules.containers import ENGINE_FAILED
from leasehold_agent.host.allowed import program_refusal, resolved
from leasehold_agent.host.checks import Object
from leasehold_agent.host.directory import AttemptDirectory
from leasehold_agent.host.lease import HostLease
from leasehold_agent.host.version import TASK_PROTOCOL
from leasehold_agent.runtimes.port import Launch, Place, RuntimeMissingError
from leasehold_agent.runtimes.registry import runtime_for


class RefusedByPolicyError(Exception):
    """The site's policy does not let it run. The message says why.

    Attributes:
        concerns: ``instance``, whose arguments it does not allow, or every one of the ``task``.
    """

    def __init__(self, message: str, *, concerns: str = "instance") -> None:
        super().__init__(message)
        self.concerns = concerns


def prepared(lease: HostLease, context: Object, directory: AttemptDirectory) -> Launch:
    """Let the runtime say what to start.

    Raises:
        RuntimeMissingError: if this site can't run it.
        WorkRefusedError: if nobody can.
    """
    place = Place(
        work_dir=str(directory.work),
        temporary_dir=str(directory.temporary),
        bundle_dir=lease.bundle_dir,
        python=lease.python,
        sdk_path=lease.sdk_path,
        has_packages=lease.has_packages,
        surroundings=os.environ,
        attempt=lease.attempt,
        attempt_dir=str(directory.path),
        socket=directory.task_socket(os.getpid()),
        memory_bytes=lease.memory_bytes,
        containers=lease.containers,
    )
    return runtime_for(lease.work.get("kind")).prepare(lease.work, context, place)


def permitted(launch: Launch, lease: HostLease, context: Object) -> Launch:
    """Return what to start under the site's policy: the very file that the policy was asked about.

    Raises:
        RefusedByPolicyError: the policy does not allow it.
        RuntimeMissingError: there is no such program.
    """
    if lease.programs is None or lease.work.get("kind") != "program":
        return launch
    program, *arguments = launch.argv
    path = resolved(program, search_path=launch.env.get("PATH"), cwd=launch.cwd)
    if path is None:
        raise RuntimeMissingError(why_not_started(launch, FileNotFoundError()))
    variables = lease.work.get("env")
    names = list(cast("Mapping[str, object]", variables)) if isinstance(variables, dict) else []
    item = context.get("item")
    if lease.work.get("spread") is True and isinstance(item, dict):
        names += cast("dict[str, object]", item)
    if reason := program_refusal(lease.programs, path, arguments, names):
        raise RefusedByPolicyError(reason)
    return replace(launch, argv=(path, *arguments))


def environment(launch: Launch, lease: HostLease, *, socket_path: str, secret: str) -> dict[str, str]:
    """Return the runtime's environment with the task's way to its host; no runtime or author can change that part."""
    bindings = {"LEASEHOLD_SDK_JS": lease.sdk_js, "LEASEHOLD_EDGE_AGENT": lease.edge_agent}
    if launch.contained is not None:  # what lies at the site is not seen inside
        bindings, socket_path = {}, launch.contained.socket
    return {
        **launch.env,
        **{name: path for name, path in bindings.items() if path is not None},
        "LEASEHOLD_ATTEMPT": lease.attempt,
        "LEASEHOLD_TASK_PROTOCOL": str(TASK_PROTOCOL),
        "LEASEHOLD_TASK_SOCKET": socket_path,
        "LEASEHOLD_TASK_URL": "http+unix://" + quote(socket_path, safe=""),
        "LEASEHOLD_TASK_SECRET": secret,
    }


def why_no_container(launch: Launch, wait_status: int | None) -> str | None:
    """Return why the engine made no container of the task; None when it did, or when the task is none."""
    if launch.contained is None or wait_status is None or os.waitstatus_to_exitcode(wait_status) != ENGINE_FAILED:
        return None
    if Path(launch.contained.id_file).exists():
        return None  # the container's own exit status
    engine = Path(launch.contained.engine).name
    return f"{engine} made no container (exit status {ENGINE_FAILED}): the log above has its reason"


def why_not_started(launch: Launch, problem: OSError | ValueError) -> str:
    """Return cause and cure for a person."""
    return programs.why_not_started(launch.argv[0], launch.env.get("PATH"), problem)
