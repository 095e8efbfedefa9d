"""Connections: where a system is and how to get in, asked for by name. Airflow's fields and Airflow's URI form."""

from __future__ import annotations

from leasehold.runtime.host import host_or_outside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta
    from typing import Any, Self


class Connection:
    """A connection, secrets open. Its ``repr`` hides them; the log masks them.

    Attributes:
        id: The name it was asked for by.
        conn_type: What kind of system it is: ``postgres``, ``http``, ``sqlite``, …
        host: The host name, or None.
        login: The user's name, or None.
        password: The secret, or None.
        port: The TCP port, or None.
        schema: The database, or what else the system calls it.
        extra: Everything else, by name.
    """

    __slots__ = ("conn_type", "extra", "host", "id", "login", "password", "port", "schema")

    def __init__(
        self,
        *,
        id: str = "",  # noqa: A002 - the field's name
        conn_type: str,
        host: str | None = None,
        login: str | None = None,
        password: str | None = None,
        port: int | None = None,
        schema: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.id = id
        self.conn_type = conn_type
        self.host = host
        self.login = login
        self.password = password
        self.port = port
        self.schema = schema
        self.extra: dict[str, Any] = dict(extra or {})

    @classmethod
    def get(cls, id: str, *, wait: float | str | timedelta | None = None) -> Self:  # noqa: A002 - as the field
        """Return the connection ``id``, which the task declared with ``connections=[…]``.

        In a script run by hand it comes from the environment (``LEASEHOLD_CONN_<ID>``, a URI or JSON), or from a file
        ``leasehold.toml`` beside the script or above it.

        Args:
            id: The connection's name.
            wait: How long to wait while the API is out of reach (default: two minutes).

        Raises:
            UndeclaredError: if the task did not declare it.
            NotGrantedError: if the site may not have it.
            NotFoundError: if there is no such connection.
            UnavailableError: if the API stayed out of reach for longer than ``wait``.
        """
        from leasehold.runtime.wire import quote

        return cls._from_answer(id, host_or_outside().read(f"/v1/connections/{quote(id)}", wait))

    @classmethod
    def from_uri(cls, uri: str, *, id: str = "") -> Self:  # noqa: A002 - as the field
        """Return the connection that an Airflow URI describes: ``postgres://user:secret@host:5432/db?sslmode=on``.

        Raises:
            ValueError: if it is not such a URI.
        """
        from leasehold.runtime.connection_uris import parse

        return cls(id=id, **parse(uri))

    @property
    def uri(self) -> str:
        """The connection as an Airflow URI; ``from_uri`` reads it back."""
        from leasehold.runtime.connection_uris import write

        return write(
            conn_type=self.conn_type,
            host=self.host,
            login=self.login,
            password=self.password,
            port=self.port,
            schema=self.schema,
            extra=self.extra,
        )

    def get_uri(self) -> str:
        """Return ``uri``, by the name that Airflow gives it."""
        return self.uri

    def sqlalchemy_url(self, driver: str | None = None) -> str:
        """Return the connection as SQLAlchemy writes it: ``postgresql+psycopg://reader:secret@db:5432/sensors``.

        Args:
            driver: SQLAlchemy's name of the driver (``psycopg``, ``pymysql``, …); without it SQLAlchemy takes its own.

        Raises:
            ValueError: if a part of ``extra`` is no text, number or truth value: it can't stand in a URL.
        """
        from leasehold.runtime.connection_uris import write_sqlalchemy

        return write_sqlalchemy(
            conn_type=self.conn_type,
            host=self.host,
            login=self.login,
            password=self.password,
            port=self.port,
            schema=self.schema,
            extra=self.extra,
            driver=driver,
        )

    @classmethod
    def _from_answer(cls, name: str, fields: Mapping[str, Any]) -> Self:
        return cls(
            id=name,
            conn_type=fields["conn_type"],
            host=fields.get("host"),
            login=fields.get("login"),
            password=fields.get("password"),
            port=fields.get("port"),
            schema=fields.get("schema"),
            extra=fields.get("extra"),
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Connection):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]  # its fields may change

    def __repr__(self) -> str:
        shown = [
            f"{name}={getattr(self, name)!r}"
            for name in ("id", "conn_type", "host", "login", "port", "schema")
            if getattr(self, name) is not None
        ]
        return f"Connection({', '.join(shown)})"
