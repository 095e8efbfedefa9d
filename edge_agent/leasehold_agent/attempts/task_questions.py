"""What a running task may ask that only the API can answer, and which route of the API that is."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlencode

_FILE = re.compile(r"/v1/files/(?P<sha256>[0-9a-f]{64})")
_XCOM_QUERY = ("map_index", "run", "include_prior", "offset", "limit")
_ID_TOKEN = "/v1/id-token"  # noqa: S105 - a path


@dataclass(frozen=True, slots=True)
class _Question:
    """One kind of question."""

    path: re.Pattern[str]
    methods: tuple[str, ...]
    route: Callable[[re.Match[str]], str | None]


def api_path(path: str) -> str | None:
    """Return the API's route for a path of the task protocol; none when tasks may not ask that."""
    for question in _QUESTIONS:
        if found := question.path.fullmatch(path):
            return question.route(found)
    return None


def methods_of(path: str) -> tuple[str, ...]:
    """Return how a path of the task protocol may be asked."""
    return next((question.methods for question in _QUESTIONS if question.path.fullmatch(path)), ())


def content_route(route: str) -> str:
    """Return where the JSON text of a large XCom is, from the XCom's own route."""
    path, _, query = route.partition("?")
    return f"{path}/content?{query}"


def file_of(path: str) -> str | None:
    """Return the hash of the file that a path asks for; none when it asks for something else."""
    found = _FILE.fullmatch(path)
    return None if found is None else found["sha256"]


def _xcom_route(found: re.Match[str]) -> str | None:
    """The task protocol names the task in the query, the API in the path."""
    key, query = unquote(found["key"]), dict(parse_qsl(found["query"]))
    task = query.pop("task", "")
    if not task or _climbs(task) or _climbs(key):
        return None
    wanted = {name: query[name] for name in _XCOM_QUERY if name in query}
    return f"/v1/task/{found['kind']}/{quote(task, safe='')}/{quote(key, safe='/:')}?{urlencode(wanted)}"


def _keys_route(found: re.Match[str]) -> str:
    query = dict(parse_qsl(found["query"] or ""))
    return f"/v1/task/variables?{urlencode({name: query[name] for name in ('prefix', 'after') if name in query})}"


def _as_it_is(found: re.Match[str]) -> str | None:
    """The API has the same path below ``/v1/task``."""
    path = found[0]
    return None if _climbs(unquote(path)) else "/v1/task" + path.removeprefix("/v1")


def _climbs(path: str) -> bool:
    return ".." in path.split("/")


_QUESTIONS = (
    _Question(re.compile(r"/v1/connections/[^?#]+"), ("GET",), _as_it_is),
    _Question(re.compile(r"/v1/variables/[^?#]+"), ("GET", "PUT", "DELETE"), _as_it_is),
    _Question(re.compile(r"/v1/variables(\?(?P<query>[^#]*))?"), ("GET",), _keys_route),
    _Question(
        re.compile(r"/v1/(?P<kind>xcoms|mapped-xcoms)/(?P<key>[^?#/]+)\?(?P<query>[^#]*)"), ("GET",), _xcom_route
    ),
    _Question(_FILE, ("GET",), _as_it_is),
    _Question(re.compile(re.escape(_ID_TOKEN)), ("POST",), _as_it_is),
    _Question(re.compile(r"/v1/runs"), ("POST",), _as_it_is),
    _Question(
        re.compile(r"/v1/(runs/[^?#/]+|task-instances(/count|/previous)?|dags/[^?#/]+)(\?[^#]*)?"), ("GET",), _as_it_is
    ),
    _Question(re.compile(r"/v1/(asset|assets|asset-events)\?[^#]*"), ("GET",), _as_it_is),
    _Question(re.compile(r"/v1/asset-state/[^?#]+\?[^#]*"), ("GET", "PUT", "DELETE"), _as_it_is),
    _Question(re.compile(r"/v1/asset-state\?[^#]*"), ("GET", "DELETE"), _as_it_is),
    _Question(re.compile(r"/v1/state/[^?#]+"), ("GET",), _as_it_is),
    _Question(re.compile(r"/v1/state\?prefix=[^#&]*"), ("GET",), _as_it_is),
)
