"""From what a bundle asks for to an environment that is held: found in the cache, waited for, or built."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from leasehold.runtime.rules.locks import (
    ENVIRONMENT_FILE,
    BadLockError,
    WantedEnvironment,
    locked_packages,
    wanted_environment,
)
from leasehold.runtime.rules.python_versions import BadSpecifierError, allows
from leasehold_agent.environments.cache import EnvironmentCache, Hold, environment_key
from leasehold_agent.environments.pythons import Interpreter, NoPythonError, chosen, interpreters
from leasehold_agent.environments.rules import EnvironmentRules
from leasehold_agent.packs.found import PackGoneError, keep, offered_pythons

_LOOK_S = 0.1
_CHOICES = 3


class NoEnvironmentError(Exception):
    """There is none to be had. The message says why, and what to do."""


class EnvironmentRefusedError(Exception):
    """The site's policy does not let it be made. The message says why."""


class StoppedError(Exception):
    """The attempt ends before its environment is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Where a task with dependencies runs."""

    python: str
    hold: Hold | None
    """Keep it until the task has ended; None: there are no packages, only a choice of Python."""
    pack: int | None = None
    """The same of the pack that the Python is from: a file to be left open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What a host knows of its site and of its attempt."""

    rules: EnvironmentRules
    python: str | None
    """The agent's setting ``python``."""
    allowed: str
    """By the site's policy: ``index``, ``wheels-only`` or ``never``."""
    surroundings: Mapping[str, str]
    variables: Mapping[str, str]
    """By which what is started here is known as this attempt's."""


def asked_for(bundle_dir: str | None) -> WantedEnvironment | None:
    """Return what a bundle asks for; None when it asks for nothing.

    Raises:
        NoEnvironmentError: that can't be read.
    """
    if bundle_dir is None:
        return None
    try:
        return wanted_environment(Path(bundle_dir, ENVIRONMENT_FILE).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, BadLockError) as problem:
        raise NoEnvironmentError(f"{problem}: deploy the DAG again") from None


async def get(wanted: WantedEnvironment, site: Site, say: Callable[[str], object], stopped: asyncio.Event) -> Ready:
    """Return the environment of a task, built if it has to be.

    Raises:
        EnvironmentRefusedError: the site's policy does not allow it.
        NoEnvironmentError: it can't be had here.
        StoppedError: ``stopped`` was set meanwhile.
    """
    check_allowed(wanted, site.allowed)
    cache = EnvironmentCache(Path(site.rules.cache_dir))
    try:
        python, pack = await asyncio.to_thread(_chosen, wanted, site, cache)
    except (NoPythonError, BadSpecifierError) as problem:
        raise NoEnvironmentError(str(problem)) from None
    if not wanted.lock:
        return Ready(python=python.path, hold=None, pack=pack)
    key = environment_key(wanted.lock, python)
    hold = await _Getting(key, cache, wanted, python, site, say, stopped).held()
    cache.note_use(key)
    return Ready(python=str(cache.python(key)), hold=hold, pack=pack)


def check_allowed(wanted: WantedEnvironment, allowed: str) -> None:
    """Hold an environment against the site's policy.

    Raises:
        EnvironmentRefusedError: it is not allowed.
    """
    if not wanted.lock or allowed == "index":
        return
    if allowed == "never":
        raise EnvironmentRefusedError("it lets no packages be installed for tasks (environments)")
    carried = set(wanted.wheels.values())
    missing = [one.name for one in locked_packages(wanted.lock) if not one.is_conditional and not one.hashes & carried]
    if missing:
        raise EnvironmentRefusedError(
            f"it lets only packages be installed that travel with the DAG (environments), and "
            f"{', '.join(missing[:10])} would come from an index: deploy with --wheels"
        )


def _chosen(wanted: WantedEnvironment, site: Site, cache: EnvironmentCache) -> tuple[Interpreter, int | None]:
    """Return the interpreter to take, and what keeps the pack that it is from, if it is from one.

    One of a pack is taken only where none of the machine's is allowed: a pack that is added changes nothing for tasks
    that had a Python.
    """
    packs = Path(site.rules.packs_dir) if site.rules.packs_dir is not None else None
    for _ in range(_CHOICES):
        here = _able(_interpreters(site, cache, packs), wanted, cache, Path(site.rules.wheels_dir))
        if packs is None:
            return chosen(wanted.requires_python, here), None
        with suppress(NoPythonError):
            of_machine = [one for one in here if not Path(one.path).is_relative_to(packs)]
            return chosen(wanted.requires_python, of_machine), None
        python = chosen(wanted.requires_python, here)
        with suppress(PackGoneError):  # what is gone is not among the next ones to choose from
            return python, keep(packs, python.path)
    raise NoPythonError("the Pythons of this site are being changed: edge-agent packs list shows which there are")


def _able(
    here: list[Interpreter], wanted: WantedEnvironment, cache: EnvironmentCache, wheels_dir: Path
) -> list[Interpreter]:
    """Return those of the interpreters that the packages can be had for: the binary's own needs them carried.

    Raises:
        NoPythonError: only that would be allowed, and they are not.
    """
    # What is built needs no wheels any more; to look them through takes milliseconds of every start.
    asked = [one for one in here if one.unpacks and not cache.is_ready(environment_key(wanted.lock, one))]
    if not wanted.lock or not asked:
        return here
    from leasehold_agent.environments.carried import NotCarriedError, carried_wheels

    able: list[Interpreter] = []
    lacks: dict[str, str] = {}
    for one in here:
        try:
            if one in asked:
                carried_wheels(wanted, one, wheels_dir)
            able.append(one)
        except NotCarriedError as problem:
            lacks[one.spelled] = str(problem)
    others = [one for one in able if allows(wanted.requires_python, one.version)]
    own = [one for one in asked if allows(wanted.requires_python, one.version)]
    if own and not others:
        python = own[0]
        major, minor, _ = python.version
        raise NoPythonError(
            f"the packages can't be had for the agent's own Python {python.spelled}, which takes only wheels that "
            f"travel with the DAG: {lacks[python.spelled]}: carry the wheels (leasehold deploy --wheels), or add a "
            f"Python and uv to this site (edge-agent packs add python{major}.{minor}, edge-agent packs add uv)"
        )
    return able


def _interpreters(site: Site, cache: EnvironmentCache, packs: Path | None) -> list[Interpreter]:
    return interpreters(
        site.python,
        site.rules.pythons,
        search_path=site.surroundings.get("PATH", os.defpath),
        cache=cache.root / "pythons.json",
        packs=() if packs is None else offered_pythons(packs),
    )


@dataclass(frozen=True, slots=True)
class _Getting:
    """One attempt's way to one environment."""

    key: str
    cache: EnvironmentCache
    wanted: WantedEnvironment
    python: Interpreter
    site: Site
    say: Callable[[str], object]
    stopped: asyncio.Event

    async def held(self) -> Hold:
        cache, key, waits = self.cache, self.key, False
        while True:
            if (hold := cache.share(key)) is not None:
                if cache.is_ready(key):
                    return hold
                hold.release()
            if (alone := cache.seize(key)) is not None:
                try:
                    if not cache.is_ready(key):
                        await self._build()
                finally:
                    alone.release()
                continue
            if not waits:
                self.say(f"waiting for another attempt that installs environment {key[:12]}")
                waits = True
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await self.stopped.wait()
                raise StoppedError

    async def _build(self) -> None:
        from leasehold_agent.environments.building import BuildFailedError, BuildStoppedError, Order, build
        from leasehold_agent.environments.tools import NoToolError, find_tool, tool_environment

        site, kept = self.site, None
        try:
            tool = find_tool(site.rules, self.python, search_path=site.surroundings.get("PATH", os.defpath))
            if site.rules.packs_dir is not None and tool.uv is not None:
                kept = await asyncio.to_thread(keep, Path(site.rules.packs_dir), tool.uv)
            order = Order(
                key=self.key,
                wanted=self.wanted,
                wheels_dir=Path(site.rules.wheels_dir),
                tool=tool,
                use_index=site.allowed == "index",
                timeout_s=site.rules.timeout_s,
                variables=tool_environment(site.rules, site.surroundings, site.variables),
                say=self.say,
                stopped=self.stopped,
            )
            await build(self.cache, order)
        except BuildStoppedError:
            raise StoppedError from None
        except PackGoneError:
            raise NoEnvironmentError("uv's pack was removed a moment ago: the next try looks for another") from None
        except (BuildFailedError, NoToolError) as problem:
            raise NoEnvironmentError(str(problem)) from None
        finally:
            if kept is not None:
                os.close(kept)
