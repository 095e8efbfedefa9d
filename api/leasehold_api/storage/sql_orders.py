"""What is ordered of an agent, as its row keeps it: JSON, or nothing."""

from __future__ import annotations

from leasehold_api.fleet.orders import in_force
from leasehold_protocol.v1.orders import Orders


def orders_at(stored: str | None, *, now: float) -> Orders:
    """Return the orders that hold at ``now``."""
    return Orders() if stored is None else in_force(Orders.model_validate_json(stored), now=now)


def to_store(orders: Orders) -> str | None:
    """Return what the row keeps."""
    return None if orders == Orders() else orders.model_dump_json(exclude_none=True)
