"""Which task zygotes there are, and for whom: started when they are wanted, preloaded after the first task, ended when
they are idle or too many. One per environment; its successor, which has more imported, replaces it."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress

from leasehold.warm.line import LineEndedError, receive, send
from leasehold_agent.host.warm.door import Environment, WarmDoor, environment_from, make_doors
from leasehold_agent.host.warm.settings import WarmSettings
from leasehold_agent.host.warm.task_zygote import TaskZygote

LOADING_S = 60.0
"""The longest that the imports of a preload may take."""
_TICK_S = 5.0
_MOST_FAILURES = 3


class _Place:
    """One environment's zygote.

    Attributes:
        serving: Who forks its tasks.
        coming: Who will, once it has imported what they need.
        modules: What the first task imported; None before it has told.
        unfit: Why that is not preloaded.
        failures: How many zygotes in a row ended before they had begun.
        failed: Why no task of this environment starts warm.
    """

    def __init__(self) -> None:
        self.serving: TaskZygote | None = None
        self.coming: TaskZygote | None = None
        self.modules: list[str] | None = None
        self.unfit: str | None = None
        self.failures = 0
        self.failed: str | None = None

    @property
    def used_at(self) -> float:
        return self.serving.used_at if self.serving else 0.0


class WarmPool:
    """The task zygotes of one host zygote, which waits for all of them."""

    def __init__(self, settings: WarmSettings, say: Callable[[str], object]) -> None:
        self._settings = settings
        self._say = say
        self._places: dict[Environment, _Place] = {}
        self._retired: list[TaskZygote] = []
        self._orphaned: set[int] = set()
        """Zygotes that are ending, and keepers whose zygote is gone."""
        self._inlet, self._door = make_doors()

    @property
    def door(self) -> WarmDoor | None:
        """What hosts ask at; None when there is nothing to be had."""
        return self._door if self._settings.idle_s > 0 and self._settings.most > 0 else None

    def sockets(self) -> list[socket.socket]:
        """Return what is to be waited for."""
        return [self._inlet, *(zygote.channel for zygote in self._zygotes())]

    def wait_s(self) -> float | None:
        """Return how soon ``attend`` has something to do though nothing came."""
        return min(_TICK_S, self._settings.idle_s / 4) if self._places else None

    def owns(self, pid: int) -> bool:
        """Whether a process belongs here: a zygote, or a keeper, which may have lost its zygote."""
        return pid in self._orphaned or any(pid == each.pid or pid in each.keepers for each in self._zygotes())

    def ended(self, pid: int) -> None:
        """A child has ended."""
        self._orphaned.discard(pid)

    def attend(self) -> None:
        """Take in everything that came. Call it before orphans are looked for: keepers make themselves known here."""
        for zygote in list(self._zygotes()):
            if not zygote.hear():
                self._bury(zygote)
        for place in list(self._places.values()):
            self._promote(place)
        self._answer_hosts()
        self._end_idle(time.monotonic())

    def leave(self) -> None:
        """Let go of everything, in a host."""
        for one in self.sockets():
            one.close()

    def close(self) -> None:
        """Let all zygotes go: they end with their last task."""
        for zygote in self._zygotes():
            zygote.let_go()

    def _zygotes(self) -> list[TaskZygote]:
        both = [one for place in self._places.values() for one in (place.serving, place.coming) if one is not None]
        return [*both, *self._retired]

    def _answer_hosts(self) -> None:
        while True:
            try:
                message, files = receive(self._inlet)
            except (BlockingIOError, LineEndedError):
                return
            except ValueError:
                continue
            try:
                if "keep" in message and len(files) == 1:
                    self._keep(environment_from(message["keep"]), files[0])
                elif "imported" in message:
                    self._preload(environment_from(message["imported"]), list(message["modules"]))
            except (TypeError, KeyError, LineEndedError, OSError) as problem:
                self._say(f"a task starts with a fresh interpreter: no warm process for it ({problem})")
            finally:
                for fd in files:
                    os.close(fd)  # a host that waits on its line sees it end, and starts the task itself

    def _keep(self, environment: Environment, line: int) -> None:
        place = self._places.setdefault(environment, _Place())
        with socket.socket(fileno=os.dup(line)) as host:
            if place.failed:
                return send(host, {"fresh": place.failed})
            if place.unfit:
                send(host, {"note": place.unfit})
        report = place.modules is None
        if place.serving is None or not place.serving.fork(line, report=report):
            self._make_room(environment)
            if place.serving is not None:
                self._retire(place.serving)
            place.serving = TaskZygote(environment, () if place.unfit else place.modules or ())
            place.serving.fork(line, report=report)
        return None

    def _preload(self, environment: Environment, modules: list[str]) -> None:
        place = self._places.get(environment)
        if place is None or place.serving is None or place.modules is not None:
            return
        place.modules = modules
        if modules:
            place.coming = TaskZygote(environment, modules)

    def _promote(self, place: _Place) -> None:
        """Let a successor that is ready serve from now on, and give up one that never will."""
        coming = place.coming
        if coming is None:
            return
        if coming.is_ready:
            if place.serving is not None:
                coming.used_at = place.serving.used_at
                self._retire(place.serving)
            place.serving, place.coming = coming, None
        elif coming.unfit or time.monotonic() - coming.began_at > LOADING_S:
            self._give_up_preload(place, coming.unfit or f"importing its modules took longer than {LOADING_S:g} s")
            coming.kill()
            self._retire(coming)

    def _give_up_preload(self, place: _Place, reason: str) -> None:
        place.coming = None
        place.unfit = f"its modules are not imported in advance: {reason}"
        self._say(place.unfit)

    def _bury(self, zygote: TaskZygote) -> None:
        """A zygote is gone. Its keepers go on: they become children of this process."""
        zygote.channel.close()
        zygote.kill()
        self._orphaned |= {zygote.pid, *zygote.keepers}  # as long as it is dying its keepers still hang below it
        if zygote in self._retired:
            self._retired.remove(zygote)
        for place in self._places.values():
            if place.coming is zygote:
                self._give_up_preload(place, zygote.unfit or "the process that imported them ended over it")
            elif place.serving is zygote:
                place.serving = None
                if zygote.unfit and place.modules:
                    place.unfit = zygote.unfit
                elif not zygote.is_ready:
                    self._note_failure(place)

    def _note_failure(self, place: _Place) -> None:
        place.failures += 1
        if place.failures >= _MOST_FAILURES:
            python = next(environment.python for environment, one in self._places.items() if one is place)
            place.failed = f"{python} can't be kept warm: it ends before it has the SDK imported"
            self._say(place.failed)

    def _retire(self, zygote: TaskZygote) -> None:
        zygote.let_go()
        self._retired.append(zygote)

    def _make_room(self, wanted: Environment) -> None:
        others = [place for environment, place in self._places.items() if place.serving and environment != wanted]
        others.sort(key=lambda place: place.used_at)
        for place in others[: max(0, len(others) + 1 - self._settings.most)]:
            self._dismiss(place)

    def _end_idle(self, now: float) -> None:
        for place in list(self._places.values()):
            if place.serving is not None and now - place.used_at > self._settings.idle_s:
                self._dismiss(place)

    def _dismiss(self, place: _Place) -> None:
        for zygote in (place.serving, place.coming):
            if zygote is not None:
                self._retire(zygote)
        place.serving = place.coming = None
        with suppress(StopIteration):
            del self._places[next(environment for environment, one in self._places.items() if one is place)]
