"""The SDK needs nothing but Python, and a task process pays only for what it uses."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import leasehold

PACKAGE = Path(leasehold.__file__).parent
HEAVY = {
    "asyncio",
    "dataclasses",
    "datetime",
    "http.client",
    "inspect",
    "logging",
    "traceback",
    "typing",
    "urllib.parse",
}


def _imports(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.Import(names=aliases):
                names.update(alias.name.partition(".")[0] for alias in aliases)
            case ast.ImportFrom(module=str(module), level=0):
                names.add(module.partition(".")[0])
            case _:
                pass
    return names


def test_the_sdk_imports_nothing_but_the_standard_library_and_itself() -> None:
    files = [file for file in PACKAGE.rglob("*.py") if "cli" not in file.relative_to(PACKAGE).parts]

    foreign = {str(file): _imports(file) - sys.stdlib_module_names - {"leasehold"} for file in files}

    plugin = str(PACKAGE / "testing/plugin.py")  # pytest's own: it imports it
    assert files
    assert {file: names for file, names in foreign.items() if names} == {plugin: {"pytest"}}


def _modules_after(code: str) -> set[str]:
    start = f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r}); {code}; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", start], capture_output=True, text=True, timeout=30, check=True
    )
    return set(run.stdout.split())


def test_importing_leasehold_imports_none_of_its_parts() -> None:
    modules = _modules_after("import leasehold")

    assert {name for name in modules if name.startswith("leasehold")} == {"leasehold"}


def test_what_a_task_process_and_a_dag_file_import_stays_light() -> None:
    names = "Connection, Variable, chain, dag, heartbeat, log, mask, metrics, program, shell, task, xcom"

    modules = _modules_after(f"from leasehold.child import main; import json; from leasehold import {names}")

    assert "leasehold.runtime.connections" in modules
    assert modules & HEAVY == set()


def test_every_public_name_is_there() -> None:
    found = {name: getattr(leasehold, name) for name in leasehold.__all__}

    assert len(found) == len(leasehold.__all__)
    assert set(leasehold.__all__) <= set(dir(leasehold))
