"""A connection as one line of text, in Airflow's URI form.

``type://login:password@host:port/schema?name=value``, each part percent-encoded. Extras that are not plain text travel
as JSON under ``__extra__``. Airflow writes ``_`` in a type as ``-``, because RFC 3986 has no ``_`` in schemes.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

_EXTRA = "__extra__"


def write(
    *,
    conn_type: str,
    host: str | None,
    login: str | None,
    password: str | None,
    port: int | None,
    schema: str | None,
    extra: dict[str, Any],
) -> str:
    """Return the URI of the connection with these fields; ``parse`` gives them back."""
    kind = conn_type.lower().replace("_", "-")
    return f"{kind}://{_credentials(login, password)}{_place(host, port, schema)}{_query(extra)}"


def parse(uri: str) -> dict[str, Any]:
    """Return the fields of the connection that ``uri`` describes.

    Raises:
        ValueError: if it is not a connection's URI. The message never repeats it, for there may be a password in it.
    """
    scheme, separator, _ = uri.partition("://")
    if not separator or not scheme:
        raise ValueError("not a connection's URI: it begins with a type, as in postgres://user:secret@host:5432/db")
    try:
        parts = urlsplit("//" + uri.partition("://")[2], allow_fragments=False)
        port = parts.port
    except ValueError as problem:
        raise ValueError("not a connection's URI: the part between // and / does not fit host:port") from problem
    credentials, at, place = parts.netloc.rpartition("@")
    login, colon, password = credentials.partition(":")
    return {
        "conn_type": "postgres" if scheme == "postgresql" else scheme.replace("-", "_"),
        "host": _host(place) or None,
        "login": unquote(login) if at and login else None,
        "password": unquote(password) if colon else None,
        "port": port,
        "schema": unquote(parts.path[1:]) or None,
        "extra": _extra(parts.query),
    }


_DIALECTS = {"postgres": "postgresql", "sqlserver": "mssql"}
"""Our type → SQLAlchemy's dialect, where they differ."""


def write_sqlalchemy(
    *,
    conn_type: str,
    host: str | None,
    login: str | None,
    password: str | None,
    port: int | None,
    schema: str | None,
    extra: dict[str, Any],
    driver: str | None,
) -> str:
    """Return the URL for SQLAlchemy of the connection with these fields.

    Raises:
        ValueError: if a part of ``extra`` can't stand in it. The message does not repeat it, it may be a secret.
    """
    kind = conn_type.lower()
    dialect = _DIALECTS.get(kind, kind) + (f"+{driver}" if driver else "")
    for name, value in extra.items():
        if not isinstance(value, str | int | float):
            cure = "pass it to create_engine as connect_args"
            raise ValueError(f"extra[{name!r}] is a {type(value).__name__}, which can't stand in a URL: {cure}")
    texts = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in extra.items()}
    query = "?" + urlencode(texts, quote_via=quote) if texts else ""
    if kind == "sqlite":  # a file has no host: its path is the schema, or, as Airflow has it, the host
        return f"{dialect}:///{quote(schema or host or '', safe='/:')}{query}"
    return f"{dialect}://{_credentials(login, password)}{_place(host, port, schema)}{query}"


def _credentials(login: str | None, password: str | None) -> str:
    name = quote(login or "", safe="")
    if password is not None:
        return f"{name}:{quote(password, safe='')}@"
    return f"{name}@" if name else ""


def _place(host: str | None, port: int | None, schema: str | None) -> str:
    name = f"[{host}]" if host and _is_ipv6(host) else quote(host or "", safe="")
    behind = f":{port}" if port is not None else ""
    return f"{name}{behind}/{quote(schema or '', safe='')}"


def _query(extra: dict[str, Any]) -> str:
    if not extra:
        return ""
    # An empty text would be lost on the way back, and so would everything that isn't text: those go as JSON.
    simple = all(isinstance(value, str) and value and key and key != _EXTRA for key, value in extra.items())
    return "?" + urlencode(extra if simple else {_EXTRA: json.dumps(extra, ensure_ascii=False)}, quote_via=quote)


def _host(place: str) -> str:
    if place.startswith("["):
        return place[1 : place.index("]")]
    return unquote(place.rpartition(":")[0] if ":" in place else place)


def _extra(query: str) -> dict[str, Any]:
    pairs = dict(parse_qsl(query, keep_blank_values=True))
    if pairs.keys() != {_EXTRA}:
        return dict(pairs)
    try:
        extra = json.loads(pairs[_EXTRA])
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        raise ValueError(f"not a connection's URI: {_EXTRA} does not hold a JSON object") from None
    return extra


def _is_ipv6(host: str) -> bool:
    return host.count(":") > 1 and all(letter in "0123456789abcdefABCDEF:." for letter in host)
