"""Inlets and outlets as a task's options say them, and whether the tasks of a file agree on their assets."""

from __future__ import annotations

import json

from leasehold.asset import Asset, AssetAlias
from leasehold.authoring.mistakes import AuthoringError
from leasehold.runtime.values import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MOST = 100
_EXTRA_BYTES = 16 * 1024


def assets_or_aliases(value: object) -> list[Asset | AssetAlias]:
    """Return the value of ``inlets=`` or ``outlets=``; a text names an asset.

    Raises:
        ValueError: if it is something else, or too much of it.
    """
    if not isinstance(value, list | tuple):
        raise ValueError('a list is needed, even for one: [Asset("plant_north/readings")]')
    if len(value) > _MOST:
        raise ValueError(f"a task has {_MOST} at most")
    found: list[Asset | AssetAlias] = []
    for each in value:
        if not isinstance(each, Asset | AssetAlias | str):
            raise ValueError(f'{each!r} is no asset: write Asset("…"), AssetAlias("…") or a name')
        found.append(Asset(each) if isinstance(each, str) else each)
        if isinstance(each, Asset) and len(json.dumps(_declared(each)["extra"], ensure_ascii=False)) > _EXTRA_BYTES:
            raise ValueError(f"the extra of {each.name!r} has more than 16 KiB of JSON")
    return list(dict.fromkeys(found))


def said_of(kind: str, given: object) -> dict[str, object]:
    """Return the fields of the manifest's task entry for ``inlets`` or ``outlets``; empty ones are left out."""
    found = given if isinstance(given, list) else []
    fields: dict[str, object] = {
        kind: [_declared(each) for each in found if isinstance(each, Asset)],
        f"{kind.removesuffix('s')}_aliases": [each.name for each in found if isinstance(each, AssetAlias)],
    }
    return {name: value for name, value in fields.items() if value}


def declared_asset(asset: Asset | AssetAlias) -> dict[str, object]:
    """Return an asset as the manifest says it.

    Raises:
        ValueError: if it is an alias, or its ``extra`` is no JSON.
    """
    if isinstance(asset, AssetAlias):
        raise ValueError(f"{asset!r} is an alias")
    return _declared(asset)


def _declared(asset: Asset) -> dict[str, object]:
    try:
        extra = encode(asset.extra, f"the extra of {asset.name!r}")
    except TypeError as problem:
        raise ValueError(str(problem)) from None
    return {**asset.declared(), "extra": extra}


class AssetBook:
    """The assets of one file: a name has one URI, and a URI one name."""

    def __init__(self) -> None:
        self._uris: dict[str, tuple[str, str]] = {}
        self._names: dict[str, tuple[str, str]] = {}

    def contradictions(
        self, tasks: Iterable[tuple[str, Mapping[str, object], tuple[str, int]]]
    ) -> list[AuthoringError]:
        """Return a mistake for every task that gives an asset another URI, or another name, than a task before it.

        Args:
            tasks: Of each its id, its entry in the manifest, and where the author wrote it.
        """
        mistakes: list[AuthoringError] = []
        for task, entry, place in tasks:
            for kind in ("inlets", "outlets"):
                declared = entry.get(kind)
                for asset in declared if isinstance(declared, list) else ():
                    if problem := self._problem(task, str(asset["name"]), str(asset["uri"])):
                        message, cure = problem
                        mistakes.append(AuthoringError(message, cure, place=place))
        return mistakes

    def _problem(self, task: str, name: str, uri: str) -> tuple[str, str] | None:
        known_uri, first = self._uris.setdefault(name, (uri, task))
        if known_uri != uri:
            return (
                f"task {task!r}: the asset {name!r} has the URI {uri!r} here and {known_uri!r} in task {first!r}",
                "Write Asset(…) once, at the top of the file, and use that in both.",
            )
        known_name, first = self._names.setdefault(uri, (name, task))
        if known_name != name:
            return (
                f"task {task!r}: {uri!r} is the asset {name!r} here and {known_name!r} in task {first!r}",
                "Give it one name.",
            )
        return None
