"""What a failed task's log shows: the author's lines, and ours folded into one."""

from __future__ import annotations

import pytest

from leasehold import Connection, dag, errors, task
from leasehold.runtime.tracebacks import formatted
from leasehold.testing import RunFailedError, run


@task(connections=["plant_db"])
def asks() -> None:
    helper()


def helper() -> None:
    Connection.get("plant_db")


@task(connections=["plant_db"])
def asks_and_wraps() -> None:
    try:
        helper()
    except errors.LeaseholdError as problem:
        raise ValueError("no plant") from problem


@dag
def asking() -> None:
    asks()


@dag
def wrapping() -> None:
    asks_and_wraps()


@pytest.mark.parametrize(("flow", "lines"), [(asking, 1), (wrapping, 1)])
def test_frames_of_ours_are_one_line(flow: object, lines: int) -> None:
    with pytest.raises(RunFailedError) as failed:
        run(flow, connections={"plant_db": errors.NotGrantedError("not here")})  # type: ignore[arg-type]

    log = str(failed.value)
    assert log.count("… inside leasehold, in get") == lines
    assert 'Connection.get("plant_db")' in log
    assert "leasehold/runtime" not in log


def test_what_is_all_ours_is_shown_whole() -> None:
    with pytest.raises((LookupError, TypeError, ValueError, errors.LeaseholdError)) as raised:
        Connection.get("never-given")

    trace = raised.value.__traceback__
    assert trace is not None
    assert "leasehold/runtime" in formatted(raised.value, trace.tb_next)
