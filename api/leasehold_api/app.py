"""The app: which routes there are, what is around all of them, and the house that they serve."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, FastAPI

from leasehold_api import __version__
from leasehold_api.http import (
    agent_keys,
    agent_link,
    agent_orders,
    agent_stream,
    agents,
    assets,
    attempts,
    audit,
    connections,
    dags,
    description,
    health,
    inputs,
    pools,
    probe,
    problems,
    retention,
    run_operations,
    runs,
    schedules,
    service_clients,
    sites,
    task_assets,
    task_context,
    task_runs,
    task_state,
    task_xcoms,
    teams,
    tokens,
    updates,
    variables,
    webhooks,
)
from leasehold_api.http.access_check import check_every_route_is_listed
from leasehold_api.http.bodies import BoundedBodies
from leasehold_api.http.handing_nonces import HandsOutNonces
from leasehold_api.http.house import House
from leasehold_api.http.oauth import server as oauth_server
from leasehold_api.http.oauth import tokens as oauth_tokens
from leasehold_api.http.pages import authorize, devices
from leasehold_api.http.pages import errors as page_errors
from leasehold_api.http.people_routers import PEOPLE

ROUTERS: tuple[APIRouter, ...] = (
    health.router,
    description.router,
    updates.router,
    probe.router,
    oauth_server.router,
    oauth_tokens.router,
    authorize.router,
    devices.router,
    agent_link.router,
    agent_stream.router,
    agent_keys.router,
    attempts.router,
    task_context.router,
    task_xcoms.router,
    task_runs.router,
    task_state.router,
    task_assets.router,
    teams.router,
    sites.router,
    tokens.router,
    service_clients.router,
    agents.router,
    agent_orders.router,
    connections.router,
    variables.router,
    pools.router,
    dags.router,
    schedules.router,
    assets.router,
    runs.router,
    run_operations.router,
    retention.router,
    inputs.router,
    webhooks.router,
    audit.router,
    *PEOPLE,
)


def make_app(house: House | None = None) -> FastAPI:
    """Return the app that serves ``house``. Without one it only describes itself (the OpenAPI document)."""
    app = FastAPI(
        title="Leasehold API",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    problems.install(app)
    page_errors.install(app)
    for router in ROUTERS:
        # Not include_router: it would make each route, with its models, once more.
        app.router.routes.extend(router.routes)
    check_every_route_is_listed(app)
    app.openapi = partial(description.describe, app)  # type: ignore[method-assign]  # FastAPI's documented way
    if house is not None:
        app.state.house = house
        app.add_middleware(BoundedBodies, most_bytes=house.settings.most_body_bytes)
        app.add_middleware(HandsOutNonces)
    return app
