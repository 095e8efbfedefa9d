"""A real agent process takes over from another version of itself, and back: what runs at the site goes on."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from leasehold_agent.exits import Exit
from leasehold_agent.installing.versions import Versions
from leasehold_agent.status import Status, ask_running_agent
from leasehold_protocol.v1.leases import EndingKind
from tests.edge_agent.model_api import ModelApi, shell_lease
from tests.edge_agent.test_agent import api, state, until
from tests.edge_agent.test_commands import Ended
from tests.support.releases import Publisher, Web, make_tree, serving

__all__ = ["api", "state"]  # fixtures

OLD, NEW = "1.0.0", "1.1.0"
pytestmark = pytest.mark.timeout(240)


class Site:
    """An installation with versions side by side, and the repository it updates from."""

    def __init__(self, folder: Path, state: Path, publisher: Publisher, web: Web, *, body: str = "") -> None:
        self.state = state
        self.publisher = publisher
        self.web = web
        self.versions = Versions(folder / "prefix")
        self.versions.put_version(make_tree(folder / "old", OLD, body=body), OLD)
        self.versions.flip(OLD)
        (self.versions.prefix / "root.json").write_bytes(publisher.first_root)
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "LEASEHOLD_AGENT_CONFIG": "/dev/null",
            "LEASEHOLD_AGENT_UPDATE_PREFIX": str(self.versions.prefix),
            "LEASEHOLD_AGENT_UPDATE_REPOSITORY": web.url,
            "LEASEHOLD_AGENT_UPDATE": "off",
        }
        self.pids: set[int] = set()

    async def start(self, program: Path, *words: str, **more: str) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            *(program, *words, "--state-dir", str(self.state)), stdout=pipe, stderr=pipe, env=self.environ | more
        )

    @asynccontextmanager
    async def agent(self, **more: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run the current version's agent; the end of the block ends whichever runs by then."""
        with (self.state / "agent.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *(self.versions.program, "run", "--state-dir", str(self.state)),
                stdout=log,
                stderr=log,
                env=self.environ | more,
            )
        try:
            await self.connected(OLD)
            yield process
        finally:
            for pid in {process.pid if process.returncode is None else 0, self.now().pid or 0} - {0}:
                os.kill(pid, signal.SIGKILL)
            await process.wait()

    async def update(self, *words: str, **more: str) -> Ended:
        process = await self.start(self.versions.program, "update", *words, **more)
        async with asyncio.timeout(90):
            out, err = await process.communicate()
        assert b"Traceback" not in err, err.decode()
        return Ended(process.returncode or 0, out.decode(), err.decode())

    def now(self) -> Status:
        return ask_running_agent(self.state) or Status(running=False, version="none", state_dir="")

    async def connected(self, version: str) -> Status:
        await until(lambda: self.now().version == version and self.now().link == "connected")
        return self.now()

    @property
    def current(self) -> str | None:
        return self.versions.installed().current

    def trial(self) -> dict[str, Any]:
        trial: dict[str, Any] = json.loads((self.state / "update-trial.json").read_text())
        return trial


@pytest.fixture
def site(tmp_path: Path, state: Path) -> Iterator[Site]:
    publisher = Publisher(tmp_path)
    with serving(publisher.public) as web:
        yield Site(tmp_path, state, publisher, web)


async def test_a_new_version_takes_over_the_process_and_what_runs_goes_on(
    site: Site, api: ModelApi, tmp_path: Path
) -> None:
    site.publisher.release(NEW)
    go_on = tmp_path / "go-on"
    api.offer(shell_lease("ti-1.1", f"echo begun; while [ ! -e {go_on} ]; do sleep 0.05; done; echo ended"))

    async with site.agent() as process:
        await until(lambda: b"begun" in api.logs["ti-1.1"])
        looked = json.loads((await site.update("--check", "--json")).out)
        done = await site.update()
        after = await site.connected(NEW)
        go_on.touch()
        outcome = await api.wait_for_outcome("ti-1.1")

        assert looked["wanted"]
        assert looked["available"] == NEW
        assert (done.code, done.err) == (Exit.OK, "")
        assert f"Version {NEW} runs; it took over from {OLD}" in done.out
        assert after.pid == process.pid
        assert outcome.ending.kind is EndingKind.SUCCESS
        assert (site.current, site.trial()["state"]) == (NEW, "ready")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("if 'run' in sys.argv: raise RuntimeError('no such library')", "it ended before it was ready"),
        (
            "import leasehold_agent.config\nfrom leasehold_agent.exits import OperatorError\n"
            "def load(*_): raise OperatorError(2, 'A setting is unknown.', 'Correct it.')\n"
            "if 'run' in sys.argv: leasehold_agent.config.load = load",
            "A setting is unknown",
        ),
        (
            "import leasehold_agent.arguments\n"
            "def parser(): raise SystemExit(2)\n"
            "if 'run' in sys.argv: leasehold_agent.arguments.parser = parser",
            "it does not know the arguments",
        ),
        (
            "import leasehold_agent.standing\nleasehold_agent.standing.Standing.greeted = lambda *_: None",
            "has not reached the API within 2 s",
        ),
    ],
    ids=["does not start", "refuses its settings", "does not know its arguments", "is never ready"],
)
async def test_a_version_that_does_not_work_gives_way_to_the_one_before(site: Site, body: str, why: str) -> None:
    site.publisher.release(NEW, body=body)

    async with site.agent(LEASEHOLD_AGENT_UPDATE_READY_S="2"):
        done = await site.update()
        after = await site.connected(OLD)

        assert done.code == Exit.UPDATE
        assert f"Version {NEW} was tried and given up" in done.err
        assert why in site.trial()["why"]
        assert site.current == OLD
        assert [reason.name for reason in after.reasons] == ["update"]
        assert f"version {NEW} was tried" in after.reasons[0].text


@pytest.mark.parametrize(
    "point",
    ["agent.update.recorded.before-exec", "agent.update.ready.before-flip", "agent.update.flipped.before-record"],
)
async def test_a_crash_at_any_point_of_a_trial_brings_back_the_version_before(
    site: Site, tmp_path: Path, point: str
) -> None:
    site.publisher.release(NEW)

    async with site.agent(LEASEHOLD_FAULT_POINT=f"{point}@{tmp_path / 'mark'}") as process:
        done = await site.update()
        await until(lambda: process.returncode is not None)
        after = await site.connected(OLD)

        assert (tmp_path / "mark").exists()
        assert done.code == Exit.UPDATE
        assert site.trial()["why"] == "it ended before it was ready"
        assert site.current == OLD
        assert "it ended before it was ready" in after.reasons[0].text


IN_A_HURRY = """
import leasehold_agent.chores
import leasehold_agent.updating.watch

leasehold_agent.chores.UPDATES_EVERY_S = 0.2
leasehold_agent.updating.watch._FIRST_S = (0.0, 0.0)
"""


async def test_an_agent_that_is_set_to_installs_what_its_channel_has_by_itself(
    api: ModelApi, state: Path, tmp_path: Path
) -> None:
    publisher = Publisher(tmp_path)
    publisher.release(NEW)
    with serving(publisher.public) as web:
        site = Site(tmp_path, state, publisher, web, body=IN_A_HURRY)

        async with site.agent(LEASEHOLD_AGENT_UPDATE="install") as process:
            after = await site.connected(NEW)
            await until(lambda: site.current == NEW)

            assert after.pid == process.pid


async def test_an_agent_only_says_what_there_is_where_nothing_else_was_set(
    api: ModelApi, state: Path, tmp_path: Path
) -> None:
    publisher = Publisher(tmp_path)
    publisher.release(NEW)
    with serving(publisher.public) as web:
        site = Site(tmp_path, state, publisher, web, body=IN_A_HURRY)

        async with site.agent(LEASEHOLD_AGENT_UPDATE="notify"):
            await until(lambda: any("update" in _told(renewal) for renewal in api.renewals))

            assert site.now().reasons[0].text == f"update: version {NEW} is there (edge-agent update)"
            assert site.now().paused_because == []
            assert site.versions.installed().versions == (OLD,)


def _told(renewal: dict[str, Any]) -> list[str]:
    return [reason["name"] for reason in (renewal.get("health") or {}).get("reasons", [])]


async def test_an_agent_that_is_told_to_end_in_the_middle_ends(site: Site) -> None:
    site.publisher.release(
        NEW, body="import leasehold_agent.standing\nleasehold_agent.standing.Standing.greeted = lambda *_: None"
    )

    async with site.agent() as process:
        updating = asyncio.create_task(site.update())
        await until(lambda: site.now().version == NEW)
        process.terminate()
        done = await updating
        async with asyncio.timeout(30):
            code = await process.wait()

        assert code == Exit.OK
        assert done.code == Exit.UPDATE
        assert site.trial()["why"] == "it was told to stop before it was ready"
        assert (site.now().running, site.current) == (False, OLD)
