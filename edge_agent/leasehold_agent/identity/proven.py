"""Requests with a proof of possession: made again where the API wants its newest nonce in the proof."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from leasehold_agent.calls import Answer, Call, wants_nonce
from leasehold_agent.identity.key_in_use import KeyInUse


class Sender(Protocol):
    """What is needed of ``link.http.Http``."""

    async def send(self, call: Call) -> Answer: ...
    def absolute(self, url: str) -> str: ...


async def send_proven(http: Sender, keys: KeyInUse, compose: Callable[[], Call]) -> Answer:
    """Send what ``compose`` makes; once more, made anew, when the API asks for its nonce (RFC 9449, 8 and 9).

    In the steady state every answer that needs to has the next nonce with it, so that no request is made twice.

    Raises:
        UnavailableError: no answer came.
    """
    answer = await http.send(compose())
    keys.learn(answer.headers)
    if wants_nonce(answer):
        answer = await http.send(compose())
        keys.learn(answer.headers)
    return answer
