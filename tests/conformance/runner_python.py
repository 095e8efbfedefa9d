"""The suite's runner for the Python SDK: a task of the ``python`` runtime, deployed as a bundle of this one file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from leasehold import (
    Asset,
    AssetAlias,
    Connection,
    Fail,
    File,
    Reschedule,
    Retry,
    Skip,
    Variable,
    assets,
    context,
    defer,
    errors,
    heartbeat,
    id_token,
    log,
    mask,
    metrics,
    outlet_events,
    runs,
    set_label,
    skip_downstream,
    state,
)
from leasehold import xcom as xcoms
from leasehold.runtime.host import current_host

_CODES = {
    errors.UndeclaredError: "not_declared",
    errors.NotGrantedError: "not_granted",
    errors.NotFoundError: "not_found",
    errors.UnavailableError: "unavailable",
    errors.WaitTimedOut: "timed_out",
}
SPECIAL: dict[str, Any] = {"nan": float("nan"), "huge": 2**70, "large": "x" * (65 * 2**20), "64 bits": 2**64 - 1}


def calls() -> Any:
    """Make the calls; the result of the task is what the case ``result`` says."""
    answers, result = {}, None
    for case in json.loads(Path("job.json").read_text())["calls"]:
        args = {name: _value(value) for name, value in case["args"].items()}
        if case["call"] == "result":
            result = args["value"]
            answers[case["name"]] = {"value": None}
            continue
        try:
            answers[case["name"]] = {"value": _call(case["call"], args)}
        except (errors.LeaseholdError, ValueError, TypeError) as problem:
            answers[case["name"]] = {"error": _CODES.get(type(problem), "refused"), "message": str(problem)}
    Path("answers.json").write_text(json.dumps(answers))
    return result


def ending() -> None:
    """End as the job says."""
    job = json.loads(Path("job.json").read_text())["ending"]
    match job["kind"]:
        case "skip":
            raise Skip(job["message"])
        case "fail":
            raise Fail(job["message"])
        case "reschedule":
            raise Reschedule(job["message"], after=job["after"])
        case "defer":
            defer(event=job["event"])
        case _:
            raise Retry(job["message"], after=job.get("after"))


def _call(name: str, args: dict[str, Any]) -> Any:  # noqa: C901 - one branch per call
    match name:
        case "context":
            found = context()
            return {
                name: getattr(found, name) for name in ("run", "dag", "task", "try_number", "map_index", "params")
            } | {"variables": found.variables}
        case "connection.get":
            connection = Connection.get(**args)
            return {name: getattr(connection, name) for name in Connection.__slots__ if name != "id"}
        case "variable.get":
            return Variable.get(**args)
        case "variable.set":
            return Variable.set(**args)
        case "variable.delete":
            return Variable.delete(**args)
        case "xcom.pull":
            return xcoms.pull(**args)
        case "variable.list":
            return Variable.list(**args)
        case "xcom.pull_all":
            found = xcoms.pull_all(**args)
            values = list(found)
            assert values[-1] == found[-1] == found[len(found) - 1] == found[1:][-1]
            return values
        case "xcom.count":
            return xcoms.count(**args)
        case "xcom.delete":
            return xcoms.delete(**args)
        case "file.push":
            if args["content"] is not None:
                Path(args["path"]).write_text(args["content"], encoding="utf-8")
            return xcoms.push(args["key"], File(args["path"]))
        case "file.read":
            file = xcoms.pull(**args)
            return {"name": file.name, "size": file.size, "text": file.read_text()}
        case "xcom.push":
            return xcoms.push(**args)
        case "heartbeat":
            return heartbeat(**args)
        case "metric":
            tell = {"counter": metrics.count, "gauge": metrics.gauge, "timing": metrics.timing}[args["kind"]]
            return tell(args["name"], args["value"], **args["tags"])
        case "label":
            return set_label(**args)
        case "mask":
            return mask(**args)
        case "log":
            return getattr(log, args["level"])(args["message"], **args["fields"])
        case _ if name.startswith("runs."):
            return _shown(getattr(runs, name.removeprefix("runs."))(**args))
        case "asset.get":
            return _of_asset(assets.get(args["asset"]))
        case "asset.by_alias":
            return [_of_asset(each) for each in assets.by_alias(args["alias"])]
        case "asset.events":
            whose = AssetAlias(args.pop("alias")) if "alias" in args else args.pop("asset")
            names = ("asset", "dag", "run", "task", "extra")
            return [{name: getattr(each, name) for name in names} for each in assets.events(whose, **args)]
        case _ if name.startswith("asset.state."):
            return getattr(assets.state(args.pop("asset")), name.removeprefix("asset.state."))(**args)
        case "outlet_event" if "stands_for" in args:
            return outlet_events[AssetAlias(args["outlet"])].add(Asset(**args["stands_for"]), extra=args["extra"])
        case "outlet_event":
            outlet_events[args["outlet"]].extra = args["extra"]
            return None
        case "state.get" | "state.set" | "state.delete" | "state.clear" | "state.keys":
            return getattr(state, name.removeprefix("state."))(**args)
        case "skip_downstream":
            return skip_downstream(*args["tasks"])
        case "defer":
            return defer(event=args["event"])
        case "id_token":
            return id_token(**args)
        case _:
            raise AssertionError(f"{name} is no call: {current_host()}")


def _of_asset(found: Any) -> Any:
    return {name: getattr(found, name) for name in ("name", "uri", "group", "extra", "active")}


def _shown(found: Any) -> Any:
    if isinstance(found, runs.Run):
        whole = ("run", "dag", "state", "params")
        return found.run if found.params == {} else {name: getattr(found, name) for name in whole}
    if isinstance(found, runs.TaskInstance):
        return {name: getattr(found, name) for name in ("run", "task", "state", "kind", "label")}
    if isinstance(found, runs.DagFacts):
        return {name: getattr(found, name) for name in ("dag", "version", "tasks")}
    return [_shown(each) for each in found] if isinstance(found, list) else found


def _value(value: Any) -> Any:
    return SPECIAL[value["$special"]] if isinstance(value, dict) and "$special" in value else value
