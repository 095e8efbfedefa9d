"""Programs of a DAG run as real processes in a test, with the task protocol on their socket."""

import shutil
from importlib.util import find_spec

import pytest
from any_language import any_language

from leasehold.testing import run


@pytest.mark.skipif(
    shutil.which("node") is None or find_spec("leasehold_agent") is None,
    reason="this example needs node and, for its shell script, edge-agent beside this Python",
)
def test_three_languages_agree_on_the_highest_pump() -> None:
    result = run(any_language, params={"pumps": 5})

    assert result.tasks["highest"].result["pump"] == "P2"
    assert result.tasks["report"].result == "highest: P2"
