"""What all messages have in common: immutable, tolerant of fields from a newer sender, strict about the rest."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.types import AwareDatetime

from leasehold_protocol.building import is_deferred
from leasehold_protocol.fingerprint import THUMBPRINT_PATTERN

Json = Any
"""A JSON value. ``Any``, because validating deeply would copy every result that passes through."""

Instant = AwareDatetime
"""A point in time with its UTC offset, RFC 3339 on the wire."""

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.\-]{0,127}$")]
"""A name that people choose: a site, DAG, task, connection. Safe in a URL path and in a file name."""

Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.\-/:]{0,249}$")]
"""A key of a variable or an XCom: like a name, and may have ``/`` and ``:`` inside."""

KeyPattern = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.\-/:]{0,249}\*?$")]
"""A key, or with ``*`` at its end all keys that begin so."""

Identifier = Annotated[str, StringConstraints(min_length=1, max_length=200)]
"""An id that the API made. Opaque to everybody else."""

Audience = Annotated[str, StringConstraints(pattern=r"^[!#-\[\]-~]{1,255}$")]
"""Whom an identity token is for: what RFC 6749 allows in a scope, because a task token's scopes name it."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 in lower-case hexadecimal."""

Thumbprint = Annotated[str, StringConstraints(pattern=THUMBPRINT_PATTERN)]
"""The SHA-256 of a public key (RFC 7638) in base64url, 43 characters."""

Labels = dict[Name, Annotated[str, StringConstraints(max_length=256)]]
"""Labels as the server keeps them; values are text, compared as what they look like (version, size, number)."""


def _without_nul(text: str) -> str:
    return text.replace("\0", "\ufffd")


Text = Annotated[str, AfterValidator(_without_nul)]
"""Text for people. NUL, which no database takes, becomes U+FFFD: a task's exception may contain anything."""

Seconds = Annotated[float, Field(ge=0, le=366 * 86400, allow_inf_nan=False)]
"""A duration in seconds."""


class Message(BaseModel):
    """One message of the protocol, or a part of one."""

    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        ser_json_bytes="base64",
        val_json_bytes="base64",
        defer_build=is_deferred(),
    )


class Page(Message):
    """A list answer: its rows under ``items``, and ``next`` when there is more (pass it back as ``after``)."""

    next: str | None = None
