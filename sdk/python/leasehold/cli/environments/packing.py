"""A DAG with its environment: the lock goes into the bundle, which a signature covers, and wheels beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from leasehold.authoring.bundle import bundle_with
from leasehold.cli.dag_files import ReadyDag
from leasehold.cli.environments.carrying import carried_wheels
from leasehold.cli.environments.locking import lock_for
from leasehold.runtime.rules.locks import ENVIRONMENT_FILE, WantedEnvironment, lock_digest
from leasehold_protocol.v1.manifest import CarriedWheel


def with_environment(
    dag: ReadyDag, file: Path, *, committed_only: bool = False, wheels: bool | None = None
) -> ReadyDag:
    """Return a DAG with its dependencies locked and, when asked, their wheels; without dependencies as it is.

    Args:
        dag: The DAG.
        file: Its file.
        committed_only: Refuse when the lock beside the file does not fit.
        wheels: Whether wheels travel along; None: as the file says.

    Raises:
        CliError: the dependencies can't be locked, or a wheel can't be had.
    """
    script = dag.script
    if dag.bundle is None or not (script.dependencies or script.requires_python):
        return dag
    lock = lock_for(file, script, committed_only=committed_only) if script.dependencies else ""
    wants_wheels = script.wheels if wheels is None else wheels
    carried = carried_wheels(lock, script, file.resolve().parent) if wants_wheels and lock else []
    wanted = WantedEnvironment(
        lock=lock, requires_python=script.requires_python, wheels={each.name: each.sha256 for each in carried}
    )
    bundle = bundle_with(dag.bundle, ENVIRONMENT_FILE, wanted.as_bytes())
    manifest = dag.manifest.model_copy(
        update={
            "bundle": bundle.sha256,
            "lock": lock_digest(lock) if lock else None,
            "wheels": [CarriedWheel(name=each.name, sha256=each.sha256) for each in carried],
        }
    )
    return replace(dag, manifest=manifest, bundle=bundle, wheels=tuple(carried))
