"""What the routes find in the house: every service by name, built once in the composition root."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from fastapi import Request

if TYPE_CHECKING:
    from leasehold_api.house import House


def house(request: Request) -> House:
    """Return the services."""
    return cast("House", request.app.state.house)
