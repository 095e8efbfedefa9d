"""Sending a DAG to the API: its bundle, unless that is there already, and then its manifest."""

from __future__ import annotations

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from leasehold.cli import screen
from leasehold.cli.api import Api
from leasehold.cli.dag_files import ReadyDag
from leasehold.cli.signing import Signer
from leasehold_protocol.v1.runs import Deploy, DeployedDag


async def send_dag(api: Api, dag: ReadyDag, signer: Signer | None = None) -> DeployedDag:
    """Deploy a DAG; a new version, or none where nothing changed. ``signer``: signed by it."""
    if dag.bundle is not None:
        path = api.of_team("bundles", dag.bundle.sha256)
        if not await api.has(path):
            await _upload(api, path, dag.bundle.data)
    signature = None if signer is None else signer.sign(dag.manifest, team=api.team)
    deploy = Deploy(manifest=dag.manifest, signature=signature)
    return await api.send("POST", api.of_team("dags"), deploy, DeployedDag)


async def _upload(api: Api, path: str, bundle: bytes) -> None:
    console = screen.screen(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("sending the bundle", total=len(bundle))
        await api.upload(path, bundle, sent=lambda size: progress.advance(task, size))
