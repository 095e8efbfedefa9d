"""Every binding does what ``cases.json`` says, inside real attempts: Python, Node, shell and raw HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.bindings import BINDINGS, SUITE, Done, done
from tests.edge_agent.host.harness import Zygote

EFFECTS = SUITE["effects"]


@pytest.fixture(scope="module", params=BINDINGS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, zygote: Zygote) -> Done:
    """All calls, made by one binding in one attempt."""
    binding: str = request.param
    calls = [case for case in SUITE["calls"] if binding not in case.get("inexpressible", {})]
    made = done(binding, {"calls": calls}, tmp_path_factory.mktemp(binding), zygote)
    assert made.ending["kind"] == "success", made.attempt.log
    return made


@pytest.mark.parametrize("case", SUITE["calls"], ids=lambda case: str(case["name"]))
def test_each_call_is_answered_as_the_suite_says(made: Done, case: dict[str, Any], request: Any) -> None:
    if reason := case.get("inexpressible", {}).get(request.node.callspec.params["made"]):
        pytest.skip(f"by the suite's own data: {reason}")

    answer = made.answers[case["name"]]

    assert answer.get("error") == case.get("error"), answer
    if "error" in case:
        assert case.get("says", "") in answer["message"]
    else:
        assert answer["value"] == case.get("value")


def test_what_was_written_is_on_the_disk(made: Done) -> None:
    index = {entry["key"] for entry in made.attempt.lines("xcoms/index.ndjson")}
    points = [
        [point[name] for name in ("name", "kind", "value", "tags")] for point in made.attempt.lines("metrics.ndjson")
    ]

    assert {key: made.attempt.xcom(key) for key in EFFECTS["xcoms"]} == EFFECTS["xcoms"]
    assert not index & set(EFFECTS["unwritten"])
    assert points == EFFECTS["metrics"]


def test_the_log_has_the_records_and_no_secret(made: Done) -> None:
    shown = {level: [_shown(text) for text in made.attempt.texts(level)] for level in EFFECTS["log"]}

    assert shown == EFFECTS["log"]
    assert "s3cr3t" not in made.attempt.log


def test_the_api_was_asked_for_what_was_written(made: Done) -> None:
    writes = [asked for asked in made.agent.asked if not asked[0].startswith("GET ")]

    assert [asked for asked in writes if "limits%2Fnone" not in asked[0]] == EFFECTS["asked"]
    assert made.agent.sign_of_life == EFFECTS["progress"]


def test_what_is_skipped_goes_with_the_ending_and_what_was_kept_is_on_the_disk(made: Done) -> None:
    kept = [(line.get("key"), line.get("value"), line.get("removed")) for line in made.attempt.lines("state.ndjson")]

    assert made.ending["skip"] == ["report"]
    assert made.ending["asset_events"] == EFFECTS["asset_events"]
    assert kept == [("at/row", {"row": 7}, None), ("at/row", None, True), (None, None, True)]


@pytest.mark.parametrize("binding", BINDINGS)
@pytest.mark.parametrize("case", SUITE["endings"], ids=lambda case: str(case["name"]))
def test_each_ending_is_recorded_as_the_suite_says(
    binding: str, case: dict[str, Any], tmp_path: Path, zygote: Zygote
) -> None:
    ending = done(binding, {"ending": case}, tmp_path, zygote).ending

    assert {name: ending.get(name) for name in case["ending"]} == case["ending"]
    assert ("retry_after_s" in ending) == ("retry_after_s" in case["ending"])


def _shown(text: str) -> str:
    message, separator, fields = text.partition("\x1f")
    return f"{message} {json.dumps(json.loads(fields), separators=(',', ':'))}" if separator else message
