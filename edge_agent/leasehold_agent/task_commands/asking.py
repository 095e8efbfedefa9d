"""What a task asks: each function returns the text to print."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import cast

from leasehold.errors import NotFoundError, RefusedError
from leasehold.runtime.host import Host
from leasehold.runtime.wire import quote


def context(host: Host, given: Namespace) -> str:
    """Who the task is and what it was given."""
    answer = host.read("/v1/context")
    return shown(part(answer, given.field), as_json=False)


def connection(host: Host, given: Namespace) -> str:
    """Return a connection, or one part of it."""
    answer = host.read(f"/v1/connections/{quote(given.name)}", given.wait)
    return shown(part(answer, given.field), as_json=given.json)


def variable(host: Host, given: Namespace) -> str:
    """Return a variable's value, or the default."""
    try:
        value = host.read(f"/v1/variables/{quote(given.key)}", given.wait).get("value")
    except NotFoundError:
        if given.default is None:
            raise
        value = given.default
    return shown(value, as_json=given.json)


def variables(host: Host, given: Namespace) -> str | None:
    """Return the keys there are."""
    del host
    from leasehold.runtime.variables import Variable

    keys = Variable.list(given.prefix or "", wait=given.wait)
    return json.dumps(keys) if given.json else "\n".join(keys) if keys else None


def xcom(host: Host, given: Namespace) -> str:
    """Return what an upstream task left."""
    try:
        value = _xcom(host, given)
    except NotFoundError:
        if given.default is None:
            raise
        value = given.default
    return shown(value, as_json=given.json)


def all_xcoms(host: Host, given: Namespace) -> str | None:
    """Return what a mapped task's instances left, a line for each."""
    from leasehold.runtime.pulled import Pulled

    found = Pulled(host, given.task, given.key or "return_value", run=given.run, wait=given.wait, decoding=_as_it_is)
    return "\n".join(shown(value, as_json=True) for value in found) or None


def count_xcoms(host: Host, given: Namespace) -> str:
    """Return how many of a task's instances left a value."""
    from leasehold.runtime import xcom as xcoms

    del host
    return str(xcoms.count(given.task, given.key or "return_value", run=given.run, wait=given.wait))


def get_file(host: Host, given: Namespace) -> str:
    """Write a file that another task left; return where."""
    from leasehold.runtime.files import File

    match _xcom(host, given):
        case {"$type": "file", "value": dict(told)}:
            file = File.received(told)
            return str(file.save(given.output or file.name))
        case _:
            raise RefusedError(f"what {given.task} left there is no file: read it with xcom pull")


def _xcom(host: Host, given: Namespace) -> object:
    path = f"/v1/xcoms/{quote(given.key or 'return_value')}?task={quote(given.task)}&map_index={given.map_index}"
    path += f"&run={quote(given.run)}" if given.run is not None else ""
    path += "&include_prior=true" if given.include_prior else ""
    return host.read(path, given.wait).get("value")


def _as_it_is(value: object) -> object:
    return value


def id_token(host: Host, given: Namespace) -> str:
    """Return an identity token."""
    return shown(host.ask("/v1/id-token", {"audience": given.audience}, given.wait).get("token"), as_json=given.json)


def part(answer: object, path: str | None) -> object:
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
