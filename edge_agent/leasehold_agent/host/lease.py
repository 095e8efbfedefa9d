"""``lease.json`` as the host reads it: what to run, until when, and what the task may ask for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from leasehold.runtime.rules.assets import AssetNamed
from leasehold_agent.host.allowed import ProgramRule
from leasehold_agent.runtimes.port import Containers

Object = Mapping[str, object]
"""A JSON object."""


class LeaseUnreadableError(ValueError):
    """``lease.json`` is missing, no JSON, or lacks something. The message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamInput:
    """An upstream result that the task's arguments name."""

    task: str
    key: str
    size: int
    inline: bool
    value: object
    is_mapped: bool = False
    """It is the list of what the task's instances left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLease:
    """The facts of one lease that the host needs."""

    attempt: str
    task_instance: str
    map_index: int
    try_number: int
    run: Object
    task: str
    work: Object
    upstream: tuple[str, ...]
    connections: tuple[str, ...]
    variables: tuple[str, ...]
    inputs: tuple[UpstreamInput, ...]
    timeout_s: float | None
    deadline_boottime_s: float
    bundle_dir: str | None
    python: str | None
    sdk_path: str | None
    log_bytes: int | None
    sdk_js: str | None = None
    """The module that Node programs import (``LEASEHOLD_SDK_JS``)."""
    edge_agent: str | None = None
    """The command ``edge-agent``, for shell scripts (``LEASEHOLD_EDGE_AGENT``)."""
    memory_bytes: int | None = None
    """Of address space, for each process."""
    programs: tuple[ProgramRule, ...] | None = None
    """What the site's policy lets ``program`` tasks run; none: there is no policy."""
    policy: str | None = None
    """The fingerprint of the policy."""
    earlier: Object | None = None
    """What came before this attempt; none: the API is too old to start a task again after it waited."""
    downstream: tuple[str, ...] | None = None
    """The tasks that depend on this one directly; none: the API is too old to skip them."""
    file_bytes: int | None = None
    """The largest file that the task may push; none: the API takes none."""
    inlets: tuple[AssetNamed, ...] = ()
    outlets: tuple[AssetNamed, ...] = ()
    inlet_aliases: tuple[str, ...] = ()
    outlet_aliases: tuple[str, ...] = ()
    mapped: Object | None = None
    """What the task has an instance for each of."""
    item: tuple[Object, ...] = ()
    """Which item of each of those this instance is for."""
    inactive_assets: str | None = None
    """Why the task must not start: an inlet or outlet of it is not active."""
    environments: Object | None = None
    """What the site says of environments (``EnvironmentRules``); none: the agent is too old to say."""
    environments_allowed: str = "index"
    """By the site's policy: from an ``index``, from carried wheels only (``wheels-only``), or ``never``."""
    has_packages: bool = False
    """``python`` is that of an environment."""
    containers: Containers | None = None
    """How containers run at the site; none: they don't."""


def given_values(lease: HostLease) -> list[object]:
    """Return all that came with a lease and may name files."""
    return [*(given.value for given in lease.inputs), *(part.get("value") for part in lease.item)]


def read_lease(path: Path) -> HostLease:
    """Read ``lease.json``.

    Raises:
        LeaseUnreadableError: if it can't be used.
    """
    try:
        found: object = json.loads(path.read_bytes())
    except OSError as problem:
        raise LeaseUnreadableError(f"lease.json can't be read: {problem.strerror}") from None
    except (ValueError, RecursionError) as problem:
        raise LeaseUnreadableError(f"lease.json is not JSON: {problem}") from None
    return _lease(_Reader(found, "lease.json"))


def _lease(lease: _Reader) -> HostLease:
    task = lease.nested("task")
    needs, runtime, limits = task.nested("needs"), lease.nested("runtime"), lease.nested("limits")
    return HostLease(
        attempt=lease.text("attempt"),
        task_instance=lease.text("task_instance"),
        map_index=int(lease.number("map_index", -1)),
        try_number=int(lease.number("try_number")),
        run=lease.nested("run").fields,
        task=task.text("id"),
        work=task.nested("work").fields,
        upstream=task.texts("upstream"),
        connections=needs.texts("connections"),
        variables=task.texts("variables"),
        inputs=tuple(_input(item) for item in lease.objects("inputs")),
        timeout_s=_shortest(task.maybe_number("timeout_s"), limits.maybe_number("timeout_s")),
        deadline_boottime_s=lease.number("deadline_boottime_s"),
        bundle_dir=lease.maybe_text("bundle_dir"),
        python=runtime.maybe_text("python"),
        sdk_path=runtime.maybe_text("sdk_path"),
        sdk_js=runtime.maybe_text("sdk_js"),
        edge_agent=runtime.maybe_text("edge_agent"),
        log_bytes=limits.maybe_whole("log_bytes"),
        memory_bytes=limits.maybe_whole("memory_bytes"),
        programs=tuple(_program(item) for item in limits.objects("programs")) if limits.has("programs") else None,
        policy=limits.maybe_text("policy"),
        earlier=lease.nested("earlier").fields if lease.has("earlier") else None,
        downstream=lease.texts("downstream") if lease.has("downstream") else None,
        file_bytes=_file_bytes(lease.maybe_whole("most_file_bytes"), limits.maybe_whole("file_bytes")),
        inlets=tuple(_asset(item) for item in task.objects("inlets")),
        outlets=tuple(_asset(item) for item in task.objects("outlets")),
        inlet_aliases=task.texts("inlet_aliases"),
        outlet_aliases=task.texts("outlet_aliases"),
        mapped=task.nested("mapped").fields if task.has("mapped") else None,
        item=tuple(part.fields for part in lease.objects("item")),
        inactive_assets=lease.maybe_text("inactive_assets"),
        environments=runtime.nested("environments").fields if runtime.has("environments") else None,
        environments_allowed=limits.maybe_text("environments") or "index",
        containers=_containers(runtime.nested("containers")) if runtime.has("containers") else None,
    )


def _shortest(wish: float | None, limit: float | None) -> float | None:
    return min((one for one in (wish, limit) if one is not None), default=None)


def _file_bytes(api: int | None, site: int | None) -> int | None:
    """Return the lower limit; without the API's word none is taken, whatever the site allows."""
    return api if api is None or site is None else min(api, site)


def _program(item: _Reader) -> ProgramRule:
    args = tuple(item.lists_of_texts("args")) if item.has("args") else None
    return ProgramRule(path=item.text("path"), args=args, env=item.texts("env"))


def _containers(said: _Reader) -> Containers:
    return Containers(
        engine=said.text("engine"), pull=said.maybe_text("pull") or "missing", options=said.texts("options")
    )


def _asset(item: _Reader) -> AssetNamed:
    return AssetNamed(name=item.text("name"), uri=item.text("uri"))


def _input(item: _Reader) -> UpstreamInput:
    return UpstreamInput(
        task=item.text("task"),
        key=item.maybe_text("key") or "return_value",
        size=int(item.number("size", 0)),
        inline=item.fields.get("inline", True) is True,
        value=item.fields.get("value"),
        is_mapped=item.fields.get("mapped") is True,
    )


class _Reader:
    """One JSON object with its name, for messages that say where something is missing."""

    def __init__(self, value: object, name: str) -> None:
        if not isinstance(value, dict):
            raise LeaseUnreadableError(f"{name} is not an object")
        self.fields: Object = cast("dict[str, object]", value)
        self._name = name

    def nested(self, key: str) -> _Reader:
        return _Reader(self.fields.get(key) or {}, f"{self._name}: {key}")

    def objects(self, key: str) -> list[_Reader]:
        return [_Reader(item, f"{self._name}: {key}[{n}]") for n, item in enumerate(self._list(key))]

    def has(self, key: str) -> bool:
        return self.fields.get(key) is not None

    def maybe_whole(self, key: str) -> int | None:
        return None if (value := self.maybe_number(key)) is None else int(value)

    def lists_of_texts(self, key: str) -> list[tuple[str, ...]]:
        lists = self._list(key)
        if not all(isinstance(item, list) for item in lists):
            raise LeaseUnreadableError(f"{self._name}: {key} is not a list of lists")
        return [tuple(map(str, cast("list[object]", item))) for item in lists]

    def texts(self, key: str) -> tuple[str, ...]:
        return tuple(str(item) for item in self._list(key))

    def text(self, key: str) -> str:
        if (value := self.maybe_text(key)) is None:
            raise LeaseUnreadableError(f"{self._name}: {key} is missing")
        return value

    def maybe_text(self, key: str) -> str | None:
        value = self.fields.get(key)
        if value is not None and not isinstance(value, str):
            raise LeaseUnreadableError(f"{self._name}: {key} is not text")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        value = self.maybe_number(key)
        if value is None:
            value = default
        if value is None:
            raise LeaseUnreadableError(f"{self._name}: {key} is missing")
        return value

    def maybe_number(self, key: str) -> float | None:
        value = self.fields.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise LeaseUnreadableError(f"{self._name}: {key} is not a number")
        return value

    def _list(self, key: str) -> list[object]:
        value = self.fields.get(key) or []
        if not isinstance(value, list):
            raise LeaseUnreadableError(f"{self._name}: {key} is not a list")
        return cast("list[object]", value)
