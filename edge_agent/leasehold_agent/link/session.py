"""Requests with a key-bound token: every one carries a proof of its own, and a rejected token is replaced once."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from leasehold_agent.calls import Answer, Call, check
from leasehold_agent.clock import ServerClock
from leasehold_agent.errors import TokenRejectedError, Trouble, UnavailableError
from leasehold_agent.identity.access import CachedToken
from leasehold_agent.identity.key import AgentKey
from leasehold_agent.identity.key_in_use import KeyInUse
from leasehold_agent.identity.proven import send_proven
from leasehold_agent.link.http import Http
from leasehold_agent.secret import Secret
from leasehold_protocol.v1.agents import KeyProposal


class Session:
    """Calls the API as the holder of one token: the agent's own, or one attempt's."""

    def __init__(self, http: Http, keys: KeyInUse, token: CachedToken, clock: ServerClock) -> None:
        self._http = http
        self._keys = keys
        self._token = token
        self._clock = clock

    async def send(self, call: Call) -> Answer:
        """Return the successful answer to a call.

        A 401 while working means: get a new token, go on. Only when the new one is rejected too, it is
        ``UnavailableError``: nothing was said about the request, so nothing may be given up because of it.

        Raises:
            LinkError: of the kind that says what to do.
        """
        token = await self._token.current()
        try:
            return await self._send(call, token)
        except TokenRejectedError:
            self._token.reject(token)
        token = await self._token.current()
        try:
            return await self._send(call, token)
        except TokenRejectedError as error:
            self._token.reject(token)
            raise UnavailableError(Trouble.TOKEN, str(error)) from error

    async def propose(self, call: Call, key: AgentKey) -> Answer:
        """Send a call whose body is the proof that this agent has ``key`` too, for the same token as the request's own.

        Raises:
            LinkError: of the kind that says what to do.
        """
        token = await self._token.current()
        url = self._http.absolute(call.url)

        def compose() -> Call:
            proof = self._keys.proof(method=call.method, url=url, now=self._clock.now(), token=token.reveal(), key=key)
            return self._signed(replace(call, body=KeyProposal(proof=proof).model_dump_json().encode()), token)

        try:
            return check(await send_proven(self._http, self._keys, compose))
        except TokenRejectedError as error:
            self._token.reject(token)
            raise UnavailableError(Trouble.TOKEN, str(error)) from error

    async def download(self, call: Call) -> AsyncGenerator[bytes, None]:
        """Yield the body of a successful answer as it arrives. As with ``send``, a rejected token is replaced once.

        Raises:
            LinkError: of the kind that says what to do.
        """
        token = await self._token.current()
        try:
            # Should its nonce be too old, that is a rejection as well: the token request after it learns the next one.
            async with aclosing(self._http.download(self._signed(call, token))) as chunks:
                async for chunk in chunks:
                    yield chunk
        except TokenRejectedError:
            self._token.reject(token)
        else:
            return
        token = await self._token.current()
        try:
            async with aclosing(self._http.download(self._signed(call, token))) as chunks:
                async for chunk in chunks:
                    yield chunk
        except TokenRejectedError as error:
            self._token.reject(token)
            raise UnavailableError(Trouble.TOKEN, str(error)) from error

    async def _send(self, call: Call, token: Secret) -> Answer:
        return check(await send_proven(self._http, self._keys, lambda: self._signed(call, token)))

    def _signed(self, call: Call, token: Secret) -> Call:
        text = token.reveal()
        url = self._http.absolute(call.url)
        proof = self._keys.proof(method=call.method, url=url, now=self._clock.now(), token=text)
        return replace(call, headers={**call.headers, "authorization": f"DPoP {text}", "dpop": proof})
