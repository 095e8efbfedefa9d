"""What a task said shall follow if it succeeds: tasks that are skipped, events of its outlets."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from leasehold.runtime.rules.assets import OutletEvents
from leasehold_agent.host.checks import Object


class IfItSucceeds:
    """Kept in memory: it is part of ``ending.json``, and without an ending there is no success.

    Attributes:
        outlet_events: What the events of outlets say.
    """

    def __init__(self) -> None:
        self.outlet_events = OutletEvents()
        self._skips: dict[str, None] = {}

    def skip(self, tasks: Iterable[str]) -> None:
        """Remember tasks that are skipped."""
        self._skips.update(dict.fromkeys(tasks))

    def said(self, mask: Callable[[object], object]) -> Object:
        """Return the fields of ``ending.json``; what people will read has no secrets in it."""
        events = [mask(event) for event in self.outlet_events.said()]
        found: Object = {"skip": list(self._skips), "asset_events": events}
        return {name: value for name, value in found.items() if value}
