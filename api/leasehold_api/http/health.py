"""``/healthz``: is the service up?"""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel

from leasehold_api import __version__
from leasehold_api.http.house import house

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The service answers."""

    status: str
    service: str
    version: str
    metrics_export: str | None = None
    """What is wrong with the export of metrics, as far as this process knows; none: nothing."""


@router.get("/healthz", response_model=Health)
async def healthz(request: Request) -> Health:
    """Say that the service is up, and which it is."""
    exporting = house(request).metric_exporter
    trouble = exporting.trouble if exporting else None
    return Health(status="ok", service="leasehold-api", version=__version__, metrics_export=trouble)
