"""The start of the app: refused when its routes and the table of who may call what differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from leasehold_api.http.access import (
    ACCESS,
    InTeam,
    Kind,
    Requirement,
    agent_caller,
    person_caller,
    platform_admin,
    task_caller,
)
from leasehold_api.http.pages.forms import checked_form
from leasehold_api.http.pages.session import signed_in, visitor


def check_every_route_is_listed(app: FastAPI) -> None:
    """Compare the app's routes with the table, and each route's dependency with its row.

    Raises:
        RuntimeError: naming every route that is missing in the table or enforces something else.
    """
    wrong: list[str] = []
    for method, path, route in _routes(app):
        needed = ACCESS.get((method, path))
        enforced = _enforced_by(route) if isinstance(route, APIRoute) else _OPEN
        if needed is None:
            wrong.append(f"{method} {path} is not in the table")
        elif (enforced.kind, enforced.role) != (needed.kind, needed.role):
            wrong.append(f"{method} {path} needs {_words(needed)} but enforces {_words(enforced)}")
        elif needed.kind in _PAGES and method != "GET" and not _checks_its_form(route):
            wrong.append(f"{method} {path} is a page and does not check its form")
    if wrong:
        raise RuntimeError("routes and the table in leasehold_api.http.access differ: " + "; ".join(wrong))


def _routes(app: FastAPI) -> Iterator[tuple[str, str, Any]]:
    for context in iter_route_contexts(app.routes):
        for method in sorted(context.methods or ()):
            # Starlette adds HEAD to plain GET routes.
            if method != "HEAD" or isinstance(context.original_route, APIRoute):
                yield method, str(context.path), context.original_route


_OPEN = Requirement(Kind.OPEN)
_PAGES = {Kind.PAGE, Kind.SIGNED_IN}
_KINDS: dict[Any, Kind] = {
    agent_caller: Kind.AGENT,
    task_caller: Kind.TASK,
    person_caller: Kind.PERSON,
    platform_admin: Kind.PLATFORM_ADMIN,
    visitor: Kind.PAGE,
    signed_in: Kind.SIGNED_IN,
}


def _enforced_by(route: APIRoute) -> Requirement:
    for dependency in route.dependant.dependencies:
        if isinstance(dependency.call, InTeam):
            return Requirement(Kind.TEAM, dependency.call.minimum)
        if dependency.call in _KINDS:
            return Requirement(_KINDS[dependency.call])
    return _OPEN


def _checks_its_form(route: APIRoute) -> bool:
    return any(dependency.call is checked_form for dependency in route.dependant.dependencies)


def _words(requirement: Requirement) -> str:
    return f"{requirement.kind} {requirement.role}" if requirement.role else str(requirement.kind)
