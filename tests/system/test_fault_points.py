"""A crash at each named point of the source: what was acknowledged is kept, and nothing takes effect twice."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from leasehold_agent import fault_points
from tests.system.lab.checker import check
from tests.system.lab.laboratory import AGENTS, Laboratory, open_laboratory
from tests.system.programs import GaveUpError, until

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(300)


def points(folder: str) -> list[str]:
    """Return every fault point in the source below a folder."""
    sources = [path.read_text() for path in (ROOT / folder).rglob("*.py")]
    return sorted({name for source in sources for name in re.findall(r'reach\("([^"]+)"\)', source)})


def groups(points: list[str]) -> list[list[str]]:
    """Return points in groups: a test crashes at all of one and then waits once, until everything is at rest."""
    return [points[at : at + GROUP] for at in range(0, len(points), GROUP)]


GROUP = 3
SITE_POINTS = [point for point in points("edge_agent") if not point.startswith(("install.", "agent.update.", "enrol."))]
API_POINTS = [point for point in points("api") if point.startswith("api.")]
"""Those of commands, of installing and of updating no run passes: they are in tests/api/test_backups.py,
tests/system/test_enrolling_badly.py and tests/edge_agent/{installing,updating}."""
COSTLY = {"agent.renewal.answered.before-telling": 2}
"""Points that are passed on the way to what they are for: only the nth time is in the middle of an attempt."""
BY_BUNDLES = "api.blob."
"""What is passed when a bundle is deployed: tasks' files and values come in parts."""
IN_FILES = ("api.blob.", "api.log.written.", "api.log.durable.")
"""What the API does without its database."""
NEW = '"""{word}"""\n\nfrom leasehold import dag, task\n\n\n@task\ndef one(): ...\n\n\n@dag\ndef new():\n    one()\n'
MOST_RUNS = 4
"""Runs that are begun for one point before it counts as out of reach."""
marks = itertools.count()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def laboratory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    with open_laboratory(tmp_path_factory.mktemp("points"), database=request.param) as laboratory:
        laboratory.open()
        yield laboratory


def crash_at(group: Sequence[str], laboratory: Laboratory) -> list[str]:
    """Run the tasks with a crash at each point of a group, one after the other; return what is wrong afterwards."""
    records = laboratory.place.home / f"records-{next(marks)}"
    records.mkdir()
    runs: list[str] = []
    for point in group:
        _crash(point, laboratory, records, runs)
    return check(laboratory.rest(runs, records, meanwhile=laboratory.repair))


def _crash(point: str, laboratory: Laboratory, records: Path, runs: list[str]) -> None:
    """Begin runs, until something has died at ``point``."""
    mark = laboratory.place.home / f"mark-{next(marks)}"
    _arm(laboratory, point, {fault_points.VARIABLE: f"{point}:{COSTLY.get(point, 1)}@{mark}"})
    most = len(runs) + MOST_RUNS

    def is_reached() -> bool:
        laboratory.repair()
        return mark.exists()

    # Some points are only passed while an attempt lasts; its run may have been over before the second renewal.
    while not mark.exists():
        if point.startswith(BY_BUNDLES):
            laboratory.place.wait_until_healthy(laboratory.programs["api"], laboratory.place.url)
            with suppress(AssertionError):  # the API dies while it is asked
                laboratory.place.deploy(f"new_{mark.name[5:]}", NEW.format(word=f"{mark.name} {len(runs)}"))
        runs.append(laboratory.trigger("mixed", records, meanwhile=laboratory.repair))
        with suppress(*([GaveUpError] if len(runs) < most else [])):
            until(is_reached, f"{point} is reached", patience_s=10)


def _arm(laboratory: Laboratory, point: str, armed: dict[str, str]) -> None:
    if point.startswith("api."):
        if API_POINTS.index(point) % GROUP == 0:
            laboratory.renew_agents()  # they begin with a history of their link without breaks
        laboratory.programs["api"].kill()
        laboratory.start_armed_api(armed)
        return
    for name in AGENTS:
        laboratory.programs[name].kill()
    until(lambda: not laboratory.pids("zygote"), "the zygotes without the variable have ended")
    for name in AGENTS:
        laboratory.start(name, more=armed)


class TestTheApiDies:
    """A class of its own: ``--dist loadscope`` gives each class of this long module to another worker."""

    @pytest.mark.parametrize("group", groups(API_POINTS), ids=" ".join)
    def test_nothing_is_lost_or_doubled_when_the_api_dies_at(self, group: list[str], laboratory: Laboratory) -> None:
        if laboratory.database != "sqlite":
            # What happens in files is the same whatever database the API has.
            group = [point for point in group if not point.startswith(IN_FILES)]

        assert crash_at(group, laboratory) == []


class TestTheSiteDies:
    """What happens at a site is the same whatever database the API has."""

    @pytest.mark.parametrize("laboratory", ["sqlite"], indirect=True)
    @pytest.mark.parametrize("group", groups(SITE_POINTS), ids=" ".join)
    def test_nothing_is_lost_or_doubled_when_the_site_dies_at(self, group: list[str], laboratory: Laboratory) -> None:
        assert crash_at(group, laboratory) == []


def test_without_the_variable_a_point_does_nothing() -> None:
    assert fault_points.armed(None)("anything") is None


def test_a_plan_counts_and_only_the_maker_of_the_mark_dies(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    mark.touch()
    reach = fault_points.armed(f"here:2@{mark}")

    for point in ("here", "there", "here"):
        reach(point)  # The second time would kill this process, were the mark not there.
