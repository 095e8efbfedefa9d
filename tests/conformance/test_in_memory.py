"""The host in memory, which tests and scripts run by hand talk to, does what ``cases.json`` says of a real one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import pytest

from leasehold import errors
from leasehold.runtime.endings import Ending
from leasehold.runtime.host import InMemory
from leasehold.runtime.in_memory.calls import Query
from leasehold.runtime.in_memory.given import GivenObjects
from leasehold.runtime.in_memory.host import LocalHost
from leasehold.runtime.in_memory.kept import Kept
from leasehold.runtime.in_memory.runs import Reader
from leasehold.runtime.in_memory.xcoms import GivenXComs
from leasehold.runtime.reports import report
from leasehold.runtime.values import encode
from tests.conformance import runner_python
from tests.conformance.bindings import SUITE

EFFECTS = SUITE["effects"]
CALLS = [
    case for case in SUITE["calls"] if case.get("in_memory", True) and "python" not in case.get("inexpressible", {})
]
KINDS = {
    "not_declared": errors.UndeclaredError,
    "not_granted": errors.NotGrantedError,
    "not_found": errors.NotFoundError,
}
AT = "2026-11-22T06:00:00Z"
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
    "downstream": ["report"],
    "waits": {
        f"event:{event}:1": {
            "key": f"event:{event}:1",
            "verdict": verdict,
            "value": value,
            "at": "2026-11-22T06:00:00Z",
        }
        for event, verdict, value in (("opened", "came", {"tons": 3}), ("never", "timed_out", None))
    },
    **SUITE["declared"],
}


class Answers:
    """The suite's API, asked about runs. What ``GivenRuns`` makes of a test's objects is tested elsewhere."""

    def __init__(self) -> None:
        self.asked: list[list[Any]] = []

    def run(self, _: Reader, run: str) -> Any:
        return self._get(f"/v1/runs/{run}")

    def previous_run(self, reader: Reader, asked: Query) -> Any:
        reader.require_readable(asked.get("dag", reader.dag))
        return self._get("/v1/runs/previous", asked)["previous"]

    def count_runs(self, _: Reader, asked: Query) -> Any:
        return self._get("/v1/runs/count", asked)["count"]

    def task_instances(self, _: Reader, asked: Query) -> Any:
        return self._get("/v1/task-instances", asked)["items"]

    def count_task_instances(self, _: Reader, asked: Query) -> Any:
        return self._get("/v1/task-instances/count", asked)["count"]

    def previous_task_instance(self, _: Reader, asked: Query) -> Any:
        return self._get("/v1/task-instances/previous", asked)["previous"]

    def dag(self, _: Reader, dag: str) -> Any:
        return self._get(f"/v1/dags/{dag}")

    def trigger(self, reader: Reader, asked: Any) -> Any:
        reader.require_startable(asked["dag"])
        self.asked.append(["POST /v1/runs", asked])
        return SUITE["api"]["POST /v1/runs"][1]

    def _get(self, path: str, asked: Query | None = None) -> Any:
        status, body = SUITE["api"]["GET " + path + ("?" + urlencode(asked) if asked else "")]
        if status >= 400:
            raise KINDS[body["code"]](body["detail"])
        return body


class Left(GivenXComs):
    """The suite's values of other runs, each as it was asked for."""

    def xcom_of(self, run: str, task: str, key: str, map_index: int) -> object:
        value = self.earlier[run, task, key, map_index]
        if isinstance(value, errors.LeaseholdError):
            raise value
        return value


def given() -> GivenObjects:
    """What the suite's API answers, as the objects that a test gives."""
    connections: dict[str, object] = {"slow_db": errors.UnavailableError("an outage")}
    variables: dict[str, object] = {}
    xcoms: dict[tuple[str, str, int], object] = {("collect", "rows", -1): [1, 2]}
    earlier: dict[tuple[str, str, str, int], object] = {}
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
            case "GET", "variables" if name and status == 200:
                variables[name] = body["value"]
            case "GET", "variables" if status == 200:
                variables |= {key: variables.get(key, 0) for key in body["items"]}
            case "GET", "mapped-xcoms":
                inline = [item for item in body["items"] if item["inline"]]
                xcoms |= {(item["task"], name, item["map_index"]): item["value"] for item in inline}
            case "GET", "xcoms" if status == 200:
                query = parse_qs(url.query)
                place = query["task"][0], name, int(query["map_index"][0])
                if query.get("run", ["run-1"]) != ["run-1"] or "include_prior" in query:
                    earlier["prior" if "include_prior" in query else query["run"][0], *place] = body["value"]
                else:
                    xcoms[place] = body["value"]
            case "GET", "xcoms" if "run" in (query := parse_qs(url.query)):
                earlier[query["run"][0], query["task"][0], name, int(query["map_index"][0])] = found
            case "POST", "id-token":
                tokens[body["audience"]] = body["token"]
            case _:
                pass
    objects = GivenObjects(connections=connections, variables=variables, id_tokens=tokens, runs=Answers())
    objects.left = Left(xcoms, earlier)
    return objects


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """All calls, made in this process."""
    folder = tmp_path_factory.mktemp("in_memory")
    (folder / "job.json").write_text(json.dumps({"calls": CALLS}))
    api = given()
    kept = Kept({"before": [3, "drei"]})
    local = LocalHost(api, context=CONTEXT, upstream=["collect"], dags=[], triggers=["load_all"], kept=kept)
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
    kept = {key: json.loads(text) for key, text in told.xcoms.items() if b"sha256" not in text}

    assert kept == EFFECTS["xcoms"]
    assert [[metric.name, metric.kind, metric.value, metric.tags] for metric in told.metrics] == EFFECTS["metrics"]
    assert [told.progress, told.note] == EFFECTS["progress"]
    assert [str(record) for record in told.log] == ["WARNING *** is hot ü plant='north'", "INFO one\ntwo"]
    assert [told.label, told.skip] == ["plant nörd", ("report",)]
    assert api.runs.asked == [asked for asked in EFFECTS["asked"] if asked[0] == "POST /v1/runs"]
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
    assert (said.kind, said.message, status) == (case["ending"]["kind"], case.get("message"), case["exit"])
    assert (said.again or {}).get("again_after_s") == case["ending"].get("again_after_s")
    wait: Any = (said.again or {}).get("wait", {})
    assert wait.get("event") == case.get("event")
    assert said.retry_after_s == case["ending"].get("retry_after_s")
