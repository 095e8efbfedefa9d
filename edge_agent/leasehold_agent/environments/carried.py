"""Which carried wheels make an environment without an index: one for every package that is wanted here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from leasehold.runtime.rules.locks import LockedPackage, WantedEnvironment, locked_packages, normal_name
from leasehold_agent.environments.markers import BadMarkerError, facts, holds
from leasehold_agent.environments.pythons import Interpreter
from leasehold_agent.environments.wheel_tags import Fit, Rank, fit_of, rank, wheel_name


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedWheel:
    """One wheel on this disk.

    Attributes:
        file: What it is called; on the disk it has its hash's name.
        path: Where it is.
        sha256: What its content has to have: it is among the lock's.
    """

    file: str
    path: Path
    sha256: str


class NotCarriedError(Exception):
    """An environment can't be made of what is carried. The message says of what there is no wheel."""


def carried_wheels(wanted: WantedEnvironment, python: Interpreter, wheels_dir: Path) -> list[CarriedWheel]:
    """Return the wheels that an environment is made of.

    A lock and an interpreter always give the same packages: what a marker is not understood to say is no guess.

    Raises:
        NotCarriedError: there is none for a package, or a marker is not understood.
    """
    here, fit = facts(python.version), fit_of(python)
    found: list[CarriedWheel] = []
    missing: list[str] = []
    for package in locked_packages(wanted.lock):
        try:
            is_wanted = package.marker is None or holds(package.marker, here)
        except BadMarkerError as problem:
            raise NotCarriedError(f"the condition of {package.name} in the lock is not understood: {problem}") from None
        if is_wanted:
            best = _best(package, wanted, fit, wheels_dir)
            if best is None:
                missing.append(package.name)
            else:
                found.append(best)
    if missing:
        raise NotCarriedError(f"no wheel that fits is carried for {', '.join(missing[:10])}")
    return found


def _best(package: LockedPackage, wanted: WantedEnvironment, fit: Fit, wheels_dir: Path) -> CarriedWheel | None:
    ranked: list[tuple[Rank, str, CarriedWheel]] = []
    for file, sha256 in wanted.wheels.items():
        said = wheel_name(file)
        if said is None or sha256 not in package.hashes or normal_name(said.name) != package.name:
            continue
        fits, path = rank(said, fit), wheels_dir / sha256
        if fits is not None and path.is_file():
            ranked.append((fits, file, CarriedWheel(file=file, path=path, sha256=sha256)))
    return max(ranked, key=lambda each: each[:2])[2] if ranked else None
