"""What a deploy would change is shown before anything is sent, field by field and in lines of code."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
import respx

from leasehold.cli.dag_files import ReadyDag, read_dag_file
from leasehold_protocol.v1.problems import ProblemCode
from leasehold_protocol.v1.runs import DagDetail
from tests.cli.answers import NOON, refused, said
from tests.cli.conftest import Leasehold

DEPLOYED = """\
from leasehold import dag, task


@task(connections=["plant_db"], retries=2)
def read(day: str) -> int:
    return len(day)


@task
def forget(day: str) -> None: ...


@dag
def report(day: str = "2026-11-02"):
    read(day)
    forget(day)
"""
CHANGED = """\
from leasehold import dag, task


@task(connections=["plant_db", "archive"], retries=3)
def read(day: str) -> int:
    return len(day)


@task
def store(rows: int) -> None: ...


@dag
def report(day: str = "2026-11-03", limit: int = 3):
    store(read(day))
"""


def deployed(folder: Path, source: str) -> ReadyDag:
    folder.mkdir()
    (folder / "report.py").write_text(source)
    return read_dag_file(folder / "report.py").dags[0]


def answers_with(api: respx.Router, ready: ReadyDag, *, may_read: bool = True) -> None:
    """The API has this DAG."""
    detail = DagDetail(dag="report", version=3, tasks=2, deployed_at=NOON, deployed_by="ada", manifest=ready.manifest)
    api.get("/v1/teams/default/dags/report").mock(return_value=said(detail))
    assert ready.bundle is not None
    zipped = httpx.Response(200, content=ready.bundle.data, headers={"content-type": "application/zip"})
    no = refused(403, ProblemCode.FORBIDDEN, "This is for authors.")
    api.get(f"/v1/teams/default/bundles/{ready.bundle.sha256}").mock(return_value=zipped if may_read else no)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "report.py"
    path.write_text(CHANGED)
    return path


def test_tasks_params_fields_and_lines_are_compared(
    author: Leasehold, api: respx.Router, file: Path, tmp_path: Path
) -> None:
    answers_with(api, deployed(tmp_path / "old", DEPLOYED))

    lines = [line.rstrip() for line in author("diff", str(file)).out.splitlines()]

    assert lines == [
        "report: version 3 is deployed; this would be version 4.",
        "  ~ param day",
        "      default: 2026-11-02 → 2026-11-03",
        "  + param limit",
        "  ~ task read",
        '      needs.connections: ["plant_db"] → ["plant_db", "archive"]',
        "      retries: 2 → 3",
        "  + task store",
        "  - task forget",
        "  ~ file report.py  +4 -5",
    ]


def test_programs_get_the_same_as_data_and_an_exit_code(
    author: Leasehold, api: respx.Router, file: Path, tmp_path: Path
) -> None:
    answers_with(api, deployed(tmp_path / "old", DEPLOYED))

    ended = author("diff", str(file), "--json", "--exit-code")

    (found,) = json.loads(ended.out)
    assert ended.code == 1
    assert (found["deployed_version"], found["makes_version"]) == (3, True)
    assert {(task["name"], task["what"]) for task in found["tasks"]} == {
        ("read", "changed"), ("store", "added"), ("forget", "removed"),
    }  # fmt: skip
    assert found["files"] == [{"file": "report.py", "what": "changed", "added": 4, "removed": 5}]


def test_what_is_deployed_already_is_no_difference(
    author: Leasehold, api: respx.Router, file: Path, tmp_path: Path
) -> None:
    ready = deployed(tmp_path / "old", CHANGED)
    detail = DagDetail(dag="report", version=3, tasks=2, deployed_at=NOON, deployed_by="ada", manifest=ready.manifest)
    api.get("/v1/teams/default/dags/report").mock(return_value=said(detail))

    ended = author("diff", str(file), "--exit-code")

    assert ended.code == 0
    assert "nothing would change: version 3 is just this" in ended.out


def test_lines_that_moved_are_told_from_work_that_changed(
    author: Leasehold, api: respx.Router, file: Path, tmp_path: Path
) -> None:
    answers_with(api, deployed(tmp_path / "old", CHANGED))
    file.write_text("# moved by a line\n" + CHANGED)

    ended = author("diff", str(file))

    assert [line.strip() for line in ended.out.splitlines()[1:]] == ["~ file report.py  +1 -0"]


def test_who_may_not_read_the_code_is_told_that_it_differs(
    author: Leasehold, api: respx.Router, file: Path, tmp_path: Path
) -> None:
    answers_with(api, deployed(tmp_path / "old", DEPLOYED), may_read=False)

    ended = author("diff", str(file))

    assert ended.code == 0
    assert "the code is different (what is deployed can be read by authors only)" in ended.out


@pytest.mark.parametrize("command", [["diff"], ["deploy", "--dry-run"]])
def test_a_dag_that_is_not_deployed_is_all_new(
    author: Leasehold, api: respx.Router, file: Path, command: list[str]
) -> None:
    api.get("/v1/teams/default/dags/report").mock(
        return_value=refused(404, ProblemCode.NOT_FOUND, "There is no DAG report.")
    )

    ended = author(*command, str(file))

    assert "report: is not deployed yet; this would be version 1." in ended.out
    assert "  + task read" in ended.out
    assert "  + file report.py  +15 -0" in ended.out


def test_a_dry_run_says_what_would_change(author: Leasehold, api: respx.Router, file: Path, tmp_path: Path) -> None:
    answers_with(api, deployed(tmp_path / "old", DEPLOYED))

    ended = author("deploy", str(file), "--dry-run")

    assert "      retries: 2 → 3" in ended.out
    assert "Nothing was sent" in ended.out


def test_a_file_with_mistakes_has_no_difference_to_show(author: Leasehold, file: Path) -> None:
    file.write_text("x = 1\n")

    assert author("diff", str(file)).code == 1
