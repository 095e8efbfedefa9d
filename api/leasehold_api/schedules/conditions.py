"""Asset events that begin a run: whether they are all there. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from leasehold_protocol.v1.assets import AssetDeclared
from leasehold_protocol.v1.schedules import AliasTerm, AllOf, AnyOf, AssetCondition, AssetTerm

Name = tuple[str, str]
"""``("asset", name)`` or ``("alias", name)``."""


def holds(condition: AssetCondition, arrived: set[Name]) -> bool:
    """Say whether the events that arrived are enough."""
    match condition:
        case AssetTerm(asset=asset):
            return ("asset", asset.name) in arrived
        case AliasTerm(alias=alias):
            return ("alias", alias) in arrived
        case AllOf(of=parts):
            return all(holds(part, arrived) for part in parts)
        case AnyOf(of=parts):
            return any(holds(part, arrived) for part in parts)
        case _:
            assert_never(condition)


def named_in(condition: AssetCondition | None) -> list[Name]:
    """Return what a condition names, each once."""
    return list(dict.fromkeys(_named(term) for term in _terms(condition)))


def assets_in(condition: AssetCondition | None) -> list[AssetDeclared]:
    """Return the assets that a condition names."""
    return [term.asset for term in _terms(condition) if isinstance(term, AssetTerm)]


def _named(term: AssetTerm | AliasTerm) -> Name:
    return ("asset", term.asset.name) if isinstance(term, AssetTerm) else ("alias", term.alias)


def _terms(condition: AssetCondition | None) -> Iterator[AssetTerm | AliasTerm]:
    pending = [] if condition is None else [condition]
    while pending:
        match pending.pop(0):
            case AllOf(of=parts) | AnyOf(of=parts):
                pending[:0] = parts
            case term:
                yield term
