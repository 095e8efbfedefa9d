"""The task's process: started, warm or fresh, drained, and ended together with everything it started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from leasehold_agent.host import tree
from leasehold_agent.host.container_end import ContainerEnd
from leasehold_agent.host.draining import Draining, Sink, wide_pipe
from leasehold_agent.host.own_child import OwnChild, Parent
from leasehold_agent.host.warm.door import Environment, WarmDoor
from leasehold_agent.host.warm.kept import keeper_for, start_kept
from leasehold_agent.runtimes.port import Launch

_LEFTOVERS_S = 0.5
_LAST_OUTPUT_S = 2.0
_KILL_PAUSES_S = (0.002, 0.005, 0.02, 0.05)


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmth:
    """What it takes to begin in a warm process."""

    door: WarmDoor
    team: str
    say: Callable[[str], object]
    """Writes a line into the attempt's log."""


def warmth(door: WarmDoor | None, team: object, say: Callable[[str], object]) -> Warmth | None:
    """Return what it takes, if there is a door."""
    return None if door is None else Warmth(door=door, team=str(team), say=say)


class TaskProcess:
    """One task and its tree."""

    def __init__(self, warmth: Warmth | None = None) -> None:
        self._warmth = warmth
        self._loop = asyncio.get_running_loop()
        self._parent: Parent | None = None
        self._pid = 0
        self._draining = Draining()
        self._asked_to_end: tuple[float, bool] | None = None
        self._kill: asyncio.TimerHandle | None = None
        self._kills = 0
        self._container: ContainerEnd | None = None

    async def start(
        self,
        launch: Launch,
        *,
        env: Mapping[str, str],
        stdout: Sink,
        stderr: Sink,
        memory: int | None = None,
    ) -> int:
        """Start the task in a session of its own, begin to drain its output, and return its pid.

        ``memory`` bounds the address space of each of its processes, in bytes.

        Raises:
            OSError: if there is no such program, or it can't be executed.
        """
        if launch.contained is not None:
            self._container = ContainerEnd(launch.contained)
        out, err = wide_pipe(), wide_pipe()
        try:
            self._parent, self._pid = await self._begin(launch, env, (out[1], err[1]), memory)
        except BaseException:
            os.close(out[0])
            os.close(err[0])
            raise
        finally:
            os.close(out[1])
            os.close(err[1])
        self._draining.begin(out[0], stdout)
        self._draining.begin(err[0], stderr)
        if self._asked_to_end is not None:
            when, gently = self._asked_to_end
            self.end_by(when, gently=gently)
        return self._pid

    async def exited(self) -> int | None:
        """Wait for the main process and return its wait status; None when nobody can know it."""
        return await asyncio.shield(self._started.exited)

    def end_by(self, when: float, *, gently: bool = True) -> None:
        """End the tree: SIGTERM now, SIGKILL at ``when`` (loop time) to whatever is left, until nothing is.

        Called again it can only come sooner. A task that is just being started is ended once it is.
        """
        if self._parent is None:
            self._asked_to_end = (when, gently)
            return
        if self._parent.gone.is_set():
            return
        if self._kill is None and gently and self._container is not None:
            self._container.ask(self._pid)
        elif self._kill is None and gently:
            pids = tree.descendants(self._parent.root)
            tree.send(pids, signal.SIGTERM)
            tree.send(pids, signal.SIGCONT)  # a stopped process would sleep through its own end
        if self._kill is None or self._kill.when() > when:
            if self._kill is not None:
                self._kill.cancel()
            self._kill = self._loop.call_at(when, self._kill_all)

    async def leftovers(self) -> list[str]:
        """Return what the main process left behind and what does not end by itself in a moment."""
        if not self._started.gone.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._started.gone.wait(), _LEFTOVERS_S)
        return tree.names(tree.alive(tree.descendants(self._started.root)))

    async def gone(self) -> None:
        """Wait until nothing of the tree is left and its output is read."""
        await self._started.gone.wait()
        if self._kill is not None:
            self._kill.cancel()
        if self._container is not None:
            # The client of an engine may end, or be killed, while its container goes on.
            await self._container.ended(was_client_done=self._kills == 0 and _has_exited(await self.exited()))
            await self._started.gone.wait()
        await self._draining.finish(within_s=_LAST_OUTPUT_S)

    def drain(self) -> None:
        """Read what lies in the pipes now."""
        self._draining.now()

    def usage(self) -> dict[str, object]:
        """Return the protocol's ``Usage`` of everything that has ended and was waited for."""
        return self._started.usage()

    @property
    def _started(self) -> Parent:
        if self._parent is None:
            raise RuntimeError("the task was not started")
        return self._parent

    async def _begin(
        self,
        launch: Launch,
        env: Mapping[str, str],
        files: tuple[int, int],
        memory: int | None,
    ) -> tuple[Parent, int]:
        if self._warmth is not None and (begun := await _begin_warm(launch, env, files, memory, self._warmth)):
            return begun
        child = OwnChild()
        pid = child.start(launch.argv, env=env, cwd=launch.cwd, stdout=files[0], stderr=files[1], memory=memory)
        return child, pid

    def _kill_all(self) -> None:
        """Kill what is there, and look again: a process may fork between being seen and being hit."""
        parent = self._started
        parent.collect()
        if parent.gone.is_set():
            return
        if self._container is not None and not self._container.is_ending:
            # First, and by its engine: what runs inside may be another user's, and whoever looks after it is below
            # this host, too.
            self._container.begin().add_done_callback(lambda _: self._kill_all())
            return
        tree.send(tree.descendants(parent.root), signal.SIGKILL)
        pause = _KILL_PAUSES_S[min(self._kills, len(_KILL_PAUSES_S) - 1)]
        self._kills += 1
        self._kill = self._loop.call_later(pause, self._kill_all)


def _has_exited(wait_status: int | None) -> bool:
    return wait_status is not None and os.WIFEXITED(wait_status)


async def _begin_warm(
    launch: Launch, env: Mapping[str, str], files: tuple[int, int], memory: int | None, warmth: Warmth
) -> tuple[Parent, int] | None:
    """Have the task forked from a warm process; None when there is none to be had."""
    if launch.warm is None:
        return None
    warm = launch.warm
    environment = Environment(
        team=warmth.team,
        python=warm.python,
        sdk=warm.sdk,
        bundle=warm.bundle,
        memory=memory,
        has_packages=warm.has_packages,
    )
    found = await keeper_for(warmth.door, environment, warmth.say)
    if found is None:
        return None
    given = {"env": dict(env), "cwd": launch.cwd, "bundle": [warm.bundle] if warm.bundle else []}
    return await start_kept(*found, given, files, lambda names: warmth.door.tell_imports(environment, names))
