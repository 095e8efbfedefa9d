"""Placement: whether what a task needs is what a site offers.

Label values are text and are compared as what both sides look like: sizes (``64GiB``, ``1500``), versions (``3.11``,
``v1.2.0-rc1``), else text. Text knows only ``=`` and ``!=``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from leasehold_api.fleet.machines import UNKNOWN, Machine, Wanted, lacks_python_only, machine_lacks
from leasehold_protocol.v1.manifest import Needs


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a site offers."""

    labels: Mapping[str, str]
    connections: frozenset[str]
    machines: Sequence[Machine] = (UNKNOWN,)
    """Those of its agents: one of them is enough."""
    reserved: str | None = None
    """The label that a task must ask for to run there; none: the site is for all."""


def offers(
    site_labels: Mapping[str, str],
    connections: Collection[str],
    machines: Sequence[Machine] = (),
    *,
    reserved: str | None = None,
) -> Offer:
    """Return the offer of a site with these labels, granted these connections."""
    return Offer(
        labels=dict(site_labels),
        connections=frozenset(connections),
        machines=machines or (UNKNOWN,),
        reserved=reserved,
    )


def mismatch(needs: Needs, offer: Offer) -> str | None:
    """Return why a site does not fit, in words for a person; none when it fits."""
    for name in sorted(needs.connections):
        if name not in offer.connections:
            return f"it does not reach the connection {name}"
    if lacks := machine_lacks(needs if isinstance(needs, Wanted) else Wanted.of(needs), offer.machines):
        return lacks
    for label, condition in sorted(needs.labels.items()):
        if not _holds(condition, offer.labels.get(label)):
            has = f"is {offer.labels[label]}" if label in offer.labels else "is not set"
            return f"its label {label} {has}, and the task needs {_spelled(condition)}"
    if offer.reserved is not None and not _asks_for(needs, offer.reserved):
        return f"it is reserved for tasks that need its label {offer.reserved}"
    return None


def needs_a_python(needs: Wanted, offer: Offer) -> bool:
    """Say whether a site would do if one of its machines had the Python that is needed."""
    if not lacks_python_only(needs, offer.machines):
        return False
    return mismatch(needs.model_copy(update={"python": None}), offer) is None


def _asks_for(needs: Needs, label: str) -> bool:
    """Say whether a task asks for a label; ``!=`` only keeps away from it."""
    condition = needs.labels.get(label)
    return condition is not None and _parsed(condition)[0] != "!="


_CONDITION = re.compile(r"\s*(?P<operator>!=|<=|>=|=|<|>)?\s*(?P<value>.*?)\s*", re.DOTALL)


def _parsed(condition: str) -> tuple[str, str]:
    match = _CONDITION.fullmatch(condition)
    return (match["operator"] or "=", match["value"]) if match else ("=", condition)


def _spelled(condition: str) -> str:
    return "".join(_parsed(condition))


def _holds(condition: str, value: str | None) -> bool:
    operator, wanted = _parsed(condition)
    if value is None:
        return operator == "!="
    order = _order(value, wanted)
    match operator:
        case "=":
            return order == 0
        case "!=":
            return order != 0
        case "<":
            return order is not None and order < 0
        case "<=":
            return order is not None and order <= 0
        case ">":
            return order is not None and order > 0
        case _:
            return order is not None and order >= 0


def _order(left: str, right: str) -> int | None:
    """Return -1, 0 or 1 as ``left`` is before, equal to or after ``right``; none when they only differ."""
    left, right = left.strip(), right.strip()
    if left == right:
        return 0
    if (left_size := _size(left)) is not None and (right_size := _size(right)) is not None:
        return (left_size > right_size) - (left_size < right_size)
    if (left_version := _version(left)) is not None and (right_version := _version(right)) is not None:
        return (left_version > right_version) - (left_version < right_version)
    return None


_UNITS: dict[str, int] = {
    "": 1,
    **{unit: 1000**power for power, unit in enumerate("kmgtp", start=1)},
    **{f"{unit}i": 1024**power for power, unit in enumerate("kmgtp", start=1)},
}
_SIZE = re.compile(
    r"(?P<number>-?[0-9]{1,18}(?:\.[0-9]{1,9})?)\s*(?P<unit>[kmgtp]i?)?(?P<byte>b)?", re.IGNORECASE | re.ASCII
)


def _size(text: str) -> Decimal | None:
    """Return a whole number, or a number with a unit, in ones. ``3.11`` alone is a version, not a number."""
    match = _SIZE.fullmatch(text)
    if match is None or ("." in match["number"] and not match["unit"] and not match["byte"]):
        return None
    return Decimal(match["number"]) * _UNITS[(match["unit"] or "").lower()]


_VERSION = re.compile(
    r"v?(?P<release>[0-9]{1,18}(?:\.[0-9]{1,18}){0,7})(?:[-.]?(?P<pre>[a-z][0-9a-z.-]{0,63}))?(?:\+.{0,64})?",
    re.IGNORECASE | re.ASCII,
)


def _version(text: str) -> tuple[tuple[int, ...], bool, tuple[tuple[int, str], ...]] | None:
    """Return a sort key: the release without zeros at its end; a pre-release comes before its release."""
    match = _VERSION.fullmatch(text)
    if match is None:
        return None
    release = [int(part) for part in match["release"].split(".")]
    while len(release) > 1 and release[-1] == 0:
        release.pop()
    pre = (match["pre"] or "").lower()
    parts = tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.findall(r"[0-9]+|[a-z]+", pre))
    return tuple(release), not pre, parts
