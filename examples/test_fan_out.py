"""The number of instances follows what is found; one that fails leaves the others alone."""

from pathlib import Path

import pytest
from fan_out import fan_out

from leasehold import Connection
from leasehold.testing import RunFailedError, run


def meters(folder: Path, **content: str) -> dict[str, Connection]:
    for name, values in content.items():
        (folder / f"{name}.csv").write_text("kwh\n" + "\n".join(values.split()))
    return {"meters": Connection(conn_type="file", host=str(folder))}


def test_each_file_has_an_instance_with_its_name(tmp_path: Path) -> None:
    connections = meters(tmp_path, north="1 2 3", south="2 2", hall="40 42")

    result = run(fan_out, connections=connections)

    instances = result.tasks["inspect"].instances
    assert [instance.label for instance in instances] == ["hall.csv", "north.csv", "south.csv"]
    assert result.tasks["compare"].result == {"odd": "hall", "rows": 7}


def test_without_files_there_is_nothing_to_do(tmp_path: Path) -> None:
    result = run(fan_out, connections=meters(tmp_path))

    assert {task.id: task.state for task in result.tasks.values()} == {
        "find": "success",
        "inspect": "skipped",
        "compare": "skipped",
    }


def test_a_file_that_can_not_be_read_fails_alone(tmp_path: Path) -> None:
    connections = meters(tmp_path, north="1 2", south="nothing")

    with pytest.raises(RunFailedError) as failed:
        run(fan_out, connections=connections)

    tasks = failed.value.result.tasks
    assert [instance.state for instance in tasks["inspect"].instances] == ["success", "failed"]
    assert tasks["compare"].state == "upstream_failed"
