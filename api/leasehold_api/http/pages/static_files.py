"""The style sheet and the scripts of the pages."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Response

from leasehold_api.errors import NotFoundError

router = APIRouter(include_in_schema=False)

_DIRECTORY = Path(__file__).parent / "static"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_FILES = {file.name: file.read_bytes() for file in _DIRECTORY.iterdir() if file.suffix in _TYPES}


@router.get("/static/{name}")
async def static_file(name: str) -> Response:
    """Return a file that pages use: one of a fixed few, read at the start."""
    if name not in _FILES:
        raise NotFoundError(f"there is no file {name}")
    headers = {"Cache-Control": "public, max-age=300", "X-Content-Type-Options": "nosniff"}
    return Response(_FILES[name], media_type=_TYPES[Path(name).suffix], headers=headers)
