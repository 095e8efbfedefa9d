"""Which items the leased instances of mapped tasks are for: what is small travels with the lease."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, bindparam, text

from leasehold_api.dags.mapping import Leaf, indices, item_of, leaves
from leasehold_api.dags.plan import Plan
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.leases import Input
from leasehold_protocol.v1.manifest import LiteralValue, ResultsValue, ResultValue
from leasehold_protocol.v1.mapping import ItemPart

MOST_VALUES = 64
"""How many values of a mapped upstream task travel with a lease; more are read when the task asks."""

_LENGTHS = text("""
    SELECT task, lengths, sparse FROM map_expansions WHERE run_id = :run AND task IN :tasks
""").bindparams(bindparam("tasks", expanding=True))

_VALUES = """
    SELECT t.map_index, x.size, x.value
      FROM task_instances t JOIN xcoms x ON x.task_instance_id = t.id AND x.epoch = t.epoch
     WHERE t.run_id = :run AND t.task = :task AND x.key = :key AND {which}
"""
_AT = text(_VALUES.format(which="t.map_index IN :at")).bindparams(bindparam("at", expanding=True))
_NTH = text(_VALUES.format(which="t.map_index >= 0 ORDER BY t.map_index LIMIT 1 OFFSET :at"))
_FIRST = text(_VALUES.format(which="t.map_index >= 0 ORDER BY t.map_index LIMIT :most"))


class Items:
    """The items of task instances that one transaction leases."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._expansions: dict[tuple[str, str], tuple[list[int], list[int]]] = {}
        self._results: dict[tuple[str, str, str], Any] = {}
        self._lists: dict[tuple[str, str, str], Input] = {}

    def parts(self, rows: Sequence[Row[Any]], plans: Sequence[Plan]) -> dict[str, list[ItemPart]]:
        """Return task instance → the parts of its item, for those that are instances of mapped tasks."""
        mapped = [(row, plan) for row, plan in zip(rows, plans, strict=True) if row.map_index >= 0]
        self._look_up({(row.run_id, row.task) for row, _ in mapped})
        self._read_instances(mapped)
        return {row.id: self._parts(row, plan) for row, plan in mapped if (row.run_id, row.task) in self._expansions}

    def list_of(self, run: str, task: str, key: str, *, budget: int) -> Input:
        """Return what the instances of a mapped task left, if it is little."""
        if (known := self._lists.get((run, task, key))) is None:
            wanted = {"run": run, "task": task, "key": key, "most": MOST_VALUES + 1}
            rows = self._tx.run(_FIRST, wanted).all()
            size = sum(row.size for row in rows)
            fits = len(rows) <= MOST_VALUES and size <= budget and all(row.value is not None for row in rows)
            value = [json.loads(row.value) for row in rows] if fits else None
            known = Input(task=task, key=key, size=size, inline=fits, value=value, mapped=True)
            self._lists[run, task, key] = known
        if known.inline and known.size > budget:
            return known.model_copy(update={"inline": False, "value": None})
        return known

    def _look_up(self, tasks: set[tuple[str, str]]) -> None:
        by_run: defaultdict[str, list[str]] = defaultdict(list)
        for run, task in sorted(tasks):
            by_run[run].append(task)
        for run, names in by_run.items():
            for found in self._tx.run(_LENGTHS, {"run": run, "tasks": names}):
                self._expansions[run, found.task] = json.loads(found.lengths), json.loads(found.sparse)

    def _read_instances(self, mapped: Sequence[tuple[Row[Any], Plan]]) -> None:
        """Read at once what instances of mapped upstream tasks left for these."""
        wanted: defaultdict[tuple[str, str, str], set[int]] = defaultdict(set)
        for row, plan in mapped:
            for number, leaf, index in self._leaves(row, plan):
                if isinstance(leaf, ResultsValue) and index is not None and number not in self._sparse(row):
                    wanted[row.run_id, leaf.task, leaf.key].add(index)
        for (run, task, key), at in wanted.items():
            for found in self._tx.run(_AT, {"run": run, "task": task, "key": key, "at": sorted(at)}):
                self._results[run, task, f"{key}\n{found.map_index}"] = found

    def _parts(self, row: Row[Any], plan: Plan) -> list[ItemPart]:
        is_signed = plan.signature is not None
        return [self._part(row, leaf, index, is_signed) for _, leaf, index in self._leaves(row, plan)]

    def _part(self, row: Row[Any], leaf: Leaf, index: int | None, is_signed: bool) -> ItemPart:
        if index is None:
            return ItemPart()
        match leaf:
            case LiteralValue(value=value) if not is_signed:
                return ItemPart(index=index, given=True, value=item_of(value, index))
            case ResultValue(task=task, key=key):
                value = self._result(row.run_id, task, key)
                # Larger ones are in the object store: the site fetches them, and takes its item there.
                return ItemPart(index=index) if value is None else ItemPart(
                    index=index, given=True, value=item_of(value, index)
                )  # fmt: skip
            case ResultsValue(task=task, key=key):
                return self._of_instance(row.run_id, task, key, index)
            case _:
                return ItemPart(index=index)

    def _result(self, run: str, task: str, key: str) -> Any:
        if (run, task, key) not in self._results:
            found = self._tx.run(_AT, {"run": run, "task": task, "key": key, "at": [-1]}).one_or_none()
            self._results[run, task, key] = None if found is None or found.value is None else json.loads(found.value)
        return self._results[run, task, key]

    def _of_instance(self, run: str, task: str, key: str, index: int) -> ItemPart:
        found = self._results.get((run, task, f"{key}\n{index}"))
        if found is None:
            found = self._tx.run(_NTH, {"run": run, "task": task, "key": key, "at": index}).one_or_none()
        if found is None:
            return ItemPart(index=index)
        if found.value is None:
            return ItemPart(index=index, map_index=found.map_index)
        return ItemPart(index=index, given=True, value=json.loads(found.value), map_index=found.map_index)

    def _leaves(self, row: Row[Any], plan: Plan) -> list[tuple[int, Leaf, int | None]]:
        mapped, expansion = plan.entries[row.task].mapped, self._expansions.get((row.run_id, row.task))
        if mapped is None or expansion is None:
            return []
        found = zip(leaves(mapped), indices(mapped, expansion[0], row.map_index), strict=True)
        return [(number, leaf, index) for number, (leaf, index) in enumerate(found)]

    def _sparse(self, row: Row[Any]) -> list[int]:
        return self._expansions[row.run_id, row.task][1]
