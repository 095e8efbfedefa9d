"""The binary updates itself from its API, under a running task, and comes back by itself from a broken version."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from leasehold_agent.exits import Exit
from leasehold_agent.installing.versions import Versions
from tests.packaging.other_versions import make_version
from tests.packaging.paths import NO_PROGRAMS
from tests.support.patient_dag import DAG
from tests.support.releases import Publisher
from tests.support.small_file_system import mounted
from tests.system.place import Place, open_place
from tests.system.programs import Program, until

pytestmark = pytest.mark.timeout(300)

OLD, NEW, BROKEN = "1.0.0", "1.1.0", "1.2.0"


@dataclass
class Published:
    """A place whose API serves versions, and the tree of the one that sites begin with."""

    place: Place
    first: Path


@pytest.fixture(scope="module")
def published(binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    folder = tmp_path_factory.mktemp("published")
    publisher = Publisher(folder)
    first = make_version(binary, folder / "first", OLD)
    (first / "_internal/about/root.json").write_bytes(publisher.first_root)
    publisher.release_tree(NEW, make_version(binary, folder / "new", NEW))
    broken = make_version(binary, folder / "broken", BROKEN)
    # It starts, and says which version it is; only the agent itself needs this library.
    for library in broken.glob("_internal/pydantic_core/*.so"):
        library.unlink()
    publisher.release_tree(BROKEN, broken, channel=None)
    (folder / "place").mkdir()
    with open_place(folder / "place") as place:
        place.serve("--updates", str(publisher.public))
        place.make_site("north")
        place.deploy("waiting", DAG)
        yield Published(place, first)


@dataclass
class Site:
    """An installation of the first version, whose agent runs."""

    place: Place
    name: str
    versions: Versions
    agent: Program

    def status(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.command("status", "--json"))
        return found

    def command(self, *words: str, code: int = 0) -> str:
        return self.place.command(str(self.versions.program), *words, "--state-dir", self.name, code=code)


@pytest.fixture
def site(published: Published, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Site]:
    place, name = published.place, str(request.node.name)
    program = str(published.first / "edge-agent")
    place.command(program, "install", "--user", "--no-service", "--prefix", str(tmp_path))
    versions = Versions(tmp_path / "lib/leasehold")
    token = place.issue_token("north")
    where = ("--name", name, "--state-dir", name)
    place.command(str(versions.program), "enroll", place.url, "--token-file", token, *where)
    more = {**NO_PROGRAMS, "LEASEHOLD_AGENT_UPDATE": "off"}
    agent = place.start_agent(name, more=more, command=str(versions.program))
    site = Site(place, name, versions, agent)
    yield site
    site.command("stop", "--force")


def test_a_task_goes_on_while_its_agent_takes_a_newer_version_from_the_api(site: Site, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    run = site.place.trigger("waiting", gate=str(gate))
    attempt = site.place.running(run, "patient")

    said = site.command("update")
    gate.touch()
    ended = site.place.finished(run)

    assert f"Version {NEW} runs; it took over from {OLD}" in said
    assert (site.status()["version"], site.status()["pid"]) == (NEW, site.agent.pid)
    assert site.versions.installed().current == NEW
    (task,) = ended["tasks"]
    assert (ended["state"], task["result"]) == ("success", "went on")
    assert [one["attempt"] for one in task["attempts"]] == [attempt]


def test_a_disk_without_room_for_another_version_leaves_the_one_there_is(published: Published, tmp_path: Path) -> None:
    place = published.place
    with mounted(tmp_path / "small", size_kb=90 * 1024) as small:
        place.command(str(published.first / "edge-agent"), "install", "--user", "--no-service", "--prefix", str(small))
        versions = Versions(small / "lib/leasehold")
        program, where = str(versions.program), ("--state-dir", "crowded")
        place.command(program, "enroll", place.url, "--token-file", place.issue_token("north"), *where)

        said = place.command(program, "update", *where, code=Exit.UPDATE)

        assert "There is not enough room" in said
        assert "Make room" in said
        assert versions.installed().versions == (OLD,)
        assert place.command(program, "--version") == f"edge-agent {OLD}\n"


def test_a_version_that_can_not_run_is_given_up_by_itself_and_the_one_before_runs_again(
    site: Site, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    run = site.place.trigger("waiting", gate=str(gate))
    attempt = site.place.running(run, "patient")

    said = site.command("update", "--to", BROKEN, code=Exit.UPDATE)
    until(lambda: site.status().get("version") == OLD, "the version before runs again")
    gate.touch()
    ended = site.place.finished(run)

    assert f"Version {BROKEN} was tried and given up" in said
    assert f"Version {OLD} runs again" in said
    assert site.versions.installed().current == OLD
    (task,) = ended["tasks"]
    assert (ended["state"], task["result"]) == ("success", "went on")
    assert [one["attempt"] for one in task["attempts"]] == [attempt]
