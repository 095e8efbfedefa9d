"""Files: what the task pushes is streamed to the disk; what it reads the agent fetches there first."""

from __future__ import annotations

import asyncio
import re
import shutil
from dataclasses import dataclass

from leasehold.runtime.rules.asking import READ_WAIT_S, api_out_of_reach, wait_s
from leasehold_agent.host import checks
from leasehold_agent.host.checks import Object
from leasehold_agent.host.files import Files
from leasehold_agent.host.http_wire import Answer, RefusedRequestError, Request, refusal
from leasehold_agent.host.lease import HostLease
from leasehold_agent.host.task_calls.calls import Calls
from leasehold_agent.host.task_calls.forwarding import answered
from leasehold_agent.host.task_calls.notes import Notes

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class FileCalls:
    """A value names a file by its hash; here are its bytes."""

    lease: HostLease
    files: Files
    notes: Notes

    def calls(self) -> Calls:
        """Return the paths of this room."""
        return {"/v1/files": {"PUT": self._push}, "/v1/files/": {"GET": self._read}}

    async def _push(self, _: str, request: Request) -> Answer:
        limit = self.lease.file_bytes
        if limit is None:
            detail = "the API of this agent takes no files: update it, or bring the file to a store of your own"
            raise RefusedRequestError(413, "body_too_large", detail, closes=True)
        length = request.stream.length or 0
        if length > limit:
            raise _too_large(length, limit)
        free = shutil.disk_usage(self.files.root).free
        if length > free:
            detail = f"the file has {length} bytes, and the disk of this site only {free} free: free some space"
            raise RefusedRequestError(503, "unavailable", f"{detail}, then try again")
        try:
            sha256, size = await self.files.keep(request.stream, limit=limit)
        except RefusedRequestError as refusal:
            raise (_too_large(None, limit) if refusal.status == 413 else refusal) from None
        return Answer.json({"sha256": sha256, "size": size})

    async def _read(self, sha256: str, request: Request) -> Answer:
        if not _SHA256.fullmatch(sha256):
            raise checks.invalid("a file is named by its SHA-256: 64 digits, 0-9 and a-f")
        path = self.files.find(sha256)
        if path is None:
            found = await self._fetched(sha256, request)
            path = self.files.find(sha256)
            if path is None:
                return answered(found) if found.get("status") != 200 else _lost(sha256)
        return Answer(status=200, media_type="application/octet-stream", more=(path,))

    async def _fetched(self, sha256: str, request: Request) -> Object:
        """Have the agent fetch a file: the task's patience begins anew with each part that arrives."""
        limit_s = wait_s(request.headers.get("leasehold-wait"), READ_WAIT_S)
        asking = asyncio.ensure_future(self.notes.ask("GET", f"/v1/files/{sha256}"))
        here = self.files.progress(sha256)
        try:
            while not (await asyncio.wait([asking], timeout=limit_s))[0]:
                before, here = here, self.files.progress(sha256)
                if here <= before:
                    raise api_out_of_reach(limit_s)
            return asking.result()
        finally:
            asking.cancel()


def _too_large(length: int | None, limit: int) -> RefusedRequestError:
    has = "the file has more" if length is None else f"the file has {length} bytes, more"
    cure = "compress it or push it in several files; an admin can raise most_file_bytes, a site's owner its policy"
    return RefusedRequestError(
        413, "body_too_large", f"{has} than the {limit} bytes that are taken: {cure}", closes=True
    )


def _lost(sha256: str) -> Answer:
    detail = f"the file {sha256} was fetched and is gone from the attempt's directory: nothing may be removed there"
    return refusal(RefusedRequestError(500, "internal", detail))
