"""The one text of a message that is hashed for a signature: the same at the author's, at the API and at every site.

Fields that have their default are left out, except ``kind``, which says what a part is. So a protocol that grew by a
field with a default gives old messages the text they had; and who does not know a field that is set gets another text,
and refuses.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from enum import Enum
from functools import cache
from typing import Any, cast

from pydantic import BaseModel

_SAYS_WHAT_IT_IS = "kind"
_SIMPLE = {str, int, float, bool, type(None)}


def canonical(message: BaseModel, *, without: Collection[str] = ()) -> bytes:
    """Return the canonical text: JSON in ASCII, keys in the order of their code points, no spaces.

    Numbers are as Python writes them: whole ones in decimal, others as the shortest text that gives the same double.

    Args:
        message: what was read from JSON; values that no JSON has are refused.
        without: fields of ``message`` itself to leave out.

    Raises:
        ValueError: a value is no JSON (NaN, infinity).
    """
    fields = {name: value for name, value in _fields(message).items() if name not in without}
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")


def digest(message: BaseModel, *, without: Collection[str] = ()) -> str:
    """Return the SHA-256 of the canonical text, in hexadecimal."""
    return hashlib.sha256(canonical(message, without=without)).hexdigest()


def _fields(message: BaseModel) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, is_always_said, default in _known(type(message)):
        value = getattr(message, name)
        if is_always_said or value != default:
            found[name] = value if type(value) in _SIMPLE else _plain(value)
    return found


@cache
def _known(model: type[BaseModel]) -> list[tuple[str, bool, Any]]:
    """Return the fields of a model: name, whether it is always said, default."""
    return [
        (name, name == _SAYS_WHAT_IT_IS or field.is_required(), field.get_default(call_default_factory=True))
        for name, field in model.model_fields.items()
    ]


def _plain(value: object) -> Any:
    if isinstance(value, BaseModel):
        return _fields(value)
    if isinstance(value, list):
        return [_plain(item) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in cast("dict[str, object]", value).items()}
    return value.value if isinstance(value, Enum) else value
