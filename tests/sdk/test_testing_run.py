"""``leasehold.testing``: whole DAGs and single tasks in this process, as at a site."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from leasehold import (
    Connection,
    Fail,
    Retry,
    Skip,
    Variable,
    context,
    dag,
    errors,
    heartbeat,
    id_token,
    log,
    metrics,
    task,
    xcom,
)
from leasehold.authoring.mistakes import AuthoringError
from leasehold.runtime.values import ValueNotSupportedError
from leasehold.testing import RunFailedError, run, run_task

PLANT = "postgres://reader:open-sesame@db.plant:5432/sensors"


@task(connections=["plant_db"], variables=["plant/limit"], retries=2)
def read(day: str) -> list[Any]:
    plant = Connection.get("plant_db")
    log.info("read the sensors", host=plant.host, password=plant.password)
    print("printed", plant.password)
    metrics.count("rows", 2, plant="north")
    heartbeat(0.5, "half")
    Variable.set("plant/limit", Variable.get("plant/limit") + 1)
    xcom.push("late", date(2026, 1, 2))
    return [day, (1, 2)]


@task
def summarise(rows: list[Any], late: date) -> dict[str, Any]:
    return {"rows": rows, "late": late.year}


@task
def fails(_rows: object = None) -> None:
    raise ValueError("no thermometer")


@task(trigger_rule="all_done")
def clean_up(_before: object) -> str:
    return "clean"


@dag
def report(day: str = "{{ ds }}", most: int = 3) -> None:
    rows = read(day)
    summarise(rows, rows.output("late"))  # type: ignore[attr-defined]  # a result, while the DAG is drawn


@dag
def broken() -> None:
    clean_up(fails())


@dag
def in_vain() -> None:
    summarise(fails(), date(2026, 1, 1))  # type: ignore[arg-type]


def ran(**given: Any) -> Any:
    return run(report, connections={"plant_db": PLANT}, variables={"plant/limit": 1}, **given)


def test_a_whole_dag_runs_and_says_what_came_of_each_task() -> None:
    result = ran(logical_date=datetime(2026, 11, 22, tzinfo=UTC))

    found = result.tasks["read"]
    assert result.state == "success"
    assert found.result == ["2026-11-22", (1, 2)]
    assert found.xcoms["late"] == date(2026, 1, 2)
    assert result.tasks["summarise"].result == {"rows": ["2026-11-22", (1, 2)], "late": 2026}
    assert found.measured("rows", plant="north") == [2]
    assert (found.progress, found.note, found.tries) == (0.5, "half", 1)
    assert result.variables == {"plant/limit": 2}


def test_secrets_are_masked_as_at_a_site_and_what_is_printed_is_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    result = ran()

    assert str(result.log).splitlines() == [
        "INFO read the sensors host='db.plant' password='***'",
        "STDOUT printed ***",
    ]
    assert "read the sensors" in result.tasks["read"].log
    assert capsys.readouterr().out == "printed open-sesame\n", "the screen is the author's own"


def test_parameters_are_checked_as_when_a_run_is_triggered() -> None:
    assert ran(params={"day": "today"}).tasks["read"].result[0] == "today"
    with pytest.raises(ValueError, match="has no parameter 'dya'"):
        ran(params={"dya": "today"})
    with pytest.raises(ValueError, match="the parameter 'most' is 'three'"):
        ran(params={"most": "three"})


def test_only_some_tasks_run_when_the_others_results_are_given() -> None:
    result = run(report, only=["summarise"], results={"read": [1], "read/late": date(1999, 1, 1)})

    assert {name: task.state for name, task in result.tasks.items()} == {"read": "success", "summarise": "success"}
    assert result.tasks["summarise"].result == {"rows": [1], "late": 1999}
    with pytest.raises(ValueError, match=r"takes what 'read' leaves, which is not to run: give it, results="):
        run(report, only=["summarise"])
    with pytest.raises(ValueError, match="has no task 'sumarise'; did you mean 'summarise'"):
        run(report, only=["sumarise"])


def test_a_failure_is_told_with_the_authors_line_and_without_our_frames() -> None:
    with pytest.raises(RunFailedError) as caught:
        run(in_vain)

    text, cause = str(caught.value), caught.value.__cause__
    line = fails.function.__code__.co_firstlineno + 2
    assert f"fails failed: ValueError: no thermometer (test_testing_run.py:{line})" in text
    assert "the others: summarise upstream_failed" in text
    assert f'File "{__file__}", line {line}, in fails' in text
    assert isinstance(cause, ValueError)
    assert cause.__traceback__ is not None
    assert cause.__traceback__.tb_frame.f_code is fails.function.__code__


def test_a_failure_that_another_task_takes_care_of_is_none_of_the_run() -> None:
    result = run(broken)

    assert [result.state, result.tasks["fails"].state] == ["success", "failed"]
    assert result.tasks["clean_up"].result == "clean"


@task(retries=2, retry_delay="1h")
def tries(how: str) -> int:
    log.info("try", number=context().try_number)
    if how == "later" and context().try_number == 1:
        raise Retry("asleep", after="10m")
    if how in ("always", "later") and context().try_number < 3:
        raise ConnectionError("not yet")
    if how == "never":
        raise Fail("the file is broken")
    if how == "skip":
        raise Skip("nothing new")
    return context().try_number


@dag
def trying(how: str) -> None:
    tries(how)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("always", ("success", 3, 7200.0)),
        ("later", ("success", 3, 4200.0)),
        ("never", ("failed", 1, 0.0)),
        ("skip", ("skipped", 1, 0.0)),
    ],
)
def test_retries_happen_at_once_and_count_as_at_a_site(how: str, expected: tuple[str, int, float]) -> None:
    found = run(trying, params={"how": how}, raise_on_failure=False).tasks["tries"]

    assert (found.state, found.tries, found.waited_s) == expected
    assert len(found.log) >= found.tries


@task
def bad_result() -> object:
    return {"x": [object()]}


@dag
def untravelled() -> None:
    bad_result()


def test_what_can_not_travel_fails_here_too() -> None:
    with pytest.raises(RunFailedError, match=r'result\["x"\]\[0\] is a builtins.object, which can\'t travel'):
        run(untravelled)
    with pytest.raises(ValueNotSupportedError, match="more than 64 bits"):
        run(trying, params={"how": "always"}, variables={"big": 2**70})


@task(connections=["plant_db", "gone_db"])
def asks(name: str) -> object:
    return Connection.get(name).host


def test_what_a_site_refuses_is_refused_here() -> None:
    given = {"plant_db": errors.NotGrantedError("site north has no grant"), "other": PLANT}

    with pytest.raises(errors.UndeclaredError, match=r'connections=\["other"\]'):
        run_task(asks, "other", connections=given)
    with pytest.raises(errors.NotGrantedError, match="no grant"):
        run_task(asks, "plant_db", connections=given)
    with pytest.raises(errors.NotFoundError, match=r'give the test one, connections=\{"gone_db": …\}'):
        run_task(asks, "gone_db", connections=given)
    with pytest.raises(errors.UnavailableError, match="could not be asked within 120 s"):
        run_task(asks, "plant_db", connections={"plant_db": errors.UnavailableError()})
    with pytest.raises(ValueError, match="'plant_db' has no field 'hots'"):
        run_task(asks, "plant_db", connections={"plant_db": {"conn_type": "http", "hots": "x"}})


FORMS = {
    "uri": PLANT,
    "object": Connection.from_uri(PLANT),
    "dictionary": {"conn_type": "postgres", "host": "db.plant"},
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_connection_is_given_in_any_form(form: object) -> None:
    assert run_task(asks, "plant_db", connections={"plant_db": form}).result == "db.plant"


def test_one_task_is_tried_once_and_raises_what_it_raises() -> None:
    with pytest.raises(ConnectionError, match="not yet"):
        run_task(tries, "always")
    with pytest.raises(Retry):
        run_task(tries, "later")
    assert run_task(tries, "skip").state == "skipped"
    assert run_task(tries, "always", raise_on_failure=False).state == "failed"
    with pytest.raises(AuthoringError, match="wrong arguments"):
        run_task(tries)


@task(id_tokens=["https://vault.example.com"])
def vouched(audience: str) -> str:
    return id_token(audience)


def test_identity_tokens_are_given_for_what_was_declared() -> None:
    given = {"https://vault.example.com": "the.given.token"}

    assert run_task(vouched, "https://vault.example.com", id_tokens=given).result == "the.given.token"
    with pytest.raises(errors.UndeclaredError, match="did not declare the audience"):
        run_task(vouched, "https://elsewhere.example.com", id_tokens=given)


@task
def surroundings() -> dict[str, Any]:
    child = os.fork()
    if child == 0:
        log.info("from the child")
        os._exit(0)
    os.waitpid(child, 0)
    Path("scratch").write_text("")
    return {"cwd": str(Path.cwd()), "bundle": str(context().bundle_dir), "work": str(context().work_dir)}


def test_a_task_has_a_directory_of_its_own_and_its_forked_children_are_heard() -> None:
    folder, variables = Path.cwd(), dict(os.environ)

    found = run_task(surroundings)

    assert found.result["cwd"] == found.result["work"]
    assert found.result["bundle"] == str(Path(__file__).parent)
    assert "from the child" in found.log
    assert not Path(found.result["cwd"]).exists()
    assert (Path.cwd(), dict(os.environ)) == (folder, variables)


@task
async def later() -> str:
    return "in the end"


def test_an_async_task_is_waited_for() -> None:
    assert run_task(later).result == "in the end"
