"""A bundle holds what the tasks need, and the same files always make the same bytes."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from leasehold.authoring.bundle import Bundle
from leasehold.authoring.loading import load_file

FLOW = """\
import plant
from leasehold import dag, task

@task
def read():
    from lazily import used_late
    return plant.NAME

@dag(include=["queries/*.sql"])
def flow(): read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {
        "flow.py": FLOW,
        "plant/__init__.py": "from plant.north import NAME\n",
        "plant/north.py": "NAME = 'north'\n",
        "plant/sensors.json": "[]",
        "plant/__pycache__/north.cpython-311.pyc": "cache",
        "plant/.secret": "hidden",
        "lazily.py": "import other\nused_late = 1\n",
        "other.py": "",
        "unrelated.py": "",
        "queries/rows.sql": "select 1",
        "queries/notes.txt": "",
        ".venv/lib/site-packages/x.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def bundle_of(folder: Path) -> Bundle:
    loaded = load_file(folder / "flow.py")
    assert loaded.problems == ()
    bundle = loaded.dags[0].bundle
    assert bundle is not None
    assert loaded.dags[0].manifest["bundle"] == bundle.sha256
    return bundle


def test_a_bundle_holds_what_the_file_imports_beside_it_and_what_it_includes(folder: Path) -> None:
    bundle = bundle_of(folder)

    assert bundle.files == (
        "flow.py",
        "lazily.py",
        "other.py",
        "plant/__init__.py",
        "plant/north.py",
        "plant/sensors.json",
        "queries/rows.sql",
    )
    with zipfile.ZipFile(io.BytesIO(bundle.data)) as archive:
        assert archive.namelist() == list(bundle.files)
        assert archive.read("flow.py").decode() == FLOW


def test_the_same_files_make_the_same_bytes_whenever_and_wherever_they_were_written(folder: Path) -> None:
    first = bundle_of(folder)
    for file in folder.rglob("*.py"):
        os.utime(file, (1_000_000_000, 1_000_000_000))

    second = bundle_of(folder)

    assert first.data == second.data
    assert first.sha256 == hashlib.sha256(first.data).hexdigest()


def test_a_changed_file_makes_another_bundle(folder: Path) -> None:
    first = bundle_of(folder)
    (folder / "other.py").write_text("x = 1\n")

    assert bundle_of(folder).sha256 != first.sha256


def test_the_function_can_be_imported_from_the_unpacked_bundle(folder: Path, tmp_path: Path) -> None:
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(io.BytesIO(bundle_of(folder).data)) as archive:
        archive.extractall(unpacked)
    sdk = str(Path(sys.modules["leasehold"].__path__[0]).parent)
    code = f"import sys; sys.path[:0]=[{sdk!r}, {str(unpacked)!r}]; import flow; print(flow.read())"

    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, timeout=30, check=True
    )

    assert ran.stdout == "north\n"


def test_a_module_with_the_name_of_one_of_pythons_is_refused(folder: Path) -> None:
    (folder / "tabnanny.py").write_text("")
    (folder / "plant" / "__init__.py").write_text("import tabnanny\nNAME = 1\n")

    (problem,) = load_file(folder / "flow.py").problems

    assert "tabnanny.py has the name of Python's own module 'tabnanny'" in problem.message


def test_only_what_a_program_may_run_keeps_its_mode(folder: Path) -> None:
    script = folder / "queries" / "rows.sql"
    script.chmod(0o755)

    with zipfile.ZipFile(io.BytesIO(bundle_of(folder).data)) as archive:
        modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}

    assert modes["queries/rows.sql"] == 0o755
    assert modes["flow.py"] == 0o644
