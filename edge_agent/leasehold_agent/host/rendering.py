"""What a task's arguments came to, as people are shown it: short texts, secrets masked. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import cast

from leasehold.runtime.expressions import Facts, facts_from_context, parameter, render

MOST_OF_A_FIELD = 4096
"""Characters of one field."""
MOST_IN_ALL = 64 * 1024
"""Characters of all fields."""
_LOOKED_AT = 64 * 1024
"""Characters of a field that are masked before it is cut: no secret is cut in two."""
_SENSITIVE = re.compile(r"passw|passphrase|secret|token|api_?key|private|credential|authorization", re.IGNORECASE)
_HIDDEN = "***"

Value = Mapping[str, object]


def rendered(work: Value, context: Value, mask: Callable[[str], str]) -> dict[str, object]:
    """Return the protocol's ``Rendered`` of a task; empty when it has no arguments.

    Args:
        work: The manifest's ``Work``, as JSON.
        context: The ``TaskContext``, as JSON.
        mask: Replaces the secrets in a text.
    """
    facts = facts_from_context(context)
    fields: list[dict[str, object]] = []
    left, left_out = MOST_IN_ALL, 0
    for name, expression in _expressions(work, facts.item):
        text, cut = _shown(name, expression, facts, mask)
        if len(name) + len(text) > left:
            left_out += 1
            continue
        left -= len(name) + len(text)
        fields.append({"name": name[:200], "text": text, "cut": cut})
    return {"fields": fields, "left_out": left_out} if fields or left_out else {}


def _expressions(work: Value, item: Iterable[str]) -> Iterator[tuple[str, Value]]:
    """Yield (name, expression) of every argument and variable."""
    for group in ("args", "argv"):
        for number, expression in enumerate(cast("list[Value]", work.get(group) or [])):
            yield f"{group}[{number}]", expression
    yield from cast("Mapping[str, Value]", work.get("kwargs") or {}).items()
    for name, expression in cast("Mapping[str, Value]", work.get("env") or {}).items():
        yield f"env.{name}", expression
    if work.get("spread") is True:
        prefix = "env." if work.get("kind") != "python" else ""
        for name in item:
            yield f"{prefix}{name}", {"kind": "item", "name": name}


def _shown(name: str, expression: Value, facts: Facts, mask: Callable[[str], str]) -> tuple[str, bool]:
    if _SENSITIVE.search(name):
        return _HIDDEN, False
    try:
        value = _value(expression, facts)
    except ValueError as problem:
        value = f"could not be worked out: {problem}"
    text = mask(_beginning(value))
    return text[:MOST_OF_A_FIELD], len(text) > MOST_OF_A_FIELD


def _value(expression: Value, facts: Facts) -> object:
    """Return the JSON that an expression stands for; what has a tag keeps it: nothing is decoded only to be shown."""
    match expression:
        case {"kind": "literal", "value": value}:
            return value
        case {"kind": "param", "name": str(name)}:
            return parameter(name, facts)
        case {"kind": "result", "task": str(task)}:
            return facts.inputs.get(f"{task}/{expression.get('key', 'return_value')}")
        case {"kind": "results", "task": str(task)}:
            name = f"{task}/{expression.get('key', 'return_value')}"
            return facts.inputs.get(name, f"(what the instances of {task} left)")
        case {"kind": "item", "name": str(name)}:
            return facts.item.get(name)
        case {"kind": "template", "text": str(text)}:
            return render(text, facts)
        case {"kind": "list", "items": list(items)}:
            return [_value(item, facts) for item in cast("list[Value]", items)]
        case {"kind": "dict", "items": dict(entries)}:
            return {key: _value(entry, facts) for key, entry in cast("dict[str, Value]", entries).items()}
        case _:
            raise ValueError(f"this agent knows no argument of the kind {expression.get('kind')!r}")


def _beginning(value: object) -> str:
    """Return the first part of a value as text: text as it is, the rest as JSON, however long it goes on."""
    if isinstance(value, str):
        return value[:_LOOKED_AT]
    parts: list[str] = []
    length = 0
    for part in _pieces(value):
        parts.append(part)
        length += len(part)
        if length > _LOOKED_AT:
            break
    return "".join(parts)[:_LOOKED_AT]


def _pieces(value: object) -> Iterator[str]:
    """Yield JSON text piece by piece; what goes by the name of a secret is hidden."""
    match value:
        case dict():
            opened = "{"
            for key, item in cast("dict[object, object]", value).items():
                yield f"{opened}{json.dumps(str(key), ensure_ascii=False)}: "
                opened = ", "
                yield from ['"***"'] if _SENSITIVE.search(str(key)) else _pieces(item)
            yield "{}" if opened == "{" else "}"
        case list():
            items = cast("list[object]", value)
            separators = chain(["["], iter(lambda: ", ", None))
            for separator, item in zip(separators, items, strict=False):
                yield separator
                yield from _pieces(item)
            yield "]" if items else "[]"
        case str():
            yield json.dumps(value[:_LOOKED_AT], ensure_ascii=False)
        case _:
            yield json.dumps(value)
