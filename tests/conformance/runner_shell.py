"""The suite's runner for shell scripts: every call is one ``edge-agent task …``, as a script would make it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

CODES = {20: "not_declared", 21: "not_granted", 22: "not_found", 23: "unavailable", 24: "refused", 26: "timed_out"}
WAITS = 27
SPECIAL = {"nan": "NaN", "huge": str(2**70), "large": '"' + "x" * (65 * 2**20) + '"', "64 bits": str(2**64 - 1)}

RUN, TASK = ("run", "dag", "state", "params"), ("run", "task", "state", "kind", "label")
SHOWN = {
    "runs.get": RUN,
    "runs.previous": RUN,
    "runs.tasks": TASK,
    "runs.previous_task": TASK,
    "runs.dag": ("dag", "version", "tasks"),
    "asset.get": ("name", "uri", "group", "extra", "active"),
    "asset.by_alias": ("name", "uri", "group", "extra", "active"),
    "asset.events": ("asset", "dag", "run", "task", "extra"),
}


def main() -> int:
    """Do the job and return the exit code."""
    job = json.loads(Path("job.json").read_text())
    if "ending" in job:
        given = job["ending"]
        if given["kind"] == "defer":
            return int(given["exit"]) if _task(["defer", "--event", given["event"]]).returncode == WAITS else 1
        after = ["--after", given["after"]] if "after" in given else []
        _task([given["kind"], given["message"], *after])
        return int(given["exit"])
    answers = {case["name"]: _answer(case["call"], case["args"]) for case in job["calls"]}
    Path("answers.json").write_text(json.dumps(answers))
    return 0


def _answer(call: str, args: dict[str, Any]) -> dict[str, Any]:
    argv, stdin = _command(call, args)
    done = _task(argv, stdin)
    if done.returncode in CODES:
        return {"error": CODES[done.returncode], "message": done.stderr}
    assert done.returncode == 0, (call, args, done.stderr)
    if call == "file.read":
        path = Path(done.stdout.strip())
        return {"value": {"name": path.name, "size": path.stat().st_size, "text": path.read_text(encoding="utf-8")}}
    if call == "xcom.pull_all":
        return {"value": [json.loads(line) for line in done.stdout.splitlines()]}
    value = json.loads(done.stdout) if done.stdout else None
    if call == "context":
        run = {name: value["run"][name] for name in ("run", "dag", "params")}
        return {"value": run | {name: value[name] for name in ("task", "try_number", "map_index", "variables")}}
    if call == "connection.get":
        value.pop("id")
    if call == "runs.trigger":
        value = value["run"]["run"]
    return {"value": shown(call, value)}


def shown(call: str, value: Any) -> Any:
    """Return of a run, task or DAG what the suite compares."""
    if isinstance(value, list) and call in SHOWN:
        return [shown(call, each) for each in value]
    return {name: value[name] for name in SHOWN[call]} if value is not None and call in SHOWN else value


def _task(argv: list[str], stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [os.environ["LEASEHOLD_EDGE_AGENT"], "task", *argv]
    return subprocess.run(command, input=stdin or "", capture_output=True, text=True, encoding="utf-8", check=False)


def _command(call: str, args: dict[str, Any]) -> tuple[list[str], str | None]:  # noqa: C901 - one branch per call
    match call:
        case "context":
            return ["context"], None
        case "connection.get":
            return ["connection", "get", args["id"], *(["--wait", f"{args['wait']}s"] if "wait" in args else [])], None
        case "variable.get":
            default = ["--default", args["default"]] if "default" in args else []
            return ["variable", "get", args["key"], "--json", *default], None
        case "variable.set":
            about = ["--description", args["description"]] if "description" in args else []
            return ["variable", "set", args["key"], "--json", *about], _text(args["value"])
        case "variable.list":
            return ["variable", "list", args["prefix"], "--json"], None
        case "xcom.pull_all":
            return ["xcom", "pull-all", args["task"], args["key"]], None
        case "xcom.count":
            return ["xcom", "count", args["task"], args["key"]], None
        case "xcom.delete":
            return ["xcom", "delete", args["key"]], None
        case "file.push":
            if args["content"] is not None:
                Path(args["path"]).write_text(args["content"], encoding="utf-8")
            return ["file", "put", args["path"], args["key"]], None
        case "file.read":
            return ["file", "get", args["task"], args["key"]], None
        case "variable.delete":
            return ["variable", "delete", args["key"]], None
        case "xcom.pull":
            return [
                "xcom",
                "pull",
                args["task"],
                args["key"],
                "--json",
                "--map-index",
                str(args.get("map_index", -1)),
                *(["--run", args["run"]] if "run" in args else []),
                *(["--include-prior"] if "include_prior" in args else []),
                *(["--default", args["default"]] if "default" in args else []),
            ], None
        case "xcom.push" if isinstance(args["value"], str):
            return ["xcom", "push", args["key"], args["value"]], None
        case "xcom.push":
            return ["xcom", "push", args["key"], "--json"], _text(args["value"])
        case "result":
            return ["result", _text(args["value"]), "--json"], None
        case "heartbeat":
            return [
                "heartbeat",
                "--progress",
                str(args["progress"]),
                *(["--note", args["note"]] if "note" in args else []),
            ], None
        case "metric":
            kind = {"counter": "count"}.get(args["kind"], args["kind"])
            tags = [part for name, text in args["tags"].items() for part in ("--tag", f"{name}={text}")]
            return ["metric", kind, args["name"], *tags, "--", _text(args["value"])], None
        case "runs.get" | "runs.dag":
            return ["runs", call.removeprefix("runs."), *args.values()], None
        case "runs.trigger":
            params = [part for name, value in args["params"].items() for part in ("--param", f"{name}={value}")]
            return ["runs", "trigger", args["dag"], "--json", "--key", args["key"], *params], None
        case _ if call.startswith("runs."):
            narrowed = [part for name, text in args.items() for part in (f"--{name.replace('_', '-')}", text)]
            return ["runs", call.removeprefix("runs.").replace("_", "-"), *narrowed], None
        case "label":
            return ["label", args["label"]], None
        case "mask":
            return ["mask"], args["value"] + "\n"
        case "log":
            fields = [part for name, text in args["fields"].items() for part in ("--field", f"{name}={text}")]
            return ["log", "--level", args["level"], *fields, args["message"]], None
        case "asset.get":
            return ["asset", "get", args["asset"]], None
        case "asset.by_alias":
            return ["asset", "by-alias", args["alias"]], None
        case "asset.events":
            whose = [args["alias"], "--alias"] if "alias" in args else [args["asset"]]
            rest = ["--limit", str(args["limit"]), "--newest-first"] if "limit" in args else []
            return ["asset", "events", *whose, *rest], None
        case "outlet_event":
            stands_for = args.get("stands_for", {})
            added = ["--stands-for", stands_for["name"], "--uri", stands_for["uri"]] if stands_for else []
            return ["asset", "event", args["outlet"], "--extra", json.dumps(args["extra"]), *added], None
        case "asset.state.set":
            return ["asset", "state-set", args["asset"], args["key"], "--json"], _text(args["value"])
        case "asset.state.keys":
            return ["asset", "state-keys", args["asset"], "--prefix", args["prefix"]], None
        case _ if call.startswith("asset.state."):
            default = ["--default", args["default"]] if "default" in args else []
            key = [args["key"]] if "key" in args else []
            json_too = ["--json"] if call.endswith(".get") else []
            return [
                "asset",
                f"state-{call.removeprefix('asset.state.')}",
                args["asset"],
                *key,
                *json_too,
                *default,
            ], None
        case "state.get":
            default = ["--default", args["default"]] if "default" in args else []
            return ["state", "get", args["key"], "--json", *default], None
        case "state.set":
            return ["state", "set", args["key"], "--json"], _text(args["value"])
        case "state.delete":
            return ["state", "delete", args["key"]], None
        case "state.clear":
            return ["state", "clear"], None
        case "state.keys":
            return ["state", "keys", args["prefix"]], None
        case "skip_downstream":
            return ["skip-downstream", *args["tasks"]], None
        case "defer":
            return ["defer", "--event", args["event"], "--json"], None
        case _:
            return ["id-token", args["audience"], "--json"], None


def _text(value: Any) -> str:
    return SPECIAL[value["$special"]] if isinstance(value, dict) and "$special" in value else json.dumps(value)


if __name__ == "__main__":
    sys.exit(main())
