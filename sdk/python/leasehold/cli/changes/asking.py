"""What is deployed, asked of the API, and compared with what a file holds."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass

from leasehold.cli.api import Api
from leasehold.cli.changes.code import FileChange, compare_code
from leasehold.cli.changes.comparing import ManifestChanges, compare
from leasehold.cli.dag_files import ReadyDag
from leasehold.cli.errors import NotFoundError, RefusedError
from leasehold_protocol.v1.runs import DagDetail

ZIP = "application/zip"


@dataclass(frozen=True, slots=True, kw_only=True)
class DagChanges:
    """What a deploy of a DAG would change.

    Attributes:
        ready: The DAG as it would be deployed.
        version: The version that is deployed; None: none is.
        makes_version: Whether a deploy would make a new version.
        manifest: What is different in what the DAG says.
        files: What is different in its code; None where the deployed code can't be had.
    """

    ready: ReadyDag
    version: int | None
    makes_version: bool
    manifest: ManifestChanges
    files: tuple[FileChange, ...] | None


async def changes_of(api: Api, ready: ReadyDag) -> DagChanges:
    """Return what a deploy would change."""
    dag = ready.manifest.dag
    try:
        deployed = await api.get(api.of_team("dags", dag), DagDetail)
    except NotFoundError:
        return all_new(ready)
    before, after = deployed.manifest, ready.manifest
    files: tuple[FileChange, ...] | None = ()
    if before.bundle != after.bundle:
        files = await _files(api, before.bundle, ready)
    return DagChanges(
        ready=ready,
        version=deployed.version,
        makes_version=before != after,
        manifest=compare(before, after),
        files=files,
    )


def all_new(ready: ReadyDag) -> DagChanges:
    """Return the changes where nothing is deployed, or nobody knows what is."""
    code = None if ready.bundle is None else ready.bundle.data
    return DagChanges(
        ready=ready,
        version=None,
        makes_version=True,
        manifest=compare(None, ready.manifest),
        files=tuple(compare_code(None, code)),
    )


async def _files(api: Api, sha256: str | None, ready: ReadyDag) -> tuple[FileChange, ...] | None:
    """Return the changed files; None where the deployed code may not be read by this caller."""
    code = None if ready.bundle is None else ready.bundle.data
    if sha256 is None:
        return tuple(compare_code(None, code))
    try:
        pieces = [piece async for piece in api.content(api.of_team("bundles", sha256), media_type=ZIP, query={})]
        return tuple(compare_code(b"".join(pieces), code))
    except (NotFoundError, RefusedError, zipfile.BadZipFile):
        return None
