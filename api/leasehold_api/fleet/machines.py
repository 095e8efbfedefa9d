"""What agents' machines can run, as they found it themselves, and what a task needs of one. Pure.

A site's labels are its admin's word; these are facts of machines, and agents of one site may differ in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from leasehold.runtime.rules.python_versions import BadSpecifierError, allows, read_version
from leasehold_protocol.v1.manifest import Needs

EVERYWHERE = frozenset({"python", "program"})
"""The runtimes of every agent."""


class Wanted(Needs):
    """What a placement asks for: a task's needs, and what its environment has to begin with."""

    python: str | None = None
    """The ``requires-python`` of a function's DAG."""

    @classmethod
    def of(cls, needs: Needs) -> Self:
        """Return needs that ask for no Python."""
        return cls(connections=needs.connections, labels=needs.labels, runtime=needs.runtime)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What one agent said of its machine."""

    runtimes: frozenset[str] = EVERYWHERE
    pythons: Sequence[str] | None = None
    """Versions, like ``3.12.4``; none: it never said."""


UNKNOWN = Machine()
"""That of an agent which was not heard yet."""


def machine_fits(wanted: Wanted, machine: Machine) -> bool:
    """Say whether a task may run on a machine, labels and connections aside."""
    return wanted.runtime in machine.runtimes and (
        machine.pythons is None or any(_allows(wanted.python, version) for version in machine.pythons)
        if wanted.python is not None
        else True
    )


def lacks_python_only(wanted: Wanted, machines: Iterable[Machine]) -> bool:
    """Say whether a Python is all that keeps each of a site's machines from running a task."""
    able = [machine for machine in machines if wanted.runtime in machine.runtimes]
    return bool(able) and not any(machine_fits(wanted, machine) for machine in able)


def machine_lacks(wanted: Wanted, machines: Iterable[Machine]) -> str | None:
    """Return why none of a site's machines will do, in words for a person; none when one does."""
    known = list(machines)
    if any(machine_fits(wanted, machine) for machine in known):
        return None
    able = [machine for machine in known if wanted.runtime in machine.runtimes]
    if not able and wanted.runtime == "container":
        return "it does not run container tasks: none of its agents found a podman or docker that works"
    if not able:
        return f"it does not run {wanted.runtime} tasks"
    there = sorted({version for machine in able for version in machine.pythons or ()}, key=_key)
    has = f"has Python {', '.join(there)}" if there else "has no Python that packages can be installed for"
    return f"it {has}, and the task needs {wanted.python}"


def _allows(requires: str | None, version: str) -> bool:
    read = read_version(version)
    try:
        return read is not None and allows(requires, read)
    except BadSpecifierError:
        return True  # its agent will say what is wrong with it


def _key(version: str) -> tuple[int, ...]:
    return read_version(version) or ()
