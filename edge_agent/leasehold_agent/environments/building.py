"""Building an environment: aside, with every hash checked, and then renamed. It can be stopped at any moment."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from leasehold.runtime.rules.locks import WantedEnvironment, locked_packages
from leasehold_agent.environments.cache import FACTS, EnvironmentCache
from leasehold_agent.environments.tools import Tool

_LINES_KEPT = 20
_LONGEST_LINE = 2000
_DIES_S = 10.0


class BuildFailedError(Exception):
    """The environment can't be built. The message says why, and what to do."""


class BuildStoppedError(Exception):
    """The attempt ends before its environment is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be built."""

    key: str
    wanted: WantedEnvironment
    wheels_dir: Path
    tool: Tool
    use_index: bool
    timeout_s: float
    variables: Mapping[str, str]
    """For the programs that do the work."""
    say: Callable[[str], object]
    """Writes a line into the attempt's log."""
    stopped: asyncio.Event


async def build(cache: EnvironmentCache, order: Order) -> None:
    """Build an environment that this process has seized.

    Raises:
        BuildFailedError: it can't be.
        BuildStoppedError: ``order.stopped`` was set.
    """
    began = time.monotonic()
    await asyncio.to_thread(cache.clear_rests, order.key)
    aside = cache.root / f".new-{order.key}-{os.getpid()}"
    packages = locked_packages(order.wanted.lock)
    tool, python = order.tool, order.tool.python
    things = "package" if len(packages) == 1 else "packages"
    order.say(
        f"installing {len(packages)} {things} with {tool.name} for Python {python.spelled} "
        f"({len(order.wanted.wheels)} carried wheels): environment {order.key[:12]}"
    )
    try:
        async with asyncio.timeout(order.timeout_s):
            await _fill(aside, order)
            facts: dict[str, object] = {
                "python": python.spelled,
                "packages": [f"{one.name} {one.version}" for one in packages],
                "built_by": tool.name,
                "took_s": round(time.monotonic() - began, 3),
            }
            await asyncio.to_thread(_finish, aside, cache.path(order.key), facts)
    except TimeoutError:
        raise BuildFailedError(
            f"the environment was not ready after {order.timeout_s:g} s: look at the package index, "
            "or raise the agent's `environment_timeout_s`"
        ) from None
    except OSError as problem:
        raise BuildFailedError(
            f"the environment can't be built: {problem.strerror}: {problem.filename or aside}: look at the site's disk"
        ) from None
    finally:
        await asyncio.to_thread(shutil.rmtree, aside, ignore_errors=True)
    order.say(f"the environment is ready after {time.monotonic() - began:.1f} s")


async def _fill(aside: Path, order: Order) -> None:
    if order.tool.unzips:
        await _unzip(aside, order)
    else:
        await _install(aside, order)


async def _unzip(aside: Path, order: Order) -> None:
    from leasehold_agent.environments.carried import NotCarriedError, carried_wheels
    from leasehold_agent.environments.unzipping import BadWheelError, HaltedError, unzip

    python, halt, loop = order.tool.python, threading.Event(), asyncio.get_running_loop()

    def say(text: str) -> None:
        loop.call_soon_threadsafe(order.say, text)

    def work() -> None:
        try:
            unzip(aside, carried_wheels(order.wanted, python, order.wheels_dir), python, halt, say)
        except (BadWheelError, NotCarriedError) as problem:
            raise BuildFailedError(str(problem)) from None
        except HaltedError:
            raise BuildStoppedError from None

    working = asyncio.ensure_future(asyncio.to_thread(work))
    stopping = asyncio.ensure_future(order.stopped.wait())
    try:
        await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        halt.set()  # whatever ends the waiting: nobody writes any more when the rest is removed
        await asyncio.wait([working])
        problem = working.exception()
    if problem is not None:
        raise problem


async def _install(aside: Path, order: Order) -> None:
    await _run(order.tool.make(aside), order, "making an empty environment")
    lock = aside / "requirements.lock"
    lock.write_text(order.wanted.lock, encoding="utf-8")
    links = await asyncio.to_thread(_links, aside, order)
    offline_first = links is not None or not order.use_index
    if offline_first:
        try:
            await _run(
                order.tool.install(aside, lock, links=links, use_index=False), order, "installing without an index"
            )
        except BuildFailedError:
            if not order.use_index:
                raise
            order.say("the carried wheels are not enough here: asking the package index")
            offline_first = False
    if not offline_first:
        await _run(order.tool.install(aside, lock, links=links, use_index=True), order, "installing")


def _links(aside: Path, order: Order) -> Path | None:
    """Put the carried wheels that are on the disk into one folder, under their names."""
    here = {name: order.wheels_dir / sha256 for name, sha256 in order.wanted.wheels.items()}
    if not here:
        return None
    folder = aside / ".wheels"
    folder.mkdir()
    for name, path in here.items():
        if path.is_file():
            (folder / name).symlink_to(path.resolve())
    return folder


async def _run(argv: Sequence[str], order: Order, doing: str) -> None:
    """Run one program to its end; what it says goes into the attempt's log."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=dict(order.variables),
            start_new_session=True,
            limit=1024 * 1024,
        )
    except OSError as problem:
        raise BuildFailedError(f"{argv[0]} does not start: {problem.strerror}: install it again at the site") from None
    last: deque[str] = deque(maxlen=_LINES_KEPT)
    working = asyncio.ensure_future(_hear(process, last, order.say))
    stopping = asyncio.ensure_future(order.stopped.wait())
    try:
        await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise BuildStoppedError
        status = working.result()
    finally:
        stopping.cancel()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with suppress(TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(_DIES_S):
                await working
    if status:
        said = "\n".join(last) or f"exit status {status}"
        raise BuildFailedError(
            f"{doing} failed (Python {order.tool.python.spelled}):\n{said}\n"
            "If a version or a hash is not found: lock and deploy again, or send the wheels along (deploy --wheels)"
        )


async def _hear(process: asyncio.subprocess.Process, last: deque[str], say: Callable[[str], object]) -> int:
    if process.stdout is not None:
        async for line in process.stdout:
            text = line.decode(errors="replace").rstrip()[:_LONGEST_LINE]
            if text:
                last.append(text)
                say(f"  {text}")
    return await process.wait()


def _finish(aside: Path, final: Path, facts: dict[str, object]) -> None:
    """Let an environment be found under its name: whole, and on the disk."""
    shutil.rmtree(aside / ".wheels", ignore_errors=True)
    _correct_scripts(aside, final)
    size = sum(path.lstat().st_size for path in aside.rglob("*"))
    (aside / FACTS).write_text(json.dumps({**facts, "size": size}), encoding="utf-8")
    os.sync()  # thousands of small files: after a power cut none of them may be empty under a name that promises them
    shutil.rmtree(final, ignore_errors=True)
    aside.rename(final)
    fd = os.open(final.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _correct_scripts(aside: Path, final: Path) -> None:
    """Installed commands name the interpreter that will be, not the one of the building site."""
    before, after = os.fsencode(aside), os.fsencode(final)
    for script in (aside / "bin").iterdir():
        if script.is_file() and not script.is_symlink():
            text = script.read_bytes()
            if before in text:
                mode = script.stat().st_mode
                script.write_bytes(text.replace(before, after))
                script.chmod(mode)
