"""What admins ordered through the API: a pause, a drain, fewer slots. The API says it again in every answer."""

from __future__ import annotations

import asyncio
import logging

from leasehold_agent.attempts.roster import Roster
from leasehold_agent.clock import ServerClock
from leasehold_agent.health.reasons import Name
from leasehold_protocol.v1.orders import Order, Orders

logger = logging.getLogger(__name__)


class ApiOrders:
    """Obeys the newest orders. A pause ends by itself, whether the API can be reached or not."""

    def __init__(self, roster: Roster, clock: ServerClock) -> None:
        self._roster = roster
        self._clock = clock
        self._orders: Orders | None = None
        self.drain_asked = asyncio.Event()

    @property
    def are_heard(self) -> bool:
        """The API is one that gives orders, also to an agent that asks for no leases."""
        return self._orders is not None

    def take(self, orders: Orders | None) -> bool:
        """Take what an answer says; an answer without any changes nothing.

        Returns:
            whether fewer slots were ordered when the API was greeted: what it said of slots then holds no more.
        """
        if orders is None:
            return False
        before, self._orders = self._orders, orders
        if before != orders and (before is not None or orders != Orders()):
            facts = {"paused": orders.pause is not None, "drained": orders.drain is not None}
            logger.info("orders of the API", extra=facts | {"slots": orders.slots.slots if orders.slots else None})
        self.apply()
        # An agent that is started while a drain holds stays, without work, to hear when it ends: a service manager
        # would only start it again.
        if before is not None and before.drain is None and orders.drain is not None:
            self.drain_asked.set()
        return before is not None and before.slots is not None and before.slots != orders.slots

    def apply(self) -> None:
        """Hold or end what the orders say at this moment."""
        orders = self._orders or Orders()
        self._hold(Name.API_PAUSE, "paused", orders.pause)
        self._hold(Name.API_DRAIN, "drained", orders.drain)
        self._roster.set_order(orders.slots.slots if orders.slots else None)

    def _hold(self, name: Name, what: str, order: Order | None) -> None:
        if order is None or (order.until is not None and order.until.timestamp() <= self._clock.now()):
            self._roster.resume(name)
            return
        note = f": {order.note}" if order.note else ""
        until = f" until {order.until:%Y-%m-%d %H:%M:%S} UTC" if order.until else ""
        self._roster.pause(name, f"{what} through the API by {order.by}{note}{until}")
