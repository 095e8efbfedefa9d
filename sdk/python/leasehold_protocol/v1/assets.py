"""Assets: data that tasks read and write, by name; what happened to them, and what is kept about them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from leasehold_protocol.v1.message import Identifier, Instant, Json, Key, Message, Name, Page, Text

MOST_ASSETS = 100
"""Inlets, and outlets, of one task."""

MOST_OUTLET_EVENTS = 100
"""Events that one task may say something about, aliases' included."""

MOST_ASSET_EVENTS = 1000
"""Events in one answer."""

ASSET_EXTRA_BYTES = 16 * 1024
"""JSON text of an event's, or an asset's, ``extra``."""

Uri = Annotated[Text, Field(max_length=1500)]
"""Where the data is. Compared as it is written, never opened."""


class AssetDeclared(Message):
    """An asset as an author wrote it."""

    name: Key
    uri: Uri
    group: Name = "asset"
    """Several may be told apart by it; nothing else follows from it."""
    extra: dict[str, Json] = Field(default_factory=dict[str, Json])


class OutletEvent(Message):
    """``POST /v1/outlet-events``: what the event of an outlet says, if the task succeeds. The last word counts.

    Of ``name``, ``uri`` and ``alias`` one: an outlet, or an alias, which says with ``asset`` what it stands for.
    """

    name: Key | None = None
    uri: Uri | None = None
    alias: Key | None = None
    asset: AssetDeclared | None = None
    extra: dict[str, Json] = Field(default_factory=dict[str, Json])


class AssetEventSaid(Message):
    """In an ending: what the event of an outlet says. Outlets that are not named have their event all the same."""

    asset: AssetDeclared | None = None
    """With ``alias``: what it stands for."""
    name: Key
    alias: Key | None = None
    extra: dict[str, Json] = Field(default_factory=dict[str, Json])


class Asset(Message):
    """An asset, as tasks and people see it."""

    name: Key
    uri: Uri
    group: Name = "asset"
    extra: dict[str, Json] = Field(default_factory=dict[str, Json])
    active: bool
    """A current version of some DAG declares it, and nobody contradicts."""
    inactive_because: str | None = None


class AssetFound(Message):
    """``GET /v1/assets?alias=…`` of the task protocol."""

    assets: list[Asset]


class AssetDetail(Asset):
    """An asset, as people see it."""

    first_seen: Instant
    last_seen: Instant
    """When a deployed version last declared it, or an alias stood for it."""
    declared_by: list[str] = Field(default_factory=list[str])
    """DAGs whose current version names it as inlet or outlet."""
    aliases: list[str] = Field(default_factory=list[str])
    last_event: Instant | None = None


class AssetList(Page):
    """``GET /v1/teams/{team}/assets``."""

    items: list[AssetDetail]


class AssetEvent(Message):
    """A task succeeded, and one of its outlets was thereby written."""

    event: Identifier
    asset: Key
    uri: Uri
    alias: Key | None = None
    """The alias that stood for the asset."""
    at: Instant
    extra: dict[str, Json] = Field(default_factory=dict[str, Json])
    dag: Name
    run: Identifier
    task: Name
    map_index: int = -1
    try_number: int


class AssetEvents(Message):
    """``GET /v1/asset-events`` of the task protocol."""

    events: list[AssetEvent]
    more: bool = False
    """There are more than one answer has, or than were asked for."""


class AssetEventList(Page):
    """``GET /v1/teams/{team}/asset-events``, newest first."""

    items: list[AssetEvent]


class AssetStateWrite(Message):
    """``PUT /v1/asset-state/{key}``: kept with the asset, whatever run wrote it."""

    value: Json
