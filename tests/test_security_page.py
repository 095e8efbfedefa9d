"""The threat table of docs/explanation/security.md links to tests that exist, in every row."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/explanation/security.md").read_text(encoding="utf-8")
LINKS = re.findall(r"`(tests/[\w/]+\.py)::(?:\w+::)?(\w+)`", PAGE)


@pytest.mark.parametrize(("file", "name"), LINKS, ids=lambda part: part.rpartition("/")[2])
def test_a_linked_test_exists(file: str, name: str) -> None:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}

    assert name in functions


def test_every_threat_has_a_test() -> None:
    table = PAGE.partition("## Threats")[2].partition("\n## ")[0]
    threats = [line for line in table.splitlines() if line.startswith("| ")][1:]

    assert len(threats) > 25
    assert [line for line in threats if not re.search(r"`tests/[\w/]+\.py::(?:\w+::)?test_\w+`", line)] == []
