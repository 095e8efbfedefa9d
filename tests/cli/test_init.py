"""`leasehold init`: a project that passes its own check and its own test, and harms nothing that was there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import Leasehold


def test_a_new_project_passes_its_check_and_its_test(leasehold: Leasehold, tmp_path: Path) -> None:
    project = tmp_path / "reports"

    made = leasehold("init", str(project))
    checked = leasehold("check", str(project / "first_dag.py"))
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=project,
        env={name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "LEASEHOLD_"))},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (made.code, checked.code) == (0, 0)
    assert (tested.returncode, "2 passed" in tested.stdout) == (0, True), tested.stdout
    assert {file.name for file in project.iterdir()} >= {"README.md", ".gitignore", "leasehold.toml", "ci"}


def test_what_is_there_stays_and_nothing_is_written_beside_it(leasehold: Leasehold, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")

    ended = leasehold("init", str(tmp_path))

    assert ended.code == 5
    assert "README.md already; nothing was written" in ended.err
    assert [file.name for file in tmp_path.iterdir()] == ["README.md"]


def test_a_folder_that_is_a_file_is_a_mistake_of_typing(leasehold: Leasehold, tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("a file")

    ended = leasehold("init", str(tmp_path / "reports"))

    assert ended.code in {2, 5}
    assert (tmp_path / "reports").read_text() == "a file"
