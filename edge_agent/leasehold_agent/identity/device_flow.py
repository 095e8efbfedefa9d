"""Enrolment that a person approves (RFC 8628): a code is shown here, and approved elsewhere; the answer is a token."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from pydantic import BaseModel

from leasehold_agent.calls import Answer, Call, check, decoded
from leasehold_agent.clock import ServerClock, boottime
from leasehold_agent.errors import RefusedError, Trouble, UnavailableError
from leasehold_agent.exits import Exit, OperatorError
from leasehold_agent.identity.enrolment_token import EnrolmentToken, parse
from leasehold_agent.identity.key_in_use import KeyInUse
from leasehold_agent.identity.oauth import ServerMetadata, about_the_client
from leasehold_agent.identity.proven import Sender, send_proven

CLIENT_ID = "edge-agent"
GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"
SLOWER_BY_S = 5.0
_LONGEST_WAIT_S = 60.0
_FORM = {"content-type": "application/x-www-form-urlencoded"}


class DeviceCode(BaseModel):
    """The API's answer to a device authorization request (RFC 8628, 3.2)."""

    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str | None = None
    expires_in: float
    interval: float = 5.0


class _TokenAnswer(BaseModel):
    access_token: str
    token_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """The clock and the sleep of whoever waits for an approval."""

    clock: Callable[[], float] = boottime
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class DeviceFlow:
    """Asks for an approval of one key and waits for it. All requests are proved with that key."""

    def __init__(
        self, http: Sender, keys: KeyInUse, metadata: ServerMetadata, *, clock: ServerClock, waiting: Waiting
    ) -> None:
        self._http = http
        self._keys = keys
        self._metadata = metadata
        self._clock = clock
        self._waiting = waiting

    async def begin(self, *, name: str) -> DeviceCode:
        """Return the code that a person approves.

        Raises:
            OperatorError: this API takes no approvals.
            LinkError: it can't be asked, or refuses.
        """
        endpoint = self._metadata.device_authorization_endpoint
        if endpoint is None:
            raise OperatorError(
                Exit.REFUSED,
                "This API lets no agent in by a person's approval: its metadata names no such endpoint.",
                "Enrol with a token (--token-file) or by the key's thumbprint (--prepare).",
            )
        form = {"client_id": CLIENT_ID, "client_name": name, "scope": "enrol"}
        return decoded(DeviceCode, check(await self._post(endpoint, form)))

    async def approval(self, code: DeviceCode) -> EnrolmentToken:
        """Return the enrolment token that the approval gives; wait for it as long as the code is good.

        Raises:
            OperatorError: it was denied, or nobody approved it in time.
            LinkError: the API refuses for another reason.
        """
        form = {"grant_type": GRANT_TYPE, "device_code": code.device_code, "client_id": CLIENT_ID}
        end, wait_s = self._waiting.clock() + code.expires_in, code.interval
        while True:
            await self._waiting.sleep(wait_s)
            if self._waiting.clock() >= end:
                raise _nobody_came()
            try:
                return _token_of(check(await self._post(self._metadata.token_endpoint, form)))
            except UnavailableError as error:
                # RFC 8628, 3.5: poll less often when the server can't keep up, or can't be reached.
                wait_s = max(min(wait_s * 2, _LONGEST_WAIT_S), code.interval, error.retry_after_s or 0.0)
            except RefusedError as error:
                wait_s = _next_wait(error, wait_s)

    async def _post(self, url: str, form: dict[str, str]) -> Answer:
        def compose() -> Call:
            proof = self._keys.proof(method="POST", url=self._http.absolute(url), now=self._clock.now())
            return Call(method="POST", url=url, headers={**_FORM, "dpop": proof}, body=urlencode(form).encode())

        return about_the_client(await send_proven(self._http, self._keys, compose))


def _next_wait(error: RefusedError, wait_s: float) -> float:
    """Return the seconds until the next question (RFC 8628, 3.5).

    Raises:
        OperatorError: there will be no approval.
        RefusedError: the API refuses for another reason.
    """
    match error.code:
        case "authorization_pending":
            return wait_s
        case "slow_down":
            return wait_s + SLOWER_BY_S
        case "access_denied":
            raise OperatorError(
                Exit.TOKEN_REFUSED,
                "The enrolment was denied by the person who looked at it.",
                "Ask why; to try again, run the command again.",
            ) from error
        case "expired_token":
            raise _nobody_came() from error
        case _:
            raise error


def _nobody_came() -> OperatorError:
    return OperatorError(
        Exit.TOKEN_REFUSED,
        "The code has expired: nobody approved it in time.",
        "Run the command again for a new code; the key stays the same.",
    )


def _token_of(answer: Answer) -> EnrolmentToken:
    given = decoded(_TokenAnswer, answer)
    if given.token_type.lower() != "dpop":
        raise UnavailableError(Trouble.NOT_THE_API, f"a token of type {given.token_type!r} was given")
    return parse(given.access_token)
