"""A script run by hand: where it finds what an agent would give it, and what it is told when it finds nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from leasehold import (
    Connection,
    Reschedule,
    Variable,
    defer,
    errors,
    heartbeat,
    id_token,
    log,
    mask,
    metrics,
    set_label,
    skip_downstream,
    state,
    task,
    xcom,
)
from leasehold.runtime.host import hang_up, host_or_outside

SCRIPT = """
from leasehold import Connection, Variable, dag, log, task

@task(connections=["plant_db"], variables=["plant/limit"])
def read(day: str):
    log.info("reading", host=Connection.get("plant_db").host, password=Connection.get("plant_db").password)
    return [day, Variable.get("plant/limit")]

@task(retries=1)
def show(rows):
    print(rows)
    if rows[0] == "bad":
        raise ValueError("no such day")

@dag
def report(day: str = "today"):
    show(read(day))

if __name__ == "__main__":
    import sys
    report.run_here(**dict(arg.split("=") for arg in sys.argv[1:]))
"""
LOCAL = """
[connections]
archive = "sqlite:///archive.db"
[connections.plant_db]
conn_type = "postgres"
host = "db.plant"
password = "open-sesame"
extra = { sslmode = "require" }
[variables]
"plant/limit" = 80
since = 2026-11-22
"""


@pytest.fixture(autouse=True)
def at_hand(by_hand: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A current directory below one with the local file."""
    hang_up()
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")


def write(path: Path, text: str = LOCAL, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def script(folder: Path, *args: str, **variables: str) -> subprocess.CompletedProcess[str]:
    (folder / "report.py").write_text(SCRIPT)
    env = {name: value for name, value in os.environ.items() if not name.startswith("LEASEHOLD_")}
    return subprocess.run(
        [sys.executable, str(folder / "report.py"), *args],
        env=env | variables, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


def test_a_local_file_above_has_connections_and_variables(tmp_path: Path) -> None:
    write(tmp_path / "leasehold.toml")

    plant = Connection.get("plant_db")

    assert (plant.host, plant.password, plant.extra) == ("db.plant", "open-sesame", {"sslmode": "require"})
    assert Connection.get("archive").conn_type == "sqlite"
    assert Variable.get("plant/limit") == 80
    assert str(Variable.get("since")) == "2026-11-22"


def test_the_environment_wins_over_the_file_and_takes_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "leasehold.toml")
    monkeypatch.setenv("LEASEHOLD_CONN_PLANT_DB", '{"conn_type": "http", "host": "elsewhere"}')

    assert Connection.get("plant_db").host == "elsewhere"


def test_the_developers_own_file_wins_name_by_name(tmp_path: Path) -> None:
    write(tmp_path / "leasehold.toml")
    write(tmp_path / "leasehold.dev.toml", '[connections]\nplant_db = "http://mine"\n')

    assert (Connection.get("plant_db").host, Variable.get("plant/limit")) == ("mine", 80)


def test_connections_that_others_may_read_are_warned_of_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "leasehold.toml", mode=0o644)

    Connection.get("plant_db")
    Connection.get("archive")

    assert capsys.readouterr().err == (
        f"WARNING others on this machine can read the connections in {file} (mode 644): chmod 600 {file}\n"
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[connections", "is not TOML"),
        ("[conections]\na = 1", "'conections' has no place there"),
        ("[connections]\nplant_db = 5", "the connection 'plant_db' is 5: give a Connection, a URI or a dictionary"),
        ('[connections.plant_db]\nhost = "x"', "'plant_db' needs a conn_type"),
        ('[connections]\nplant_db = "open-sesame"', "not a connection's URI"),
    ],
)
def test_a_file_that_is_wrong_is_named_with_what_is_wrong(tmp_path: Path, text: str, says: str) -> None:
    file = write(tmp_path / "leasehold.toml", text)

    with pytest.raises(errors.RefusedError) as caught:
        Connection.get("plant_db")

    assert str(file) in str(caught.value)
    assert says in str(caught.value)
    assert "open-sesame" not in str(caught.value)


def test_what_is_nowhere_says_what_to_set() -> None:
    with pytest.raises(errors.NotFoundError, match=r"LEASEHOLD_CONN_PLANT_DB \(a URI or JSON\), or into a file lea"):
        Connection.get("plant_db")
    with pytest.raises(errors.NotFoundError, match=r"LEASEHOLD_VAR_PLANT_LIMIT, or into a file leasehold.toml"):
        Variable.get("plant/limit")
    with pytest.raises(errors.RefusedError, match="nobody can vouch"):
        id_token("https://vault.example.com")


def test_what_is_written_stays_in_memory() -> None:
    Variable.set("plant/limit", 85)
    xcom.push("late", {1, 2})

    assert (Variable.get("plant/limit"), xcom.pull("read", "late")) == (85, {1, 2})
    Variable.delete("plant/limit")
    with pytest.raises(errors.NotFoundError, match="has deleted"):
        Variable.get("plant/limit")


def test_what_a_site_would_refuse_is_refused_by_hand() -> None:
    with pytest.raises(errors.RefusedError, match="metric's name"):
        metrics.count("no spaces")
    with pytest.raises(errors.RefusedError, match="can't be a key"):
        xcom.push("no spaces", 1)
    with pytest.raises(errors.RefusedError, match="can't be masked"):
        mask("abc")


def test_state_stays_in_memory_by_the_rules_of_a_site() -> None:
    state.set("at/row", {"row": (1, 2)})
    state.set("gone", 1, expires_after=0)

    assert (state.get("at/row"), state.get("gone", "none"), state.keys("at")) == ({"row": (1, 2)}, "none", ["at/row"])
    with pytest.raises(errors.RefusedError, match="can't be a key"):
        state.set("no spaces", 1)
    with pytest.raises(errors.RefusedError, match="too many for a task's state"):
        state.set("large", "x" * 70_000)
    state.clear()
    assert state.keys() == []


def test_what_only_a_run_has_is_refused_by_hand() -> None:
    with pytest.raises(errors.RefusedError, match="no task is running here, so that there is nothing downstream"):
        skip_downstream("report")
    with pytest.raises(errors.RefusedError, match="no task is running here, so that defer would wait for ever"):
        defer(event="opened")
    with pytest.raises(errors.RefusedError, match="one line of 1 to 250 characters"):
        set_label("two\nlines")
    set_label("plant north")


@task.sensor(poke_every="1s")
def there(found: str) -> str:
    return found


def test_a_sensor_that_is_called_looks_once() -> None:
    assert there("report.csv") == "report.csv"
    with pytest.raises(Reschedule, match="found nothing yet"):
        there("")


WAITING = """
from pathlib import Path
from leasehold import dag, defer, runs, task

@task.sensor(poke_every=0.05)
def arrived():
    there = Path(__file__).with_name("there")
    seen = there.exists()
    there.touch()
    return seen

@task(triggers=["load"])
def after(what):
    defer(after=0.05)
    print(runs.previous())
    if what == "trigger":
        runs.trigger("load")
    if what == "event":
        defer(event="opened")

@dag
def waiting(what: str = "nothing"):
    arrived() >> after(what)

if __name__ == "__main__":
    import sys
    waiting.run_here(what=sys.argv[1])
"""


def waiting(folder: Path, what: str) -> subprocess.CompletedProcess[str]:
    (folder / "waiting.py").write_text(WAITING)
    env = {name: value for name, value in os.environ.items() if not name.startswith("LEASEHOLD_")}
    return subprocess.run(
        [sys.executable, str(folder / "waiting.py"), what],
        env=env, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


def test_a_dag_that_runs_here_really_waits_and_says_so(tmp_path: Path) -> None:
    done = waiting(tmp_path, "nothing")

    assert (done.returncode, done.stdout) == (0, "None\n"), done.stderr
    assert "arrived: found nothing yet, after 1 looks: goes on in 0.05 s\n" in done.stderr
    assert "after waits for a time: goes on in 0.0" in done.stderr


def test_what_never_comes_to_a_dag_that_runs_here_is_said(tmp_path: Path) -> None:
    trigger, event = waiting(tmp_path, "trigger"), waiting(tmp_path, "event")

    assert (trigger.returncode, event.returncode) == (1, 1)
    assert "there is no API here that could start a run of 'load'" in trigger.stderr
    assert "waits for the event 'opened': nobody can give it to a script run by hand" in event.stderr


def test_the_rest_goes_to_standard_error_or_nowhere(capsys: pytest.CaptureFixture[str]) -> None:
    heartbeat(0.5, "half")
    metrics.gauge("level", 1)
    log.info("read", rows=3)
    host = host_or_outside()

    assert capsys.readouterr() == ("", "INFO read rows=3\n")
    assert host.wire.told.metrics == [], "a script that runs for days must not keep them"  # type: ignore[attr-defined]


@task
def double(value: int) -> int:
    return 2 * value


def test_a_task_that_is_called_is_a_function() -> None:
    assert double(4) == 8


def test_a_dag_runs_here_with_what_lies_around(tmp_path: Path) -> None:
    write(tmp_path / "leasehold.toml")

    done = script(tmp_path, "day=monday")

    assert (done.returncode, done.stdout) == (0, "['monday', 80]\n"), done.stderr
    assert done.stderr.splitlines() == [
        "INFO reading host='db.plant' password='***'",
        "read success → ['monday', 80]",
        "show success → None",
    ]


def test_a_dag_that_fails_here_ends_with_1_and_says_where(tmp_path: Path) -> None:
    write(tmp_path / "leasehold.toml")

    done = script(tmp_path, "day=bad")

    assert done.returncode == 1
    assert "show failed after 2 tries: ValueError: no such day (report.py:13)" in done.stderr
    assert "leasehold/testing" not in done.stderr


def test_a_dag_without_its_connection_says_what_to_set(tmp_path: Path) -> None:
    done = script(tmp_path)

    assert done.returncode == 1
    assert "put it into LEASEHOLD_CONN_PLANT_DB" in done.stderr
