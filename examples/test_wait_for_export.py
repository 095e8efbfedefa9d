"""In a test nobody waits: a sensor is asked again at once, and the run's clock moves on by as much."""

from pathlib import Path

import pytest
from wait_for_export import export_is_complete, wait_for_export

from leasehold import Connection
from leasehold.testing import RunFailedError, run, run_task


def folder(path: Path) -> Connection:
    """The folder in which exports appear."""
    return Connection(conn_type="file", host=str(path))


def test_what_is_complete_is_added_up(tmp_path: Path) -> None:
    (tmp_path / "export-2026-11-22.csv").write_text("article,pieces\nA,2\nB,1\nA,3\n")

    result = run(wait_for_export, params={"day": "2026-11-22"}, connections={"drop_folder": folder(tmp_path)})

    assert result.tasks["total"].result == {"A": 5.0, "B": 1.0}
    assert result.tasks["export_is_complete"].rescheduled == 1


def test_one_look_is_not_enough(tmp_path: Path) -> None:
    (tmp_path / "export-2026-11-22.csv").write_text("article,pieces\n")

    looked = run_task(export_is_complete, "2026-11-22", connections={"drop_folder": folder(tmp_path)})

    assert looked.rescheduled == 1


def test_an_export_that_does_not_come_fails_in_the_evening(tmp_path: Path) -> None:
    with pytest.raises(RunFailedError, match="export_is_complete"):
        run(wait_for_export, params={"day": "2026-11-22"}, connections={"drop_folder": folder(tmp_path)})
