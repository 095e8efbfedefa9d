"""The agent routes of the API, one method each, in the messages of the protocol."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TypeVar
from urllib.parse import quote, urlsplit

from leasehold_agent.calls import Answer, Call, check, decoded, done
from leasehold_agent.errors import Trouble, UnavailableError
from leasehold_agent.identity.key import AgentKey
from leasehold_agent.link.http import ANSWER_LIMIT, Http
from leasehold_agent.link.lines import lines_of
from leasehold_agent.link.session import Session
from leasehold_agent.pieces import Piece
from leasehold_protocol.v1.agents import AgentKeys, HandOver, Hello, HelloAnswer
from leasehold_protocol.v1.context import UploadAnswer, UploadPart, UploadRequest, XComWrite
from leasehold_protocol.v1.grants import StreamGrant, StreamRequest
from leasehold_protocol.v1.leases import (
    LeaseAnswer,
    LeaseRequest,
    OutcomeAnswer,
    OutcomeBatch,
    RenewalAnswer,
    RenewalRequest,
)
from leasehold_protocol.v1.message import Message
from leasehold_protocol.v1.stream import StreamLine
from leasehold_protocol.v1.telemetry import LogAnswer, MetricAnswer, MetricBatch, MetricPoint
from leasehold_protocol.v1.waiting import StateChange, StateChanges

POLL_GRACE_S = 10.0
"""How much longer than the server the client waits for a long poll: 60 s at the default of 50."""
TRANSFER_TIMEOUT_S = 60.0
SHORTEST_TIMEOUT_S = 3.0
"""No request is given less, however short the leases."""
_STREAM_TIMEOUT_S = 7200.0
_COMPRESS_FROM = 1024
_JSON = {"content-type": "application/json"}
_OCTETS = {"content-type": "application/octet-stream"}
_READS_BYTES_PER_S = 20_000_000
M = TypeVar("M", bound=Message)


class Api:
    """One method per route. Each sends once; raises ``LinkError``."""

    def __init__(self, http: Http, session: Session) -> None:
        self._http = http
        self._session = session

    async def hello(self, hello: Hello) -> HelloAnswer:
        """Say who is here; learn the intervals and what became of the attempts on disk."""
        return await self._post("/v1/agent/hello", hello, HelloAnswer)

    async def propose_key(self, key: AgentKey) -> None:
        """Make ``key`` good for this agent too; its first use at the token endpoint retires the other."""
        await self._session.propose(Call(method="PUT", url="/v1/agent/key", headers=_JSON), key)

    async def hand_over(self, thumbprint: str) -> None:
        """Hand this agent over to the key on another machine that has this thumbprint."""
        await self._post("/v1/agent/handover", HandOver(thumbprint=thumbprint), AgentKeys)

    async def lease(self, request: LeaseRequest) -> LeaseAnswer:
        """Wait for work. An empty answer when the wait was over first."""
        call = Call(
            method="POST",
            url="/v1/agent/leases",
            headers=_JSON,
            body=request.model_dump_json().encode(),
            timeout_s=request.wait_s + POLL_GRACE_S,
        )
        answer = await self._session.send(call)
        return LeaseAnswer() if answer.status == 204 else decoded(LeaseAnswer, answer)

    async def stream(self, request: StreamRequest) -> AsyncGenerator[StreamLine, None]:
        """Yield what the API says, for as long as the stream lasts. How long silence may last is for the caller."""
        body = request.model_dump_json().encode()
        call = Call(method="POST", url="/v1/agent/stream", headers=_JSON, body=body, timeout_s=_STREAM_TIMEOUT_S)
        async with aclosing(self._session.download(call)) as chunks:
            async for line in lines_of(chunks, longest=ANSWER_LIMIT):
                yield decoded(StreamLine, Answer(status=200, headers={}, body=line))

    async def grant(self, grant: StreamGrant) -> None:
        """Say how many leases may come on an open stream."""
        body = grant.model_dump_json().encode()
        done(await self._session.send(Call(method="POST", url="/v1/agent/stream/grants", headers=_JSON, body=body)))

    async def is_there(self) -> bool:
        """Say whether the API answers at all."""
        try:
            answer = await self._http.send(Call(method="GET", url="/healthz", timeout_s=SHORTEST_TIMEOUT_S))
        except UnavailableError:
            return False
        return answer.is_success and "json" in answer.headers.get("content-type", "")

    async def renew(self, request: RenewalRequest, *, within_s: float = 15.0) -> RenewalAnswer:
        """Renew every lease held. A dead connection must not cost a lease: the next try needs its time, too."""
        return await self._post("/v1/agent/renewals", request, RenewalAnswer, timeout_s=within_s)

    async def outcomes(self, batch: OutcomeBatch) -> OutcomeAnswer:
        """Deliver endings; perhaps get the next leases."""
        return await self._post("/v1/agent/outcomes", batch, OutcomeAnswer)

    async def log(self, attempt: str, *, offset: int, data: bytes, whole: tuple[int, str] | None = None) -> LogAnswer:
        """Append ``data`` at ``offset``. ``whole`` (length, SHA-256) goes with the last part."""
        headers = {"content-type": "application/octet-stream", "upload-offset": str(offset)}
        if whole is not None:
            headers |= {"upload-length": str(whole[0]), "upload-checksum": f"sha256={whole[1]}"}
        if len(data) >= _COMPRESS_FROM:
            data = gzip.compress(data, compresslevel=6, mtime=0)
            headers["content-encoding"] = "gzip"
        url = f"/v1/attempts/{quote(attempt, safe='')}/log"
        call = Call(method="PATCH", url=url, headers=headers, body=data, timeout_s=TRANSFER_TIMEOUT_S)
        return decoded(LogAnswer, await self._session.send(call))

    async def metrics(self, attempt: str, points: list[MetricPoint]) -> MetricAnswer:
        """Send a batch of points."""
        return await self._post(
            f"/v1/attempts/{quote(attempt, safe='')}/metrics", MetricBatch(points=points), MetricAnswer
        )

    async def xcom(self, attempt: str, key: str, write: XComWrite) -> None:
        """Set one XCom, inline or by naming its upload."""
        url = f"/v1/attempts/{quote(attempt, safe='')}/xcoms/{quote(key, safe='/:')}"
        body = write.model_dump_json(exclude_unset=True).encode()
        call = Call(method="PUT", url=url, headers=_JSON, body=body, timeout_s=TRANSFER_TIMEOUT_S)
        done(await self._session.send(call))

    async def state(self, attempt: str, changes: list[StateChange]) -> None:
        """Send writes to the task's state, in their order."""
        body = StateChanges(changes=changes).model_dump_json(exclude_defaults=True).encode()
        url = f"/v1/attempts/{quote(attempt, safe='')}/state"
        call = Call(method="PUT", url=url, headers=_JSON, body=body, timeout_s=TRANSFER_TIMEOUT_S)
        done(await self._session.send(call))

    async def begin_upload(self, attempt: str, request: UploadRequest) -> UploadAnswer:
        """Ask where the bytes of a large value or a file go, and how many of them are there."""
        route = f"/v1/attempts/{quote(attempt, safe='')}/uploads"
        return await self._post(route, request, UploadAnswer, timeout_s=TRANSFER_TIMEOUT_S)

    async def upload_part(self, url: str, piece: Piece, *, whole: int) -> UploadPart:
        """Send a part of ``whole`` bytes to where it goes."""
        headers = {**_OCTETS, "upload-offset": str(piece.start), "upload-length": str(whole)}
        # With the last part the API makes sure of the hash: it may have to read all of it again.
        rest_s = whole / _READS_BYTES_PER_S if piece.start + piece.length >= whole else 0.0
        return decoded(UploadPart, await self._session.send(_sending("PATCH", url, piece, headers, rest_s)))

    async def upload_whole(self, url: str, piece: Piece) -> None:
        """Send all bytes where they go, to the API or to an object store."""
        call = _sending("PUT", url, piece, _OCTETS, 0.0)
        if self._is_the_apis(url):
            done(await self._session.send(call))
        elif "html" in check(await self._http.send(call)).headers.get("content-type", ""):
            raise UnavailableError(Trouble.NOT_THE_API, "a web page in place of the object store's answer")

    def bundle(self, sha256: str) -> AsyncIterator[bytes]:
        """Yield the bytes of a bundle."""
        return self._session.download(Call(method="GET", url=f"/v1/bundles/{sha256}", timeout_s=TRANSFER_TIMEOUT_S))

    def _is_the_apis(self, url: str) -> bool:
        """Tokens go to the API and to nobody else: not to an object store's presigned address."""
        ours, theirs = urlsplit(self._http.absolute("/")), urlsplit(self._http.absolute(url))
        return (ours.scheme, ours.netloc) == (theirs.scheme, theirs.netloc)

    async def _post(self, url: str, message: Message, answer: type[M], *, timeout_s: float = 15.0) -> M:
        body = message.model_dump_json(exclude_defaults=True).encode()
        call = Call(method="POST", url=url, headers=_JSON, body=body, timeout_s=max(SHORTEST_TIMEOUT_S, timeout_s))
        return decoded(answer, await self._session.send(call))


def _sending(method: str, url: str, piece: Piece, headers: dict[str, str], more_s: float) -> Call:
    sized = {**headers, "content-length": str(piece.length)}
    return Call(method=method, url=url, headers=sized, content=piece.read, timeout_s=TRANSFER_TIMEOUT_S + more_s)


class TaskApi:
    """The task routes, with one attempt's task token. Raises ``LinkError``."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def download(self, url: str, offset: int) -> AsyncIterator[bytes]:
        """Yield a file or a large value, from a byte on."""
        headers = {"range": f"bytes={offset}-"} if offset else {}
        return self._session.download(Call(method="GET", url=url, headers=headers, timeout_s=TRANSFER_TIMEOUT_S))

    async def ask(self, method: str, url: str, body: object) -> tuple[int, object]:
        """Return (status, JSON body) of a task's own question."""
        data = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
        headers = _JSON if data else {}
        answer = await self._session.send(
            Call(method=method, url=url, headers=headers, body=data, timeout_s=TRANSFER_TIMEOUT_S)
        )
        if not answer.body:
            return answer.status, None
        try:
            return answer.status, json.loads(answer.body)
        except ValueError:
            raise UnavailableError(Trouble.NOT_THE_API, "the answer is not JSON") from None
