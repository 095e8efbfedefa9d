"""Assets at run time: what is known of the task's inlets and outlets, what happened to them, what is kept with them.

An asset is named by its name, by its ``Asset``, or with ``uri=…``; the task has to have it in ``inlets=[…]`` or
``outlets=[…]``. State is kept with the asset, not with a run: any task that declared the asset reads it, and those
that have it as outlet write it.
"""

from __future__ import annotations

from types import SimpleNamespace

from leasehold.asset import Asset, AssetAlias
from leasehold.errors import NotFoundError, RefusedError
from leasehold.runtime.host import Host, current_host
from leasehold.runtime.values import decode, encode
from leasehold.runtime.wire import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta
    from typing import Any

    Wait = float | str | timedelta | None

__all__ = ["AssetEvent", "AssetInfo", "AssetState", "by_alias", "events", "get", "state"]


class AssetInfo(SimpleNamespace):
    """An asset as the API knows it."""

    name: str
    uri: str
    group: str
    extra: dict[str, Any]
    active: bool
    inactive_because: str | None


class AssetEvent(SimpleNamespace):
    """A task succeeded, and an outlet of it was thereby written."""

    event: str
    asset: str
    uri: str
    alias: str | None
    at: datetime
    extra: dict[str, Any]
    dag: str
    run: str
    task: str
    map_index: int
    try_number: int


def get(asset: Asset | str | None = None, *, uri: str | None = None, wait: Wait = None) -> AssetInfo:
    """Return what is known of an inlet or outlet.

    Raises:
        UndeclaredError: if it is neither.
        UnavailableError: if the API stayed out of reach for longer than ``wait`` (default: two minutes).
    """
    return _info(_host().read(f"/v1/asset?{_named(asset, uri)}", wait))


def by_alias(alias: AssetAlias | str, *, wait: Wait = None) -> list[AssetInfo]:
    """Return the assets that an alias has stood for, by name.

    Raises:
        UndeclaredError: if the task did not declare the alias.
    """
    name = alias.name if isinstance(alias, AssetAlias) else alias
    return [_info(each) for each in _objects(_host().read(f"/v1/assets?alias={quote(name)}", wait).get("assets"))]


def events(
    asset: Asset | AssetAlias | str | None = None,
    *,
    uri: str | None = None,
    after: datetime | str | None = None,
    before: datetime | str | None = None,
    limit: int | None = None,
    ascending: bool = True,
    wait: Wait = None,
) -> list[AssetEvent]:
    """Return the events of an inlet, an outlet or an alias, oldest first.

    Args:
        asset: The asset, or an ``AssetAlias``.
        uri: The asset by its URI instead.
        after: None before this moment.
        before: None after this moment.
        limit: This many at most, 1000 at most.
        ascending: False: newest first.
        wait: How long to wait while the API is out of reach (default: two minutes).

    Raises:
        UndeclaredError: if it was not declared.
        RefusedError: if there are more than 1000, and no limit was given.
    """
    whose = f"alias={quote(asset.name)}" if isinstance(asset, AssetAlias) else _named(asset, uri)
    rest = {"after": _moment(after), "before": _moment(before), "limit": limit}
    query = [whose, *(f"{name}={quote(str(value))}" for name, value in rest.items() if value is not None)]
    query += [] if ascending else ["ascending=false"]
    found = _host().read("/v1/asset-events?" + "&".join(query), wait)
    if found.get("more") and limit is None:
        raise RefusedError("there are more events than one answer has: narrow them down with after=, before= or limit=")
    return [_event(each) for each in _objects(found.get("events"))]


def state(asset: Asset | str | None = None, *, uri: str | None = None) -> AssetState:
    """Return what is kept with an inlet or outlet, across runs."""
    return AssetState(_named(asset, uri))


class AssetState:
    """JSON values by key, kept with an asset: 1,000 keys, values of 64 KiB. In a script run by hand: in memory."""

    def __init__(self, named: str) -> None:
        self._named = named

    def get(self, key: str, default: Any = None, *, wait: Wait = None) -> Any:
        """Return what is kept under ``key``, or ``default``.

        Raises:
            UndeclaredError: if the asset is neither inlet nor outlet of the task.
        """
        if (host := current_host()) is None:
            return _by_hand.get(self._named, {}).get(key, default)
        try:
            return decode(host.read(self._path(key), wait).get("value"))
        except NotFoundError:
            return default

    def set(self, key: str, value: object) -> None:
        """Keep ``value`` under ``key``; needs the API.

        Raises:
            UndeclaredError: if the asset is no outlet of the task.
            RefusedError: if the value has more than 64 KiB, or there are 1,000 keys already.
        """
        encoded = encode(value, f"state {key!r}")
        if host := current_host():
            host.write("PUT", self._path(key), {"value": encoded})
        else:
            _by_hand.setdefault(self._named, {})[key] = value

    def delete(self, key: str) -> None:
        """Let go of ``key``; nothing happens when nothing is kept there."""
        if host := current_host():
            host.write("DELETE", self._path(key))
        else:
            _by_hand.get(self._named, {}).pop(key, None)

    def clear(self) -> None:
        """Let go of everything that is kept with the asset."""
        if host := current_host():
            host.write("DELETE", f"/v1/asset-state?{self._named}")
        else:
            _by_hand.pop(self._named, None)

    def keys(self, prefix: str = "", *, wait: Wait = None) -> list[str]:
        """Return the keys that begin with ``prefix``, in order."""
        if (host := current_host()) is None:
            return sorted(key for key in _by_hand.get(self._named, {}) if key.startswith(prefix))
        found = host.read(f"/v1/asset-state?{self._named}&prefix={quote(prefix)}", wait).get("keys")
        return [str(key) for key in found] if isinstance(found, list) else []

    def _path(self, key: str) -> str:
        return f"/v1/asset-state/{quote(key)}?{self._named}"


_by_hand: dict[str, dict[str, object]] = {}


def _named(asset: object, uri: str | None) -> str:
    if (asset is None) == (uri is None):
        raise TypeError("say which asset: its name, its Asset, or uri=…, one of them")
    if uri is not None:
        return f"uri={quote(uri)}"
    if isinstance(asset, AssetAlias):
        raise TypeError(f"{asset!r} is no asset: assets.by_alias and assets.events take aliases")
    return f"name={quote(asset.name if isinstance(asset, Asset) else str(asset))}"


def _host() -> Host:
    if host := current_host():
        return host
    raise RefusedError("no task is running here, so that there are no assets to ask for")


def _info(answer: Mapping[str, Any]) -> AssetInfo:
    names = ("name", "uri", "group", "active", "inactive_because")
    return AssetInfo(**{name: answer.get(name) for name in names}, extra=decode(answer.get("extra") or {}))


def _event(answer: Mapping[str, Any]) -> AssetEvent:
    from datetime import datetime

    names = ("event", "asset", "uri", "alias", "dag", "run", "task", "map_index", "try_number")
    facts = {name: answer.get(name) for name in names}
    extra = decode(answer.get("extra") or {})
    return AssetEvent(**facts, at=datetime.fromisoformat(answer["at"]), extra=extra)


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _moment(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if getattr(value, "tzinfo", None) is None:
        raise ValueError(f"{value!r} has no time zone: use datetime(…, tzinfo=…)")
    return str(value.isoformat())
