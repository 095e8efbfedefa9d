"""``/updates``: the repository that agents update from, as a folder of files that ``packaging/release.py`` made.

Anybody may read it: what is in it is signed and no secret, and an agent that is locked, or can't sign in because of a
defect, has to get the version that mends it all the same.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import FileResponse

from leasehold_api.errors import NotFoundError
from leasehold_api.http.house import house

router = APIRouter(tags=["updates"])
_SERVED = ("metadata", "targets")
_NEWEST = "timestamp.json"
"""The one file that changes under its name; every other one has a version or a hash in it."""


@router.get(
    "/updates/{path:path}",
    response_class=FileResponse,
    responses={200: {"description": "The file.", "content": {"application/octet-stream": {}}}},
)
def update_file(request: Request, path: str) -> FileResponse:
    """Return one file of the repository."""
    folder = house(request).settings.updates_dir
    if folder is None:
        raise NotFoundError("this service serves no updates: leasehold-api serve --updates DIR")
    file = find(folder, path)
    if file is None:
        raise NotFoundError("the repository of updates has no such file")
    kept = "no-cache" if file.name == _NEWEST else "public, max-age=86400"
    return FileResponse(file, media_type="application/octet-stream", headers={"Cache-Control": kept})


def find(folder: Path, path: str) -> Path | None:
    """Return the file of a repository at ``path``; none when there is none, or it would be one outside."""
    parts = path.split("/")
    if parts[0] not in _SERVED or any(
        part in ("", ".", "..") or part.startswith(".") or "\0" in part for part in parts
    ):
        return None
    root = folder.resolve()
    file = root.joinpath(*parts)
    try:
        return file if file.is_file() and file.resolve().is_relative_to(root) else None
    except OSError:  # a name that no file system takes
        return None
