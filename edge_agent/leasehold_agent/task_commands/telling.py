"""What a task tells: when a function returns, the host has it on disk."""

from __future__ import annotations

import json
import sys
from argparse import Namespace

from leasehold.durations import seconds
from leasehold.errors import RefusedError
from leasehold.runtime.host import Host
from leasehold.runtime.wire import quote


def set_variable(host: Host, given: Namespace) -> None:
    """Set a variable."""
    about = {} if given.description is None else {"description": given.description}
    host.write("PUT", f"/v1/variables/{quote(given.key)}", {"value": given_value(given), **about})


def delete_variable(host: Host, given: Namespace) -> None:
    """Delete a variable."""
    host.write("DELETE", f"/v1/variables/{quote(given.key)}")


def push_xcom(host: Host, given: Namespace) -> None:
    """Leave a value for other tasks."""
    host.write("PUT", f"/v1/xcoms/{quote(given.key)}", {"value": given_value(given)})


def delete_xcom(host: Host, given: Namespace) -> None:
    """Take back what this task left."""
    host.write("DELETE", f"/v1/xcoms/{quote(given.key)}")


def put_file(host: Host, given: Namespace) -> None:
    """Leave a file for other tasks."""
    from leasehold.runtime.files import File
    from leasehold.runtime.values import ValueNotSupportedError, encode

    try:
        value = encode(File(given.path, media_type=given.media_type), "the file")
    except ValueNotSupportedError as problem:
        raise RefusedError(str(problem)) from None
    host.write("PUT", "/v1/result" if given.key is None else f"/v1/xcoms/{quote(given.key)}", {"value": value})


def result(host: Host, given: Namespace) -> None:
    """Set the task's result."""
    host.write("PUT", "/v1/result", {"value": given_value(given)})


def heartbeat(host: Host, given: Namespace) -> None:
    """Give a sign of life."""
    host.write("POST", "/v1/heartbeat", {"progress": _finite(given.progress), "note": given.note})


def label(host: Host, given: Namespace) -> None:
    """Say what people shall call the task instance."""
    host.write("POST", "/v1/label", {"label": given.label})


def metric(host: Host, given: Namespace) -> None:
    """Send one measurement."""
    point = {"name": given.name, "kind": given.kind, "value": _number(given), "tags": dict(given.tag)}
    host.write("POST", "/v1/metrics", point)


def log(host: Host, given: Namespace) -> None:
    """Write one record."""
    message = _text(given.message)
    host.write("POST", "/v1/log", {"level": given.level, "message": message, "fields": dict(given.field)})


def mask(host: Host, given: Namespace) -> None:
    """Hide what is on standard input."""
    del given
    host.write("POST", "/v1/mask", {"value": _text(None)})


def ending(host: Host, given: Namespace) -> None:
    """Say how the task ends."""
    after_s = None if given.after is None else seconds(given.after)
    host.write("PUT", "/v1/ending", {"kind": given.kind, "message": given.message, "retry_after_s": after_s})


def given_value(given: Namespace) -> object:
    """Return the value that a command was given, as an argument or on standard input.

    Raises:
        RefusedError: if it is not what it was said to be.
    """
    text = _text(given.value)
    if not given.json:
        return text
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as problem:
        raise RefusedError(f"the value is not JSON ({problem}): without --json it is taken as text") from None


def _text(argument: str | None) -> str:
    if argument is not None and argument != "-":
        return argument
    try:
        text = sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        raise RefusedError("standard input is not UTF-8 text: convert it first, with base64 for example") from None
    return text.removesuffix("\n").removesuffix("\r")


def _number(given: Namespace) -> float | None:
    if given.value is None:
        return 1.0
    try:
        return _finite(float(given.value))
    except ValueError:
        raise RefusedError(f"{given.value!r} is no number: write it like 128 or 0.5") from None


def _finite(number: float | None) -> float | None:
    if number is not None and number - number != 0.0:  # true of NaN and both infinities
        raise RefusedError(f"{number} is no number that JSON has: leave it out")
    return number


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")
