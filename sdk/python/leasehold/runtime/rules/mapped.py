"""Which item an instance of a mapped task is for: the rules of a site, on the manifest's JSON. Pure.

A source is made of leaves: a list in the manifest, a parameter, an upstream result. The lease says for each leaf, in
the order in which they are written, which item it is (``ItemPart``), and brings it along if it is small. What stands in
the entry itself is taken from there, so that in a signed version the signature covers it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import cast

from leasehold.runtime.expressions import ExpressionError, Facts, evaluate
from leasehold.runtime.values import encode

Json = Mapping[str, object]
_NOT_THERE = object()


def leaves(mapped: Json) -> list[Json]:
    """Return the leaves of all axes."""
    return [leaf for axis in _objects(mapped.get("axes")) for leaf in _leaves(_object(axis.get("source")))]


def instances(mapped: Json, lengths: list[int]) -> int:
    """Return how many instances there are when the leaves have these lengths."""
    return prod(_axis_lengths(mapped, iter(lengths)))


def indices(mapped: Json, lengths: list[int], map_index: int) -> list[int | None]:
    """Return for each leaf which item an instance takes of it: all combinations, the last axis varies fastest."""
    at: list[int] = []
    rest = map_index
    for length in reversed(_axis_lengths(mapped, iter(lengths))):
        rest, index = divmod(rest, length)
        at.append(index)
    left, found = iter(lengths), list[int | None]()
    for axis, index in zip(_objects(mapped.get("axes")), reversed(at), strict=True):
        found += _indices(_object(axis.get("source")), left, index)
    return found


def length_of(value: object) -> int | None:
    """Return how many items a JSON value has that tasks can be mapped over; None: it has none."""
    inner = untagged(value)
    return len(inner) if isinstance(inner, list | dict) else None


def untagged(value: object) -> object:
    """Return the list of a tuple, or the dictionary that had to be wrapped; anything else as it is."""
    if not isinstance(value, dict) or not isinstance(tag := value.get("$type"), str):
        return value
    inner = value.get("value")
    return (
        inner if (tag == "tuple" and isinstance(inner, list)) or (tag == "dict" and isinstance(inner, dict)) else None
    )


def item_of(mapped: Json, parts: Sequence[Json], facts: Facts, fetched: Mapping[int, object]) -> dict[str, object]:
    """Return argument → encoded value of one instance.

    Args:
        mapped: What the task is mapped over.
        parts: The lease's word on each leaf.
        facts: For lists in the manifest that hold expressions, and for parameters.
        fetched: Number of a leaf → the value that was too large for the lease: of ``result`` all of it.

    Raises:
        ExpressionError: if there is no such item, or it does not fit.
    """
    each = enumerate(parts)
    item: dict[str, object] = {}
    for axis in _objects(mapped.get("axes")):
        value = _item(_object(axis.get("source")), each, facts, fetched)
        name = axis.get("name")
        if isinstance(name, str):
            item[name] = None if value is _NOT_THERE else value
            continue
        named = untagged(value)
        if not isinstance(named, dict):
            raise ExpressionError(
                "an item of expand_kwargs is no dictionary: every item has to be one, of arguments by their names"
            )
        item.update(cast("dict[str, object]", named))
    return item


def picked(value: object, index: int) -> object:
    """Return one item of a JSON value: of a list what is there, of a dictionary the pair of key and value.

    Raises:
        ExpressionError: if there is no such item.
    """
    inner = untagged(value)
    try:
        if isinstance(inner, list):
            return cast("list[object]", inner)[index]
        if isinstance(inner, dict):
            key = list(cast("dict[str, object]", inner))[index]
            return {"$type": "tuple", "value": [key, inner[key]]}
    except IndexError:
        pass
    raise ExpressionError(f"what this task is mapped over has no item {index} any more")


def _item(source: Json, parts: Iterator[tuple[int, Json]], facts: Facts, fetched: Mapping[int, object]) -> object:
    """Return the item of one source, with the parts of its leaves; ``_NOT_THERE``: it is over before."""
    match source.get("kind"):
        case "zipped":
            values = [_item(part, parts, facts, fetched) for part in _objects(source.get("parts"))]
            if all(value is _NOT_THERE for value in values):
                return _NOT_THERE
            filled = [source.get("fill") if value is _NOT_THERE else value for value in values]
            names = source.get("names")
            if isinstance(names, list):
                return dict(zip(cast("list[str]", names), filled, strict=True))
            return {"$type": "tuple", "value": filled}
        case "concatenated":
            values = [_item(part, parts, facts, fetched) for part in _objects(source.get("parts"))]
            return next((value for value in values if value is not _NOT_THERE), _NOT_THERE)
        case _:
            number, part = next(parts, (-1, {}))
            index = part.get("index")
            return _of_leaf(source, part, index, facts, fetched, number) if isinstance(index, int) else _NOT_THERE


def _of_leaf(leaf: Json, part: Json, index: int, facts: Facts, fetched: Mapping[int, object], number: int) -> object:
    match leaf:
        case {"kind": "literal", "value": list() | dict() as value}:
            return picked(value, index)
        case {"kind": "list", "items": list(items)}:
            return encode(evaluate(cast("Json", picked(items, index)), facts))
        case {"kind": "dict", "items": dict(items)}:
            key = list(cast("dict[str, Json]", items))[index]
            return {"$type": "tuple", "value": [key, encode(evaluate(items[key], facts))]}
        case {"kind": "param", "name": str(name)}:
            return picked(facts.params.get(name), index)
        case _ if part.get("given") is True:
            return part.get("value")
        case {"kind": "result"} if number in fetched:
            return picked(fetched[number], index)
        case {"kind": "results"} if number in fetched:
            return fetched[number]
        case _:
            raise ExpressionError("the lease brought no item of what this task is mapped over: update the API")


def _leaves(source: Json) -> Iterator[Json]:
    if source.get("kind") in ("zipped", "concatenated"):
        for part in _objects(source.get("parts")):
            yield from _leaves(part)
    else:
        yield source


def _axis_lengths(mapped: Json, lengths: Iterator[int]) -> list[int]:
    return [_length(_object(axis.get("source")), lengths) for axis in _objects(mapped.get("axes"))]


def _length(source: Json, lengths: Iterator[int]) -> int:
    """Return a source's length; takes those of its leaves from ``lengths``."""
    match source.get("kind"):
        case "concatenated":
            return sum(_length(part, lengths) for part in _objects(source.get("parts")))
        case "zipped":
            parts = [_length(part, lengths) for part in _objects(source.get("parts"))]
            return max(parts) if source.get("longest") is True else min(parts)
        case _:
            return next(lengths)


def _indices(source: Json, lengths: Iterator[int], index: int | None) -> Iterator[int | None]:
    """Yield for each leaf of a source which item stands for the source's item ``index``."""
    match source.get("kind"):
        case "zipped":
            mine = [next(lengths) for _ in _leaves(source)]
            here = index if index is not None and index < _length(source, iter(mine)) else None
            left = iter(mine)
            for part in _objects(source.get("parts")):
                yield from _indices(part, left, here)
        case "concatenated":
            for part in _objects(source.get("parts")):
                mine = [next(lengths) for _ in _leaves(part)]
                length = _length(part, iter(mine))
                here = index if index is not None and 0 <= index < length else None
                yield from _indices(part, iter(mine), here)
                index = None if index is None or here is not None else index - length
        case _:
            length = next(lengths)
            yield index if index is not None and index < length else None


def _object(value: object) -> Json:
    return cast("Json", value) if isinstance(value, dict) else {}


def _objects(value: object) -> list[Json]:
    return [_object(one) for one in cast("list[object]", value)] if isinstance(value, list) else []
