"""Round after round: read the file, deploy, run, and begin again with the next save."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from leasehold.cli import screen
from leasehold.cli.api import Api
from leasehold.cli.dag_files import ReadyDag, read_dag_file
from leasehold.cli.dev.values import FILE, put_values, read_values
from leasehold.cli.dev.watching import Saves
from leasehold.cli.environments.packing import with_environment
from leasehold.cli.errors import CliError, WrongInputError
from leasehold.cli.following import follow_run
from leasehold.cli.mistake_views import show_mistake
from leasehold.cli.run_views import run_view
from leasehold.cli.sending import send_dag
from leasehold_protocol.v1.message import Json
from leasehold_protocol.v1.runs import CancelRequest, RunDetail, TriggerRun

Say = Callable[[str], None]


class Rounds:
    """Runs one DAG of a file again and again."""

    def __init__(self, api: Api, file: Path, *, dag: str | None, params: dict[str, Json]) -> None:
        self._api = api
        self._file = file
        self._dag = dag
        self._params = params
        self._saves = Saves(file.resolve())

    async def once(self) -> RunDetail | None:
        """Do one round and return how its run ended; none: the file has mistakes, which were shown.

        Raises:
            CliError: what the file needs can't be had.
        """
        run = await self._begin()
        return None if run is None else await self._follow(run)

    async def for_ever(self) -> None:
        """Do a round for each save, until cancelled. A save while a run goes on ends that run."""
        while True:
            going = asyncio.ensure_future(self._round())
            saved = asyncio.ensure_future(self._saves.next())
            try:
                await asyncio.wait([going, saved], return_when=asyncio.FIRST_COMPLETED)
                if going.done():
                    going.result()
                    screen.say("Waiting for the next save. Ctrl-C ends everything.")
                await saved
            finally:
                saved.cancel()
                going.cancel()
                await asyncio.gather(going, saved, return_exceptions=True)
            screen.say(f"{self._file.name} or what it imports was saved.")

    async def _round(self) -> None:
        try:
            await self.once()
        except CliError as error:
            screen.tell_error(error)

    async def _begin(self) -> RunDetail | None:
        """Deploy the file as it is now, and start a run of its DAG."""
        self._saves.read()
        checked = read_dag_file(self._file)
        for mistake in checked.mistakes:
            show_mistake(mistake, stderr=True)
        if checked.mistakes:
            return None
        dag = self._chosen(checked.dags)
        self._saves.read(() if dag.bundle is None else dag.bundle.files)
        missing = await put_values(self._api, dag.manifest, read_values(self._file.resolve().parent))
        for what in missing:
            screen.say(f"note: there is no {what}: set it in the environment or in {FILE}.", stderr=True)
        made = await send_dag(self._api, await asyncio.to_thread(with_environment, dag, self._file))
        request = TriggerRun(params=self._params)
        return await self._api.send("POST", self._api.of_team("dags", made.dag, "runs"), request, RunDetail)

    def _chosen(self, dags: tuple[ReadyDag, ...]) -> ReadyDag:
        names = [dag.manifest.dag for dag in dags]
        if self._dag is None and len(dags) > 1:
            raise WrongInputError(f"{self._file} has {len(dags)} DAGs: {', '.join(names)}.", "Choose one with --dag.")
        for dag in dags:
            if self._dag in (None, dag.manifest.dag):
                return dag
        raise WrongInputError(f"{self._file} has no DAG {self._dag}.", f"It has: {', '.join(names)}")

    async def _follow(self, run: RunDetail) -> RunDetail:
        """Show a run to its end; one that is not wanted any more is cancelled."""
        try:
            with run_view(now=screen.now, stderr=False) as view:
                return await follow_run(self._api, run.run, view)
        except asyncio.CancelledError:
            await self._api.post(self._api.of_team("runs", run.run, "cancel"), CancelRequest(reason="saved again"))
            raise
