"""What a task asks: each function returns the text to print."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping
from typing import cast

from leasehold.errors import NotFoundError
from leasehold.runtime.host import Host
from leasehold.runtime.wire import quote


def context(host: Host, given: Namespace) -> str:
    """Who the task is and what it was given."""
    answer = host.read("/v1/context")
    return shown(_part(answer, given.field), as_json=False)


def connection(host: Host, given: Namespace) -> str:
    """Return a connection, or one part of it."""
    answer = host.read(f"/v1/connections/{quote(given.name)}", given.wait)
    return shown(_part(answer, given.field), as_json=given.json)


def variable(host: Host, given: Namespace) -> str:
    """Return a variable's value, or the default."""
    try:
        value = host.read(f"/v1/variables/{quote(given.key)}", given.wait).get("value")
    except NotFoundError:
        if given.default is None:
            raise
        value = given.default
    return shown(value, as_json=given.json)


def xcom(host: Host, given: Namespace) -> str:
    """Return what an upstream task left."""
    path = f"/v1/xcoms/{quote(given.key or 'return_value')}?task={quote(given.task)}&map_index={given.map_index}"
    return shown(host.read(path, given.wait).get("value"), as_json=given.json)


def id_token(host: Host, given: Namespace) -> str:
    """Return an identity token."""
    return shown(host.ask("/v1/id-token", {"audience": given.audience}, given.wait).get("token"), as_json=given.json)


def _part(answer: Mapping[str, object], path: str | None) -> object:
    """Return what ``path`` (dotted names, or numbers in lists) leads to.

    Raises:
        NotFoundError: if there is nothing.
    """
    found: object = answer
    for name in path.split(".") if path else ():
        try:
            if isinstance(found, list):
                found = cast("list[object]", found)[int(name)]
            else:
                found = cast("dict[str, object]", found)[name]
        except (LookupError, TypeError, ValueError):
            raise NotFoundError(f"there is no field {path!r}: without --field everything is shown") from None
    return found


def shown(value: object, *, as_json: bool) -> str:
    """Return a value as it is printed: text as it is, the rest as JSON."""
    if isinstance(value, str) and not as_json:
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
