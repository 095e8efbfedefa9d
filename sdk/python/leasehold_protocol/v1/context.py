"""What a running task may read and write through the API: connections, variables, XComs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from leasehold_protocol.v1.message import Json, Key, Message, Name, Page, Sha256

XCOM_INLINE_BYTES = 256 * 1024
"""The longest JSON text of an XCom that travels inside a message; a longer one goes through an upload."""

MOST_FILES = 10_000
"""Files that one value may name."""

XCOM_SLICE = 64
"""The most mapped instances whose values are read in one request."""


class ConnectionFields(Message):
    """A connection, with Airflow's field names."""

    conn_type: Name
    host: str | None = None
    login: str | None = None
    password: str | None = Field(default=None, repr=False)
    port: Annotated[int, Field(ge=0, le=65535)] | None = None
    schema_: str | None = Field(default=None, alias="schema")
    extra: dict[str, Json] = Field(default_factory=dict[str, Json], repr=False)
    description: str = ""


class ConnectionValue(ConnectionFields):
    """``GET /v1/task/connections/{id}``: a connection as a task gets it, secrets open."""

    id: Name
    secrets: list[str] = Field(default_factory=list[str], repr=False)
    """What its secret references stand for, wherever it is above: to be masked."""


class VariableValue(Message):
    """``GET|PUT /v1/task/variables/{key}``."""

    key: Key
    value: Json
    secrets: list[str] = Field(default_factory=list[str], repr=False)
    """What its secret references stand for: to be masked, whatever the key is called."""


class Given(Message):
    """What a trusted site gets with a lease, so that the task starts without asking: open secrets. Never on a disk."""

    connections: list[ConnectionValue] = Field(default_factory=list[ConnectionValue], repr=False)
    variables: list[VariableValue] = Field(default_factory=list[VariableValue], repr=False)


class VariableWrite(Message):
    """The body that sets a variable."""

    value: Json
    description: Annotated[str, Field(max_length=1000)] | None = None
    """What it is for; none: as it was."""


class VariableKeys(Page):
    """``GET /v1/task/variables``: the keys of the variables there are, of those that the task declared."""

    items: list[Key]


class FileRef(Message):
    """A file that a value names: its content by its SHA-256."""

    sha256: Sha256
    size: Annotated[int, Field(ge=0)]


class XComWrite(Message):
    """``PUT /v1/attempts/{id}/xcoms/{key}``: a value, or the name of an upload that holds it."""

    value: Json = None
    upload: Sha256 | None = None
    size: Annotated[int, Field(ge=0)] | None = None
    length: Annotated[int, Field(ge=0)] | None = None
    """Of an upload: how many items its list or dictionary has, so that tasks can be mapped over it unread."""
    files: Annotated[list[FileRef], Field(max_length=MOST_FILES)] = Field(default_factory=list[FileRef])
    """The files that the value names. Their bytes were brought here before."""


class UploadRequest(Message):
    """``POST /v1/attempts/{id}/uploads``: where may these bytes go?"""

    sha256: Sha256
    size: Annotated[int, Field(ge=0)]


class UploadAnswer(Message):
    """Where to ``PUT`` the bytes; nothing to send when they are there already."""

    url: str | None = None
    """On the API itself, or presigned by an object store. Relative to the API's address when it begins with ``/``."""
    offset: int | None = None
    """Where to go on: send the bytes from there, in parts, each with ``PATCH``. Without it: ``PUT`` the whole."""
    part_bytes: int | None = None
    """The longest part that the API wishes for."""


class UploadPart(Message):
    """The answer to ``PATCH /v1/attempts/{id}/uploads/{sha256}``: where the upload stands now."""

    offset: int
    complete: bool = False


class XComValue(Message):
    """An XCom as a reader sees it."""

    task: Name
    map_index: int = -1
    key: Key
    size: int
    value: Json = None
    inline: bool = True
    """False: read the JSON text at ``…/xcoms/{task}/{key}/content``."""
    sha256: Sha256 | None = None
    """Of that JSON text."""
    run: str | None = None
    """The run it is of."""


class XComSlice(Message):
    """``GET /v1/task/mapped-xcoms/{task}/{key}``: some of a mapped task's values, in the order of their map index."""

    items: list[XComValue]
    count: int
    """How many instances have such a value, in all."""
