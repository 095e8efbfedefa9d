"""Tasks that are containers of an image."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from leasehold_protocol.v1.expressions import Expression
from leasehold_protocol.v1.message import Message

IMAGE_PATTERN: Final = (
    r"^[a-z0-9](?:[a-z0-9._\-]*[a-z0-9])?(?::[0-9]{1,5})?(?:/[a-z0-9]+(?:[._\-]+[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.\-]{0,127})?(?:@sha256:[0-9a-f]{64})?$"
)
"""A name as registries and engines write it: ``registry.example.com:5000/tools/ffmpeg:7@sha256:…``."""

Image = Annotated[str, StringConstraints(pattern=IMAGE_PATTERN, max_length=512)]


class ResultFrom(StrEnum):
    """Which part of a program's standard output is its result."""

    NOTHING = "nothing"
    LAST_LINE = "last_line"
    TEXT = "text"
    JSON = "json"


class ContainerWork(Message):
    """A container of an image, for as long as its first process runs."""

    kind: Literal["container"] = "container"
    image: Image
    argv: list[Expression] = Field(default_factory=list[Expression])
    """What it runs; none: what the image says."""
    entrypoint: Annotated[str, Field(min_length=1, max_length=4096)] | None = None
    """The program that ``argv`` is given to, in place of the image's."""
    env: dict[Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], Expression] = Field(
        default_factory=dict[str, Expression]
    )
    result: ResultFrom = ResultFrom.LAST_LINE
    spread: bool = False
    """Of a mapped task: its item is a dictionary of further environment variables."""
