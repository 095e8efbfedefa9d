"""``edge-agent task asset``: what is known of inlets and outlets, what happened to them, what is kept with them."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import Any

from leasehold.errors import NotFoundError, RefusedError
from leasehold.runtime.host import Host
from leasehold.runtime.wire import quote
from leasehold_agent.task_commands.asking import part, shown
from leasehold_agent.task_commands.telling import given_value

_NARROWED = ("after", "before", "limit")


def add_assets(
    group: Any, add: Callable[[Any, str, object, str], ArgumentParser], add_read: Callable[..., ArgumentParser]
) -> None:
    """Add the commands to the group ``asset``."""
    get = _named(add_read(group, "get", _get, "print what is known of an inlet or outlet, as JSON"))
    get.add_argument("--field", metavar="A.B", help="only this part: uri, active, extra.owner, …")
    _of_alias(add_read(group, "by-alias", _by_alias, "print the assets that an alias has stood for, as JSON"))
    events = _named(add_read(group, "events", _events, "print what happened to an asset, or alias, as JSON"))
    events.add_argument("--alias", action="store_true", help="NAME is an alias")
    events.add_argument("--after", metavar="TIME", help="not before this moment, 2026-11-22T06:00:00Z")
    events.add_argument("--before", metavar="TIME", help="not after this moment")
    events.add_argument("--limit", metavar="N", help="this many at most (default and most: 1000)")
    events.add_argument("--newest-first", action="store_true", help="newest first")
    events.add_argument("--field", metavar="A.B", help="only this part: 0.extra.rows, …")
    event = _named(add(group, "event", _event, "say what the event of an outlet says, if the task succeeds"))
    event.add_argument("--extra", metavar="JSON", default="{}", help="an object of 16 KiB at most")
    event.add_argument("--stands-for", metavar="ASSET", help="NAME is an alias, which stands for this asset")
    event.add_argument("--uri", metavar="URI", help="with --stands-for: where that asset is")
    state_get = _named(add_read(group, "state-get", _state_get, "print what is kept with an asset"))
    state_get.add_argument("key", metavar="KEY")
    state_get.add_argument("--default", metavar="TEXT", help="print this when nothing is kept there")
    state_set = _named(add(group, "state-set", _state_set, "keep a value with an outlet, for later runs"))
    state_set.add_argument("key", metavar="KEY")
    state_set.add_argument("value", metavar="VALUE", nargs="?", help="the value; - or nothing: standard input")
    state_set.set_defaults(last="value")
    state_set.add_argument("--json", action="store_true", help="the value is JSON, not text")
    state_delete = _named(add(group, "state-delete", _state_delete, "let go of a key of an outlet"))
    state_delete.add_argument("key", metavar="KEY")
    _named(add(group, "state-clear", _state_clear, "let go of all that is kept with an outlet"))
    keys = _named(add_read(group, "state-keys", _state_keys, "print the keys that are kept with an asset, as JSON"))
    keys.add_argument("--prefix", metavar="PREFIX", default="", help="only those that begin so")


def _named(added: ArgumentParser) -> ArgumentParser:
    added.add_argument("name", metavar="NAME")
    return added


def _of_alias(added: ArgumentParser) -> None:
    added.add_argument("alias", metavar="ALIAS")


def _get(host: Host, given: Namespace) -> str:
    return shown(part(host.read(f"/v1/asset?name={quote(given.name)}", given.wait), given.field), as_json=given.json)


def _by_alias(host: Host, given: Namespace) -> str:
    return shown(host.read(f"/v1/assets?alias={quote(given.alias)}", given.wait).get("assets"), as_json=True)


def _events(host: Host, given: Namespace) -> str:
    query = [f"{'alias' if given.alias else 'name'}={quote(given.name)}"]
    query += [f"{name}={quote(value)}" for name in _NARROWED if (value := getattr(given, name)) is not None]
    query += ["ascending=false"] if given.newest_first else []
    found = host.read("/v1/asset-events?" + "&".join(query), given.wait).get("events")
    return shown(part(found, given.field), as_json=given.json)


def _event(host: Host, given: Namespace) -> None:
    body: dict[str, object] = {"name": given.name}
    if given.stands_for is not None:
        uri = {} if given.uri is None else {"uri": given.uri}
        body = {"alias": given.name, "asset": {"name": given.stands_for, **uri}}
    host.write("POST", "/v1/outlet-events", {**body, "extra": _extra(given.extra)})


def _extra(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise RefusedError(f"--extra is not JSON ({problem}): write an object, like '{{\"rows\": 128}}'") from None


def _state_get(host: Host, given: Namespace) -> str:
    try:
        value = host.read(_state_path(given), given.wait).get("value")
    except NotFoundError:
        if given.default is None:
            raise
        value = given.default
    return shown(value, as_json=given.json)


def _state_set(host: Host, given: Namespace) -> None:
    host.write("PUT", _state_path(given), {"value": given_value(given)})


def _state_delete(host: Host, given: Namespace) -> None:
    host.write("DELETE", _state_path(given))


def _state_clear(host: Host, given: Namespace) -> None:
    host.write("DELETE", f"/v1/asset-state?name={quote(given.name)}")


def _state_keys(host: Host, given: Namespace) -> str:
    path = f"/v1/asset-state?name={quote(given.name)}&prefix={quote(given.prefix)}"
    return shown(host.read(path, given.wait).get("keys"), as_json=True)


def _state_path(given: Namespace) -> str:
    return f"/v1/asset-state/{quote(given.key)}?name={quote(given.name)}"
