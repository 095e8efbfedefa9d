"""The instances of a mapped task in a run in one process: the API's rules. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from leasehold.runtime.expressions import ExpressionError, facts_from_context, render
from leasehold.runtime.rules.mapped import indices, instances, item_of, leaves, length_of, picked
from leasehold.testing.results import Log, TaskResult

XComValues = Mapping[tuple[str, str, int], object]


class NotExpandedError(Exception):
    """A mapped task ends without any instance.

    Attributes:
        state: How.
        reason: Why.
    """

    def __init__(self, state: str, reason: str) -> None:
        super().__init__(reason)
        self.state = state
        self.reason = reason


def items_of(mapped: Mapping[str, Any], xcoms: XComValues, context: Mapping[str, Any]) -> list[dict[str, object]]:
    """Return what each instance is for: argument → encoded value.

    Raises:
        NotExpandedError: if there is none, or what it is mapped over has no items.
    """
    facts = facts_from_context(context)
    values = [_value(leaf, xcoms, facts.params) for leaf in leaves(mapped)]
    lengths = [_length(value, leaf) for value, leaf in zip(values, leaves(mapped), strict=True)]
    count = instances(mapped, lengths)
    if count == 0:
        raise NotExpandedError("skipped", "there is nothing to map over: a list is empty")
    items: list[dict[str, object]] = []
    for map_index in range(count):
        parts = [
            {} if index is None else {"index": index, "given": True, "value": _picked(leaf, value, index)}
            for leaf, value, index in zip(leaves(mapped), values, indices(mapped, lengths, map_index), strict=True)
        ]
        try:
            items.append(item_of(mapped, parts, facts, {}))
        except ExpressionError as problem:
            raise NotExpandedError("failed", str(problem)) from None
    return items


def label_of(mapped: Mapping[str, Any], context: Mapping[str, Any]) -> str | None:
    """Return what the author wants an instance to be called."""
    template = mapped.get("label")
    return render(template, facts_from_context(context)) if isinstance(template, str) else None


def gathered(task: str, found: Sequence[TaskResult]) -> TaskResult:
    """Return how all instances ended: failed if one did, skipped if all were."""
    states = {one.state for one in found}
    state = "failed" if "failed" in states else "skipped" if states == {"skipped"} else "success"
    first = next((one for one in found if one.state == state), found[0])
    keys = dict.fromkeys(key for one in found for key in one.xcoms)
    return TaskResult(
        id=task,
        state=state,
        result=[one.result for one in found if one.result is not None],
        xcoms={key: [one.xcoms[key] for one in found if key in one.xcoms] for key in keys},
        log=Log(record for one in found for record in one.log),
        metrics=[metric for one in found for metric in one.metrics],
        tries=max(one.tries for one in found),
        error=first.error and f"[{first.map_index}] {first.error}",
        exception=first.exception,
        waited_s=sum(one.waited_s for one in found),
        instances=list(found),
    )


def _value(leaf: Mapping[str, Any], xcoms: XComValues, params: Mapping[str, object]) -> object:
    """Return the value of a leaf, encoded; of a list in the DAG its expressions."""
    match leaf:
        case {"kind": "literal", "value": value}:
            return value
        case {"kind": "list" | "dict", "items": items}:
            return items
        case {"kind": "param", "name": str(name)}:
            return params.get(name)
        case {"kind": "result", "task": str(task), "key": str(key)}:
            return xcoms.get((task, key, -1))
        case {"kind": "results", "task": str(task), "key": str(key)}:
            found = [(index, value) for (of, name, index), value in xcoms.items() if (of, name) == (task, key)]
            return [value for _, value in sorted(found, key=lambda one: one[0])]
        case _:
            raise NotExpandedError("failed", f"an expression of kind {leaf.get('kind')} can't be mapped over")


def _length(value: object, leaf: Mapping[str, Any]) -> int:
    if (length := length_of(value)) is None:
        where = f"what {leaf['task']} returned" if leaf.get("kind") == "result" else "what it is mapped over"
        said = "nothing" if value is None else repr(value)[:80]
        raise NotExpandedError(
            "failed",
            f"it can't be mapped over {where}, which is {said}: a list, a tuple or a dictionary is needed; "
            "what is the same for all instances goes into partial(…)",
        )
    return length


def _picked(leaf: Mapping[str, Any], value: object, index: int) -> object:
    if leaf.get("kind") == "results" and isinstance(value, list):
        return value[index]
    return None if leaf.get("kind") in ("list", "dict") else picked(value, index)
