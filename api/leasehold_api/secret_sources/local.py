"""Secrets on the server itself: environment variables with a prefix, files in a directory."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from leasehold_api.context.references import WHOLE
from leasehold_api.context.resolving import Found, RefusedSourceError, SourceAwayError

LARGEST_FILE = 64 * 1024


def for_team(pattern: str, team: str) -> str:
    """Return a setting with ``{team}`` in it as it is for one team, whose name has no slash and begins with no dot."""
    return pattern.replace("{team}", team)


class EnvironmentSource:
    """Environment variables of the service whose names have a prefix."""

    def __init__(self, prefix: str, environment: Mapping[str, str]) -> None:
        self._prefix = prefix
        self._environment = environment

    async def read(self, path: str, *, team: str) -> Found:
        """Return the variable's value; see the port."""
        prefix = for_team(self._prefix, team)
        if not path.startswith(prefix):
            raise RefusedSourceError(f"only environment variables that begin with {prefix} may be referred to")
        if path not in self._environment:
            raise RefusedSourceError("the service has no such environment variable")
        return Found(fields={WHOLE: self._environment[path]})


class FileSource:
    """Files in a directory, symbolic links followed first."""

    def __init__(self, directory: Path) -> None:
        self._directory = str(directory)

    async def read(self, path: str, *, team: str) -> Found:
        """Return the file's text, without the line's end; see the port."""
        # In a thread: the directory may be on a network, and hang.
        return Found(fields={WHOLE: await asyncio.to_thread(_text_of, path, Path(for_team(self._directory, team)))})


def _text_of(path: str, directory: Path) -> str:
    try:
        file = Path(path).resolve(strict=True)
        if not file.is_relative_to(directory.resolve()):
            raise RefusedSourceError(f"only files in {directory} may be referred to")
        # The resolved name has no link in it; should it have become one meanwhile, it is not followed.
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise RefusedSourceError("it is not a file")
            with os.fdopen(descriptor, "rb", closefd=False) as opened:
                data = opened.read(LARGEST_FILE + 1)
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        raise RefusedSourceError(f"there is no such file in {directory}") from None
    except PermissionError:
        raise RefusedSourceError("the service may not read it") from None
    except (OSError, RuntimeError, ValueError) as error:
        raise SourceAwayError(f"it can't be read now ({type(error).__name__})") from None
    if len(data) > LARGEST_FILE:
        raise RefusedSourceError(f"it is longer than {LARGEST_FILE} bytes")
    try:
        return data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise RefusedSourceError("it is not text (UTF-8)") from None
