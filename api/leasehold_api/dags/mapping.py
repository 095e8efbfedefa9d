"""How many instances a mapped task has, and which item of each of its sources one of them is for. Pure.

A source is made of leaves, in the order in which they are written: a list in the manifest, a parameter, an upstream
result. ``leasehold.runtime.rules.mapped`` has the same rules for the site, and a test compares the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any, cast

from leasehold_protocol.v1.manifest import Expression
from leasehold_protocol.v1.mapping import ConcatenatedValue, Mapped, Source, ZippedValue

Leaf = Expression


def leaves(mapped: Mapped) -> list[Leaf]:
    """Return the leaves of all axes."""
    return [leaf for axis in mapped.axes for leaf in _leaves(axis.source)]


def instances(mapped: Mapped, lengths: Sequence[int]) -> int:
    """Return how many instances there are when the leaves have these lengths."""
    return prod(_axis_lengths(mapped, iter(lengths)))


def indices(mapped: Mapped, lengths: Sequence[int], map_index: int) -> list[int | None]:
    """Return for each leaf which item an instance takes of it: all combinations, the last axis varies fastest."""
    at: list[int] = []
    rest = map_index
    for length in reversed(_axis_lengths(mapped, iter(lengths))):
        rest, index = divmod(rest, length)
        at.append(index)
    left = iter(lengths)
    return [
        found
        for axis, index in zip(mapped.axes, reversed(at), strict=True)
        for found in _indices(axis.source, left, index)
    ]


def length_of(value: Any) -> int | None:
    """Return how many items a JSON value has that tasks can be mapped over; None: it has none, it is no list."""
    inner = untagged(value)
    return len(inner) if isinstance(inner, list | dict) else None


def item_of(value: Any, index: int) -> Any:
    """Return one item of such a value: of a list what is there, of a dictionary the pair of key and value."""
    inner = untagged(value)
    if isinstance(inner, dict):
        key = list(cast("dict[str, Any]", inner))[index]
        return {"$type": "tuple", "value": [key, inner[key]]}
    return inner[index]


def untagged(value: Any) -> Any:
    """Return the list of a tuple, or the dictionary that had to be wrapped; anything else as it is."""
    match value:
        case {"$type": "tuple", "value": list(inner)} | {"$type": "dict", "value": dict(inner)} if len(value) == 2:
            return cast("Any", inner)
        case {"$type": str()}:
            return None
        case _:
            return value


def said_of(value: Any) -> str:
    """Return what a value is that can't be mapped over, for people."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case str():
            return "text"
        case int() | float():
            return "a number"
        case _:
            return "neither a list nor a dictionary"


def _leaves(source: Source) -> Iterator[Leaf]:
    if isinstance(source, ZippedValue | ConcatenatedValue):
        for part in source.parts:
            yield from _leaves(part)
    else:
        yield source


def _axis_lengths(mapped: Mapped, lengths: Iterator[int]) -> list[int]:
    return [_length(axis.source, lengths) for axis in mapped.axes]


def _length(source: Source, lengths: Iterator[int]) -> int:
    """Return a source's length; takes those of its leaves from ``lengths``."""
    if isinstance(source, ConcatenatedValue):
        return sum(_length(part, lengths) for part in source.parts)
    if isinstance(source, ZippedValue):
        parts = [_length(part, lengths) for part in source.parts]
        return max(parts) if source.longest else min(parts)
    return next(lengths)


def _indices(source: Source, lengths: Iterator[int], index: int | None) -> Iterator[int | None]:
    """Yield for each leaf of a source which item stands for the source's item ``index``."""
    if isinstance(source, ZippedValue):
        mine = [next(lengths) for _ in _leaves(source)]
        here = index if index is not None and index < _length(source, iter(mine)) else None
        left = iter(mine)
        for part in source.parts:
            yield from _indices(part, left, here)
    elif isinstance(source, ConcatenatedValue):
        for part in source.parts:
            mine = [next(lengths) for _ in _leaves(part)]
            length = _length(part, iter(mine))
            here = index if index is not None and 0 <= index < length else None
            yield from _indices(part, iter(mine), here)
            index = None if index is None or here is not None else index - length
    else:
        length = next(lengths)
        yield index if index is not None and index < length else None
