"""XComs in memory: what the task leaves, and what others left for it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Protocol

from leasehold.errors import NotFoundError
from leasehold.runtime.in_memory.calls import Answer, Calls, Query
from leasehold.runtime.in_memory.told import Told
from leasehold.runtime.rules import asking, checks
from leasehold.runtime.rules.written_values import written_value

RESULT_KEY = "return_value"
_PAGE = 64


class XComs(Protocol):
    """What others left, encoded. What is not there is ``NotFoundError``."""

    def xcom(self, task: str, key: str, map_index: int) -> object:
        """Return a value of this run."""
        ...

    def xcom_of(self, run: str, task: str, key: str, map_index: int) -> object:
        """Return a value of another run of the DAG: of its id, ``"previous"``, or ``"prior"``, the newest there is."""
        ...

    def mapped(self, task: str, key: str) -> list[tuple[int, object]]:
        """Return (map index, value) of the instances of a task of this run, in their order."""
        ...


class XComCalls:
    """The last value of a key counts."""

    def __init__(
        self, told: Told, left: XComs, *, context: Mapping[str, object] | None, upstream: Collection[str]
    ) -> None:
        self._told = told
        self._left = left
        self._is_anybody = context is None
        about = context or {}
        run = about.get("run")
        self._task = str(about.get("task", ""))
        self._run = str(run.get("run", "")) if isinstance(run, Mapping) else ""
        self._index = about.get("map_index", -1)
        self._upstream = upstream

    def calls(self) -> Calls:
        """Return the paths of this room."""
        return {
            "/v1/result": {"PUT": self._result},
            "/v1/xcoms/": {"GET": self._read, "PUT": self._write, "DELETE": self._delete},
            "/v1/mapped-xcoms/": {"GET": self._read_mapped},
        }

    def _result(self, _: str, __: Query, body: bytes) -> Answer:
        self._told.xcoms[RESULT_KEY] = written_value(body)
        return None

    def _write(self, key: str, _: Query, body: bytes) -> Answer:
        self._told.xcoms[checks.key(key)] = written_value(body)
        return None

    def _delete(self, key: str, _: Query, __: bytes) -> Answer:
        if self._told.xcoms.pop(checks.key(key), None) is None:
            raise asking.not_written(key)
        return None

    def _read(self, key: str, query: Query, _: bytes) -> Answer:
        task, index = query.get("task", self._task), asking.map_index(query.get("map_index"))
        run = "prior" if query.get("include_prior") == "true" else query.get("run")
        if run not in (None, self._run):
            return _answer(task, key, -1 if index is None else index, self._from(str(run), task, key, index))
        if task == self._task and index in (None, self._index):
            if checks.key(key) not in self._told.xcoms:
                raise asking.not_written(key)
            return _answer(task, key, -1 if index is None else index, json.loads(self._told.xcoms[key]))
        self._require_upstream(task)
        index = -1 if index is None else index
        return _answer(task, key, index, self._left.xcom(task, key, index))

    def _from(self, run: str, task: str, key: str, index: int | None) -> object:
        return self._left.xcom_of(run, task, key, -1 if index is None else index)

    def _read_mapped(self, key: str, query: Query, _: bytes) -> Answer:
        task = query.get("task", self._task)
        self._require_upstream(task)
        found = self._left.mapped(task, key)
        offset, limit = int(query.get("offset", 0)), min(int(query.get("limit", _PAGE)), _PAGE)
        items = [_answer(task, key, index, value) for index, value in found[offset : offset + limit]]
        return {"count": len(found), "items": items}

    def _require_upstream(self, task: str) -> None:
        if not self._is_anybody and task != self._task and task not in self._upstream:
            raise asking.not_upstream(task, self._task)


def _answer(task: str, key: str, map_index: int, value: object) -> Mapping[str, object]:
    size = len(checks.json_text(value))
    return {"task": task, "map_index": map_index, "key": key, "size": size, "value": value, "inline": True}


class GivenXComs:
    """What other tasks left, as a test says it.

    Attributes:
        values: (task, key, map index) → value, of this run.
        earlier: (run, task, key, map index) → value, the newest run first.
    """

    def __init__(
        self,
        values: Mapping[tuple[str, str, int], object] | None = None,
        earlier: Mapping[tuple[str, str, str, int], object] | None = None,
    ) -> None:
        self.values: Mapping[tuple[str, str, int], object] = {} if values is None else values
        self.earlier = earlier or {}

    def xcom(self, task: str, key: str, map_index: int) -> object:
        """See ``XComs``."""
        if (task, key, map_index) not in self.values:
            raise NotFoundError(f"the task {task!r} has left nothing under the key {key!r}")
        return self.values[task, key, map_index]

    def xcom_of(self, run: str, task: str, key: str, map_index: int) -> object:
        """See ``XComs``."""
        if run == "prior" and (task, key, map_index) in self.values:
            return self.values[task, key, map_index]
        runs = list(dict.fromkeys(name for name, *_ in self.earlier))
        for name in runs[:1] if run == "previous" else runs if run == "prior" else [run]:
            if (name, task, key, map_index) in self.earlier:
                return self.earlier[name, task, key, map_index]
        cure = f'give the test one, earlier={{("{run}", "{task}", "{key}", {map_index}): …}}'
        raise NotFoundError(f"no run {run!r} has a value of {task!r} under the key {key!r}: {cure}")

    def mapped(self, task: str, key: str) -> list[tuple[int, object]]:
        """See ``XComs``."""
        found = [(index, value) for (of, name, index), value in self.values.items() if (of, name) == (task, key)]
        indexed = [one for one in found if one[0] >= 0]
        return sorted(indexed or found, key=lambda one: one[0])
