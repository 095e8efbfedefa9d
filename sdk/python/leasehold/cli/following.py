"""Following a run: its state by long poll, the log of each of its attempts by offset, all at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from leasehold.cli.api import Api
from leasehold.cli.log_lines import LineReader, LogLine
from leasehold.cli.patience import Patience
from leasehold_protocol.v1.runs import AttemptSummary, RunDetail, TaskInstance

WAIT_S = 25.0
LOGS_AT_ONCE = 32
"""How many logs are followed at the same time. A run that is wider shows the others when one ends."""

NO_NEWS_PAUSE_S = 0.2
"""After an answer without news: should something on the way cut the waiting short, nobody is asked in a frenzy."""

LAST_LINES_S = 10.0
"""How long after the end of a run the rest of its logs is waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a log line comes from."""

    task: str
    map_index: int
    attempt: str
    try_number: int
    site: str

    @property
    def label(self) -> str:
        """The task's name, with its map index when it was expanded."""
        return task_label(self.task, self.map_index)


def task_label(task: str, map_index: int) -> str:
    """Return how a task instance is called on the screen."""
    return task if map_index < 0 else f"{task}[{map_index}]"


class RunView(Protocol):
    """Shows what is going on in a run. Called from one thread."""

    def run_changed(self, run: RunDetail) -> None:
        """The run, or one of its tasks, is in another state now."""
        ...

    def log_line(self, origin: Origin, line: LogLine) -> None:
        """A task wrote a line."""
        ...

    def notice(self, text: str) -> None:
        """Something about the following itself: the connection was lost, or is back."""
        ...


Wanted = Callable[[Origin], bool]


async def follow_run(
    api: Api, run: str, view: RunView, *, wanted: Wanted = lambda _: True, begun: Iterable[Tail] = ()
) -> RunDetail:
    """Show a run until it has ended and its logs are in, and return how it ended.

    The first look must succeed; after that a lost connection is waited for, and reading goes on where it stopped.

    Args:
        api: Where the run is.
        run: Its id.
        view: What shows it.
        wanted: Whose lines are shown.
        begun: Logs that were read in part before: they are read on from there.
    """
    known = {tail.origin.attempt: tail for tail in begun}
    patience = Patience(notice=view.notice)
    room = asyncio.Semaphore(LOGS_AT_ONCE)
    logs: dict[str, asyncio.Task[None]] = {}
    ended: RunDetail | None = None
    async with asyncio.TaskGroup() as group:
        async for picture in pictures(api, run, patience):
            view.run_changed(picture)
            for origin in origins(picture, wanted):
                if origin.attempt not in logs:
                    logs[origin.attempt] = group.create_task(
                        _follow_log(api, known.get(origin.attempt) or Tail(origin), view, patience, room)
                    )
            ended = picture
        await _last_lines(logs, view)
    assert ended is not None, "pictures() yields at least one"  # noqa: S101 - for the type checker
    return ended


async def pictures(api: Api, run: str, patience: Patience) -> AsyncIterator[RunDetail]:
    """Yield the run as it is now and then after every change, until nothing will change it any more."""
    path = api.of_team("runs", run)
    picture = await api.changed(path, RunDetail, etag=None, wait_s=0)
    etag: str | None = None
    while True:
        if picture is not None:
            yield picture.value
            if picture.value.state.is_final:
                return
            etag = picture.etag
        elif etag is not None:
            await asyncio.sleep(NO_NEWS_PAUSE_S)
        picture = await patience.insist(partial(api.changed, path, RunDetail, etag=etag, wait_s=WAIT_S))


def origins(run: RunDetail, wanted: Wanted) -> list[Origin]:
    """Return the attempts of a run, in the order in which they began."""
    found: list[tuple[AttemptSummary, TaskInstance]] = [
        (attempt, task) for task in run.tasks for attempt in task.attempts
    ]
    found.sort(key=lambda pair: (pair[0].leased_at, pair[0].attempt))
    made = [
        Origin(
            task=task.task,
            map_index=task.map_index,
            attempt=attempt.attempt,
            try_number=attempt.try_number,
            site=attempt.site,
        )
        for attempt, task in found
    ]
    return [origin for origin in made if wanted(origin)]


class Tail:
    """The log of one attempt, read as far as ``offset``: bytes become lines where they end, whoever asks for more.

    Attributes:
        origin: Whose log it is.
        offset: How far it was read, in bytes.
        complete: Nothing comes any more.
    """

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.offset = 0
        self.complete = False
        self._reader = LineReader()

    async def more(self, api: Api, patience: Patience, *, wait_s: float) -> tuple[list[LogLine], bool]:
        """Return the lines that are whole now, and whether there was anything new.

        Args:
            wait_s: how long the request waits for news; 0 takes what there is.
        """
        path = api.of_team("attempts", self.origin.attempt, "log")
        part = await patience.insist(partial(api.log_part, path, offset=self.offset, wait_s=wait_s))
        self.offset = part.next_offset
        lines = self._reader.feed(part.data)
        if part.complete:
            self.complete = True
            lines += self._reader.finish()
        return lines, bool(part.data)

    def rest(self) -> list[LogLine]:
        """Return what stands after the last line end, for who will not read on."""
        return self._reader.finish()


async def _follow_log(api: Api, tail: Tail, view: RunView, patience: Patience, room: asyncio.Semaphore) -> None:
    async with room:
        while not tail.complete:
            lines, is_news = await tail.more(api, patience, wait_s=WAIT_S)
            for line in lines:
                view.log_line(tail.origin, line)
            if not is_news and not tail.complete:
                await asyncio.sleep(NO_NEWS_PAUSE_S)


async def _last_lines(logs: dict[str, asyncio.Task[None]], view: RunView) -> None:
    """Let the logs come to their end; a site that is away with lines unsent does not hold up the answer for ever."""
    if not logs:
        return
    _, unfinished = await asyncio.wait(logs.values(), timeout=LAST_LINES_S)
    for log in unfinished:
        log.cancel()
    if unfinished:
        view.notice(
            f"The rest of {len(unfinished)} log(s) has not arrived from its site yet; leasehold logs shows it later."
        )
