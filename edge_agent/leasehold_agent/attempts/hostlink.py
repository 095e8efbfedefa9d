"""The agent's line to one attempt host (docs/reference/attempt-directory.md): orders in, news and questions out."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, Protocol

from leasehold.runtime.rules.secret_answers import secrets_in
from leasehold_agent.attempts.fetching import Fetching
from leasehold_agent.attempts.roster import Held
from leasehold_agent.attempts.task_questions import api_path, content_route, file_of, methods_of
from leasehold_agent.backoff import persist
from leasehold_agent.errors import LeaseLostError, LinkError, LockedError, RefusedError
from leasehold_agent.host.version import HOST_VERSION
from leasehold_agent.local_socket import reachable

_LINE_LIMIT = 32 * 1024 * 1024
_CONNECT_TIMEOUT_S = 5.0
logger = logging.getLogger(__name__)


class TaskLine(Protocol):
    """What is needed of ``link.api.TaskApi``. Raises ``LinkError``."""

    async def ask(self, method: str, url: str, body: object) -> tuple[int, object]:
        """Return (status, JSON body) of a task's own question."""
        ...

    def download(self, url: str, offset: int) -> AsyncIterator[bytes]:
        """Yield a file or a large value, from a byte on."""
        ...


class HostLink:
    """One connection to the host of one attempt."""

    def __init__(self, held: Held, line: TaskLine, refuses: Callable[[str], tuple[int, object] | None]) -> None:
        self._held = held
        self._ask = line.ask
        self._fetching = Fetching(held.directory.path, line.download)
        self._refuses = refuses

    async def follow(self) -> bool:
        """Stay connected until the host says that it ended (True), or the line breaks (False).

        Raises:
            OSError: no host listens.
        """
        with reachable(self._held.directory.host_socket) as path:
            connecting = asyncio.open_unix_connection(path, limit=_LINE_LIMIT)
            reader, writer = await asyncio.wait_for(connecting, _CONNECT_TIMEOUT_S)
        try:
            async with asyncio.TaskGroup() as line:
                orders = line.create_task(self._give_orders(writer))
                try:
                    return await self._listen(reader, writer, line)
                finally:
                    orders.cancel()
        finally:
            writer.close()

    async def _listen(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: asyncio.TaskGroup
    ) -> bool:
        questions: set[asyncio.Task[None]] = set()
        try:
            while text := await reader.readline():
                news = json.loads(text)
                match news:
                    case {"tell": "hello", "version": str(version)}:
                        self._note_version(version)
                    case {"tell": "grew"}:
                        self._take_news(news)
                    case {"tell": "ended"}:
                        return True
                    case {"ask": int(number), "method": str(method), "path": str(path)}:
                        takes_files = news.get("takes_files") is True  # a host of an older version does not
                        question = line.create_task(
                            self._answer(writer, number, method, path, news.get("body"), takes_files=takes_files)
                        )
                        questions.add(question)
                        question.add_done_callback(questions.discard)
                    case _:
                        pass  # A newer host may tell more.
        except (OSError, ValueError) as error:
            # A host that has written its ending hangs up whatever it is told meanwhile.
            level = logging.WARNING if self._held.directory.ending() is None else logging.DEBUG
            logger.log(level, "host line broken", extra={"attempt": self._held.attempt, "error": str(error)})
        finally:
            for question in questions:
                question.cancel()
        return False

    def _note_version(self, version: str) -> None:
        """A newer host is followed as far as it is understood: its task must not suffer from a step back."""
        if not is_newer(version):
            return
        self._held.trouble = (
            f"its host has version {version}, newer than this agent's {HOST_VERSION}: it is followed, and what it says"
            " beyond that is passed over; install the newer agent again to have all of it"
        )
        logger.warning("host is newer than the agent", extra={"attempt": self._held.attempt, "version": version})

    def _take_news(self, news: dict[str, Any]) -> None:
        held = self._held
        held.log_durable = int(news.get("log") or held.log_durable)
        held.metrics_durable = int(news.get("metric_seq") or held.metrics_durable)
        held.state_durable = int(news.get("state_seq") or held.state_durable)
        held.progress = news.get("progress")
        held.note = news.get("note")
        held.label = news.get("label")
        held.grew.set()

    async def _give_orders(self, writer: asyncio.StreamWriter) -> None:
        """Send what came with the lease; then the deadline, and a stop order if there is one, whenever they change."""
        given = {path: one for path, one in self._held.given.items() if self._refuses(path) is None}
        with suppress(OSError):
            if given:
                await _send(writer, {"do": "given", "answers": given})
            while True:
                self._held.ordered.clear()
                await _send(writer, {"do": "renewed", "deadline_boottime_s": self._held.deadline})
                if stop := self._held.stop:
                    await _send(writer, _stop_order(stop.kind, stop.reason, stop.grace_s))
                await self._held.ordered.wait()

    async def _answer(
        self, writer: asyncio.StreamWriter, number: int, method: str, path: str, body: object, *, takes_files: bool
    ) -> None:
        """Answer with what the API says, however long an outage lasts: the host knows the task's patience."""
        status, answer, file = await self._asked(method, path, body, takes_files=takes_files)
        document = {"do": "answer", "id": number, "status": status, "body": answer}
        if file is not None:
            document["file"] = file
        if method in ("GET", "POST") and (secrets := secrets_in(path, answer)):
            document["secrets"] = secrets
        with suppress(OSError):
            await _send(writer, document)

    def _given(self, method: str, path: str) -> object | None:
        """Return what came with the lease, should the task ask before its host heard; what it writes counts no more."""
        known = self._held.given.get(path) if method == "GET" else self._held.given.pop(path, None)
        return known.get("body") if method == "GET" and known is not None else None

    async def _asked(
        self, method: str, path: str, body: object, *, takes_files: bool
    ) -> tuple[int, object, str | None]:
        """Return (status, JSON body, the name of the file in ``fetched/`` that has the long part of it)."""
        route = api_path(path)
        if route is None or method not in methods_of(path):
            return 404, {"code": "not_found", "detail": f"there is no {method} {path} for a task"}, None
        if (refused := self._refuses(path)) is not None:
            return *refused, None
        if (given := self._given(method, path)) is not None:
            return 200, given, None
        try:
            return await self._answer_of_the_api(method, path, route, body, takes_files=takes_files)
        except RefusedError as error:
            return error.status, {"code": error.code, "detail": error.detail}, None
        except LeaseLostError as error:
            return 409, {"code": "lease_lost", "detail": str(error)}, None
        except LockedError as error:
            return 403, {"code": "agent_locked", "detail": str(error)}, None
        except LinkError as error:
            return 503, {"code": "unavailable", "detail": str(error)}, None
        except OSError as error:
            detail = f"the disk of this site does not take it ({error.strerror}): free some space, then try again"
            return 503, {"code": "unavailable", "detail": detail}, None

    async def _answer_of_the_api(
        self, method: str, path: str, route: str, body: object, *, takes_files: bool
    ) -> tuple[int, object, str | None]:
        if (sha256 := file_of(path)) is not None:
            found = await self._fetching.bring(route, sha256)
            return 200, {"sha256": sha256, "size": found.stat().st_size}, found.name
        status, answer = await persist(lambda: self._ask(method, route, body))
        if isinstance(answer, dict) and answer.get("inline") is False:
            return await self._long(content_route(route), answer, takes_files=takes_files)
        return status, answer, None

    async def _long(self, route: str, answer: dict[str, Any], *, takes_files: bool) -> tuple[int, object, str | None]:
        """Fetch a value that is too large for the API's own answer; the task sees no difference."""
        sha256 = answer.get("sha256")
        if takes_files and isinstance(sha256, str):
            found = await self._fetching.bring(route, sha256)
            return 200, {**answer, "inline": True}, found.name
        _, value = await persist(lambda: self._ask("GET", route, None))
        return 200, {**answer, "value": value, "inline": True}, None


def is_newer(version: str) -> bool:
    """Tell whether a host's version is above the one that this agent starts; one that can't be read is."""
    try:
        return _numbers(version) > _numbers(HOST_VERSION)
    except ValueError:
        return version != HOST_VERSION


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _stop_order(kind: str, reason: str, grace_s: float) -> dict[str, object]:
    if kind == "cancelled":
        return {"do": "cancel", "reason": reason, "grace_s": grace_s}
    return {"do": "stop", "kind": kind, "reason": reason}


async def _send(writer: asyncio.StreamWriter, document: dict[str, object]) -> None:
    writer.write(json.dumps(document, separators=(",", ":")).encode() + b"\n")
    await writer.drain()
