"""What a running task asks and tells, against an attempt host on a real Unix socket."""

from __future__ import annotations

import logging
import os
import socket
import tempfile
import threading
import time
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from leasehold import Connection, Variable, context, errors, heartbeat, id_token, log, mask, metrics, xcom
from leasehold.runtime import wire
from leasehold.runtime.host import hang_up
from leasehold.runtime.values import ValueNotSupportedError
from leasehold_protocol.v1.context import ConnectionValue
from leasehold_protocol.v1.leases import RunFacts
from leasehold_protocol.v1.manifest import PythonWork
from leasehold_protocol.v1.problems import Problem, ProblemCode
from leasehold_protocol.v1.tasks import TaskContext
from tests.support.task_server import TaskServer, serve_task_on_loopback

PLANT = ConnectionValue(
    id="plant_db", conn_type="sqlite", host="/data/plant.db", password="hunter2", schema="sensors", extra={"timeout": 3}
)


def test_a_declared_connection_arrives_with_all_its_fields(host: TaskServer) -> None:
    host.connections["plant_db"] = PLANT

    plant = Connection.get("plant_db", wait="30s")

    assert (plant.conn_type, plant.host, plant.password, plant.port) == ("sqlite", "/data/plant.db", "hunter2", None)
    assert (plant.schema, plant.extra) == ("sensors", {"timeout": 3})
    assert host.waits == ["30"]


def test_a_declared_audience_gets_an_identity_token(host: TaskServer) -> None:
    host.declared.add("https://vault.example.com")

    assert id_token("https://vault.example.com", wait="30s") == "token-for-https://vault.example.com"
    assert host.waits == ["30"]
    with pytest.raises(errors.UndeclaredError, match=r"sts\.example\.com"):
        id_token("sts.example.com")


def test_without_a_task_nobody_vouches_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEASEHOLD_TASK_URL", raising=False)
    hang_up()

    with pytest.raises(errors.RefusedError, match="no task is running here"):
        id_token("sts.example.com")


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, ProblemCode.NOT_DECLARED, errors.UndeclaredError),
        (403, ProblemCode.NOT_GRANTED, errors.NotGrantedError),
        (404, ProblemCode.NOT_FOUND, errors.NotFoundError),
        (503, ProblemCode.UNAVAILABLE, errors.UnavailableError),
        (413, ProblemCode.BODY_TOO_LARGE, errors.RefusedError),
    ],
)
def test_a_refusal_is_an_error_by_what_the_task_can_do(
    host: TaskServer, status: int, code: ProblemCode, kind: type[errors.LeaseholdError]
) -> None:
    host.problem = Problem(title=code, status=status, code=code, detail="the cause, and the cure")

    with pytest.raises(kind, match="the cause, and the cure"):
        Connection.get("plant_db")


def test_a_variable_is_read_written_and_deleted(host: TaskServer) -> None:
    host.declared.add("plant/limit:upper")

    Variable.set("plant/limit:upper", date(2026, 11, 22))
    value = Variable.get("plant/limit:upper")
    Variable.delete("plant/limit:upper")

    assert value == date(2026, 11, 22)
    assert Variable.get("plant/limit:upper", default=80) == 80
    with pytest.raises(errors.NotFoundError):
        Variable.get("plant/limit:upper")


def test_a_default_does_not_hide_that_a_variable_was_not_declared(host: TaskServer) -> None:
    with pytest.raises(errors.UndeclaredError, match="add it to @task"):
        Variable.get("limit", default=80)


def test_xcoms_are_pushed_and_pulled(host: TaskServer) -> None:
    host.upstream["read/rows"] = {"$type": "tuple", "value": [1, 2]}

    xcom.push("rows", (1, 2))

    assert host.xcoms == {"rows": {"$type": "tuple", "value": [1, 2]}}
    assert xcom.pull("read", "rows") == (1, 2)


def test_an_xcom_that_cannot_travel_never_leaves_the_task(host: TaskServer) -> None:
    with pytest.raises(ValueNotSupportedError, match=r"^xcom 'rows'\[0\] is a builtins.object"):
        xcom.push("rows", [object()])

    assert host.xcoms == {}


def test_the_context_says_who_the_task_is(host: TaskServer) -> None:
    host.context = TaskContext(
        attempt="ti-1.2",
        task="read",
        task_instance="ti-1",
        try_number=2,
        run=RunFacts(
            run="run-7",
            dag="sensor_report",
            dag_version=3,
            team="default",
            params={"day": "{{ ds }}"},
            logical_date=datetime(2026, 11, 22, 6, tzinfo=UTC),
        ),
        work=PythonWork(module="sensor_report", function="read"),
        work_dir="/work",
    )

    me = context()

    assert (me.dag, me.run, me.task, me.try_number, me.attempt) == ("sensor_report", "run-7", "read", 2, "ti-1.2")
    assert (me.ds, me.logical_date) == ("2026-11-22", datetime(2026, 11, 22, 6, tzinfo=UTC))
    assert me.params == {"day": "2026-11-22"}
    assert (me.work_dir, me.bundle_dir) == (Path("/work"), None)


def test_log_records_carry_their_level_and_fields(host: TaskServer) -> None:
    log.info("read the sensors", rows=128, day=date(2026, 11, 22), odd=object)

    (record,) = host.logs
    assert (record.level, record.message) == ("info", "read the sensors")
    assert record.fields == {"rows": 128, "day": "2026-11-22", "odd": "<class 'object'>"}


def test_plain_logging_ends_up_in_the_task_log(host: TaskServer) -> None:
    logger = logging.getLogger("plant.north")
    logger.propagate = False
    logger.addHandler(log.handler())

    logger.warning("pressure is %d", 7, extra={"sensor": "boiler"})
    logger.handlers.clear()

    (record,) = host.logs
    assert (record.level, record.message) == ("warning", "pressure is 7")
    assert record.fields == {"logger": "plant.north", "sensor": "boiler"}


def test_metrics_have_kinds_tags_and_finite_values(host: TaskServer) -> None:
    metrics.count("rows", 3, plant="north")
    metrics.gauge("pressure", 7.5)
    metrics.timing("query", "1m30s")
    with metrics.timer("block"):
        pass

    assert [(point.name, point.kind) for point in host.metrics] == [
        ("rows", "counter"),
        ("pressure", "gauge"),
        ("query", "timing"),
        ("block", "timing"),
    ]
    assert host.metrics[0].tags == {"plant": "north"}
    assert [point.value for point in host.metrics[:3]] == [3.0, 7.5, 90.0]
    with pytest.raises(ValueError, match="finite"):
        metrics.gauge("pressure", float("nan"))


def test_heartbeats_and_masks_reach_the_host(host: TaskServer) -> None:
    heartbeat(0.5, "half way")
    mask("hunter2")

    assert (host.heartbeats[0].progress, host.heartbeats[0].note) == (0.5, "half way")
    assert host.masks == ["hunter2"]
    with pytest.raises(ValueError, match="from 0 to 1"):
        heartbeat(50)


def test_threads_share_the_host(host: TaskServer) -> None:
    threads = [threading.Thread(target=log.info, args=(f"line {number}",)) for number in range(20)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert sorted(record.message for record in host.logs) == sorted(f"line {number}" for number in range(20))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_talks_to_the_host_on_its_own_connection(host: TaskServer) -> None:
    log.info("before the fork")

    child = os.fork()
    if child == 0:
        log.info("in the child")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    log.info("after the fork")

    assert status == 0
    assert [record.message for record in host.logs] == ["before the fork", "in the child", "after the fork"]
    assert host.accepted == 2


def test_the_host_may_be_on_loopback_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_task_on_loopback() as host:
        for name, value in host.environment.items():
            monkeypatch.setenv(name, value)

        heartbeat(note="over TCP")
        hang_up()

    assert [beat.note for beat in host.heartbeats] == ["over TCP"]


def test_a_host_whose_queue_of_connections_is_full_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(prefix="lh") as folder, socket.socket(socket.AF_UNIX) as busy:
        busy.bind(f"{folder}/task.sock")
        busy.listen(0)
        busy.settimeout(10)
        waiting = _fill_queue(f"{folder}/task.sock")
        monkeypatch.setenv("LEASEHOLD_TASK_URL", f"http+unix://{folder}/task.sock")
        found_it_full = threading.Event()
        monkeypatch.setattr(
            wire, "time", SimpleNamespace(monotonic=time.monotonic, sleep=lambda _: found_it_full.set())
        )
        task = threading.Thread(target=heartbeat, daemon=True)

        task.start()
        assert found_it_full.wait(10)
        accepted = [busy.accept()[0] for _ in range(len(waiting) + 1)]
        accepted[-1].sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
        task.join(10)

        assert not task.is_alive()
        assert accepted[-1].recv(1000).startswith(b"POST /v1/heartbeat HTTP/1.1\r\n")
        hang_up()
        for connection in (*waiting, *accepted):
            connection.close()


def _fill_queue(path: str) -> list[socket.socket]:
    """Connect until the listener takes no more."""
    waiting: list[socket.socket] = []
    while True:
        connection = socket.socket(socket.AF_UNIX)
        connection.setblocking(False)
        try:
            connection.connect(path)
        except BlockingIOError:
            connection.close()
            return waiting
        waiting.append(connection)


@pytest.mark.parametrize("url", ["ftp://x", "http://nowhere", "task.sock", "http+unix://"])
def test_an_address_that_is_none_is_refused_with_its_name(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("LEASEHOLD_TASK_URL", url)

    with pytest.raises(ValueError, match="LEASEHOLD_TASK_URL is "):
        heartbeat()


def test_a_wrong_secret_is_refused(host: TaskServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEASEHOLD_TASK_SECRET", "another-attempts")

    with pytest.raises(errors.RefusedError, match="wrong secret"):
        metrics.count("rows")


def test_a_host_that_is_gone_is_unavailable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LEASEHOLD_TASK_URL", "http+unix:///nowhere/task.sock")

    with pytest.raises(errors.UnavailableError, match="can't be reached"):
        metrics.count("rows")


def test_a_log_whose_host_is_gone_goes_to_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LEASEHOLD_TASK_URL", "http+unix:///nowhere/task.sock")

    log.error("still heard", rows=1)

    assert capsys.readouterr().err == "ERROR still heard rows=1\n"


@pytest.mark.usefixtures("by_hand")
class TestByHand:
    def test_the_log_goes_to_standard_error_and_the_rest_is_silent(self, capsys: pytest.CaptureFixture[str]) -> None:
        log.info("read the sensors", rows=128)
        metrics.count("rows")
        heartbeat(0.5)
        mask("hunter2")

        assert capsys.readouterr() == ("", "INFO read the sensors rows=128\n")

    def test_connections_and_variables_come_from_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LEASEHOLD_CONN_PLANT_DB", "postgres://reader:hunter2@db:5432/sensors")
        monkeypatch.setenv("LEASEHOLD_VAR_PLANT_LIMIT", "80")
        monkeypatch.setenv("LEASEHOLD_VAR_PLANT_NAME", "north")

        assert Connection.get("plant-db").port == 5432
        assert Variable.get("plant/limit") == 80
        assert Variable.get("plant/name") == "north"
        assert Variable.get("absent", default=1) == 1

    def test_what_is_not_there_says_where_to_put_it(self) -> None:
        with pytest.raises(errors.NotFoundError, match="LEASEHOLD_CONN_PLANT_DB is not set"):
            Connection.get("plant_db")
        with pytest.raises(errors.NotFoundError, match="LEASEHOLD_VAR_LIMIT is not set"):
            Variable.get("limit")
        with pytest.raises(errors.RefusedError, match="no task is running here"):
            context()
        with pytest.raises(errors.NotFoundError, match="nothing was pushed under 'rows'"):
            xcom.pull("read", "rows")
