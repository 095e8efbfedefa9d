"""Which assets a task may ask for, and what it says of its outlets' events. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from leasehold.asset import Asset
from leasehold.runtime.rules import checks
from leasehold.runtime.rules.checks import Object
from leasehold.runtime.rules.refusals import RefusedRequestError, invalid

MOST_EVENTS = 100
EXTRA_BYTES = 16 * 1024
ALL_EXTRAS_BYTES = 256 * 1024
"""JSON text of one event's ``extra``, and of those of all events of a task."""
STATE_VALUE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetNamed:
    """An asset as the task declared it."""

    name: str
    uri: str


def named(query: Mapping[str, str], *, task: str, declared: Sequence[AssetNamed]) -> str:
    """Return the name of the inlet or outlet that ``name`` or ``uri`` stands for.

    Raises:
        RefusedRequestError: 403, if the task did not declare it; 422, if it is not one of the two.
    """
    name, uri = query.get("name"), query.get("uri")
    if (name is None) == (uri is None):
        raise invalid("say which asset: by name or by uri, one of the two")
    for asset in declared:
        if asset.name == name or asset.uri == uri:
            return asset.name
    what = f"Asset({name!r})" if name is not None else f"the asset with the URI {checks.shown(uri)}"
    raise _undeclared(task, f"the asset {checks.shown(name or uri)}", f"{what} to inlets=[…] or outlets=[…]")


def alias_named(query: Mapping[str, str], *, task: str, declared: Collection[str]) -> str:
    """Return the alias of a query.

    Raises:
        RefusedRequestError: 403, if the task did not declare it; 422, if the query has more than that.
    """
    alias = query.get("alias")
    if alias is None or "name" in query or "uri" in query:
        raise invalid("say which alias, and no asset beside it")
    if alias not in declared:
        raise _undeclared(
            task, f"the alias {checks.shown(alias)}", f"AssetAlias({alias!r}) to inlets=[…] or outlets=[…]"
        )
    return alias


def only_read(task: str, name: str) -> RefusedRequestError:
    """Return the refusal of a write to an asset that the task only reads."""
    detail = f"task {task} only reads the asset {name!r}: declare it with outlets=[…] to write to its state"
    return RefusedRequestError(403, "not_declared", detail)


class OutletEvents:
    """What a task has said of its outlets' events so far; the last word counts."""

    def __init__(self) -> None:
        self._said: dict[tuple[str | None, str], Object] = {}
        self._sizes: dict[tuple[str | None, str], int] = {}

    def said(self) -> list[Object]:
        """Return one ``AssetEventSaid`` for each."""
        return list(self._said.values())

    def take(self, body: bytes, *, task: str, outlets: Sequence[AssetNamed], aliases: Collection[str]) -> None:
        """Take an ``OutletEvent``.

        Raises:
            RefusedRequestError: if it is none, names what the task did not declare, or says too much.
        """
        fields = checks.json_object(body)
        if unknown := [name for name in fields if name not in ("name", "uri", "alias", "asset", "extra")]:
            raise invalid(
                f"an outlet's event has no {checks.shown(unknown[0])}; there is: name, uri, alias, asset, extra"
            )
        extra = checks.as_object(fields.get("extra") or {}, "extra")
        size = len(checks.json_text(extra))
        if size > EXTRA_BYTES:
            raise invalid(f"extra has {size} bytes of JSON; 16 KiB are the most: keep what is large elsewhere")
        alias = checks.maybe_text(fields, "alias")
        said: Object = {"extra": extra}
        if alias is None:
            said["name"] = _outlet(fields, task, outlets, aliases)
        else:
            if alias not in aliases:
                raise _no_outlet(task, f"alias {checks.shown(alias)}", outlets, aliases)
            asset = _asset(fields.get("asset"))
            said |= {"alias": alias, "name": asset["name"], "asset": asset}
            size += len(checks.json_text(asset))
        key = (alias, str(said["name"]))
        if key not in self._said and len(self._said) >= MOST_EVENTS:
            raise invalid(f"a task says something of {MOST_EVENTS} events at most: sum some of them up")
        if sum(self._sizes.values()) - self._sizes.get(key, 0) + size > ALL_EXTRAS_BYTES:
            raise invalid("the extras of all events of a task have 256 KiB at most: keep what is large elsewhere")
        self._said[key], self._sizes[key] = said, size


def _outlet(fields: Object, task: str, outlets: Sequence[AssetNamed], aliases: Collection[str]) -> str:
    name, uri = checks.maybe_text(fields, "name"), checks.maybe_text(fields, "uri")
    if (name is None) == (uri is None) or "asset" in fields:
        raise invalid("say whose event it is: name or uri of an outlet, or alias with asset")
    for asset in outlets:
        if asset.name == name or asset.uri == uri:
            return asset.name
    raise _no_outlet(task, checks.shown(name or uri), outlets, aliases)


def _asset(value: object) -> Object:
    fields = checks.as_object(value, "asset")
    extra = checks.as_object(fields.get("extra") or {}, "asset: extra")
    uri, group = checks.maybe_text(fields, "uri"), checks.maybe_text(fields, "group")
    try:
        asset = Asset(str(fields.get("name") or uri), uri=uri, group=group or "asset", extra=extra)
    except ValueError as problem:
        raise invalid(f"asset: {problem}") from None
    if len(checks.json_text(extra)) > EXTRA_BYTES:
        raise invalid("asset: its extra has more than 16 KiB of JSON: keep what is large elsewhere")
    return asset.declared()


def _no_outlet(task: str, what: str, outlets: Sequence[AssetNamed], aliases: Collection[str]) -> RefusedRequestError:
    there_are = ", ".join([*(asset.name for asset in outlets), *(f"alias {alias}" for alias in aliases)])
    detail = f"{what} is no outlet of task {task!r}: those are {there_are or 'none'}; add it with outlets=[…]"
    return RefusedRequestError(403, "not_declared", detail)


def _undeclared(task: str, what: str, cure: str) -> RefusedRequestError:
    detail = f"task {task} did not declare {what}: add {cure} of the task and deploy again"
    return RefusedRequestError(403, "not_declared", detail)
