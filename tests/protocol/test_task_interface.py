"""docs/reference/task-interface.md has a row for all that Airflow's tasks may say, and a test that exists for each."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
ROWS: list[dict[str, Any]] = json.loads((ROOT / "docs/reference/task-interface.json").read_text())
PRESENT = [row for row in ROWS if not row.get("waiting")]
AIRFLOW = """
    StartupDetails GetConnection GetVariable GetVariableKeys PutVariable DeleteVariable GetXCom GetXComCount
    GetXComSequenceItem GetXComSequenceSlice SetXCom DeleteXCom GetTaskStateStore SetTaskStateStore DeleteTaskStateStore
    ClearTaskStateStore GetAssetStateStoreByName GetAssetStateStoreByUri SetAssetStateStoreByName
    SetAssetStateStoreByUri DeleteAssetStateStoreByName DeleteAssetStateStoreByUri ClearAssetStateStoreByName
    ClearAssetStateStoreByUri GetAssetByName GetAssetByUri GetAssetsByAlias GetAssetEventByAsset
    GetAssetEventByAssetAlias ValidateInletsAndOutlets SucceedTask TaskState RetryTask DeferTask RescheduleTask
    GetTaskRescheduleStartDate AwaitInputTask CreateHITLDetailPayload UpdateHITLDetail GetHITLDetailResponse
    SkipDownstreamTasks SetRenderedFields SetRenderedMapIndex TriggerDagRun GetDagRun GetDagRunState GetPreviousDagRun
    GetPrevSuccessfulDagRun GetPreviousTI GetTICount GetTaskStates GetTaskBreadcrumbs GetDRCount GetDag MaskSecret
    ResendLoggingFD
"""
"""The messages of Airflow's supervisor protocol (3.3)."""


def test_every_message_of_airflow_has_a_row() -> None:
    named = {name for row in ROWS for name in row["airflow"]}

    assert set(AIRFLOW.split()) - named == set()


@pytest.mark.parametrize("row", PRESENT, ids=lambda row: str(row["what"]))
def test_a_row_names_a_test_that_exists(row: dict[str, Any]) -> None:
    file, _, name = row["test"].partition("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))

    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_what_is_there_has_a_call_or_says_why_not() -> None:
    assert [row["what"] for row in PRESENT if not row["call"] and not row.get("why")] == []


def test_every_call_is_on_the_page_of_the_protocol() -> None:
    page = (ROOT / "docs/reference/task-protocol.md").read_text()
    calls = {call for row in PRESENT for call in re.findall(r"`((?:GET|PUT|POST|DELETE) [^`?]+)", row["call"])}

    assert calls
    assert {call for call in calls if f"`{call}" not in page} == set()
