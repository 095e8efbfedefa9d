"""``/v1/attempts``: logs, metrics and XComs of attempts, as their agents deliver them; and bundles for agents."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from fastapi.responses import StreamingResponse

from leasehold_api.callers import AgentCaller
from leasehold_api.config import Settings
from leasehold_api.errors import ApiError, ForbiddenError
from leasehold_api.fault_points import reach
from leasehold_api.http.access import agent_caller
from leasehold_api.http.answers import answer
from leasehold_api.http.house import house
from leasehold_protocol.v1.context import UploadAnswer, UploadPart, UploadRequest, XComWrite
from leasehold_protocol.v1.message import Key, Sha256
from leasehold_protocol.v1.problems import ProblemCode
from leasehold_protocol.v1.telemetry import LogAnswer, MetricAnswer, MetricBatch

router = APIRouter(prefix="/v1", tags=["attempts"])

Caller = Annotated[AgentCaller, Depends(agent_caller)]


@router.patch(
    "/attempts/{attempt}/log",
    response_model=LogAnswer,
    openapi_extra={"requestBody": {"content": {"application/octet-stream": {"schema": {"type": "string"}}}}},
)
async def append_log(
    request: Request,
    caller: Caller,
    attempt: str,
    upload_offset: Annotated[int, Header(ge=0)],
    upload_length: Annotated[int | None, Header(ge=0)] = None,
    upload_checksum: Annotated[str | None, Header(pattern=r"^sha256=[0-9a-f]{64}$")] = None,
) -> Response:
    """Append bytes at an offset. The answer says where the log stands now."""
    stands = await house(request).delivery.log(
        caller.agent_id,
        attempt,
        offset=upload_offset,
        data=await request.body(),
        length=upload_length,
        sha256=upload_checksum.removeprefix("sha256=") if upload_checksum else None,
    )
    return answer(stands, headers={"Upload-Offset": str(stands.offset)})


@router.post("/attempts/{attempt}/metrics", response_model=MetricAnswer)
async def add_metrics(request: Request, caller: Caller, attempt: str, body: MetricBatch) -> Response:
    """Store measurements; those that came before stay as they are."""
    seq = await house(request).attempts.put_metrics(caller.agent_id, attempt, body.points)
    reach("api.metrics.committed.before-answer")
    return answer(MetricAnswer(seq=seq))


@router.put("/attempts/{attempt}/xcoms/{key:path}", status_code=204)
async def put_xcom(
    request: Request, caller: Caller, attempt: str, key: Annotated[Key, Path()], body: XComWrite
) -> Response:
    """Store a value, or the upload that holds it, unless a newer attempt has the lease."""
    await house(request).delivery.xcom(caller, attempt, key, body)
    return Response(status_code=204)


@router.post("/attempts/{attempt}/uploads", response_model=UploadAnswer)
async def begin_upload(request: Request, caller: Caller, attempt: str, body: UploadRequest) -> Response:
    """Say where a large value's bytes go; nowhere, when they are here already."""
    services = house(request)
    await services.attempts.require(caller.agent_id, attempt)
    _check_size(body.size, services.settings)
    if await services.blobs_of(caller.team_id).has(body.sha256):
        return answer(UploadAnswer())
    offset = await services.uploads_of(caller.team_id).stands(attempt, body.sha256)
    url = f"/v1/attempts/{attempt}/uploads/{body.sha256}"
    return answer(UploadAnswer(url=url, offset=offset, part_bytes=services.settings.upload_part_bytes))


@router.patch(
    "/attempts/{attempt}/uploads/{sha256}",
    response_model=UploadPart,
    openapi_extra={"requestBody": {"content": {"application/octet-stream": {"schema": {"type": "string"}}}}},
)
async def append_upload(
    request: Request,
    caller: Caller,
    attempt: str,
    sha256: Annotated[Sha256, Path()],
    upload_offset: Annotated[int, Header(ge=0)],
    upload_length: Annotated[int, Header(ge=0)],
) -> Response:
    """Take a part of a large value's or a file's bytes, at an offset. What came of a broken request is kept."""
    services = house(request)
    await services.attempts.require(caller.agent_id, attempt)
    _check_size(upload_length, services.settings)
    stands, complete = await services.uploads_of(caller.team_id).append(
        attempt, sha256, request.stream(), offset=upload_offset, length=upload_length
    )
    reach("api.part.durable.before-answer")
    return answer(UploadPart(offset=stands, complete=complete), headers={"Upload-Offset": str(stands)})


@router.put("/attempts/{attempt}/uploads/{sha256}", status_code=204)
async def upload(request: Request, caller: Caller, attempt: str, sha256: Annotated[Sha256, Path()]) -> Response:
    """Take a large value's bytes."""
    services = house(request)
    await services.attempts.require(caller.agent_id, attempt)
    blobs = services.blobs_of(caller.team_id)
    await blobs.put(sha256, request.stream(), most_bytes=services.settings.most_blob_bytes)
    return Response(status_code=204)


def _check_size(size: int, settings: Settings) -> None:
    if size > settings.most_file_bytes:
        raise ApiError(
            f"{size} bytes are more than most_file_bytes = {settings.most_file_bytes}: an admin can raise it; "
            "otherwise bring it to a store of your own and pass its address",
            code=ProblemCode.BODY_TOO_LARGE,
        )


@router.get("/bundles/{sha256}")
async def get_bundle(request: Request, caller: Caller, sha256: Annotated[Sha256, Path()]) -> Response:
    """Return the code of a DAG version that this agent holds a lease for."""
    services = house(request)
    if not await services.attempts.holds_bundle(caller.agent_id, sha256):
        raise ForbiddenError("this agent holds no lease that needs this bundle")
    return StreamingResponse(services.blobs_of(caller.team_id).open(sha256), media_type="application/zip")
