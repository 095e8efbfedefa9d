"""Reading the API's refusals: an HTTP status and perhaps a problem document become the error a person can act on."""

from __future__ import annotations

from pydantic import ValidationError

from leasehold.cli.errors import (
    CliError,
    ConflictError,
    NotFoundError,
    NotSignedInError,
    RefusedError,
    UnreachableError,
    WrongInputError,
)
from leasehold_protocol.v1.problems import Problem, ProblemCode

SIGN_IN = "sign in again: leasehold login {url}"
NOT_THE_API = "Is {url} really the address of a Leasehold API? Sign in with the right one: leasehold login URL"


def refusal(*, status: int, body: bytes, url: str) -> CliError:
    """Return the error that an answer other than 2xx stands for.

    An answer that is no problem document came from something else on the way (a proxy, another program): that says
    nothing about the token or the object, so it is always "unreachable", never "refused" or "not found".
    """
    try:
        problem = Problem.model_validate_json(body)
    except ValidationError:
        return _foreign_answer(status, url)
    return _from_problem(problem, url)


def _foreign_answer(status: int, url: str) -> UnreachableError:
    if 300 <= status < 400:
        return UnreachableError(f"{url} answers with a redirect (HTTP {status}).", NOT_THE_API.format(url=url))
    if status >= 500:
        return UnreachableError(
            f"{url} answers HTTP {status}, and not in the API's own words.",
            "A proxy may be there without its API; try again in a moment, or ask whoever runs it.",
        )
    return UnreachableError(f"{url} answers HTTP {status}, but not like a Leasehold API.", NOT_THE_API.format(url=url))


def _from_problem(problem: Problem, url: str) -> CliError:
    what = said_by(problem)
    if problem.code is ProblemCode.VERSION_UNSUPPORTED:
        return RefusedError(what, "Install a version of leasehold that fits the API's.")
    match problem.status:
        case 401:
            return NotSignedInError(what, SIGN_IN.format(url=url))
        case 403:
            return RefusedError(what, "leasehold whoami shows who you are here; an admin can give you more.")
        case 404:
            return NotFoundError(what)
        case 409:
            return ConflictError(what)
        case 429:
            return UnreachableError(what, "The API is busy; try again in a moment.")
        case status if status >= 500:
            return UnreachableError(what, "The API has a problem of its own; its log says more.")
        case _:
            return WrongInputError(what)


def said_by(problem: Problem) -> str:
    """Return the problem in one or more lines: what happened, then each field that does not fit."""
    what = problem.detail or problem.title
    return "\n".join(
        [what, *(f"  {error.field}: {error.message}" for error in problem.errors if error.message not in what)]
    )
