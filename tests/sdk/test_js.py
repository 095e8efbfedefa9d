"""The Node binding: its own tests, its types, and that it can be published and travels with the agent."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

from leasehold_agent.attempts.sdk import js_binding
from tests.support.node import node
from tests.support.npm import installed

ROOT = Path(__file__).parents[2]
JS = ROOT / "sdk/js"


def run_node(*argv: str, cwd: Path = JS) -> subprocess.CompletedProcess[str]:
    return subprocess.run([node(), *argv], cwd=cwd, capture_output=True, text=True, timeout=100, check=False)


def test_its_own_tests_pass() -> None:
    done = run_node("--test", "test/")

    assert done.returncode == 0, done.stdout + done.stderr


def test_its_types_fit_how_it_is_used() -> None:
    compiler = installed(ROOT / "tests/support/typescript") / "node_modules/typescript/bin/tsc"

    done = run_node(str(compiler), "-p", "test/tsconfig.json")

    assert done.returncode == 0, done.stdout + done.stderr


def test_its_types_name_what_it_exports() -> None:
    done = run_node(
        "--input-type=module", "-e", f"console.log(Object.keys(await import({str(JS / 'index.js')!r})).join(' '))"
    )

    described = (JS / "index.d.ts").read_text()
    names = done.stdout.split()
    assert "Connection" in names
    assert [name for name in names if f" {name}" not in described] == []


def test_it_can_be_published_and_depends_on_nothing() -> None:
    package = json.loads((JS / "package.json").read_text())

    assert not {"dependencies", "devDependencies", "private"} & set(package)
    assert all((JS / name).exists() for name in [*package["files"], package["main"], package["types"]])
    assert package["version"] == __import__("leasehold").__version__


def test_the_agent_has_it() -> None:
    assert js_binding() == JS / "index.js"


def test_the_agents_wheel_has_it_without_its_tests(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]

    subprocess.run(command, cwd=ROOT / "edge_agent", capture_output=True, timeout=100, check=True)

    names = ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    found = {name.removeprefix("leasehold_agent/sdk_js/") for name in names if "sdk_js" in name}
    assert {"index.js", "package.json", "src/wire.js"} <= found
    assert not [name for name in found if name.startswith(("test", "node_modules"))]
