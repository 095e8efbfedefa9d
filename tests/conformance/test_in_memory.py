"""The host in memory, which tests and scripts run by hand talk to, does what ``cases.json`` says of a real one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from leasehold import errors
from leasehold.runtime.endings import Ending
from leasehold.runtime.host import InMemory
from leasehold.runtime.in_memory.given import GivenObjects
from leasehold.runtime.in_memory.host import LocalHost
from leasehold.runtime.reports import report
from leasehold.runtime.values import encode
from tests.conformance import runner_python
from tests.conformance.bindings import SUITE

EFFECTS = SUITE["effects"]
CALLS = [case for case in SUITE["calls"] if case.get("in_memory", True)]
KINDS = {"not_granted": errors.NotGrantedError, "not_found": errors.NotFoundError}
CONTEXT = {
    "attempt": "ti-1.1",
    "task": "read_sensors",
    "task_instance": "ti-1",
    "map_index": -1,
    "try_number": 1,
    "run": {
        "run": "run-1",
        "dag": "sensor_report",
        "dag_version": 1,
        "team": "default",
        "trigger": "manual",
        "params": {"day": "2026-11-22"},
        "logical_date": "2026-11-22T00:00:00Z",
    },
    "work": {},
    "inputs": {},
    "work_dir": "/",
    "bundle_dir": None,
    **SUITE["declared"],
}


def given() -> GivenObjects:
    """What the suite's API answers, as the objects that a test gives."""
    connections: dict[str, object] = {"slow_db": errors.UnavailableError("an outage")}
    variables: dict[str, object] = {}
    xcoms: dict[tuple[str, str, int], object] = {("collect", "rows", -1): [1, 2]}
    tokens: dict[str, str] = {}
    for call, (status, body) in SUITE["api"].items():
        method, _, target = call.partition(" ")
        url = urlsplit(target)
        _, _, kind, *rest = url.path.split("/")
        name = unquote(rest[0]) if rest else ""
        found = KINDS[body["code"]](body["detail"]) if status >= 400 else body
        match method, kind:
            case "GET", "connections":
                connections[name] = found
            case "GET", "variables" if status == 200:
                variables[name] = body["value"]
            case "GET", "xcoms" if status == 200:
                query = parse_qs(url.query)
                xcoms[query["task"][0], name, int(query["map_index"][0])] = body["value"]
            case "POST", "id-token":
                tokens[body["audience"]] = body["token"]
            case _:
                pass
    return GivenObjects(connections=connections, variables=variables, xcoms=xcoms, id_tokens=tokens)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """All calls, made in this process."""
    folder = tmp_path_factory.mktemp("in_memory")
    (folder / "job.json").write_text(json.dumps({"calls": CALLS}))
    api = given()
    local = LocalHost(api, context=CONTEXT, upstream=["collect"])
    with pytest.MonkeyPatch.context() as patch, InMemory(local) as host:
        patch.chdir(folder)
        host.write("PUT", "/v1/result", {"value": encode(runner_python.calls())})
    return json.loads((folder / "answers.json").read_text()), local.told, api


@pytest.mark.parametrize("case", CALLS, ids=lambda case: str(case["name"]))
def test_each_call_is_answered_as_at_a_site(made: Any, case: dict[str, Any]) -> None:
    answer = made[0][case["name"]]

    assert answer.get("error") == case.get("error"), answer
    if "error" in case:
        assert case.get("says", "") in answer["message"]
    else:
        assert answer["value"] == case.get("value")


def test_what_was_told_is_kept_as_at_a_site(made: Any) -> None:
    _, told, api = made
    kept = {key: json.loads(text) for key, text in told.xcoms.items()}

    assert kept == EFFECTS["xcoms"]
    assert [[metric.name, metric.kind, metric.value, metric.tags] for metric in told.metrics] == EFFECTS["metrics"]
    assert [told.progress, told.note] == EFFECTS["progress"]
    assert [str(record) for record in told.log] == ["WARNING *** is hot ü plant='north'", "INFO one\ntwo"]
    assert "limits/upper" not in api.variables, "it was set, then deleted"


@pytest.mark.parametrize("case", SUITE["endings"], ids=lambda case: str(case["name"]))
def test_each_ending_is_told_as_at_a_site(
    case: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "job.json").write_text(json.dumps({"ending": case}))
    monkeypatch.chdir(tmp_path)
    local = LocalHost(given(), context=CONTEXT)

    with InMemory(local) as host:
        try:
            runner_python.ending()
        except Ending as problem:
            status = report(host, problem, str(tmp_path))

    said = local.told.said
    assert said is not None
    assert (said.kind, said.message, status) == (case["ending"]["kind"], case["message"], case["exit"])
    assert said.retry_after_s == case["ending"].get("retry_after_s")
