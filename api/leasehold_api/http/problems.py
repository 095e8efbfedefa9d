"""Every error as an RFC 9457 problem document, whatever part of the house it comes from."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from leasehold_api.errors import ApiError, InvalidRequestError
from leasehold_api.http.house import house
from leasehold_api.http.pages.rendering import error_page
from leasehold_api.http.pages.session import is_page
from leasehold_protocol.v1.problems import PROBLEM_MEDIA_TYPE, FieldError, ProblemCode

log = logging.getLogger(__name__)

_CODES = {
    400: ProblemCode.NOT_JSON,
    404: ProblemCode.NOT_FOUND,
    405: ProblemCode.METHOD_NOT_ALLOWED,
    413: ProblemCode.BODY_TOO_LARGE,
}


def install(app: FastAPI) -> None:
    """Answer all errors of ``app`` with problem documents."""

    @app.exception_handler(ApiError)
    async def refused(request: Request, error: ApiError) -> Response:
        await house(request).refusals.of_request(request, error)
        return error_page(request, error) if is_page(request) else _answer(error)

    @app.exception_handler(RequestValidationError)
    async def misshapen(request: Request, error: RequestValidationError) -> Response:
        explained = _explain(error)
        await house(request).refusals.of_request(request, explained)
        return error_page(request, explained) if is_page(request) else _answer(explained)

    @app.exception_handler(HTTPException)
    async def framework(request: Request, error: HTTPException) -> Response:
        detail = error.detail
        # Somebody typed an address: a person is told so on a page, a program by a problem.
        is_called = request.url.path.startswith(("/v1/", "/oauth/"))
        is_typed = not is_called and "text/html" in request.headers.get("accept", "")
        if error.status_code == 404 and is_typed:
            nothing = f"there is nothing at {request.url.path}: check the address"
            return error_page(request, ApiError(nothing, code=ProblemCode.NOT_FOUND))
        if error.status_code == 404:
            detail = f"there is nothing at {request.url.path}; the routes are listed at /v1/openapi.json"
        code = _CODES.get(error.status_code, ProblemCode.INVALID_REQUEST)
        return _answer(ApiError(detail, code=code, headers=dict(error.headers or {})))

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, error: ClientDisconnect) -> Response:  # noqa: ARG001 - the framework's signature
        # Nobody is there to read it. What the request asked for was not begun, or is repeated safely.
        log.info("the caller went away in the middle of its request", extra={"route": request.url.path})
        return _answer(InvalidRequestError("the request was not sent to its end"))

    @app.exception_handler(Exception)
    async def bug(request: Request, error: Exception) -> Response:
        log.error("unexpected error", extra={"route": request.url.path}, exc_info=error)
        shown = ApiError("this is a bug of the API; its log has the details")
        return error_page(request, shown) if is_page(request) else _answer(shown)


def _answer(error: ApiError) -> Response:
    return Response(
        error.problem().model_dump_json(exclude_none=True),
        status_code=error.status,
        media_type=PROBLEM_MEDIA_TYPE,
        headers=error.headers,
    )


def _explain(error: RequestValidationError) -> ApiError:
    problems = error.errors()
    if problems[0]["type"] == "json_invalid":
        reason = problems[0].get("ctx", {}).get("error", "")
        return ApiError(f"the body is not JSON: {reason}", code=ProblemCode.NOT_JSON)
    # The first element says where the field is: body, path, query, header.
    fields = [
        FieldError(field=".".join(map(str, problem["loc"][1:])) or str(problem["loc"][0]), message=problem["msg"])
        for problem in problems
    ]
    detail = "; ".join(f"{field.field}: {field.message}" for field in fields[:5])
    return InvalidRequestError(detail, errors=fields)
