"""The API as the command sees it: one request, one typed answer, or one error that says what to do.

Beside ``authority`` and ``exchanges`` the only module that knows the HTTP client.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from leasehold.cli.answers import NOT_THE_API, refusal
from leasehold.cli.errors import UnreachableError, WrongInputError
from leasehold.cli.exchanges import ANSWER_S, CONNECT_S, unreachable
from leasehold_protocol.v1.message import Message, Page
from leasehold_protocol.v1.problems import Problem, ProblemCode

M = TypeVar("M", bound=Message)
P = TypeVar("P", bound=Page)
R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")
Query = Mapping[str, str | int | float]

UPLOAD_PIECE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPart:
    """Bytes of a log from one offset on."""

    data: bytes
    next_offset: int
    complete: bool
    """Nothing comes after ``next_offset``, now or later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture(Generic[M]):
    """An object as it is now, and the tag that names this very state of it."""

    value: M
    etag: str | None


class ListPage(Protocol[R_co]):
    """A page of a list, seen by its rows."""

    @property
    def items(self) -> Sequence[R_co]: ...


async def rows(pages: AsyncIterator[ListPage[R]]) -> list[R]:
    """Return the rows of all pages: ``rows(api.pages(path, SiteList))``."""
    return [row async for page in pages for row in page.items]


class TokenSource(Protocol):
    """Gives the token for each request; ``credentials`` has the kinds."""

    def is_ready(self) -> bool: ...
    def current(self) -> str: ...
    def instead_of(self, refused: str) -> str | None: ...


class _Bearer(httpx.Auth):
    """Sends a token along, and once another when the API says that it has ended."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send the request, perhaps twice."""
        # In a thread when it is about to end: it is renewed first, by a request of its own.
        source = self._source
        token = source.current() if source.is_ready() else await asyncio.to_thread(source.current)
        request.headers["Authorization"] = f"Bearer {token}"
        response = yield request
        can_be_sent_again = isinstance(request.stream, httpx.ByteStream)
        if response.status_code != HTTPStatus.UNAUTHORIZED or not can_be_sent_again:
            return
        if not _says_expired(await response.aread()):
            return
        another = await asyncio.to_thread(self._source.instead_of, token)
        if another is not None:
            request.headers["Authorization"] = f"Bearer {another}"
            yield request


def _says_expired(body: bytes) -> bool:
    try:
        return Problem.model_validate_json(body).code is ProblemCode.TOKEN_EXPIRED
    except ValidationError:
        return False


class Api:
    """One API, called as one caller for one team. An async context manager: connections close with it."""

    def __init__(self, *, url: str, credentials: TokenSource, team: str = "default") -> None:
        self.url = url
        self.team = team
        headers = {"User-Agent": "leasehold-cli", "Accept": "application/json"}
        timeout = httpx.Timeout(ANSWER_S, connect=CONNECT_S)
        self._http = httpx.AsyncClient(base_url=url, headers=headers, timeout=timeout, auth=_Bearer(credentials))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    def of_team(self, kind: str, *names: str) -> str:
        """Return the path of something that belongs to the team, each segment quoted.

        Raises:
            WrongInputError: if one of the names can't be one.
        """
        # Keys of variables and assets may have a slash inside; in any other place it would lead to another route.
        allowed = "/" if kind in ("variables", "assets") else ""
        return "/".join(["/v1/teams", _segment(self.team), kind, *(_segment(name, allowed) for name in names)])

    def of_users(self, *names: str) -> str:
        """Return the path of something that belongs to a user, each segment quoted.

        Raises:
            WrongInputError: if one of the names can't be one.
        """
        return "/".join(["/v1/users", *(_segment(name) for name in names)])

    async def get(self, path: str, answer: type[M], query: Query | None = None) -> M:
        """Read one object."""
        return self._read(await self._request("GET", path, query=query), answer)

    async def pages(self, path: str, answer: type[P], query: Query | None = None) -> AsyncIterator[P]:
        """Read a list, page by page, until there is no next one."""
        wanted = dict(query or {})
        while True:
            page = await self.get(path, answer, wanted)
            yield page
            if page.next is None:
                return
            wanted["after"] = page.next

    async def send(self, method: str, path: str, body: Message, answer: type[M]) -> M:
        """Write one object and read what became of it."""
        response = await self._request(
            method, path, content=body.model_dump_json(by_alias=True).encode(), media_type="application/json"
        )
        return self._read(response, answer)

    async def create(self, path: str, answer: type[M]) -> M:
        """Ask for something to be made, and read what it is."""
        return self._read(await self._request("POST", path), answer)

    async def post(self, path: str, body: Message | None = None) -> None:
        """Ask for something whose answer says nothing new."""
        content = None if body is None else body.model_dump_json(by_alias=True).encode()
        await self._request("POST", path, content=content, media_type="application/json" if body else None)

    async def delete(self, path: str) -> None:
        """Remove one object."""
        await self._request("DELETE", path)

    async def changed(self, path: str, answer: type[M], *, etag: str | None, wait_s: float) -> Picture[M] | None:
        """Wait until the object differs from the state that ``etag`` names; none when the wait was over first."""
        headers = {} if etag is None else {"If-None-Match": etag}
        query = {} if etag is None else {"wait_s": wait_s}
        response = await self._request("GET", path, query=query, headers=headers, patience_s=wait_s)
        if response.status_code == HTTPStatus.NOT_MODIFIED:
            return None
        return Picture(value=self._read(response, answer), etag=response.headers.get("etag"))

    async def log_part(self, path: str, *, offset: int, wait_s: float) -> LogPart:
        """Read a log from ``offset``; when there is nothing yet, wait for it up to ``wait_s``."""
        response = await self._request("GET", path, query={"offset": offset, "wait_s": wait_s}, patience_s=wait_s)
        try:
            next_offset = int(response.headers["upload-offset"])
            complete = response.headers["log-complete"] == "true"
        except (KeyError, ValueError) as error:
            raise self._not_the_api() from error
        return LogPart(data=response.content, next_offset=next_offset, complete=complete)

    async def content(self, path: str, *, media_type: str, query: Query) -> AsyncIterator[bytes]:
        """Read an answer of any length piece by piece, as it comes."""
        try:
            async with self._http.stream("GET", path, params=dict(query), headers={"Accept": media_type}) as response:
                if not response.is_success:
                    raise refusal(status=response.status_code, body=await response.aread(), url=self.url)
                if response.headers.get("content-type", "").partition(";")[0] != media_type:
                    raise self._not_the_api()
                async for piece in response.aiter_bytes():
                    yield piece
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise unreachable(self.url, error) from error

    async def has(self, path: str) -> bool:
        """Tell whether something is there already."""
        response = await self._request("HEAD", path, missing_is_an_answer=True)
        return response.status_code != HTTPStatus.NOT_FOUND

    async def upload(self, path: str, data: bytes, *, sent: Callable[[int], None]) -> None:
        """Send bytes, telling ``sent`` how many more have gone out."""
        headers = {"Content-Length": str(len(data))}
        await self._request("PUT", path, content=_in_pieces(data, sent), media_type="application/zip", headers=headers)

    async def _request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        content: bytes | AsyncIterator[bytes] | None = None,
        media_type: str | None = None,
        headers: Mapping[str, str] | None = None,
        patience_s: float = 0.0,
        missing_is_an_answer: bool = False,
    ) -> httpx.Response:
        sent_headers = dict(headers or {}) | ({"Content-Type": media_type} if media_type else {})
        timeout = httpx.Timeout(ANSWER_S + patience_s, connect=CONNECT_S)
        try:
            response = await self._http.request(
                method, path, params=dict(query or {}), content=content, headers=sent_headers, timeout=timeout
            )
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise unreachable(self.url, error) from error
        if response.is_success or response.status_code == HTTPStatus.NOT_MODIFIED:
            return response
        if missing_is_an_answer and response.status_code == HTTPStatus.NOT_FOUND:
            return response
        raise refusal(status=response.status_code, body=response.content, url=self.url)

    def _read(self, response: httpx.Response, answer: type[M]) -> M:
        try:
            return answer.model_validate_json(response.content)
        except ValidationError as error:
            raise self._not_the_api() from error

    def _not_the_api(self) -> UnreachableError:
        return UnreachableError(f"{self.url} answers, but not like a Leasehold API.", NOT_THE_API.format(url=self.url))


def _segment(text: str, allowed: str = "") -> str:
    if text in {"", ".", ".."} or ("/" in text and "/" not in allowed):
        raise WrongInputError(f"{text!r} cannot be a name.", "Names have letters, digits, _ . and -, nothing else.")
    return quote(text, safe="")


async def _in_pieces(data: bytes, sent: Callable[[int], None]) -> AsyncIterator[bytes]:
    for start in range(0, len(data), UPLOAD_PIECE_BYTES):
        piece = data[start : start + UPLOAD_PIECE_BYTES]
        yield piece
        sent(len(piece))
