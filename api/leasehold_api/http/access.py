"""Who may call what: one table of all routes, and the dependencies that enforce it.

Every route is listed here with the kind of caller and, for people, the least role. Dependencies take what they require
from this table at each request, and ``access_check`` refuses an app whose routes differ from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import Path, Request
from fastapi.routing import APIRoute

from leasehold_api.callers import AgentCaller, PersonCaller, TaskCaller, TeamCaller
from leasehold_api.errors import ApiError, ForbiddenError
from leasehold_api.fleet.roles import includes
from leasehold_api.http.authentication import Authentication
from leasehold_api.http.house import house
from leasehold_api.http.requirements import Kind as Kind
from leasehold_api.http.requirements import Requirement as Requirement
from leasehold_protocol.v1.fleet import Role
from leasehold_protocol.v1.message import Name

_OPEN = Requirement(Kind.OPEN)
_AGENT = Requirement(Kind.AGENT)
_FINISHING_AGENT = Requirement(Kind.AGENT, while_finishing=True)
_TASK = Requirement(Kind.TASK)
_PAGE = Requirement(Kind.PAGE)
_SIGNED_IN = Requirement(Kind.SIGNED_IN)
_PERSON = Requirement(Kind.PERSON)
_PLATFORM_ADMIN = Requirement(Kind.PLATFORM_ADMIN)
_VIEWER = Requirement(Kind.TEAM, Role.VIEWER)
_AUTHOR = Requirement(Kind.TEAM, Role.AUTHOR)
_OPERATOR = Requirement(Kind.TEAM, Role.OPERATOR)
_ADMIN = Requirement(Kind.TEAM, Role.ADMIN)

_T = "/v1/teams/{team}"

ACCESS: dict[tuple[str, str], Requirement] = {
    ("GET", "/healthz"): _OPEN,
    ("GET", "/healthz/way"): _OPEN,  # whoever has the service's own keys: leasehold-api doctor
    ("GET", "/v1/openapi.json"): _OPEN,
    ("GET", "/updates/{path:path}"): _OPEN,
    ("GET", "/.well-known/oauth-authorization-server"): _OPEN,
    ("GET", "/.well-known/openid-configuration"): _OPEN,
    ("GET", "/oauth/jwks.json"): _OPEN,
    ("POST", "/oauth/register"): _OPEN,
    ("POST", "/oauth/token"): _OPEN,
    ("POST", "/oauth/device_authorization"): _OPEN,
    ("POST", "/oauth/revoke"): _OPEN,
    ("POST", "/oauth/introspect"): _OPEN,
    # ── pages ──
    ("GET", "/"): _SIGNED_IN,
    ("GET", "/sign-in"): _PAGE,
    ("POST", "/sign-in"): _PAGE,
    ("GET", "/sign-in/provider"): _PAGE,
    ("GET", "/sign-in/callback"): _PAGE,
    ("POST", "/sign-out"): _SIGNED_IN,
    ("GET", "/welcome"): _PAGE,
    ("POST", "/welcome"): _PAGE,
    ("POST", "/sessions/{session}/end"): _SIGNED_IN,
    ("POST", "/sessions/end-all"): _SIGNED_IN,
    ("POST", "/sign-ins/{sign_in}/end"): _SIGNED_IN,
    ("GET", "/static/{name}"): _OPEN,
    ("GET", "/oauth/authorize"): _SIGNED_IN,
    ("POST", "/oauth/authorize"): _SIGNED_IN,
    ("GET", "/device"): _SIGNED_IN,
    ("POST", "/device"): _SIGNED_IN,
    # ── agents ──
    ("POST", "/v1/agent/hello"): _FINISHING_AGENT,
    ("POST", "/v1/agent/leases"): _AGENT,
    ("POST", "/v1/agent/stream"): _AGENT,
    ("POST", "/v1/agent/stream/grants"): _AGENT,
    ("POST", "/v1/agent/renewals"): _FINISHING_AGENT,
    ("POST", "/v1/agent/outcomes"): _FINISHING_AGENT,
    ("PUT", "/v1/agent/key"): _AGENT,
    ("POST", "/v1/agent/handover"): _AGENT,
    ("PATCH", "/v1/attempts/{attempt}/log"): _FINISHING_AGENT,
    ("POST", "/v1/attempts/{attempt}/metrics"): _FINISHING_AGENT,
    ("PUT", "/v1/attempts/{attempt}/xcoms/{key:path}"): _FINISHING_AGENT,
    ("PUT", "/v1/attempts/{attempt}/state"): _FINISHING_AGENT,
    ("POST", "/v1/attempts/{attempt}/uploads"): _FINISHING_AGENT,
    ("PUT", "/v1/attempts/{attempt}/uploads/{sha256}"): _FINISHING_AGENT,
    ("PATCH", "/v1/attempts/{attempt}/uploads/{sha256}"): _FINISHING_AGENT,
    ("GET", "/v1/bundles/{sha256}"): _FINISHING_AGENT,
    # ── tasks ──
    ("GET", "/v1/task/connections/{connection}"): _TASK,
    ("GET", "/v1/task/variables"): _TASK,
    ("GET", "/v1/task/variables/{key:path}"): _TASK,
    ("PUT", "/v1/task/variables/{key:path}"): _TASK,
    ("DELETE", "/v1/task/variables/{key:path}"): _TASK,
    ("GET", "/v1/task/xcoms/{task}/{key:path}"): _TASK,
    ("GET", "/v1/task/xcoms/{task}/{key:path}/content"): _TASK,
    ("GET", "/v1/task/state"): _TASK,
    ("GET", "/v1/task/state/{key:path}"): _TASK,
    ("GET", "/v1/task/mapped-xcoms/{task}/{key:path}"): _TASK,
    ("GET", "/v1/task/files/{sha256}"): _TASK,
    ("POST", "/v1/task/id-token"): _TASK,
    ("POST", "/v1/task/runs"): _TASK,
    ("GET", "/v1/task/runs/previous"): _TASK,
    ("GET", "/v1/task/runs/count"): _TASK,
    ("GET", "/v1/task/runs/{run}"): _TASK,
    ("GET", "/v1/task/task-instances"): _TASK,
    ("GET", "/v1/task/task-instances/count"): _TASK,
    ("GET", "/v1/task/task-instances/previous"): _TASK,
    ("GET", "/v1/task/dags/{dag}"): _TASK,
    ("GET", "/v1/task/asset"): _TASK,
    ("GET", "/v1/task/assets"): _TASK,
    ("GET", "/v1/task/asset-events"): _TASK,
    ("GET", "/v1/task/asset-state"): _TASK,
    ("DELETE", "/v1/task/asset-state"): _TASK,
    ("GET", "/v1/task/asset-state/{key:path}"): _TASK,
    ("PUT", "/v1/task/asset-state/{key:path}"): _TASK,
    ("DELETE", "/v1/task/asset-state/{key:path}"): _TASK,
    # ── people and programs ──
    ("GET", "/v1/whoami"): _PERSON,
    ("GET", "/v1/teams"): _PERSON,
    ("POST", "/v1/teams"): _PLATFORM_ADMIN,
    ("GET", "/v1/audit"): _PLATFORM_ADMIN,
    ("GET", "/v1/users"): _PLATFORM_ADMIN,
    ("POST", "/v1/users"): _PLATFORM_ADMIN,
    ("GET", "/v1/users/{user}"): _PLATFORM_ADMIN,
    ("DELETE", "/v1/users/{user}"): _PLATFORM_ADMIN,
    ("POST", "/v1/users/{user}/lock"): _PLATFORM_ADMIN,
    ("POST", "/v1/users/{user}/unlock"): _PLATFORM_ADMIN,
    ("POST", "/v1/users/{user}/reset"): _PLATFORM_ADMIN,
    ("PUT", "/v1/users/{user}/platform-admin"): _PLATFORM_ADMIN,
    ("GET", f"{_T}/members"): _VIEWER,
    ("PUT", f"{_T}/members/{{user}}"): _ADMIN,
    ("DELETE", f"{_T}/members/{{user}}"): _ADMIN,
    ("GET", f"{_T}/audit"): _ADMIN,
    ("GET", f"{_T}/sites"): _VIEWER,
    ("GET", f"{_T}/sites/{{site}}"): _VIEWER,
    ("PUT", f"{_T}/sites/{{site}}"): _OPERATOR,
    ("DELETE", f"{_T}/sites/{{site}}"): _OPERATOR,
    ("POST", f"{_T}/sites/{{site}}/lock"): _OPERATOR,
    ("POST", f"{_T}/sites/{{site}}/unlock"): _OPERATOR,
    ("POST", f"{_T}/sites/{{site}}/trust"): _ADMIN,
    ("POST", f"{_T}/sites/{{site}}/untrust"): _ADMIN,
    ("POST", f"{_T}/sites/{{site}}/enrolment-tokens"): _OPERATOR,
    ("POST", f"{_T}/sites/{{site}}/preregistrations"): _OPERATOR,
    ("GET", f"{_T}/enrolment-tokens"): _OPERATOR,
    ("DELETE", f"{_T}/enrolment-tokens/{{token}}"): _OPERATOR,
    ("GET", f"{_T}/agents"): _VIEWER,
    ("GET", f"{_T}/agents/{{agent}}"): _VIEWER,
    ("POST", f"{_T}/agents/{{agent}}/lock"): _OPERATOR,
    ("POST", f"{_T}/agents/{{agent}}/unlock"): _OPERATOR,
    ("POST", f"{_T}/agents/{{agent}}/pause"): _OPERATOR,
    ("POST", f"{_T}/agents/{{agent}}/drain"): _OPERATOR,
    ("POST", f"{_T}/agents/{{agent}}/resume"): _OPERATOR,
    ("POST", f"{_T}/agents/{{agent}}/slots"): _OPERATOR,
    ("GET", f"{_T}/api-tokens"): _ADMIN,
    ("POST", f"{_T}/api-tokens"): _ADMIN,
    ("DELETE", f"{_T}/api-tokens/{{token}}"): _ADMIN,
    ("GET", f"{_T}/service-clients"): _ADMIN,
    ("POST", f"{_T}/service-clients"): _ADMIN,
    ("POST", f"{_T}/service-clients/{{client}}/lock"): _ADMIN,
    ("POST", f"{_T}/service-clients/{{client}}/unlock"): _ADMIN,
    ("POST", f"{_T}/service-clients/{{client}}/secret"): _ADMIN,
    ("DELETE", f"{_T}/service-clients/{{client}}"): _ADMIN,
    ("GET", f"{_T}/connections"): _VIEWER,
    ("GET", f"{_T}/connections/{{connection}}"): _VIEWER,
    ("PUT", f"{_T}/connections/{{connection}}"): _ADMIN,
    ("DELETE", f"{_T}/connections/{{connection}}"): _ADMIN,
    ("GET", f"{_T}/variables"): _VIEWER,
    ("GET", f"{_T}/variables/{{key:path}}"): _VIEWER,
    ("PUT", f"{_T}/variables/{{key:path}}"): _AUTHOR,
    ("DELETE", f"{_T}/variables/{{key:path}}"): _AUTHOR,
    ("HEAD", f"{_T}/bundles/{{sha256}}"): _VIEWER,
    ("GET", f"{_T}/bundles/{{sha256}}"): _AUTHOR,
    ("PUT", f"{_T}/bundles/{{sha256}}"): _AUTHOR,
    ("GET", f"{_T}/dags"): _VIEWER,
    ("POST", f"{_T}/dags"): _AUTHOR,
    ("GET", f"{_T}/dags/{{dag}}"): _VIEWER,
    ("GET", f"{_T}/dags/{{dag}}/versions"): _VIEWER,
    ("POST", f"{_T}/dags/{{dag}}/runs"): _AUTHOR,
    ("POST", f"{_T}/dags/{{dag}}/pause"): _AUTHOR,
    ("POST", f"{_T}/dags/{{dag}}/unpause"): _AUTHOR,
    ("GET", f"{_T}/dags/{{dag}}/backfill-plan"): _VIEWER,
    ("POST", f"{_T}/dags/{{dag}}/backfills"): _AUTHOR,
    ("GET", f"{_T}/backfills"): _VIEWER,
    ("GET", f"{_T}/backfills/{{backfill}}"): _VIEWER,
    ("POST", f"{_T}/backfills/{{backfill}}/cancel"): _AUTHOR,
    ("GET", f"{_T}/runs"): _VIEWER,
    ("GET", f"{_T}/runs/{{run}}"): _VIEWER,
    ("DELETE", f"{_T}/runs/{{run}}"): _OPERATOR,
    ("POST", f"{_T}/prune"): _OPERATOR,
    ("GET", f"{_T}/runs/{{run}}/tasks/{{task}}"): _VIEWER,
    ("GET", f"{_T}/runs/{{run}}/tasks/{{task}}/why"): _VIEWER,
    ("GET", f"{_T}/runs/{{run}}/why"): _VIEWER,
    ("POST", f"{_T}/runs/{{run}}/cancel"): _AUTHOR,
    ("POST", f"{_T}/runs/{{run}}/retry"): _AUTHOR,
    ("POST", f"{_T}/runs/{{run}}/priority"): _AUTHOR,
    ("POST", f"{_T}/runs/{{run}}/tasks/{{task}}/mark"): _AUTHOR,
    ("POST", f"{_T}/runs/{{run}}/tasks/{{task}}/cancel"): _AUTHOR,
    ("GET", f"{_T}/runs/{{run}}/metrics"): _VIEWER,
    ("GET", f"{_T}/runs/{{run}}/xcoms"): _VIEWER,
    ("GET", f"{_T}/attempts/{{attempt}}/log"): _VIEWER,
    ("GET", f"{_T}/pools"): _VIEWER,
    ("GET", f"{_T}/pools/{{pool}}"): _VIEWER,
    ("PUT", f"{_T}/pools/{{pool}}"): _OPERATOR,
    ("DELETE", f"{_T}/pools/{{pool}}"): _OPERATOR,
    ("PUT", f"{_T}/limits"): _PLATFORM_ADMIN,
    ("GET", f"{_T}/webhooks"): _VIEWER,
    ("POST", f"{_T}/webhooks/{{webhook}}/retry"): _OPERATOR,
    ("GET", f"{_T}/assets"): _VIEWER,
    ("GET", f"{_T}/assets/{{asset:path}}"): _VIEWER,
    ("GET", f"{_T}/asset-events"): _VIEWER,
    ("GET", f"{_T}/inputs"): _VIEWER,
    ("GET", f"{_T}/inputs/{{input}}"): _VIEWER,
    ("POST", f"{_T}/inputs/{{input}}/answer"): _OPERATOR,
    ("POST", f"{_T}/events"): _AUTHOR,
}


async def agent_caller(request: Request) -> AgentCaller:
    """Let in an agent: DPoP-bound access token, proof, and its status of this moment."""
    needed = _require(request, Kind.AGENT)
    return await _authentication(request).agent(request, while_finishing=needed.while_finishing)


async def task_caller(request: Request) -> TaskCaller:
    """Let in a task: DPoP-bound task token, proof by its agent's key, and the agent not locked."""
    _require(request, Kind.TASK)
    return await _authentication(request).task(request)


async def person_caller(request: Request) -> PersonCaller:
    """Let in anybody with a valid API token."""
    _require(request, Kind.PERSON)
    return await _authentication(request).person(request)


async def platform_admin(request: Request) -> PersonCaller:
    """Let in the platform admin."""
    _require(request, Kind.PLATFORM_ADMIN)
    person = await _authentication(request).person(request)
    if not person.is_platform_admin:
        raise ForbiddenError("this takes a platform admin (the first one's API token is in bootstrap.token)")
    return person


@dataclass(frozen=True, slots=True)
class InTeam:
    """Lets in people and programs of the team in the path who have at least a role."""

    minimum: Role

    async def __call__(self, request: Request, team: Annotated[Name, Path()]) -> TeamCaller:
        """Return the caller, in that team."""
        needed = _require(request, Kind.TEAM).role or Role.ADMIN
        caller = await _authentication(request).in_team(request, team)
        if not includes(caller.role, needed):
            raise ForbiddenError(
                f"this takes the role {needed} in team {caller.team}; you have the role {caller.role} there: "
                f"ask an admin of the team"
            )
        return caller


def in_team(minimum: Role) -> Callable[..., Any]:
    """Return the dependency for a route with ``{team}`` in its path; gives a ``TeamCaller``.

    ``minimum`` is for the reader: what counts is the table, and the start fails when the two differ.
    """
    return InTeam(minimum)


def requirement_of(method: str, path: str) -> Requirement:
    """Return what a route asks for.

    Raises:
        LookupError: if the route is not in the table.
    """
    try:
        return ACCESS[method, path]
    except KeyError:
        raise LookupError(f"{method} {path} is not in the table of leasehold_api.http.access") from None


def _require(request: Request, kind: Kind) -> Requirement:
    route = cast("APIRoute", request.scope["route"])
    requirement = requirement_of(request.method, route.path)
    if requirement.kind is not kind:
        raise ApiError(f"{request.method} {route.path} is listed for {requirement.kind} callers, not for {kind}")
    return requirement


def _authentication(request: Request) -> Authentication:
    return house(request).authentication
