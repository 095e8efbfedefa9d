"""Answers that came with the lease: the task's reads of them need neither the agent nor the API. In memory only."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from leasehold_agent.host.checks import Object


class Given:
    """What was given, by path."""

    def __init__(self, mask: Callable[[list[object]], None]) -> None:
        self._mask = mask
        self._answers: dict[str, Object] = {}
        self._written: set[str] = set()
        """What the task wrote: an agent that connects again still brings what was given before."""

    def take(self, answers: Object) -> None:
        """Keep answers; their secrets are masked from here on, before the task can print any."""
        for path, answer in answers.items():
            if not isinstance(answer, dict):
                raise ValueError("an answer is an object")
            known = cast("Object", answer)
            secrets = known.get("secrets")
            self._mask(cast("list[object]", secrets) if isinstance(secrets, list) else [])
            if path not in self._written:
                self._answers[path] = known

    def answer(self, method: str, path: str) -> Object | None:
        """Return the answer to a read; none: it has to be asked for. What the task writes is never given again."""
        if method == "GET":
            return self._answers.get(path)
        self._written.add(path)
        self._answers.pop(path, None)
        return None
