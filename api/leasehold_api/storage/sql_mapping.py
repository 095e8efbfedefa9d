"""A mapped task becomes an instance for each item, in the transaction that lets it run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, text

from leasehold_api.dags.mapping import Leaf, instances, leaves, length_of, said_of
from leasehold_api.dags.plan import Plan
from leasehold_api.signals import Signal, Topic
from leasehold_api.storage.sql_admission import hold_still, move_up
from leasehold_api.storage.tables import task_instances
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.manifest import (
    DictValue,
    ListValue,
    LiteralValue,
    ParamValue,
    ResultsValue,
    ResultValue,
    TaskEntry,
)
from leasehold_protocol.v1.runs import TaskState

AT_A_TIME = 1000
"""Rows that one statement adds."""
_MOST_WOKEN = 256
"""Who is woken takes as many as it has slots for; more calls than this for one placement wake nobody else."""

_PARAMS = text("SELECT params FROM runs WHERE id = :run")

_RESULT = text("""
    SELECT t.state, x.value, x.object, x.length
      FROM task_instances t
      LEFT JOIN xcoms x ON x.task_instance_id = t.id AND x.epoch = t.epoch AND x.key = :key
     WHERE t.run_id = :run AND t.task = :task AND t.map_index = -1
""")

_RESULTS = text("""
    SELECT count(*) AS instances, count(x.key) AS found
      FROM task_instances t
      LEFT JOIN xcoms x ON x.task_instance_id = t.id AND x.epoch = t.epoch AND x.key = :key
     WHERE t.run_id = :run AND t.task = :task AND t.map_index >= 0
""")

_REMEMBER = text("""
    INSERT INTO map_expansions (run_id, task, lengths, sparse) VALUES (:run, :task, :lengths, :sparse)
    ON CONFLICT (run_id, task) DO UPDATE SET lengths = excluded.lengths, sparse = excluded.sparse
""")

_FIRST = text("""
    UPDATE task_instances
       SET map_index = 0, state = 'queued', queued_at = :now, due_at = :now + queue_timeout_s, reason = NULL,
           blocked_on = line_id
     WHERE id = :id
    RETURNING team_id, line_id, due_at
""")

_MORE_TO_WAIT_FOR = text("""
    UPDATE task_instances SET waits_for = waits_for + :more WHERE run_id = :run AND task IN :after AND state = 'none'
""").bindparams(bindparam("after", expanding=True))

_MORE_OPEN = text("UPDATE runs SET open_tasks = open_tasks + :more WHERE id = :run")

_COPIED = ", ".join(column.name for column in task_instances.columns if column.name not in {"id", "map_index"})
_ADD = (
    f"INSERT INTO task_instances (id, map_index, {_COPIED}) SELECT {{id}}, n.i, {_COPIED} FROM task_instances t, {{n}}"
)
_ADD_SQLITE = text(
    _ADD.format(
        id="t.id || '_' || printf('%06d', n.i)",
        n="(WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i < :last) SELECT i FROM n) AS n",
    )
    + " WHERE t.id = :id"
)
_ADD_POSTGRESQL = text(
    _ADD.format(
        id="t.id || '_' || lpad(n.i::text, 6, '0')",
        n="generate_series(CAST(:first AS integer), CAST(:last AS integer)) AS n(i)",
    )
    + " WHERE t.id = :id"
)


@dataclass(frozen=True, slots=True)
class NotExpanded:
    """A mapped task that ends without any instance, and why."""

    state: TaskState
    reason: str


class _CanNotBeMappedError(Exception):
    def __init__(self, state: TaskState, reason: str) -> None:
        super().__init__(reason)
        self.state = state
        self.reason = reason


def expand(
    tx: Transaction, plan: Plan, *, run: str, instance: str, task: str, placement: str, now: float
) -> NotExpanded | None:
    """Make one unexpanded mapped task, which waits for nothing more, as many instances as it has items, all queued.

    Its row becomes the first of them. What comes after it waits for all of them from here on.
    """
    entry = plan.entries[task]
    mapped = entry.mapped
    if mapped is None:
        raise TypeError(f"task {task} is not mapped")
    sources = _Sources(tx, run, entry)
    try:
        lengths = [sources.length(leaf) for leaf in leaves(mapped)]
    except _CanNotBeMappedError as problem:
        return NotExpanded(problem.state, problem.reason)
    count = instances(mapped, lengths)
    if count == 0:
        return NotExpanded(TaskState.SKIPPED, "there is nothing to map over: a list is empty")
    if count > plan.max_map_length:
        return NotExpanded(
            TaskState.FAILED,
            f"it would have {count:,} instances, and max_map_length of this service allows {plan.max_map_length:,}: "
            "map over fewer things, lists of them perhaps, or ask an admin to raise it",
        )
    remembered = {"lengths": json.dumps(lengths), "sparse": json.dumps(sources.sparse)}
    tx.run(_REMEMBER, {"run": run, "task": task, **remembered})
    first = tx.run(_FIRST, {"id": instance, "now": now}).one()
    statement = _ADD_POSTGRESQL if tx.dialect == "postgresql" else _ADD_SQLITE
    for begin in range(1, count, AT_A_TIME):
        tx.run(statement, {"id": instance, "first": begin, "last": min(begin + AT_A_TIME, count) - 1})
    if count > 1:
        tx.run(_MORE_OPEN, {"run": run, "more": count - 1})
        if after := plan.downstream.get(task):
            tx.run(_MORE_TO_WAIT_FOR, {"run": run, "after": after, "more": count - 1})
    _let_in(tx, first, count, placement=placement, now=now)
    return None


def _let_in(tx: Transaction, first: Row[Any], count: int, *, placement: str, now: float) -> None:
    """Wake those who can lease the new instances; or let as many pass as what limits them has room for."""
    if first.due_at is not None:
        tx.signal(Signal(Topic.TIMER, ""))
    if first.line_id is not None:
        hold_still(tx, first.team_id)
        move_up(tx, first.line_id, now=now)
        return
    for _ in range(min(count, _MOST_WOKEN)):
        tx.signal(Signal(Topic.QUEUED, placement))


class _Sources:
    """Reads how many items there are of what a task is mapped over.

    Attributes:
        sparse: The numbers of those leaves of which some instances left nothing.
    """

    def __init__(self, tx: Transaction, run: str, entry: TaskEntry) -> None:
        self._tx = tx
        self._run = run
        self._entry = entry
        self._seen = 0
        self.sparse: list[int] = []

    def length(self, leaf: Leaf) -> int:
        """Return a leaf's length.

        Raises:
            _CanNotBeMappedError: if it has none.
        """
        self._seen += 1
        match leaf:
            case LiteralValue(value=value):
                return self._of_value(value, "what it is mapped over")
            case ListValue(items=items):
                return len(items)
            case DictValue(items=named):
                return len(named)
            case ParamValue(name=name):
                params = json.loads(self._tx.run(_PARAMS, {"run": self._run}).scalar_one())
                return self._of_value(params.get(name), f"the parameter {name}")
            case ResultValue(task=task, key=key):
                return self._of_result(task, key)
            case ResultsValue(task=task, key=key):
                row = self._tx.run(_RESULTS, {"run": self._run, "task": task, "key": key}).one()
                if row.found != row.instances:
                    self.sparse.append(self._seen - 1)
                return int(row.found)
            case _:
                raise _CanNotBeMappedError(TaskState.FAILED, f"an expression of kind {leaf.kind} can't be mapped over")

    def _of_result(self, task: str, key: str) -> int:
        row = self._tx.run(_RESULT, {"run": self._run, "task": task, "key": key}).one_or_none()
        what = f"what {task} returned" if key == "return_value" else f"what {task} left under {key}"
        if row is None or (row.value is None and row.object is None):
            if row is None or row.state == TaskState.SUCCESS:
                return self._of_value(None, what)
            reason = f"it is mapped over {what}, and {task} was {row.state.replace('_', ' ')}"
            raise _CanNotBeMappedError(TaskState.UPSTREAM_FAILED, reason)
        if row.value is not None:
            return self._of_value(json.loads(row.value), what)
        if row.length is None:
            reason = f"{what} is neither a list nor a dictionary, or was delivered by an agent that is too old to say"
            raise _CanNotBeMappedError(TaskState.FAILED, f"it can't be mapped over {what}: {reason}")
        return int(row.length)

    def _of_value(self, value: Any, what: str) -> int:
        if (length := length_of(value)) is None:
            raise _CanNotBeMappedError(
                TaskState.FAILED,
                f"it can't be mapped over {what}, which is {said_of(value)}: a list, a tuple or a dictionary is "
                "needed; what is the same for all instances goes into partial(…)",
            )
        return length
