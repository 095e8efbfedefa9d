"""Identity tokens of tasks: the API is an OpenID Connect issuer, so that clouds and vaults can trust a task itself.

Nothing long-lived is stored then: a task shows who it is, and gets what the other side has for such a task.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any, Protocol

from leasehold_api.callers import TaskCaller
from leasehold_api.clock import instant
from leasehold_api.context.entitlement import Verdict, refusal
from leasehold_api.errors import ApiError, InvalidRequestError
from leasehold_api.oauth.tokens.keys import SigningKeys
from leasehold_protocol.v1.problems import ProblemCode
from leasehold_protocol.v1.tasks import IdToken

LIFE_S = 300.0
"""How long a token is good for: enough to exchange it, and little for who finds it. Nobody can take it back."""

CLAIMS = ("iss", "sub", "aud", "iat", "nbf", "exp", "jti", "team", "site", "dag", "task", "run", "try")


@dataclass(frozen=True, slots=True, kw_only=True)
class Whoever:
    """Who a task is, by the names that people gave."""

    team: str
    site: str
    dag: str
    task: str
    run: str
    try_number: int

    @property
    def subject(self) -> str:
        """``<team>:<site>:<dag>:<task>``. No name has a colon, so that no two tasks share a subject."""
        return f"{self.team}:{self.site}:{self.dag}:{self.task}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identified:
    """What a task's request came to; ``whoever`` when it gets its token."""

    verdict: Verdict
    whoever: Whoever | None = None


class IdentityStore(Protocol):
    """Knows who a task is."""

    async def identify(self, reader: TaskCaller, audience: str, *, now: float) -> Identified:
        """Judge a task's request and say who it is, in one transaction, and audit it."""
        ...


class IdTokens:
    """Issues identity tokens to running tasks."""

    def __init__(self, store: IdentityStore, *, issuer: str, keys: SigningKeys) -> None:
        self._store = store
        self._issuer = issuer
        self._keys = keys

    async def issue(self, reader: TaskCaller, audience: str, *, now: float) -> IdToken:
        """Return a token that proves to ``audience`` which task this is.

        Raises:
            InvalidRequestError: if the audience is this server: its own tokens are for that.
            LeaseLostError: the attempt must stop.
            ApiError: not_declared, saying what to add where.
        """
        if audience == self._issuer or audience.startswith(f"{self._issuer}/"):
            raise InvalidRequestError(
                f"an identity token is for somebody else than this server ({self._issuer}): name the audience that "
                "the other side expects"
            )
        found = await self._store.identify(reader, audience, now=now)
        if found.whoever is None:
            raise _refusal(found.verdict, audience, reader.task)
        claims = _claims(found.whoever, issuer=self._issuer, audience=audience, now=now)
        signed = self._keys.sign({"typ": "JWT"}, claims)
        return IdToken(token=signed, audience=audience, expires_at=instant(now + LIFE_S))


def _claims(whoever: Whoever, *, issuer: str, audience: str, now: float) -> dict[str, Any]:
    return {
        "iss": issuer,
        "sub": whoever.subject,
        "aud": audience,
        "iat": int(now),
        "nbf": int(now),
        "exp": int(now + LIFE_S),
        "jti": secrets.token_urlsafe(12),
        "team": whoever.team,
        "site": whoever.site,
        "dag": whoever.dag,
        "task": whoever.task,
        "run": whoever.run,
        "try": whoever.try_number,
    }


def _refusal(verdict: Verdict, audience: str, task: str) -> ApiError:
    if verdict is Verdict.NOT_DECLARED:
        return ApiError(
            f"task {task} did not declare the identity token for {audience}: add id_tokens=[{audience!r}] to the task "
            "and deploy again",
            code=ProblemCode.NOT_DECLARED,
        )
    return refusal(verdict, kind="id_token", name=audience, task=task)
