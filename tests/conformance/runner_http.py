"""The suite's runner for raw HTTP: ``http.client``, the protocol's page and nothing of ours."""

from __future__ import annotations

import http.client
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

LARGE = '"' + "x" * (65 * 2**20) + '"'
SPECIAL = {"nan": "NaN", "huge": str(2**70), "large": LARGE, "64 bits": str(2**64 - 1)}

RUN, TASK = ("run", "dag", "state", "params"), ("run", "task", "state", "kind", "label")
SHOWN = {
    "runs.get": RUN,
    "runs.previous": RUN,
    "runs.tasks": TASK,
    "runs.previous_task": TASK,
    "runs.dag": ("dag", "version", "tasks"),
}

RUNS = {
    "runs.previous": ("/v1/runs/previous", "previous"),
    "runs.count": ("/v1/runs/count", "count"),
    "runs.tasks": ("/v1/task-instances", "items"),
    "runs.count_tasks": ("/v1/task-instances/count", "count"),
    "runs.previous_task": ("/v1/task-instances/previous", "previous"),
}


class RefusedError(Exception):
    """An answer of 400 or more."""


def main() -> int:
    """Do the job and return the exit code."""
    job = json.loads(Path("job.json").read_text())
    if "ending" in job:
        given = job["ending"]
        if given["kind"] in {"reschedule", "defer"}:
            return _wait(given)
        kind = {"skip": "skipped", "fail": "failed_for_good"}.get(given["kind"], given["kind"])
        after_s = 600 if given.get("after") == "10m" else None
        _request("PUT", "/v1/ending", json.dumps({"kind": kind, "message": given["message"], "retry_after_s": after_s}))
        return int(given["exit"])
    answers = {}
    for case in job["calls"]:
        try:
            answers[case["name"]] = {"value": shown(case["call"], _call(case["call"], case["args"]))}
        except RefusedError as problem:
            answers[case["name"]] = problem.args[0]
    Path("answers.json").write_text(json.dumps(answers))
    return 0


def shown(call: str, value: Any) -> Any:
    """Return of a run, task or DAG what the suite compares."""
    if isinstance(value, list) and call in SHOWN:
        return [shown(call, each) for each in value]
    return {name: value[name] for name in SHOWN[call]} if value is not None and call in SHOWN else value


def _wait(given: dict[str, Any]) -> int:
    ending = {"kind": "rescheduled", "message": given.get("message"), "again_after_s": 600}
    if given["kind"] == "defer":
        ending = {"kind": "deferred", "wait": {"key": "opens", "kind": "event", "event": given["event"]}}
    _request("PUT", "/v1/ending", json.dumps(ending))
    return int(given["exit"])


def _call(name: str, args: dict[str, Any]) -> Any:  # noqa: C901 - one branch per call
    match name:
        case "context":
            told = _request("GET", "/v1/context")
            run = {name: told["run"][name] for name in ("run", "dag", "params")}
            return run | {name: told[name] for name in ("task", "try_number", "map_index", "variables")}
        case "connection.get":
            wait = {"Leasehold-Wait": str(args["wait"])} if "wait" in args else {}
            found = _request("GET", f"/v1/connections/{quote(args['id'], safe='')}", headers=wait)
            return {name: value for name, value in found.items() if name != "id"}
        case "variable.get":
            return _request("GET", f"/v1/variables/{quote(args['key'], safe='')}")["value"]
        case "variable.set":
            about = f', "description": {json.dumps(args["description"])}}}' if "description" in args else "}"
            body = _written(args["value"])[:-1] + about
            return _request("PUT", f"/v1/variables/{quote(args['key'], safe='')}", body)
        case "variable.delete":
            return _request("DELETE", f"/v1/variables/{quote(args['key'], safe='')}")
        case "variable.list":
            first = _request("GET", f"/v1/variables?prefix={quote(args['prefix'], safe='')}")
            begin = f"prefix={quote(args['prefix'], safe='')}&after={quote(first['next'], safe='')}"
            return first["items"] + _request("GET", f"/v1/variables?{begin}")["items"]
        case "xcom.pull_all":
            query = f"task={quote(args['task'])}&offset=0&limit=64"
            items = _request("GET", f"/v1/mapped-xcoms/{quote(args['key'], safe='')}?{query}")["items"]
            return [each["value"] if each["inline"] else _call("xcom.pull", args | each) for each in items]
        case "xcom.count":
            query = f"task={quote(args['task'])}&offset=0&limit=0"
            return _request("GET", f"/v1/mapped-xcoms/{quote(args['key'], safe='')}?{query}")["count"]
        case "xcom.delete":
            return _request("DELETE", f"/v1/xcoms/{quote(args['key'], safe='')}")
        case "file.push":
            kept = _request("PUT", "/v1/files", args["content"])
            value = {"$type": "file", "value": kept | {"name": args["path"]}}
            return _request("PUT", f"/v1/xcoms/{quote(args['key'], safe='')}", json.dumps({"value": value}))
        case "file.read":
            told = _call("xcom.pull", args)["value"]
            text = _bytes(f"/v1/files/{told['sha256']}").decode()
            return {"name": told["name"], "size": told["size"], "text": text}
        case "file.fetch":
            return _bytes(f"/v1/files/{args['sha256']}").decode()
        case "xcom.pull":
            query = f"task={quote(args['task'])}&map_index={args.get('map_index', -1)}"
            query += f"&run={args['run']}" if "run" in args else ""
            query += "&include_prior=true" if "include_prior" in args else ""
            return _request("GET", f"/v1/xcoms/{quote(args['key'], safe='')}?{query}")["value"]
        case "xcom.push":
            return _request("PUT", f"/v1/xcoms/{quote(args['key'], safe='')}", _written(args["value"]))
        case "result":
            return _request("PUT", "/v1/result", _written(args["value"]))
        case "metric":
            value = _text(args["value"])
            rest = {name: args[name] for name in ("name", "kind", "tags")}
            return _request("POST", "/v1/metrics", json.dumps(rest)[:-1] + f', "value": {value}}}')
        case "runs.trigger":
            return _request("POST", "/v1/runs", json.dumps(args))["run"]["run"]
        case "runs.get":
            return _request("GET", f"/v1/runs/{args['run']}")
        case "runs.dag":
            return _request("GET", f"/v1/dags/{args['dag']}")
        case _ if name.startswith("runs."):
            path, part = RUNS[name]
            return _request("GET", f"{path}?{urlencode(args)}")[part]
        case "asset.get":
            return of_asset(_request("GET", f"/v1/asset?name={quote(args['asset'], safe='')}"))
        case "asset.by_alias":
            return [of_asset(each) for each in _request("GET", f"/v1/assets?alias={args['alias']}")["assets"]]
        case "asset.events":
            whose = {"alias": args["alias"]} if "alias" in args else {"name": args["asset"]}
            rest = {"limit": args["limit"], "ascending": "false"} if "limit" in args else {}
            found = _request("GET", f"/v1/asset-events?{urlencode(whose | rest)}")["events"]
            return [{name: each[name] for name in ("asset", "dag", "run", "task", "extra")} for each in found]
        case _ if name.startswith("asset.state."):
            return _asset_state(name.removeprefix("asset.state."), args)
        case "outlet_event":
            whose = {"alias": args["outlet"], "asset": args["stands_for"]} if "stands_for" in args else {}
            whose = whose or {"name": args["outlet"]}
            return _request("POST", "/v1/outlet-events", json.dumps({**whose, "extra": args["extra"]}))
        case "state.get":
            return _request("GET", f"/v1/state/{quote(args['key'], safe='')}")["value"]
        case "state.set":
            return _request("PUT", f"/v1/state/{quote(args['key'], safe='')}", _written(args["value"]))
        case "state.delete":
            return _request("DELETE", f"/v1/state/{quote(args['key'], safe='')}")
        case "state.clear":
            return _request("DELETE", "/v1/state")
        case "state.keys":
            return _request("GET", f"/v1/state?prefix={quote(args['prefix'])}")["keys"]
        case "skip_downstream":
            return _request("POST", "/v1/skip-downstream", json.dumps(args))
        case "defer":
            return _request("GET", "/v1/context")["waits"][f"event:{args['event']}"]["value"]
        case "id_token":
            return _request("POST", "/v1/id-token", json.dumps(args))["token"]
        case _:
            return _request("POST", f"/v1/{name}", json.dumps(args))


def of_asset(told: Any) -> Any:
    """Return of an asset what the suite compares."""
    return {name: told[name] for name in ("name", "uri", "group", "extra", "active")}


def _asset_state(act: str, args: dict[str, Any]) -> Any:
    whose = f"name={quote(args['asset'], safe='')}"
    match act:
        case "keys":
            return _request("GET", f"/v1/asset-state?{whose}&prefix={args['prefix']}")["keys"]
        case "clear":
            return _request("DELETE", f"/v1/asset-state?{whose}")
        case _:
            path = f"/v1/asset-state/{quote(args['key'], safe='')}?{whose}"
            body = _written(args["value"]) if act == "set" else None
            told = _request({"get": "GET", "set": "PUT", "delete": "DELETE"}[act], path, body)
            return told["value"] if act == "get" else told


def _written(value: Any) -> str:
    return f'{{"value": {_text(value)}}}'


def _text(value: Any) -> str:
    return SPECIAL[value["$special"]] if isinstance(value, dict) and "$special" in value else json.dumps(value)


def _bytes(path: str) -> bytes:
    return _exchange("GET", path, None, {})


def _request(method: str, path: str, body: str | None = None, *, headers: dict[str, str] | None = None) -> Any:
    text = _exchange(method, path, body, headers or {})
    return json.loads(text) if text else None


def _exchange(method: str, path: str, body: str | None, headers: dict[str, str]) -> bytes:
    connection = http.client.HTTPConnection("task")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(os.environ["LEASEHOLD_TASK_SOCKET"])
    own = {"Authorization": f"Bearer {os.environ['LEASEHOLD_TASK_SECRET']}", **headers}
    connection.request(method, path, None if body is None else body.encode(), headers=own)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status >= 400:
        told = json.loads(text)
        known = (
            told["code"] if told["code"] in {"not_declared", "not_granted", "not_found", "unavailable"} else "refused"
        )
        raise RefusedError({"error": known, "message": told["detail"]})
    return text


if __name__ == "__main__":
    sys.exit(main())
