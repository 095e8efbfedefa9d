"""Compares what is deployed with what a file holds, field by field. Pure.

Fields are compared as they are named in the manifest, so that whatever a manifest gains is compared, too. Where in its
file a task stands is no change of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from leasehold_protocol.v1.manifest import Manifest
from leasehold_protocol.v1.message import Json

_OF_NO_INTEREST = frozenset({"file", "line"})
_NOT_OF_THE_DAG = frozenset({"manifest_version", "dag", "tasks", "params_schema", "bundle"})
_DEEPEST = 4
"""How far down fields are named; what is deeper is compared as one."""


class What(StrEnum):
    """What became of something."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """A field that has another value; None stands for none."""

    field: str
    before: Json
    after: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A task or a parameter that is new, gone or different."""

    name: str
    what: What
    fields: tuple[FieldChange, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestChanges:
    """The difference of two manifests."""

    dag: tuple[FieldChange, ...]
    params: tuple[Change, ...]
    tasks: tuple[Change, ...]


def compare(before: Manifest | None, after: Manifest) -> ManifestChanges:
    """Return what is different; all is new where nothing is deployed."""
    old = {} if before is None else _plain(before)
    new = _plain(after)
    return ManifestChanges(
        dag=() if before is None else tuple(_fields(_without(old, _NOT_OF_THE_DAG), _without(new, _NOT_OF_THE_DAG))),
        params=tuple(_named(_params(old), _params(new))),
        tasks=tuple(_named(_tasks(old), _tasks(new))),
    )


def _plain(manifest: Manifest) -> dict[str, Json]:
    return manifest.model_dump(mode="json", by_alias=True)


def _without(fields: Mapping[str, Json], names: frozenset[str]) -> dict[str, Json]:
    return {name: value for name, value in fields.items() if name not in names}


def _tasks(manifest: Mapping[str, Json]) -> dict[str, Json]:
    return {task["id"]: _without(task, _OF_NO_INTEREST | {"id"}) for task in manifest.get("tasks", ())}


def _params(manifest: Mapping[str, Json]) -> dict[str, Json]:
    properties = manifest.get("params_schema", {}).get("properties", {})
    return dict(properties) if isinstance(properties, dict) else {}


def _named(old: Mapping[str, Json], new: Mapping[str, Json]) -> Iterator[Change]:
    """Yield what is new or different in the new order, then what is gone."""
    for name, value in new.items():
        if name not in old:
            yield Change(name=name, what=What.ADDED)
        elif fields := tuple(_fields(old[name], value)):
            yield Change(name=name, what=What.CHANGED, fields=fields)
    for name in old:
        if name not in new:
            yield Change(name=name, what=What.REMOVED)


def _fields(old: Json, new: Json, path: str = "", depth: int = 0) -> Iterator[FieldChange]:
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict) and depth < _DEEPEST:
        for name in dict.fromkeys([*new, *old]):
            yield from _fields(old.get(name), new.get(name), f"{path}.{name}" if path else str(name), depth + 1)
    else:
        yield FieldChange(field=path, before=old, after=new)
