"""The workspace: what each distribution brings, what must not be there, and that locks and settings agree."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DISTRIBUTIONS = ("sdk/python", "api", "edge_agent")


def requirements_of(folder: str) -> set[str]:
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
    extras = [each for extra in project.get("optional-dependencies", {}).values() for each in extra]
    return {each for each in [*project["dependencies"], *extras] if not each.startswith("leasehold")}


def test_httpx2_can_not_be_imported() -> None:
    assert importlib.util.find_spec("httpx2") is None, "docs/decisions/0004-no-httpx2.md says why"


def test_the_sdk_alone_brings_nothing() -> None:
    project = tomllib.loads((ROOT / "sdk/python/pyproject.toml").read_text())["project"]

    assert project["dependencies"] == []


def test_the_agent_brings_no_server() -> None:
    names = {re.split(r"[\[<>=;~! ]", each)[0] for each in requirements_of("edge_agent")}

    assert not names & {"sqlalchemy", "fastapi", "uvicorn", "alembic", "authlib", "psycopg", "typer"}


def test_what_is_locked_is_what_the_distributions_ask_for() -> None:
    asked = set().union(*(requirements_of(folder) for folder in DISTRIBUTIONS))
    locked = {
        line.strip()
        for line in (ROOT / "requirements/runtime.in").read_text().splitlines()
        if line.strip() and not line.startswith("#")
    }

    assert asked == locked


@pytest.mark.parametrize("lock", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda path: path.name)
def test_locks_have_hashes_and_no_download_addresses(lock: Path) -> None:
    content = lock.read_text()
    pinned = re.findall(r"^[a-z0-9A-Z._\[\]-]+==", content, re.MULTILINE)

    assert len(re.findall(r"--hash=sha256:", content)) >= len(pinned) > 0
    assert "://" not in content


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("leasehold.child", {"asyncio", "pydantic", "httpx", "typing_extensions"}),
        ("leasehold_agent.host.host", {"pydantic", "httpx", "sqlalchemy", "leasehold_protocol"}),
        ("leasehold_agent.agent", {"sqlalchemy", "fastapi", "leasehold_api", "authlib"}),
    ],
)
def test_programs_at_sites_load_only_what_they_need(module: str, forbidden: set[str]) -> None:
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert not forbidden & set(loaded)


def test_documents_made_from_the_code_are_current() -> None:
    made = subprocess.run(
        [sys.executable, "docs/make_reference.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert made.returncode == 0, made.stdout + made.stderr
