"""Files between tasks, through outages, kills and broken lines: nothing is sent twice, and all arrives as it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import pytest

from tests.support.bad_line import BadLine, Behaviour
from tests.system.place import Place, open_place
from tests.system.programs import free_port, until

MIB = 1024 * 1024
SIZE = 8 * MIB
AGENT = "far-1"
SETTINGS = {
    "LEASEHOLD_API_POLL_WAIT_S": "1",
    "LEASEHOLD_API_RENEW_EVERY_S": "1",
    "LEASEHOLD_API_UPLOAD_PART_BYTES": str(MIB // 2),
    "LEASEHOLD_API_MOST_FILE_BYTES": str(64 * MIB),
}
DAGS = """\
import hashlib
import random
from pathlib import Path

from leasehold import File, Variable, dag, metrics, task, xcom


@task
def make(size: int, seed: int) -> dict:
    Path("rows.csv").write_bytes(random.Random(seed).randbytes(size))
    xcom.push("report", File("rows.csv", media_type="text/x-rows"))
    xcom.push("forgotten", 1)
    xcom.delete("forgotten")
    return {"rows": [File("rows.csv"), size]}


@task
def read(made: dict) -> dict:
    file, size = made["rows"]
    with file.open() as content:
        streamed = hashlib.sha256(content.read(1000) + content.read()).hexdigest()
    report = xcom.pull("make", "report")
    return {
        "name": file.name,
        "types": [file.media_type, report.media_type],
        "sizes": [file.size, size, report.path.stat().st_size],
        "hashes": [file.sha256, streamed, hashlib.sha256(report.path.read_bytes()).hexdigest()],
        "forgotten": xcom.pull("make", "forgotten", default="gone"),
        "here": str(report.path.relative_to(Path.cwd())),
        "passed on": File(report.path),
    }


@dag
def files(size: int, seed: int):
    read(make(size, seed))


@task(variables=["limits/*"])
def count_up() -> list:
    before = xcom.pull("count_up", include_prior=True, default=[0])
    return [before[0] + 1, xcom.pull("count_up", run="previous", default="none")]


@dag
def counting():
    count_up()


@task
def large(size: int) -> str:
    xcom.push("large", ["\u00fc" * 1000] * (size // 2000))
    return "pushed"


@task
def total(pushed: str) -> int:
    return sum(len(each.encode()) for each in xcom.pull("large", "large"))


@dag
def large_values(size: int):
    total(large(size))
"""


@pytest.fixture(scope="module")
def line() -> Iterator[BadLine]:
    line = BadLine(free_port())
    yield line
    line.close()


@pytest.fixture(scope="module")
def far(line: BadLine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place whose one agent reaches its API over the line."""
    with open_place(tmp_path_factory.mktemp("files")) as place:
        place.serve("--public-url", line.url, port=line.target, more=SETTINGS)
        place.make_site("north")
        place.enroll("north", AGENT, url=line.url)
        place.start_agent(AGENT)
        place.deploy("files", DAGS)
        yield place
        line.behave()


def result_of(place: Place, run: str, task: str) -> dict[str, object]:
    items = place.get(f"runs/{run}/xcoms")["items"]
    found: dict[str, object] = next(
        each["value"] for each in items if (each["task"], each["key"]) == (task, "return_value")
    )
    return found


def content(seed: int, size: int = SIZE) -> str:
    import random

    return hashlib.sha256(random.Random(seed).randbytes(size)).hexdigest()


def blobs(place: Place) -> list[str]:
    return [path.name for path in (place.home / "api/blobs").rglob("*") if path.is_file()]


def test_a_file_reaches_the_next_task_as_it_was(far: Place) -> None:
    run = far.trigger("files", size=SIZE, seed=1)

    ended = far.finished(run)

    assert ended["state"] == "success", [far.log_of(each["attempts"][-1]["attempt"]) for each in ended["tasks"]]
    found = result_of(far, run, "read")
    assert found["hashes"] == [content(1)] * 3
    assert found["sizes"] == [SIZE] * 3
    assert (found["name"], found["types"], found["forgotten"]) == ("rows.csv", ["text/csv", "text/x-rows"], "gone")
    assert str(found["here"]).startswith(".files/")
    assert blobs(far).count(content(1)) == 1, "the same content is stored once"


def test_a_killed_agent_goes_on_in_the_middle_of_a_file(far: Place, line: BadLine) -> None:
    agent = next(program for program in far.programs if program.name == AGENT)
    before = line.sent
    line.behave(Behaviour(delay_s=0.02))
    run = far.trigger("files", size=SIZE, seed=2)
    until(lambda: line.sent - before > SIZE // 2, "half of the file is on its way")

    agent.kill()
    far.programs.remove(agent)
    line.behave()
    far.start_agent(AGENT)

    assert far.finished(run)["state"] == "success"
    assert result_of(far, run, "read")["hashes"] == [content(2)] * 3
    assert SIZE < line.sent - before < SIZE + 2 * MIB, "what had arrived was not sent again"


def test_an_outage_in_the_middle_of_a_file_costs_a_part_of_it(far: Place, line: BadLine) -> None:
    before = line.sent
    line.behave(Behaviour(delay_s=0.02))
    run = far.trigger("files", size=SIZE, seed=3)
    until(lambda: line.sent - before > SIZE // 2, "half of the file is on its way")

    line.behave(Behaviour(reset=True))
    line.drop_all()
    tried = line.connections
    until(lambda: line.connections > tried, "the agent tries again")
    line.behave()

    assert far.finished(run)["state"] == "success"
    assert result_of(far, run, "read")["hashes"] == [content(3)] * 3
    assert SIZE < line.sent - before < SIZE + 2 * MIB, "what had arrived was not sent again"


def test_a_task_reads_what_earlier_runs_of_its_dag_left(far: Place) -> None:
    results = [result_of(far, str(far.run_dag("counting")["run"]), "count_up") for _ in range(3)]

    assert results == [[1, "none"], [2, [1, "none"]], [3, [2, [1, "none"]]]]


def test_a_file_larger_than_the_limit_fails_the_task_with_the_cure(far: Place) -> None:
    run = far.run_dag("files", size=64 * MIB + 1, seed=4)

    log = far.log_of(run["tasks"][0]["attempts"][-1]["attempt"]).decode()
    assert run["state"] == "failed"
    assert "an admin can raise most_file_bytes" in log


def test_a_large_value_reaches_the_next_task(far: Place) -> None:
    run = far.trigger("large_values", size=20 * MIB)

    assert far.finished(run)["state"] == "success"
    assert result_of(far, run, "total") == 20 * MIB // 2000 * 2000
    assert json.dumps(result_of(far, run, "large")) == '"pushed"'
