"""A crash at each named point of the source: what was acknowledged is kept, and nothing takes effect twice."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from leasehold_agent import fault_points
from tests.system.lab.checker import check
from tests.system.lab.laboratory import AGENTS, Laboratory, open_laboratory
from tests.system.programs import GaveUpError, until

ROOT = Path(__file__).parents[2]


def points(folder: str) -> list[str]:
    """Return every fault point in the source below a folder."""
    sources = [path.read_text() for path in (ROOT / folder).rglob("*.py")]
    return sorted({name for source in sources for name in re.findall(r'reach\("([^"]+)"\)', source)})


SITE_POINTS, API_POINTS = points("edge_agent"), points("api")
COSTLY = {"agent.renewal.answered.before-telling": 2}
"""Points that are passed on the way to what they are for: only the nth time is in the middle of an attempt."""
RENEWED_EVERY = 5
"""Points of the API after which the agents begin with a history of their link without breaks."""
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


def crash_at(point: str, laboratory: Laboratory) -> list[str]:
    """Run the tasks with a crash at ``point``, and return what is wrong afterwards."""
    mark = laboratory.place.home / f"mark-{next(marks)}"
    armed = {fault_points.VARIABLE: f"{point}:{COSTLY.get(point, 1)}@{mark}"}
    records = laboratory.place.home / f"records-{mark.name}"
    records.mkdir()
    _arm(laboratory, point, armed)
    runs: list[str] = []

    def is_reached() -> bool:
        laboratory.repair()
        return mark.exists()

    # Some points are only passed while an attempt lasts; its run may have been over before the second renewal.
    while not mark.exists():
        if point.startswith(BY_BUNDLES):
            with suppress(AssertionError):  # the API dies while it is asked
                laboratory.place.deploy(f"new_{len(runs)}", NEW.format(word=f"{mark.name} {len(runs)}"))
        runs.append(laboratory.trigger("mixed", records, meanwhile=laboratory.repair))
        with suppress(*([GaveUpError] if len(runs) < MOST_RUNS else [])):
            until(is_reached, f"{point} is reached", patience_s=15)
    return check(laboratory.rest(runs, records, meanwhile=laboratory.repair))


def _arm(laboratory: Laboratory, point: str, armed: dict[str, str]) -> None:
    if point.startswith("api."):
        if API_POINTS.index(point) % RENEWED_EVERY == RENEWED_EVERY - 1:
            laboratory.renew_agents()
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

    @pytest.mark.parametrize("point", API_POINTS)
    def test_nothing_is_lost_or_doubled_when_the_api_dies_at(self, point: str, laboratory: Laboratory) -> None:
        if laboratory.database != "sqlite" and point.startswith(IN_FILES):
            pytest.skip("what happens in files is the same whatever database the API has")

        assert crash_at(point, laboratory) == []


class TestTheSiteDies:
    """What happens at a site is the same whatever database the API has."""

    @pytest.mark.parametrize("laboratory", ["sqlite"], indirect=True)
    @pytest.mark.parametrize("point", SITE_POINTS)
    def test_nothing_is_lost_or_doubled_when_the_site_dies_at(self, point: str, laboratory: Laboratory) -> None:
        assert crash_at(point, laboratory) == []


def test_without_the_variable_a_point_does_nothing() -> None:
    assert fault_points.armed(None)("anything") is None


def test_a_plan_counts_and_only_the_maker_of_the_mark_dies(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    mark.touch()
    reach = fault_points.armed(f"here:2@{mark}")

    for point in ("here", "there", "here"):
        reach(point)  # The second time would kill this process, were the mark not there.
