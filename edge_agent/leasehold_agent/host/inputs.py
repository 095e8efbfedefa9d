"""What a task is given: inputs too large for its lease, and the item that an instance of a mapped task is for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from leasehold.runtime.expressions import ExpressionError, facts_from_context, render
from leasehold.runtime.rules.mapped import item_of, leaves
from leasehold.runtime.rules.telling import LONGEST_LABEL
from leasehold_agent.host.checks import Object
from leasehold_agent.host.fetching import Ask, fetched
from leasehold_agent.host.lease import HostLease
from leasehold_agent.host.task_context import inputs_to_fetch, xcom_path
from leasehold_agent.runtimes.port import WorkRefusedError

_ITEM = "item "
"""What is fetched for an item goes by this and the number of its leaf; no task has a space in its name."""


class Inputs:
    """One attempt's.

    Attributes:
        fetched: ``<task>/<key>`` → value, of what was too large to travel with the lease.
        item: Of an instance of a mapped task: argument → encoded value.
    """

    def __init__(self, lease: HostLease) -> None:
        self._lease = lease
        self._parts: dict[int, object] = {}
        self.fetched: dict[str, object] = {}
        self.item: Object | None = None

    async def fetch(
        self, ask: Ask, stopped: asyncio.Event, read: Callable[[str], object], say: Callable[[str], None]
    ) -> None:
        """Get what was too large for the lease. Waits for the API as long as the lease lasts.

        Raises:
            RuntimeMissingError: if the API has no value for one.
        """
        wanted = inputs_to_fetch(self._lease) | _items_to_fetch(self._lease)
        if not wanted:
            return
        say(f"waiting for inputs too large to travel with the lease: {', '.join(wanted)}")
        for name, value in (await fetched(wanted, ask, stopped, read)).items():
            if name.startswith(_ITEM):
                self._parts[int(name.removeprefix(_ITEM))] = value
            else:
                self.fetched[name] = value

    def choose(self, context: Object) -> None:
        """Find the item that this instance is for, with the context that is known so far.

        Raises:
            WorkRefusedError: if there is none.
        """
        if self._lease.mapped is None:
            return
        try:
            self.item = item_of(self._lease.mapped, list(self._lease.item), facts_from_context(context), self._parts)
        except (ExpressionError, IndexError) as problem:
            raise WorkRefusedError(str(problem)) from None
        self._parts.clear()

    def label(self, context: Object) -> str | None:
        """Return what the author wants this instance to be called; says so when that can't be worked out."""
        template = (self._lease.mapped or {}).get("label")
        if not isinstance(template, str):
            return None
        try:
            text = render(template, facts_from_context(context))
        except ExpressionError as problem:
            text = f"map_index_template: {problem}"
        return "".join(letter if letter.isprintable() else " " for letter in text)[:LONGEST_LABEL] or None


def _items_to_fetch(lease: HostLease) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, (leaf, part) in enumerate(zip(leaves(lease.mapped or {}), lease.item, strict=False)):
        if part.get("given") is True or part.get("index") is None or leaf.get("kind") not in ("result", "results"):
            continue
        of = part.get("map_index")
        key = str(leaf.get("key", "return_value"))
        found[f"{_ITEM}{number}"] = xcom_path(str(leaf.get("task")), key, of if isinstance(of, int) else -1)
    return found
