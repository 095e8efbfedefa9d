"""The interpreters of this machine, and which of them a task may have."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from leasehold.runtime.rules.python_versions import Version, allows

_MINORS = range(11, 21)
_MOST_MICRO = 40
_NAMES = ("python3", *(f"python3.{minor}" for minor in _MINORS))
_OLDEST: Version = (3, 11, 0)
_ASK_S = 20.0
# How packages get into its environments is a word: 1 with its pip, 0 not by itself. A frozen program is an interpreter
# for tasks only if it knows such environments, as the binary's own edge-python does.
_UNPACKS = "unpacks"
_ASK = f"""\
import sys, sysconfig
from importlib.util import find_spec
how = getattr(sys, "_edge_python", None) if hasattr(sys, "_MEIPASS") else int(find_spec("pip") is not None)
if how in (0, 1, "{_UNPACKS}"):
    tag = f"{{sys.implementation.cache_tag}}-{{sysconfig.get_platform()}}"
    print(*sys.version_info[:3], tag, how, sys.executable)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """One interpreter.

    Attributes:
        path: Where it is.
        version: Major, minor and micro.
        tag: Which compiled packages fit: implementation and platform.
        has_pip: It can install packages itself.
        unpacks: It is the binary's own: its packages are carried wheels, unzipped; nothing can be installed for it.
    """

    path: str
    version: Version
    tag: str
    has_pip: bool
    unpacks: bool = False

    @property
    def spelled(self) -> str:
        """The version as people write it."""
        return ".".join(map(str, self.version))


class NoPythonError(Exception):
    """No interpreter here will do. The message says what there is, and what to do."""


def chosen(requires: str | None, interpreters: Sequence[Interpreter]) -> Interpreter:
    """Return the one that a task gets: the first, which is the site's own choice, or else the newest that is allowed.

    Raises:
        NoPythonError: none is.
    """
    fitting = [one for one in interpreters if allows(requires, one.version)]
    if not fitting:
        there = ", ".join(sorted({one.spelled for one in interpreters})) or "none"
        allowed = "packages can be installed for" if requires is None else f"requires-python {requires!r} allows"
        raise NoPythonError(
            f"this site has no Python that {allowed} (it has {there}): add one to its agent "
            f"(edge-agent packs add {_fitting_pack(requires)}, if its repository has that), or install one there and "
            "name it in the agent's `pythons`, or let the task need a label of the sites that have it"
        )
    return fitting[0] if fitting[0] is interpreters[0] else max(fitting, key=lambda one: one.version)


def _fitting_pack(requires: str | None) -> str:
    """Return the name of the pack with the oldest Python that may be allowed."""
    minors = (minor for minor in _MINORS if any(allows(requires, (3, minor, micro)) for micro in range(_MOST_MICRO)))
    return f"python3.{next(minors, 'X')}"


def interpreters(
    own: str | None, named: Iterable[str], *, search_path: str, cache: Path, packs: Iterable[str] = ()
) -> list[Interpreter]:
    """Return what is here, the site's own choice first. Each is asked once, and again when its file changes.

    Args:
        own: The agent's setting ``python``.
        named: Its setting ``pythons``.
        search_path: The ``PATH`` to look for ``python3.X`` on.
        cache: A file that remembers the answers.
        packs: Those of packs; they come last.
    """
    known = _remembered(cache)
    found: dict[str, Interpreter] = {}
    asked: dict[str, dict[str, object]] = {}
    for path, stamp in _candidates(own, named, search_path, packs):
        answer = known.get(path)
        if answer is None or answer.get("stamp") != stamp:
            one = _ask(path)
            fresh: dict[str, object] = {"stamp": stamp, "is": None if one is None else asdict(one)}
            answer = fresh
        asked[path] = answer
        fields = answer.get("is")
        if isinstance(fields, dict):
            with suppress(TypeError):
                one = _interpreter(cast("dict[str, object]", fields))
                if one.version >= _OLDEST:
                    found.setdefault(os.path.realpath(path), one)
    if asked != known:
        _remember(cache, asked)
    return list(found.values())


def _candidates(
    own: str | None, named: Iterable[str], search_path: str, packs: Iterable[str]
) -> Iterable[tuple[str, list[int]]]:
    folders = [folder for folder in search_path.split(os.pathsep) if folder]
    on_path = (os.path.join(folder, name) for folder in folders for name in _NAMES)  # noqa: PTH118 - at every start of a task with dependencies
    paths = [*([own] if own else []), *named, *on_path, *packs]
    seen: set[tuple[int, int]] = set()  # /usr/bin/python3 is one of the others, and need not be asked
    for path in dict.fromkeys(paths):
        with suppress(OSError):
            facts = os.stat(path)  # noqa: PTH116 - as above
            if (facts.st_dev, facts.st_ino) not in seen:
                seen.add((facts.st_dev, facts.st_ino))
                yield path, [facts.st_ino, facts.st_mtime_ns]


def _ask(path: str) -> Interpreter | None:
    try:
        done = subprocess.run(
            [path, "-I", "-c", _ASK],
            capture_output=True,
            text=True,
            timeout=_ASK_S,
            check=True,
            stdin=subprocess.DEVNULL,
        )
        # What it calls itself: a name on the PATH may be a script that chooses.
        major, minor, micro, tag, how, executable = done.stdout.strip().split(maxsplit=5)
        version = (int(major), int(minor), int(micro))
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return Interpreter(path=executable, version=version, tag=tag, has_pip=how == "1", unpacks=how == _UNPACKS)


def _interpreter(fields: dict[str, object]) -> Interpreter:
    major, minor, micro = cast("list[int]", fields["version"])
    return Interpreter(
        path=str(fields["path"]),
        version=(major, minor, micro),
        tag=str(fields["tag"]),
        has_pip=fields["has_pip"] is True,
        unpacks=fields.get("unpacks") is True,
    )


def _remembered(cache: Path) -> dict[str, dict[str, object]]:
    try:
        found: object = json.loads(cache.read_bytes())
    except (OSError, ValueError):
        return {}
    return cast("dict[str, dict[str, object]]", found) if isinstance(found, dict) else {}


def _remember(cache: Path, asked: dict[str, dict[str, object]]) -> None:
    aside = cache.with_name(f".{cache.name}.{os.getpid()}")
    with suppress(OSError):
        cache.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside.write_text(json.dumps(asked), encoding="utf-8")
        aside.replace(cache)
