"""Notices that the API is back: while requests wait to be made again, a small question is asked every second or two.

Back-offs grow to half a minute, so that an API that is there but in trouble is left in peace. When it is not there at
all, nothing is gained by that. So: it did not answer ``/healthz``, and now it does: all waits are over.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from leasehold_agent.backoff import Pauses
from leasehold_agent.calls import Answer, Call
from leasehold_agent.errors import UnavailableError
from leasehold_agent.link.http import Http

SHORTEST_S, LONGEST_S = 0.5, 2.0
"""Between two questions: random, so that a fleet is spread when its API comes back."""
ANSWER_S = 2.0
PATIENT_S = 5.0
"""An API that answers, although requests fail, is in trouble of its own: after this long it is looked at again."""


class LineWatch:
    """Asks whether the API is there, for as long as something waits for it."""

    def __init__(self, http: Http, pauses: Pauses, uniform: Callable[[float, float], float] = random.uniform) -> None:
        self._http = http
        self._pauses = pauses
        self._uniform = uniform

    async def run(self) -> None:
        """Watch, until cancelled."""
        while True:
            await self._pauses.begun()
            if await self._is_there():
                await asyncio.sleep(PATIENT_S)
            else:
                await self._return()
                self._pauses.end()

    async def _return(self) -> None:
        """Wait until the API is there again."""
        while True:
            await asyncio.sleep(self._uniform(SHORTEST_S, LONGEST_S))
            if await self._is_there():
                return

    async def _is_there(self) -> bool:
        try:
            answer = await self._http.send(Call(method="GET", url="/healthz", timeout_s=ANSWER_S))
        except UnavailableError:
            return False
        return _is_the_apis(answer)


def _is_the_apis(answer: Answer) -> bool:
    return answer.is_success and "json" in answer.headers.get("content-type", "")
