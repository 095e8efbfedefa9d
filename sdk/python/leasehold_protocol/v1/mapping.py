"""What a mapped task has an instance for each of, and which item an instance is for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from leasehold_protocol.v1.expressions import (
    DictValue,
    ItemValue,
    ListValue,
    LiteralValue,
    ParamValue,
    ResultsValue,
    ResultValue,
    TemplateValue,
)
from leasehold_protocol.v1.message import Json, Message


class ZippedValue(Message):
    """The first items of all parts, then the second ones, and so on."""

    kind: Literal["zipped"] = "zipped"
    parts: Annotated[list[Source], Field(min_length=1)]
    names: list[str] | None = None
    """With names an item is a dictionary; without, a tuple."""
    longest: bool = False
    """Go on to the end of the longest part; otherwise of the shortest."""
    fill: Json = None
    """Stands for what the shorter ones lack."""


class ConcatenatedValue(Message):
    """The items of the first part, then those of the next."""

    kind: Literal["concatenated"] = "concatenated"
    parts: Annotated[list[Source], Field(min_length=1)]


Source = Annotated[
    LiteralValue
    | ParamValue
    | ResultValue
    | ResultsValue
    | ItemValue
    | TemplateValue
    | ListValue
    | DictValue
    | ZippedValue
    | ConcatenatedValue,
    Field(discriminator="kind"),
]
"""Something with items: an expression that comes to a list or a dictionary, or several of them."""


class MapAxis(Message):
    """One name that a task is expanded over."""

    name: str | None = None
    """The argument, of a program the environment variable. None: each item is a dictionary of them."""
    source: Source


class Mapped(Message):
    """What a task has an instance for each of: all combinations, where the last axis varies fastest."""

    axes: Annotated[list[MapAxis], Field(min_length=1, max_length=100)]
    label: str | None = None
    """A template for what people are shown beside the map index."""


class ItemPart(Message):
    """Which item of one source an instance is for. A lease has one for each, in the order in which they are written."""

    index: int | None = None
    """From 0; none: this source is not its turn, or has ended."""
    given: bool = False
    """``value`` is the item. Otherwise the site takes it from what the manifest, the run or an upstream result says."""
    value: Json = None
    map_index: int | None = None
    """The item is what this instance of a mapped upstream task left, which is too large to travel with the lease."""


ZippedValue.model_rebuild()
ConcatenatedValue.model_rebuild()
MapAxis.model_rebuild()
