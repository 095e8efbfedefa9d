"""Tasks that are containers, with an engine that runs them in place and with the machine's podman, where it works."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from leasehold_agent.attempts import endings
from leasehold_agent.attempts.directory import AttemptDirectory
from leasehold_agent.runtimes.engines import find_engine
from leasehold_protocol.v1.leases import EndingKind
from leasehold_protocol.v1.manifest import ContainerWork, LiteralValue, ParamValue, ResultFrom, TemplateValue
from tests.edge_agent.host.harness import Attempt, Zygote, read_line
from tests.support.containers.engine_in_place import EngineInPlace
from tests.support.containers.real_podman import NoPodmanError, RealPodman

ASK = """
printf 'header = "Authorization: Bearer %s"\\n' "$LEASEHOLD_TASK_SECRET" > curlrc
ask() { curl -sS --fail --config curlrc --unix-socket "$LEASEHOLD_TASK_SOCKET" "$@"; }
ask -X PUT http://task/v1/xcoms/rows --data '{"value": [1, 2]}'
ask http://task/v1/context > context.json
printf '{"value": "from inside"}' | ask -X PUT http://task/v1/result --upload-file -
"""


@pytest.fixture(scope="module", params=["in place", "podman"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("engine")
    engine = EngineInPlace(folder) if request.param == "in place" else RealPodman(folder)
    try:
        engine.start()
    except NoPodmanError as problem:
        pytest.skip(f"podman can't run containers here: {problem}")
    yield engine
    engine.close()


@pytest.fixture
def attempt(zygote: Zygote) -> Iterator[Attempt]:
    """An attempt whose socket has a short path: the engine in place has no mounts that could give it another inside."""
    with tempfile.TemporaryDirectory(prefix="lhc-") as folder:
        attempt = Attempt(Path(folder, f"ti-{Path(folder).name}.1"), zygote)
        yield attempt
        attempt.clean_up()


@pytest.fixture
def deep_attempt(tmp_path: Path, zygote: Zygote) -> Iterator[Attempt]:
    attempt = Attempt(tmp_path / ("deep" * 20) / f"ti-{tmp_path.name[-20:]}.1", zygote)
    yield attempt
    attempt.clean_up()


def start(attempt: Attempt, engine: Any, line: str, *, limits: dict[str, Any] | None = None, **fields: Any) -> Attempt:
    """Start a container of the engine's image that runs a line for its shell."""
    work = ContainerWork(
        image=fields.pop("image", engine.image),
        argv=[LiteralValue(value=part) for part in ("sh", "-c", line)],
        **fields,
    )
    containers = {"engine": engine.path, "pull": "never", "options": list(engine.options)}
    attempt_id = attempt.path.name
    runtime: dict[str, Any] = {"containers": containers}
    return attempt.start(work, runtime=runtime, limits=limits, attempt=attempt_id)


def test_a_container_works_in_the_tasks_directory_and_prints_its_result(attempt: Attempt, engine: Any) -> None:
    env = {"DAY": ParamValue(name="day"), "ROWS": LiteralValue(value=[1, "a b"]), "AT": TemplateValue(text="{{ ds }}")}

    start(attempt, engine, 'echo "$DAY $ROWS $AT" > kept; pwd; cat kept', env=env, result=ResultFrom.TEXT)

    assert attempt.wait()["kind"] == "success"
    assert (attempt.work / "kept").read_text() == '2026-11-22 [1,"a b"] 2026-11-22\n'
    assert attempt.xcom("return_value") == f'{attempt.work}\n2026-11-22 [1,"a b"] 2026-11-22\n'


def test_the_task_protocol_is_spoken_from_inside(attempt: Attempt, engine: Any) -> None:
    start(attempt, engine, ASK, result=ResultFrom.NOTHING)

    assert attempt.wait()["kind"] == "success", attempt.log
    assert attempt.xcom("return_value") == "from inside"
    assert attempt.xcom("rows") == [1, 2]
    assert str(attempt.work) in (attempt.work / "context.json").read_text()


@pytest.mark.parametrize("engine", ["podman"], indirect=True)  # the engine in place has no mounts
def test_a_socket_whose_path_is_too_long_for_an_address_has_a_shorter_one_inside(
    deep_attempt: Attempt, engine: Any
) -> None:
    start(deep_attempt, engine, ASK + 'echo "$LEASEHOLD_TASK_SOCKET" >&2', result=ResultFrom.NOTHING)

    assert deep_attempt.wait()["kind"] == "success", deep_attempt.log
    assert deep_attempt.xcom("return_value") == "from inside"
    assert "/run/leasehold/task.sock" in deep_attempt.texts("stderr")


def test_the_exit_status_is_that_of_the_containers_first_process(attempt: Attempt, engine: Any) -> None:
    start(attempt, engine, "exit 3")

    ending = attempt.wait()

    assert (ending["kind"], ending["exit_code"]) == ("failed", 3)


def test_what_the_engine_itself_could_not_do_is_no_failure_of_the_task(attempt: Attempt, engine: Any) -> None:
    start(attempt, engine, "true", image="localhost/unheard-of:1")

    ending = attempt.wait()

    assert ending["kind"] == "could_not_start"
    assert "made no container" in ending["message"]


def test_a_cancelled_container_may_end_by_itself_and_is_gone(attempt: Attempt, engine: Any) -> None:
    begun = attempt.fifo("begun")
    start(attempt, engine, "trap 'echo tidied; exit 0' TERM; echo up > begun; while :; do sleep 0.05; done")
    read_line(begun)

    with attempt.control() as agent:
        agent.say(do="cancel", reason="enough")
        ending = attempt.wait()

    assert ending["kind"] == "cancelled"
    assert "tidied" in attempt.texts("stdout")
    assert engine.names() == []


def test_a_container_that_does_not_hear_is_killed(attempt: Attempt, engine: Any) -> None:
    begun = attempt.fifo("begun")
    start(attempt, engine, "trap '' TERM; echo up > begun; while :; do sleep 0.05; done")
    read_line(begun)

    with attempt.control() as agent:
        agent.say(do="cancel", reason="enough", grace_s=0.2)
        ending = attempt.wait()

    assert ending["kind"] == "cancelled"
    assert engine.names() == []


def test_a_killed_host_leaves_no_container_running(attempt: Attempt, engine: Any) -> None:
    begun = attempt.fifo("begun")
    start(attempt, engine, "echo up > begun; while :; do sleep 0.05; done")
    read_line(begun)

    os.kill(attempt.pid, signal.SIGKILL)
    attempt.wait_gone()
    endings.end(AttemptDirectory(attempt.path), endings.ending(EndingKind.LOST, "its host is gone"))

    assert engine.names() == []


def test_no_value_is_in_a_command_line_and_no_authors_variable_reaches_the_engine(
    attempt: Attempt, tmp_path: Path
) -> None:
    engine = EngineInPlace(tmp_path)
    engine.start()
    variables = {name: LiteralValue(value="authors") for name in ("LD_PRELOAD", "DOCKER_HOST", "PLAIN")}

    start(attempt, engine, 'echo "$LD_PRELOAD $DOCKER_HOST $PLAIN $LEASEHOLD_TASK_SECRET" > seen', env=variables)
    attempt.wait()
    engine.close()

    first, second, third, secret = (attempt.work / "seen").read_text().split()
    (run,) = [asked for asked in engine.asked if asked.argv[0] == "run"]
    assert (first, second, third) == ("authors", "authors", "authors")
    assert not [part for part in run.argv if secret in part or "authors" in part]
    assert not [name for name, value in run.env.items() if value == "authors"]


def test_the_policys_memory_bounds_the_container_and_not_the_engines_client(attempt: Attempt, tmp_path: Path) -> None:
    engine = EngineInPlace(tmp_path)
    engine.start()

    start(attempt, engine, "true", limits={"memory_bytes": 64 * 2**20})
    attempt.wait()
    engine.close()

    (run,) = [asked for asked in engine.asked if asked.argv[0] == "run"]
    assert run.argv[run.argv.index("--memory") + 1] == str(64 * 2**20)


def test_a_variable_of_several_lines_is_refused_with_what_to_do(attempt: Attempt, engine: Any) -> None:
    start(attempt, engine, "true", env={"QUERY": LiteralValue(value="select 1\nselect 2")})

    ending = attempt.wait()

    assert ending["kind"] == "failed"
    assert "variable QUERY has several lines" in ending["message"]


def test_a_site_without_an_engine_says_so(attempt: Attempt) -> None:
    attempt.start(ContainerWork(image="localhost/tools:1"))

    ending = attempt.wait()

    assert ending["kind"] == "could_not_start"
    assert "no container engine that works: install podman or docker" in ending["message"]


def test_an_engine_whose_daemon_is_away_is_none(tmp_path: Path) -> None:
    engine = EngineInPlace(tmp_path)
    engine.start()
    search_path = f"{tmp_path}:{os.environ['PATH']}"
    found = find_engine("docker", search_path=search_path)
    engine.close()

    assert (found.path, found.version) == (engine.path, "engine version 1.0, in place")
    assert find_engine("docker", search_path=search_path).problem == (
        f"{engine.path} does not work: Cannot connect to the engine. Is it running?"
    )
    assert find_engine("none", search_path=search_path).path is None
    assert find_engine(str(tmp_path / "gone"), search_path=search_path).problem == (
        f"there is no {tmp_path / 'gone'} on this machine"
    )
