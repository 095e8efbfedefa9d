"""What people answer is given with the run; who says no, sets nothing."""

import json
from pathlib import Path

import pytest
from approval import approval

from leasehold import Connection
from leasehold.testing import RunFailedError, run


def test_what_is_approved_is_set(tmp_path: Path) -> None:
    file = tmp_path / "furnace.json"

    run(
        approval,
        params={"celsius": 1240.0},
        answers={"furnace": ("yes", {"ramp_minutes": 45})},
        connections={"furnace_settings": Connection(conn_type="file", host=str(file))},
    )

    assert json.loads(file.read_text()) == {"celsius": 1240.0, "ramp_minutes": 45}


def test_a_no_sets_nothing(tmp_path: Path) -> None:
    file = tmp_path / "furnace.json"

    result = run(
        approval,
        answers={"furnace": ("no", {"ramp_minutes": 30})},
        connections={"furnace_settings": Connection(conn_type="file", host=str(file))},
    )

    assert {task.id: task.state for task in result.tasks.values()} == {
        "check_limits": "success",
        "ask_shift_lead": "skipped",
        "write_setting": "skipped",
    }
    assert not file.exists()


def test_nobody_is_asked_what_nobody_may_allow() -> None:
    with pytest.raises(RunFailedError, match="outside 900 to 1300"):
        run(approval, params={"celsius": 2000.0})
