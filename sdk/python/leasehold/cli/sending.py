"""Sending a DAG to the API: its wheels and its bundle, unless they are there already, and then its manifest."""

from __future__ import annotations

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from leasehold.cli import screen
from leasehold.cli.api import Api
from leasehold.cli.dag_files import ReadyDag
from leasehold.cli.signing import Signer
from leasehold_protocol.v1.runs import Deploy, DeployedDag


async def send_dag(api: Api, dag: ReadyDag, signer: Signer | None = None) -> DeployedDag:
    """Deploy a DAG; a new version, or none where nothing changed. ``signer``: signed by it."""
    for wheel in dag.wheels:
        await _send(api, wheel.sha256, wheel.data, wheel.name)
    if dag.bundle is not None:
        await _send(api, dag.bundle.sha256, dag.bundle.data, "the bundle")
    signature = None if signer is None else signer.sign(dag.manifest, team=api.team)
    deploy = Deploy(manifest=dag.manifest, signature=signature)
    return await api.send("POST", api.of_team("dags"), deploy, DeployedDag)


async def _send(api: Api, sha256: str, content: bytes, what: str) -> None:
    path = api.of_team("bundles", sha256)
    if await api.has(path):
        return
    console = screen.screen(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"sending {what}", total=len(content))
        await api.upload(path, content, sent=lambda size: progress.advance(task, size))
