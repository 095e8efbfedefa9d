"""docs/reference/sdk.md is true of the SDK, and the tests that the documents show pass."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import leasehold
from leasehold.authoring.loading import load_file
from leasehold.authoring.options import OPTION_NAMES
from leasehold.runtime.expressions import facts_from_context

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "reference/sdk.md").read_text()


def test_the_first_example_can_be_deployed(tmp_path: Path) -> None:
    example = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]
    (tmp_path / "sensor_report.py").write_text(example)

    loaded = load_file(tmp_path / "sensor_report.py")

    assert loaded.problems == ()
    assert [task["id"] for task in loaded.dags[0].manifest["tasks"]] == ["read_sensors", "summarise", "shell"]


def test_every_public_name_and_every_template_name_is_on_the_page() -> None:
    names = {*leasehold.__all__, *facts_from_context({}).names} - {"Context"}

    assert {name for name in names if not re.search(rf"\b{name}\b", PAGE)} == set()


def test_every_option_is_on_the_page() -> None:
    assert {name for name in OPTION_NAMES if f"`{name}`" not in PAGE} == set()


def test_the_tests_in_the_documents_pass(tmp_path: Path) -> None:
    tutorial, howto = (DOCS / "tutorial/first-dag.md").read_text(), (DOCS / "howto/test-a-dag.md").read_text()
    dag_file, *tests = re.findall(r"```python\n(.*?)```", tutorial, re.DOTALL)
    (tmp_path / "weather.py").write_text(dag_file)
    (tmp_path / "test_tutorial.py").write_text(tests[0])
    examples = re.findall(r"```python\n(.*?)```", howto, re.DOTALL)
    (tmp_path / "test_howto.py").write_text(examples[0])
    (tmp_path / "test_waiting.py").write_text(next(text for text in examples if "WaitTimedOut" in text))

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--disable-plugin-autoload", "-p", "leasehold", "-p", "no:cacheprovider"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert "6 passed" in done.stdout, done.stdout
