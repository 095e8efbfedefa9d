"""``/healthz``: is the service up?"""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from leasehold_api import __version__

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The service answers."""

    status: str
    service: str
    version: str


@router.get("/healthz", response_model=Health)
async def healthz() -> Health:
    """Say that the service is up, and which it is."""
    return Health(status="ok", service="leasehold-api", version=__version__)
