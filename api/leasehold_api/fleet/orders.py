"""What people order of an agent: how orders come, end and add up. Pure rules."""

from __future__ import annotations

from collections.abc import Callable

from leasehold_api.clock import instant
from leasehold_protocol.v1.orders import Order, Orders, SlotsOrder

Revision = Callable[[Orders], Orders]
"""From the orders that hold to those that shall."""


def in_force(orders: Orders, *, now: float) -> Orders:
    """Return what still holds at ``now``: a pause ends by itself."""
    pause = orders.pause
    if pause is None or pause.until is None or pause.until.timestamp() > now:
        return orders
    return orders.model_copy(update={"pause": None})


def paused(*, note: str, for_s: float | None, by: str, now: float) -> Revision:
    """Take no new leases; the newest pause counts."""
    until = None if for_s is None else instant(now + for_s)
    order = Order(by=by, note=note, since=instant(now), until=until)
    return lambda orders: orders.model_copy(update={"pause": order})


def drained(*, note: str, by: str, now: float) -> Revision:
    """Take no new leases and end; draining twice is draining once."""
    order = Order(by=by, note=note, since=instant(now))
    return lambda orders: orders if orders.drain else orders.model_copy(update={"drain": order})


def resumed() -> Revision:
    """Work again, paused or drained; the slots stay as they were ordered."""
    return lambda orders: orders.model_copy(update={"pause": None, "drain": None})


def with_slots(slots: int | None, *, note: str, by: str, now: float) -> Revision:
    """Use this many slots at most; none: what its operator and its site allow."""
    order = None if slots is None else SlotsOrder(slots=slots, by=by, note=note, since=instant(now))
    return lambda orders: orders.model_copy(update={"slots": order})


def most_slots(ceiling: int, orders: Orders) -> int:
    """Return how many attempts an agent may run by its site's ceiling and its orders: none while it takes no work."""
    if orders.pause is not None or orders.drain is not None:
        return 0
    return min(ceiling, orders.slots.slots) if orders.slots else ceiling
