"""What a manifest declares, and what makes an asset active. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from leasehold_api.errors import InvalidRequestError
from leasehold_api.schedules.conditions import assets_in
from leasehold_protocol.v1.assets import ASSET_EXTRA_BYTES, AssetDeclared
from leasehold_protocol.v1.manifest import Manifest, TaskEntry
from leasehold_protocol.v1.message import Json

MOST_OF_A_DAG = 1000
"""Assets that one DAG may declare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """The current version of a DAG declares an asset."""

    dag: str
    name: str
    uri: str
    since: float


def declared_by(manifest: Manifest) -> list[AssetDeclared]:
    """Return the assets that a DAG declares, each once.

    Raises:
        InvalidRequestError: if its tasks contradict one another, or there is too much of something.
    """
    found: dict[str, AssetDeclared] = {}
    names: dict[str, str] = {}
    said = [(f"task {task.id}", asset) for task in manifest.tasks for asset in (*task.inlets, *task.outlets)]
    said += [("the schedule", asset) for asset in assets_in(manifest.schedule.assets if manifest.schedule else None)]
    for who, asset in said:
        known = found.setdefault(asset.name, asset)
        if known.uri != asset.uri:
            raise InvalidRequestError(
                f"{who}: the asset {asset.name!r} has the URI {asset.uri!r} here and {known.uri!r} "
                "in another task: give it one"
            )
        if (other := names.setdefault(asset.uri, asset.name)) != asset.name:
            raise InvalidRequestError(
                f"{who}: {asset.uri!r} is called {asset.name!r} here and {other!r} in another task: give it one name"
            )
        check_extra(asset.extra, f"asset {asset.name!r}")
    if len(found) > MOST_OF_A_DAG:
        raise InvalidRequestError(f"the DAG declares {len(found)} assets; {MOST_OF_A_DAG} are the most: split the DAG")
    return list(found.values())


def check_extra(extra: dict[str, Json], what: str) -> str:
    """Return ``extra`` as JSON text.

    Raises:
        InvalidRequestError: if it is too large.
    """
    text = json.dumps(extra, ensure_ascii=False, separators=(",", ":"))
    if len(text.encode()) > ASSET_EXTRA_BYTES:
        raise InvalidRequestError(
            f"{what}: an extra has {ASSET_EXTRA_BYTES // 1024} KiB of JSON at most: keep what is large elsewhere"
        )
    return text


def why_inactive(name: str, uri: str, declarations: Iterable[Declaration]) -> str | None:
    """Return why an asset is not active under this URI; None: it is.

    Args:
        name: The asset.
        uri: The URI that somebody gives it.
        declarations: At least those with its name, and those with its URI. Who declared it first is right.
    """
    known = sorted(declarations, key=lambda each: (each.since, each.dag))
    own = [each for each in known if each.name == name]
    if not own:
        return "no DAG declares it any more: deploy one whose task has it as inlet or outlet"
    if own[0].uri != uri:
        return f"its URI is {own[0].uri!r} in the DAG {own[0].dag} and {uri!r} in another: let both say the same"
    first = next(each for each in known if each.uri == uri)
    if first.name != name:
        return f"{uri!r} is called {first.name!r} in the DAG {first.dag}: use one name"
    return None


def start_problem(task: TaskEntry, declarations: Sequence[Declaration]) -> str | None:
    """Return why a task must not start because of its inlets and outlets."""
    for kind, assets in (("inlet", task.inlets), ("outlet", task.outlets)):
        for asset in assets:
            if because := why_inactive(asset.name, asset.uri, declarations):
                return f"the {kind} {asset.name!r} of task {task.id} is not active: {because}"
    return None
