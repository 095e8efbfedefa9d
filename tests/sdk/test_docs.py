"""docs/reference/sdk.md is true of the SDK."""

from __future__ import annotations

import re
from pathlib import Path

import leasehold
from leasehold.authoring.loading import load_file
from leasehold.authoring.options import OPTION_NAMES
from leasehold.runtime.expressions import facts_from_context

PAGE = (Path(__file__).parents[2] / "docs/reference/sdk.md").read_text()


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
