"""What a script keeps, skips and waits for: a wait that is not over ends the script, which runs again from its top."""

from __future__ import annotations

import json
from argparse import Namespace

from leasehold.durations import seconds
from leasehold.errors import NotFoundError, RefusedError
from leasehold.runtime.endings import Deferred
from leasehold.runtime.host import Host
from leasehold.runtime.waiting import waited
from leasehold.runtime.wire import quote
from leasehold_agent.task_commands.asking import shown
from leasehold_agent.task_commands.telling import given_value


class WaitingError(Exception):
    """The task waits: the script has to end now."""


def get_state(host: Host, given: Namespace) -> str:
    """Return what was kept under a key, or the default."""
    try:
        value = host.read(f"/v1/state/{quote(given.key)}", given.wait).get("value")
    except NotFoundError:
        if given.default is None:
            raise
        value = given.default
    return shown(value, as_json=given.json)


def set_state(host: Host, given: Namespace) -> None:
    """Keep a value."""
    expires_after_s = None if given.expires_after is None else seconds(given.expires_after)
    body = {"value": given_value(given), "expires_after_s": expires_after_s}
    host.write("PUT", f"/v1/state/{quote(given.key)}", body)


def delete_state(host: Host, given: Namespace) -> None:
    """Let go of a key."""
    host.write("DELETE", f"/v1/state/{quote(given.key)}")


def clear_state(host: Host, given: Namespace) -> None:
    """Let go of everything."""
    del given
    host.write("DELETE", "/v1/state")


def state_keys(host: Host, given: Namespace) -> str:
    """Return the keys, as JSON."""
    keys = host.read(f"/v1/state?prefix={quote(given.prefix or '')}", given.wait).get("keys")
    return shown(keys, as_json=True)


def skip_downstream(host: Host, given: Namespace) -> None:
    """Skip tasks that depend directly on this one."""
    host.write("POST", "/v1/skip-downstream", {"tasks": given.tasks})


def reschedule(host: Host, given: Namespace) -> None:
    """Start the task again later."""
    after_s = None if given.after is None else seconds(given.after)
    ending = {"kind": "rescheduled", "message": given.message, "again_after_s": after_s, "again_at": given.at}
    host.write("PUT", "/v1/ending", ending)


def defer(host: Host, given: Namespace) -> str | None:
    """Return what came of a wait, or end the script with it."""
    named = {name: value for name in ("event", "run", "after", "until") if (value := getattr(given, name)) is not None}
    if len(named) != 1:
        raise RefusedError("defer waits for one thing: --event, --run, --after or --until")
    [(name, value)] = named.items()
    wait: dict[str, object]
    match name:
        case "event" | "run":
            wait = {"kind": name, name: value}
        case "after":
            wait = {"kind": "time", "after_s": seconds(value)}
        case _:
            wait = {"kind": "time", "at": value}
    found = _waited(host, wait, given, key=f"{name}:{value}", what="defer")
    return shown(found, as_json=given.json)


def ask_people(host: Host, given: Namespace) -> str:
    """Return what people answered, as JSON, or end the script with the question."""
    question = {"question": given.question, "options": given.option or ["ok"], "multiple": given.multiple}
    question |= {"body": given.body or "", "assigned_to": given.assigned_to}
    wait: dict[str, object] = {"kind": "question", "question": question}
    if given.default:
        wait["default"] = {"chosen": given.default}
    found = _waited(host, wait, given, key=None, what="ask")
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"))


def _waited(host: Host, wait: dict[str, object], given: Namespace, *, key: str | None, what: str) -> object:
    from hashlib import sha256

    name = given.key or key or f"input:{sha256(given.question.encode(errors='replace')).hexdigest()[:16]}"
    try:
        return waited(wait, name, key=name, timeout=given.timeout, what=what).get("value")
    except Deferred as deferred:
        host.write("PUT", "/v1/ending", {"kind": "deferred", "wait": deferred.wait})
        raise WaitingError from None
