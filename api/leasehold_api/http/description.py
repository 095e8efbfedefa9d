"""The OpenAPI document: what FastAPI derives from the routes, and what it can't know: who may call, how errors look."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi

from leasehold_api.http.access import ACCESS, Kind, Requirement
from leasehold_protocol.v1.problems import PROBLEM_MEDIA_TYPE, Problem

_SECURITY_SCHEMES = {
    "apiToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API token, `lht_…`: a person or program with a role in a team.",
    },
    "accessToken": {
        "type": "http",
        "scheme": "DPoP",
        "description": "An agent's access token (RFC 9068) with a proof of possession in the `DPoP` header (RFC 9449).",
    },
    "taskToken": {
        "type": "http",
        "scheme": "DPoP",
        "description": "The task token of one lease, with a proof by its agent's key in the `DPoP` header.",
    },
}

_SCHEME_OF = {
    Kind.AGENT: "accessToken",
    Kind.TASK: "taskToken",
    Kind.PERSON: "apiToken",
    Kind.PLATFORM_ADMIN: "apiToken",
    Kind.TEAM: "apiToken",
}

_PROBLEM = {
    "description": "An RFC 9457 problem document; decide by its `code`.",
    "content": {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}

_OAUTH_ERROR = {
    "description": "An error as RFC 6749, section 5.2, has it.",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["error"],
                "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
            }
        }
    },
}


router = APIRouter()


@router.get("/v1/openapi.json", include_in_schema=False)
async def openapi_document(request: Request) -> Response:
    """Return the document. It takes a second of work, and anybody may ask: it is made once, beside other requests."""
    state = request.app.state
    if not hasattr(state, "description"):
        state.description = asyncio.ensure_future(asyncio.to_thread(_encoded, request.app))
    return Response(await asyncio.shield(state.description), media_type="application/json")


def _encoded(app: FastAPI) -> bytes:
    return json.dumps(describe(app), ensure_ascii=False, separators=(",", ":")).encode()


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of ``app``."""
    document = get_openapi(title=app.title, version=app.version, routes=app.routes)
    components: dict[str, Any] = document.setdefault("components", {})
    components["securitySchemes"] = _SECURITY_SCHEMES
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = components.setdefault("schemas", {})
    schemas |= schema.pop("$defs", {}) | {"Problem": schema}
    for (method, path), requirement in ACCESS.items():
        operation = document["paths"].get(re.sub(r":path}", "}", path), {}).get(method.lower())
        if operation is not None:
            _complete(operation, path, requirement)
    # FastAPI's own description of a body that does not fit: ours is a problem document.
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    return document


def _complete(operation: dict[str, Any], path: str, requirement: Requirement) -> None:
    operation["responses"].pop("422", None)
    if requirement.kind is not Kind.OPEN:
        operation["security"] = [{_SCHEME_OF[requirement.kind]: []}]
        operation["responses"]["default"] = _PROBLEM
    elif path.startswith("/oauth"):
        operation["responses"]["default"] = _OAUTH_ERROR
    elif path.startswith("/updates"):
        operation["responses"]["default"] = _PROBLEM
    if requirement.role is not None:
        operation["description"] = f"{operation.get('description', '')}\n\nTakes the role {requirement.role}.".strip()
