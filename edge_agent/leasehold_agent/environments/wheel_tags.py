"""Which wheels an interpreter can have, by their names (PEP 425, 600). By hand: the host is standard library only."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from leasehold_agent.environments.pythons import Interpreter

_NAME = re.compile(
    r"(?P<name>[A-Za-z0-9._]+)-(?P<version>[A-Za-z0-9._+!]+)(?:-[0-9][A-Za-z0-9._]*)?"
    r"-(?P<python>[A-Za-z0-9._]+)-(?P<abi>[A-Za-z0-9._]+)-(?P<platform>[A-Za-z0-9._]+)\.whl"
)
_MANYLINUX = re.compile(r"manylinux_2_(?P<glibc>[0-9]+)_(?P<machine>.+)")
_GLIBC_BEFORE_PEP_600 = {"manylinux1": 5, "manylinux2010": 12, "manylinux2014": 17}
_OLDEST_STABLE_ABI = 2
"""CPython 3.2 was the first with one."""

Rank = tuple[int, int, int]
"""How well a wheel fits; the highest is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What an interpreter can load.

    Attributes:
        minor: Of CPython 3.
        machine: ``x86_64``, for example.
        glibc: The minor of glibc 2; None: it is not there, or not known.
    """

    minor: int
    machine: str
    glibc: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelName:
    """What a wheel says in its file's name."""

    name: str
    version: str
    tags: frozenset[tuple[str, str, str]]


def fit_of(python: Interpreter) -> Fit:
    """Return what an interpreter of this machine can load."""
    _, _, platform = python.tag.split("-", maxsplit=2)
    machine = platform.removeprefix("linux-").replace("-", "_").replace(".", "_")
    return Fit(minor=python.version[1], machine=machine, glibc=_glibc())


def wheel_name(file: str) -> WheelName | None:
    """Read a file's name; None when it is no wheel's."""
    match = _NAME.fullmatch(file)
    if match is None:
        return None
    pythons, abis, platforms = (match[part].split(".") for part in ("python", "abi", "platform"))
    tags = frozenset((python, abi, platform) for python in pythons for abi in abis for platform in platforms)
    return WheelName(name=match["name"], version=match["version"], tags=tags)


def rank(wheel: WheelName, fit: Fit) -> Rank | None:
    """Say how well a wheel fits; None when it does not."""
    ranks = (_rank(*tag, fit) for tag in wheel.tags)
    return max((each for each in ranks if each is not None), default=None)


def _rank(python: str, abi: str, platform: str, fit: Fit) -> Rank | None:
    on_platform = _rank_of_platform(platform, fit)
    if on_platform is None:
        return None
    own = f"cp3{fit.minor}"
    if python == own and abi == own:
        return 4, fit.minor, on_platform
    if abi == "abi3" and (minor := _minor(python, "cp3")) is not None and _OLDEST_STABLE_ABI <= minor <= fit.minor:
        return 3, minor, on_platform
    if abi != "none":
        return None
    if python == own:
        return 2, fit.minor, on_platform
    if python == "py3":
        return 1, 0, on_platform
    minor = _minor(python, "py3")
    return (1, minor, on_platform) if minor is not None and minor <= fit.minor else None


def _rank_of_platform(platform: str, fit: Fit) -> int | None:
    if platform == "any":
        return 0
    if platform == f"linux_{fit.machine}":
        return 1
    for glibc, machine in _manylinux(platform):
        if machine == fit.machine and fit.glibc is not None and glibc <= fit.glibc:
            return 2 + glibc
    return None


def _manylinux(platform: str) -> Iterator[tuple[int, str]]:
    if match := _MANYLINUX.fullmatch(platform):
        yield int(match["glibc"]), match["machine"]
    alias, _, machine = platform.partition("_")
    if alias in _GLIBC_BEFORE_PEP_600:
        yield _GLIBC_BEFORE_PEP_600[alias], machine


def _minor(python: str, front: str) -> int | None:
    digits = python.removeprefix(front)
    return int(digits) if python.startswith(front) and digits.isascii() and digits.isdigit() else None


def _glibc() -> int | None:
    try:
        said = os.confstr("CS_GNU_LIBC_VERSION")  # "glibc 2.36"; elsewhere the name itself is not known
    except (OSError, ValueError):
        return None
    match = re.fullmatch(r"glibc 2\.([0-9]+).*", said or "")
    return int(match[1]) if match else None
