"""What a running task asks of assets, whether it may, and the ports that answer tasks and people."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from leasehold_api.acting import Slice
from leasehold_api.callers import TaskCaller
from leasehold_api.errors import ApiError, NotFoundError
from leasehold_protocol.v1.assets import Asset, AssetDetail, AssetEvent, AssetEvents
from leasehold_protocol.v1.message import Json
from leasehold_protocol.v1.problems import ProblemCode

MOST_STATE_KEYS = 1000
STATE_VALUE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """One asset, by one of the two."""

    name: str | None = None
    uri: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsAsked:
    """Which events a task asks for: of an asset, or of an alias."""

    asset: Named | None = None
    alias: str | None = None
    after: float | None = None
    before: float | None = None
    ascending: bool = True
    limit: int


class AssetFacts(Protocol):
    """Answers tasks whose lease is live. Its promises are ``tests/api/test_task_assets.py``.

    Each raises ``LeaseLostError`` when the reader's lease is over, and ``ApiError`` (``not_declared``) for what is
    neither inlet nor outlet of the task. What is not declared can't be told from what is not there.
    """

    async def get(self, reader: TaskCaller, asset: Named) -> Asset:
        """Return an asset."""
        ...

    async def by_alias(self, reader: TaskCaller, alias: str) -> list[Asset]:
        """Return the assets that an alias has stood for, by name."""
        ...

    async def events(self, reader: TaskCaller, asked: EventsAsked) -> AssetEvents:
        """Return events by time."""
        ...


class AssetStateStore(Protocol):
    """What tasks keep with an asset, whatever run they are of. Writes are for outlets, and fenced by the epoch."""

    async def get(self, reader: TaskCaller, asset: Named, key: str) -> Json:
        """Return a value.

        Raises:
            NotFoundError: if nothing is kept under the key.
        """
        ...

    async def keys(self, reader: TaskCaller, asset: Named, prefix: str) -> list[str]:
        """Return the keys that begin so, in order."""
        ...

    async def put(self, writer: TaskCaller, asset: Named, key: str, value: Json, *, now: float) -> None:
        """Keep a value.

        Raises:
            InvalidRequestError: if it is too large, or there are too many keys.
        """
        ...

    async def remove(self, writer: TaskCaller, asset: Named, key: str | None) -> None:
        """Let go of a key, or of all; it need not be there."""
        ...


class AssetCatalog(Protocol):
    """What people see. Its promises are ``tests/api/test_assets.py``."""

    async def get(self, team_id: str, name: str) -> AssetDetail:
        """Return an asset.

        Raises:
            NotFoundError: if the team has none of that name.
        """
        ...

    async def events(self, team_id: str, asset: str | None, part: Slice) -> list[AssetEvent]:
        """Return events, newest first: of one asset, or of all."""
        ...

    async def list(self, team_id: str, part: Slice) -> list[AssetDetail]:
        """Return a team's assets by name."""
        ...


def asset_scope(name: str, action: str) -> str:
    """Return the scope that lets a task ``read`` of an asset, or ``write`` its state."""
    return f"asset:{name}:{action}"


def alias_scope(alias: str) -> str:
    """Return the scope that lets a task ask what an alias has stood for."""
    return f"asset_alias:{alias}:read"


def readable_names(scopes: Collection[str]) -> list[str]:
    """Return the assets that a task may ask for."""
    names = [scope.removeprefix("asset:").removesuffix(":read") for scope in scopes if scope.startswith("asset:")]
    return sorted(name for name in names if asset_scope(name, "read") in scopes)


def require_writable(writer: TaskCaller, name: str) -> None:
    """Let a task write to its outlets only.

    Raises:
        ApiError: ``not_declared``.
    """
    if asset_scope(name, "write") not in writer.scopes:
        raise ApiError(
            f"task {writer.task} only reads the asset {name!r}: declare it with outlets=[…] to write to its state",
            code=ProblemCode.NOT_DECLARED,
        )


def require_alias(reader: TaskCaller, alias: str) -> None:
    """Let a task ask for aliases that it declared.

    Raises:
        ApiError: ``not_declared``.
    """
    if alias_scope(alias) not in reader.scopes:
        raise ApiError(
            f"task {reader.task} did not declare the alias {alias!r}: add AssetAlias({alias!r}) to inlets=[…] or "
            "outlets=[…] of the task and deploy again",
            code=ProblemCode.NOT_DECLARED,
        )


def asset_not_declared(reader: TaskCaller, asset: Named) -> ApiError:
    """Return the refusal that says how to declare an asset."""
    given = f"Asset({asset.name!r})" if asset.name is not None else f"the asset with the URI {asset.uri!r}"
    named = asset.name if asset.name is not None else f"with the URI {asset.uri!r}"
    return ApiError(
        f"task {reader.task} did not declare the asset {named}: add {given} to inlets=[…] or outlets=[…] of the task "
        "and deploy again",
        code=ProblemCode.NOT_DECLARED,
    )


def no_such_asset(name: str) -> NotFoundError:
    """Return the answer for a name that the team does not know."""
    return NotFoundError(f"there is no asset {name!r} in this team: deploy a DAG that has it as inlet or outlet")
